"""Edited trees: what changes is what was asked for, and nothing else."""

import stat
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.formats.made_tables import Node, device, directory, symlink
from tests.formats.rafs.laws import check_laws
from tests.image import edits
from tests.image.edits import Model, changes_of, described, pack_contents, put_file, stored, trees
from tests.image.small_trees import synthetic

from rafsight.base.errors import Defect
from rafsight.base.limits import Limits
from rafsight.formats.judge import Collector
from rafsight.formats.rafs.codec import check_bootstrap, read_bootstrap, write_bootstrap
from rafsight.formats.tables import Xattr
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Changes, Put
from rafsight.image.edit import PackedContents, edit_tree
from rafsight.image.edit_draft import ImpossibleChange
from rafsight.image.tree import ImageTree, NoSuchPath, WrongKind
from rafsight.image.validate import check_tables

VERSIONS = some.sampled_from((5, 6))
NOTHING = Changes()
TREE = {
    b"": directory(mode=0o751),
    b"bin": symlink(b"usr/bin"),
    b"usr/bin/sh": Node(content=b"shell", mode=stat.S_IFREG | 0o4755, uid=1, gid=2, mtime=(3, 4)),
    b"usr/bin/same/name": Node(same_as=b"usr/bin/sh"),
    b"usr/lib/x/deep": Node(content=b"d" * 20_000, xattrs={b"user.k": b"v", b"security.s": b"\0"}),
    b"usr/lib/y": directory(uid=5, xattrs={b"user.k": b"v"}),
    b"dev/null": device(stat.S_IFCHR, 1, 3),
}


def edited(tables, blobs, changes):
    """Edit; the laws hold, and no check finds anything."""
    found = edit_tree(ImageTree(tables), changes, pack_contents(tables, changes, blobs))
    check_laws(found)
    judge = Collector()
    check_tables(found, judge)
    # a chunk that no file has any more is left out by whoever writes
    assert not [fault for fault in judge.faults if fault.rule.code != "chunk-unused"]
    return found


def edit(changes, version=6, tree=TREE):
    tables, blobs = stored(tree, version)
    before = described(tables, blobs)
    return before, described(edited(tables, blobs, changes), blobs)


def difference(before, after):
    return {path: (before.get(path), after.get(path)) for path in before | after if before.get(path) != after.get(path)}


@settings(max_examples=25)
@given(nodes=trees(), version=VERSIONS)
def test_editing_nothing_changes_nothing(nodes, version):
    tables, blobs = stored(nodes, version)
    assert described(edited(tables, blobs, NOTHING), blobs) == described(tables, blobs)


@settings(max_examples=80)
@given(nodes=trees(), version=VERSIONS, data=some.data())
def test_edits_do_what_the_slow_model_does(nodes, version, data):
    tables, blobs = stored(nodes, version)
    changes = data.draw(changes_of(tables, blobs))
    model = Model(tables, blobs)
    model.apply(changes)
    assert described(edited(tables, blobs, changes), blobs) == model.described()


@settings(max_examples=40)
@given(nodes=trees(), version=VERSIONS, data=some.data())
def test_what_was_edited_can_be_written_and_read_again(nodes, version, data):
    tables, blobs = stored(nodes, version)
    read = read_bootstrap(write_bootstrap(tables), name="", limits=Limits())
    changes = data.draw(changes_of(read, blobs))
    found = edited(read, blobs, changes)
    written = write_bootstrap(found)
    judge = Collector()
    again = check_bootstrap(written, name="", limits=Limits(), judge=judge)
    check_tables(again, judge)
    assert not judge.faults
    assert described(again, blobs) == described(found, blobs)
    assert described(read_bootstrap(write_bootstrap(edited(again, blobs, NOTHING)), name="", limits=Limits()), blobs)


@settings(max_examples=25)
@given(nodes=trees(), version=VERSIONS, content=edits.contents, name=edits.names)
def test_what_came_can_go_again(nodes, version, content, name):
    tables, blobs = stored(nodes, version)
    path = b"quite/new/" + name
    there = edited(tables, blobs, Changes(puts=(put_file(path, content),)))
    assert path in described(there, blobs)
    gone = edited(there, blobs, Changes(removed=(b"quite",)))
    assert described(gone, blobs) == described(tables, blobs)


def test_a_replaced_file_keeps_what_is_not_said():
    before, after = edit(Changes(puts=(put_file(b"usr/lib/x/deep", b"new"),)))
    changed = difference(before, after)
    assert list(changed) == [b"usr/lib/x/deep"]
    (_, old), (_, new) = changed[b"usr/lib/x/deep"]
    assert new == replace(old, content=b"new")
    assert new.xattrs


def test_a_replaced_file_is_the_same_by_all_its_names():
    before, after = edit(Changes(puts=(put_file(b"usr/bin/sh", b"new", mtime=5),)))
    assert set(difference(before, after)) == {b"usr/bin/sh", b"usr/bin/same/name"}
    assert after[b"usr/bin/sh"] == after[b"usr/bin/same/name"]
    assert after[b"usr/bin/sh"][1].mode & 0o7777 == 0o4755


def test_a_name_that_was_removed_first_parts_from_the_others():
    changes = Changes(removed=(b"usr/bin/sh",), puts=(put_file(b"usr/bin/sh", b"new"),))
    before, after = edit(changes)
    assert set(difference(before, after)) == {b"usr/bin/sh"}
    assert after[b"usr/bin/same/name"][1] == before[b"usr/bin/sh"][1]
    assert after[b"usr/bin/sh"][1] == edits.Thing(mode=stat.S_IFREG | 0o644, content=b"new")


def test_a_removed_name_leaves_the_others():
    before, after = edit(Changes(removed=(b"usr/bin/sh",)))
    assert set(difference(before, after)) == {b"usr/bin/sh"}
    assert after[b"usr/bin/same/name"] == before[b"usr/bin/sh"]


def test_a_folder_that_comes_over_a_folder_keeps_what_is_in_it():
    put = Put(path=b"usr/lib", kind=MemberKind.DIRECTORY, mode=0o700)
    before, after = edit(Changes(puts=(put,)))
    assert list(difference(before, after)) == [b"usr/lib"]


def test_the_root_can_be_changed():
    put = Put(path=b"", kind=MemberKind.DIRECTORY, mode=0o1777, xattrs=(Xattr(name=b"user.r", value=b"1"),))
    before, after = edit(Changes(puts=(put,)))
    assert list(difference(before, after)) == [b""]
    assert after[b""][1].mode == stat.S_IFDIR | 0o1777


def test_removing_a_folder_takes_what_is_below_even_where_that_is_named_too():
    _, after = edit(Changes(removed=(b"usr/lib", b"usr/lib/x/deep", b"usr/lib")))
    assert set(after) == {b"", b"bin", b"usr", b"usr/bin", b"usr/bin/sh", b"usr/bin/same", b"usr/bin/same/name",
                          b"dev", b"dev/null"}  # fmt: skip


def test_names_of_folders_that_were_replaced_mean_the_new_ones():
    """A folder that was looked up, went, and came again as a new one."""
    puts = (
        put_file(b"usr/lib/x/one", b"1"),
        put_file(b"usr/lib", b"a file now"),
        Put(path=b"usr/lib", kind=MemberKind.DIRECTORY),
        put_file(b"usr/lib/x/two", b"2"),
    )
    _, after = edit(Changes(puts=puts))
    assert {path for path in after if path.startswith(b"usr/lib")} == {b"usr/lib", b"usr/lib/x", b"usr/lib/x/two"}


def test_hard_links_to_others_than_files_are_copies():
    _, after = edit(Changes(puts=(Put(path=b"dev/zero", kind=MemberKind.HARDLINK, target=b"dev/null"),)))
    assert after[b"dev/zero"] == (b"dev/zero", after[b"dev/null"][1])


def test_a_path_may_be_as_deep_as_paths_can_be():
    deep = b"/".join([b"d"] * 2000)
    _, after = edit(Changes(puts=(put_file(deep, b"x"),)))
    assert after[deep][1].content == b"x"
    assert len(after) == len(edit(NOTHING)[1]) + 2000


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (Changes(removed=(b"no",)), NoSuchPath),
        (Changes(removed=(b"bin/sh",)), NoSuchPath),
        (Changes(removed=(b"usr/bin/sh/below",)), NoSuchPath),
        (Changes(removed=(b"",)), ImpossibleChange),
        (Changes(removed=(b"usr/../bin",)), ImpossibleChange),
        (Changes(puts=(put_file(b""),)), ImpossibleChange),
        (Changes(puts=(put_file(b"a//b"),)), ImpossibleChange),
        (Changes(puts=(put_file(b"a/"),)), ImpossibleChange),
        (Changes(puts=(put_file(b"n" * 256),)), ImpossibleChange),
        (Changes(puts=(put_file(b"a\0b"),)), ImpossibleChange),
        (Changes(puts=(put_file(b"/".join([b"d"] * 2049)),)), ImpossibleChange),
        (Changes(puts=(put_file(b"bin/new"),)), WrongKind),
        (Changes(puts=(put_file(b"usr/bin/sh/new"),)), WrongKind),
        (Changes(puts=(Put(path=b"l", kind=MemberKind.HARDLINK, target=b"no"),)), NoSuchPath),
        (Changes(puts=(Put(path=b"l", kind=MemberKind.HARDLINK, target=b"usr"),)), WrongKind),
        (Changes(puts=(Put(path=b"l", kind=MemberKind.SYMLINK, target=b""),)), ImpossibleChange),
        (Changes(puts=(Put(path=b"l", kind=MemberKind.SYMLINK, target=b"t" * 4096),)), ImpossibleChange),
        (Changes(puts=(Put(path=b"l", kind=MemberKind.OTHER),)), ImpossibleChange),
        (
            Changes(removed=(b"usr",), puts=(Put(path=b"l", kind=MemberKind.HARDLINK, target=b"usr/bin/sh"),)),
            NoSuchPath,
        ),
    ],
)
def test_what_cannot_be_is_refused(changes, error):
    with pytest.raises(error):
        edit(changes)


def test_contents_that_were_packed_for_other_changes_are_refused():
    tables, blobs = stored(TREE, 6)
    changes = Changes(puts=(put_file(b"new", b"n" * 9000),))
    packed = pack_contents(tables, changes, blobs)
    other = Changes(puts=(put_file(b"new", b"n" * 20_000),))
    for wrong in (packed, replace(packed, rows=(packed.rows[0][:1],))):
        with pytest.raises(Defect):
            edit_tree(ImageTree(tables), other, wrong)


def test_what_is_fetched_first_stays_as_far_as_it_is_there():
    tables, blobs = stored(TREE, 5)
    rows = ImageTree(tables)
    wanted = [b"usr/bin/same/name", b"usr/lib/x/deep", b"usr/lib"]
    tables = replace(tables, prefetch=np.array([tables.entries.ino[rows.lookup(path)] for path in wanted], np.uint64))
    changes = Changes(removed=(b"usr/lib/x",), puts=(put_file(b"a/first", b"1"), put_file(b"usr/bin/sh", b"2")))
    found = edited(tables, blobs, changes)
    first = found.entries.link_row.tolist().index
    paths = ImageTree(found).paths()
    assert [paths[first(int(ino) - 1)] for ino in found.prefetch.tolist()] == [b"usr/bin/sh", b"usr/lib"]


def test_the_same_edit_gives_the_same_bytes():
    tables, blobs = stored(TREE, 6)
    changes = Changes(puts=(put_file(b"new", b"n" * 9000), put_file(b"usr/x", b"y")))
    one, other = (write_bootstrap(edited(tables, dict(blobs), changes)) for _ in range(2))
    assert one == other


def test_a_hundred_thousand_entries_are_edited_in_a_moment():
    tree = synthetic(100_000)
    paths = [path for row, path in enumerate(tree.paths()) if tree.is_file(row)][:: 100_000 // 500]
    empty = tuple(np.zeros(0, np.int32) for _ in paths)
    changes = Changes(puts=tuple(Put(path=path, kind=MemberKind.FILE) for path in paths))
    packed = PackedContents(chunks=tree.tables.chunks, blobs=tree.tables.blobs, rows=empty)
    began = time.process_time()
    found = edit_tree(tree, changes, packed)
    assert time.process_time() - began < 10  # each anew would be fifty million look-ups
    assert len(found.entries.mode) == len(tree)
