"""Wishes: where paths lead, what comes there, and what is refused."""

import os
from dataclasses import dataclass

import pytest
from tests.verbs.repair.layouts import local_file

from rafsight.formats.tar import MemberKind
from rafsight.image.edit_draft import ImpossibleChange
from rafsight.image.merge_changes import ConflictingChanges
from rafsight.image.tree import ImageTree, NoSuchPath, TooManyLinks, WrongKind
from rafsight.testing.trees import Link, build_image
from rafsight.verbs.repair.local_files import UnusableLocalFile
from rafsight.verbs.repair.planning import AlreadyThere, plan_changes
from rafsight.verbs.repair.wishes import Addition, Removal, Replacement, Wishes

FILES = {
    b"usr/lib/x/file": b"file",
    b"usr/bin/tool": b"tool",
    b"lib": Link(b"usr/lib"),
    b"alias": Link(b"/lib/x/file"),
    b"away": Link(b"no/where"),
    b"round": Link(b"round"),
    b"etc/conf.d/a": b"a",
    b"empty": None,
}


@dataclass
class Opened:
    """As much of an image as planning needs."""

    tree: ImageTree


@pytest.fixture
def image():
    return Opened(ImageTree(build_image(FILES).tables))


@pytest.fixture
def new(tmp_path):
    return local_file(tmp_path, "new", b"new", mode=0o4750)


def plan(image, *wishes):
    return plan_changes(image, Wishes(files=wishes)).changes


def attributes(put):
    return put.path, put.kind, put.mode, put.uid, put.mtime, put.target


def data(put):
    with put.content.open() as pieces:
        return b"".join(pieces)


@pytest.mark.parametrize("path", [b"/usr/lib/x/file", b"lib/x/file", b"/lib/../lib/./x//file", b"/alias", b"alias"])
def test_replaced_files_are_those_that_links_lead_to(image, new, path):
    (put,) = plan(image, Replacement(path=path, local=new)).puts
    assert (put.path, put.kind, put.mode, put.uid, put.gid, put.xattrs) == (
        b"usr/lib/x/file", MemberKind.FILE, None, None, None, None,
    )  # fmt: skip
    assert (put.mtime, data(put)) == (new.stat().st_mtime_ns, b"new")


@pytest.mark.parametrize(
    ("path", "removed"),
    [
        (b"/lib/x/file", b"usr/lib/x/file"),
        (b"/alias", b"alias"),
        (b"/lib", b"lib"),
        (b"/lib/", b"usr/lib"),
        (b"/away", b"away"),
        (b"etc", b"etc"),
    ],
)
def test_links_are_removed_themselves(image, path, removed):
    assert plan(image, Removal(path=path)).removed == (removed,)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (b"/lib/y", b"usr/lib/y"),
        (b"/lib/y/", b"usr/lib/y/new"),
        (b"/", b"new"),
        (b"/lib/new/deep/er", b"usr/lib/new/deep/er"),
        (b"/lib/x/../y", b"usr/lib/y"),
        (b"opt", b"opt"),
    ],
)
def test_added_files_come_to_the_real_folder(image, new, path, place):
    (put,) = plan(image, Addition(path=path, local=new)).puts
    assert attributes(put) == (place, MemberKind.FILE, 0o4750, 0, new.stat().st_mtime_ns, b"")
    (put,) = plan(image, Addition(path=path, local=new, mode=0o600)).puts
    assert (put.mode, data(put)) == (0o600, b"new")


def test_a_folder_comes_with_all_that_is_below_it(image, tmp_path):
    top = tmp_path / "top"
    local_file(top, "x/inner", b"inner", mode=0o600)
    local_file(top, "own", b"own", mode=0o755)
    (top / "x").chmod(0o700)
    os.utime(top / "x", ns=(5, 6))
    (top / "link").symlink_to(b"some//where/")
    changes = plan(image, Addition(path=b"/lib", local=top, mode=0o644))
    assert [(put.path, put.kind, put.mode, put.target) for put in changes.puts] == [
        (b"usr/lib/link", MemberKind.SYMLINK, None, b"some//where/"),
        (b"usr/lib/own", MemberKind.FILE, 0o644, b""),
        (b"usr/lib/x/inner", MemberKind.FILE, 0o644, b""),
    ]
    changes = plan(image, Addition(path=b"/opt/", local=top))
    assert [(put.path, put.kind, put.mode) for put in changes.puts][1:] == [
        (b"opt/link", MemberKind.SYMLINK, None),
        (b"opt/own", MemberKind.FILE, 0o755),
        (b"opt/x", MemberKind.DIRECTORY, 0o700),
        (b"opt/x/inner", MemberKind.FILE, 0o600),
    ]
    assert (changes.puts[0].path, changes.puts[3].mtime) == (b"opt", 6)


def test_what_is_removed_can_be_made_anew(image, new):
    changes = plan(image, Removal(path=b"/lib/x"), Addition(path=b"/lib/x/file", local=new))
    assert changes.removed == (b"usr/lib/x",)
    assert [put.path for put in changes.puts] == [b"usr/lib/x/file"]


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        (lambda new: Replacement(path=b"/no", local=new), NoSuchPath),
        (lambda new: Replacement(path=b"/away", local=new), NoSuchPath),
        (lambda new: Replacement(path=b"/etc", local=new), WrongKind),
        (lambda new: Replacement(path=b"/round", local=new), TooManyLinks),
        (lambda new: Replacement(path=b"/alias", local=new.parent), UnusableLocalFile),
        (lambda new: Replacement(path=b"/alias", local=new.parent / "no"), UnusableLocalFile),
        (lambda new: Removal(path=b"/no"), NoSuchPath),
        (lambda new: Removal(path=b"/"), ImpossibleChange),
        (lambda new: Removal(path=b"/usr/.."), ImpossibleChange),
        (lambda new: Addition(path=b"/lib/x/file", local=new), AlreadyThere),
        (lambda new: Addition(path=b"/alias", local=new), AlreadyThere),
        (lambda new: Addition(path=b"/away", local=new), AlreadyThere),
        (lambda new: Addition(path=b"/empty", local=new), AlreadyThere),
        (lambda new: Addition(path=b"", local=new), AlreadyThere),
        (lambda new: Addition(path=b"/usr/bin/tool", local=new.parent), AlreadyThere),
        (lambda new: Addition(path=b"/usr/bin/tool/x", local=new), WrongKind),
        (lambda new: Addition(path=b"/round/x", local=new), TooManyLinks),
        (lambda new: Addition(path=b"/no/../x", local=new), ImpossibleChange),
        (lambda new: Addition(path=b"/x", local=new.parent / "no"), UnusableLocalFile),
        (lambda new: Addition(path=b"/x", local=new.parent / "n\0o"), UnusableLocalFile),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(image, new, wish, error):
    with pytest.raises(error):
        plan(image, wish(new))


def test_two_wishes_for_one_path_are_refused(image, new):
    for other in (Removal(path=b"/usr"), Replacement(path=b"/alias", local=new)):
        with pytest.raises(ConflictingChanges):
            plan(image, Replacement(path=b"/lib/x/file", local=new), other)


def test_other_kinds_of_local_files_are_refused(image, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for local in (tmp_path / "pipe", tmp_path):
        with pytest.raises(UnusableLocalFile, match="neither a file nor a folder"):
            plan(image, Addition(path=b"/x", local=local))


def test_local_files_may_not_change_while_they_are_read(image, new):
    (put,) = plan(image, Addition(path=b"/x", local=new)).puts
    new.write_bytes(b"longer than it was")
    with pytest.raises(UnusableLocalFile, match="longer"):
        data(put)
    new.write_bytes(b"")
    with pytest.raises(UnusableLocalFile, match="shorter"):
        data(put)
    new.unlink()
    with pytest.raises(UnusableLocalFile, match="No such file"):
        data(put)
