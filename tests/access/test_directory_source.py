"""A folder as members: what `os.walk` and `lstat` say, in one order, and nothing of what links lead to."""

import os
import shutil
import socket
import stat
import subprocess
import tempfile
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from rafsight.access.backend import NoSuchFile
from rafsight.access.directory_source import LeftOut, _Walk, read_folder
from rafsight.access.folder_content import Blame, SourceChanged, UnreadableSource
from rafsight.base.errors import Defect, ExitStatus, HostLimit
from rafsight.base.limits import Limits
from rafsight.base.units import MiB
from rafsight.formats.tables import Xattr
from rafsight.formats.tar import MemberKind, read_members
from rafsight.image.overlay import LayerMerger, LayerSource
from rafsight.image.tree import ImageTree

CONTENT = bytes(range(256)) * 6000


@pytest.fixture
def source(tmp_path):
    """A folder with most of what folders have."""
    root = tmp_path / "root"
    for path in ("etc", "usr/share/deep/er", "empty", "a.d"):
        (root / path).mkdir(parents=True)
    (root / "etc/name").write_bytes(b"name")
    (root / "etc/big").write_bytes(CONTENT)
    (root / "usr/share/deep/er/file").write_bytes(b"")
    (root / "a").write_bytes(b"a")
    (root / "a.d/x").write_bytes(b"x")
    (root / os.fsdecode(b"\xff\xfe")).write_bytes(b"not utf-8")
    (root / "link").symlink_to("/etc/passwd")
    (root / "folder-link").symlink_to("usr")
    (root / "dangling").symlink_to("none")
    os.mkfifo(root / "pipe", 0o640)
    os.link(root / "etc/name", root / "usr/other-name")
    os.link(root / "etc/name", root / "a.d/first-name")
    (root / "etc/big").chmod(0o4755)
    os.utime(root / "etc/big", ns=(1, 1_234_567_890_123_456_789))
    os.utime(root / "link", ns=(1, -5_000_000_001), follow_symlinks=False)
    return root


def entries(folder):
    """Return what the system says of all entries, by path."""
    found = {b"": os.lstat(folder)}
    for place, folders, files in os.walk(os.fsencode(folder)):
        for name in folders + files:
            path = place + b"/" + name
            found[os.path.relpath(path, os.fsencode(folder))] = os.lstat(path)
    return found


def read(folder, **more):
    """Return all members by path, and their contents."""
    return {member.name: (member, member.content.read(1 << 30)) for member in read_folder(folder, **more)}


def test_every_entry_is_there_as_the_system_has_it(source):
    found = read(source)
    expected = entries(source)
    assert found.keys() == expected.keys()
    for path, (member, content) in found.items():
        status = expected[path]
        assert (member.mode, member.uid, member.gid, member.mtime) == (
            stat.S_IMODE(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_mtime_ns,
        )
        is_link = member.kind == MemberKind.HARDLINK
        assert member.kind in _kinds(status)
        size = status.st_size if stat.S_ISREG(status.st_mode) and not is_link else 0
        assert member.size == member.content.size == len(content) == size
        assert (member.segments, member.rdev) == (None, 0)
    assert found[b"etc/big"][1] == CONTENT
    assert found[b"\xff\xfe"][1] == b"not utf-8"
    targets = {path: member.target for path, (member, _) in found.items() if member.kind == MemberKind.SYMLINK}
    assert targets == {b"link": b"/etc/passwd", b"folder-link": b"usr", b"dangling": b"none"}
    assert found[b"link"][0].mtime == -5_000_000_001


def _kinds(status):
    kind = stat.S_IFMT(status.st_mode)
    names = {
        stat.S_IFREG: {MemberKind.FILE, MemberKind.HARDLINK},
        stat.S_IFDIR: {MemberKind.DIRECTORY},
        stat.S_IFLNK: {MemberKind.SYMLINK},
        stat.S_IFIFO: {MemberKind.FIFO},
    }
    return names[kind]


def test_the_order_is_that_of_the_bytes_and_parents_come_first(source):
    names = [member.name for member in read_folder(source)]
    assert names == sorted(names, key=lambda name: name.split(b"/") if name else [])
    assert names.index(b"a") < names.index(b"a.d") < names.index(b"a.d/x") < names.index(b"dangling")


def test_the_first_name_of_a_file_is_the_file(source):
    found = read(source)
    assert found[b"a.d/first-name"][0].kind == MemberKind.FILE
    assert found[b"a.d/first-name"][1] == b"name"
    for name in (b"etc/name", b"usr/other-name"):
        member = found[name][0]
        assert (member.kind, member.target, member.xattrs) == (MemberKind.HARDLINK, b"a.d/first-name", ())
    found = read(source, exclude=[b"a.d"])
    assert found[b"usr/other-name"][0].target == b"etc/name"


def test_places_of_contents_ascend_and_never_meet(source):
    places = [(member.content_offset, member.content.size) for member in read_folder(source)]
    assert all(start + size < following for (start, size), (following, _) in pairwise(places))


def test_what_is_excluded_is_not_there(source):
    left_out = []
    found = read(source, exclude=[b"usr/share", b"/etc/big/", b"a.", b"none"], left_out=left_out)
    expected = {path for path in entries(source) if not path.startswith(b"usr/share") and path != b"etc/big"}
    assert found.keys() == expected
    assert left_out == []


def test_what_no_image_holds_is_left_out_and_listed(source):
    (source / "etc/.wh.x").write_bytes(b"")
    (source / ".wh.folder").mkdir()
    (source / ".wh.folder/inside").write_bytes(b"")
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(source / "s"))
    left_out = []
    found = read(source, left_out=left_out, limits=Limits(path_size=21))
    assert left_out == [
        LeftOut(path=b".wh.folder", why="layers mark by such a name what they remove"),
        LeftOut(path=b"etc/.wh.x", why="layers mark by such a name what they remove"),
        LeftOut(path=b"s", why="no image holds sockets"),
        LeftOut(path=b"usr/share/deep/er/file", why="its path is longer than 21 bytes"),
    ]
    assert not {one.path for one in left_out} & found.keys()
    assert b".wh.folder/inside" not in found


def test_extended_attributes(source):
    try:
        os.setxattr(source / "etc/big", "user.b", b"2\0")
        os.setxattr(source / "etc/big", "user.a", b"")
        os.setxattr(source / "usr", "user.folder", b"yes")
    except OSError as error:
        pytest.skip(f"no extended attributes here: {error}")
    found = read(source)
    assert _users(found[b"etc/big"]) == (Xattr(name=b"user.a", value=b""), Xattr(name=b"user.b", value=b"2\0"))
    assert _users(found[b"usr"]) == (Xattr(name=b"user.folder", value=b"yes"),)
    assert _users(found[b"folder-link"]) == ()


def _users(found):
    return tuple(one for one in found[0].xattrs if one.name.startswith(b"user."))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_links_and_devices_have_attributes_of_their_own(source):
    os.mknod(source / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(source / "disk", stat.S_IFBLK | 0o600, os.makedev(259, 70000))
    os.chown(source / "link", 1000, 70000, follow_symlinks=False)
    try:
        os.setxattr(source / "folder-link", "trusted.mine", b"1", follow_symlinks=False)
    except OSError as error:
        pytest.skip(f"no trusted attributes here: {error}")
    found = read(source)
    assert (found[b"null"][0].kind, found[b"null"][0].rdev) == (MemberKind.CHAR, 0x103)
    assert (found[b"disk"][0].kind, found[b"disk"][0].rdev) == (MemberKind.BLOCK, 0x70 | 259 << 8 | 0x11100 << 12)
    assert (found[b"link"][0].uid, found[b"link"][0].gid) == (1000, 70000)
    assert Xattr(name=b"trusted.mine", value=b"1") in found[b"folder-link"][0].xattrs
    assert Xattr(name=b"trusted.mine", value=b"1") not in found[b"usr"][0].xattrs


def test_holes_are_zeros(tmp_path):
    with (tmp_path / "sparse").open("wb") as file:
        file.seek(3 * MiB)
        file.write(b"end")
    for member in read_folder(tmp_path):
        if member.name:
            pieces = list(member.content)
            assert b"".join(pieces) == bytes(3 * MiB) + b"end"
            assert max(map(len, pieces)) <= MiB


def test_content_belongs_to_its_turn_and_is_bounded(source):
    members = read_folder(source, exclude=[b"a.d", b"usr"])
    early = next(member for member in members if member.name == b"a")
    with pytest.raises(Defect, match="at most 0"):
        early.content.read(0)
    next(members)
    with pytest.raises(Defect, match="after the next"):
        list(early.content)
    big = next(member for member in members if member.name == b"etc/big")
    first = next(iter(big.content))
    assert first + big.content.read(len(CONTENT)) == CONTENT
    assert big.content.read(0) == b""


def test_the_folder_itself_may_be_a_link(source, tmp_path):
    (tmp_path / "link").symlink_to(source)
    assert read(tmp_path / "link").keys() == read(source).keys()


@pytest.mark.parametrize("name", ["none", "root/a", "root/dangling"])
def test_a_folder_that_is_none(source, tmp_path, name):
    with pytest.raises(NoSuchFile, match=f"no folder {Path(name).name}") as caught:
        list(read_folder(tmp_path / name))
    assert "dir:DIR" in caught.value.advice


def test_a_folder_that_the_root_has_not():
    with pytest.raises(NoSuchFile, match=r"^/ has no folder no-such-folder"):
        list(read_folder(Path("/no-such-folder")))


def test_nothing_stays_open(source):
    before = set(Path("/proc/self/fd").iterdir())
    read(source)
    walk = read_folder(source)
    assert next(member for member in walk if member.name == b"usr/share/deep/er/file")
    assert set(Path("/proc/self/fd").iterdir()) > before
    walk.close()
    assert set(Path("/proc/self/fd").iterdir()) == before


def shorten(source):
    os.truncate(source / "etc/big", 1000)


def lengthen(source):
    with (source / "etc/big").open("ab") as file:
        file.write(b"more")


def overwrite(source):
    with (source / "etc/big").open("r+b") as file:
        file.write(b"other")


@pytest.mark.parametrize("change", [shorten, lengthen, overwrite])
def test_a_file_that_changes_while_it_is_read(source, change):
    for member in read_folder(source):
        if member.name == b"etc/big":
            change(source)
            with pytest.raises(SourceChanged, match=r"etc/big in .* changed while") as caught:
                list(member.content)
            assert not caught.value.permanent
            return
    pytest.fail("it was not there")


def swap_for_a_link(path):
    path.unlink()
    path.symlink_to("/etc/passwd")


@pytest.mark.parametrize("change", [Path.unlink, swap_for_a_link], ids=["gone", "link"])
def test_what_goes_away_during_the_walk(source, change):
    (source / "etc/last").write_bytes(b"")
    (source / "etc/zz").write_bytes(b"")

    def walk():
        for member in read_folder(source):
            if member.name == b"etc/last":
                change(source / "etc/zz")
            yield member

    if change is swap_for_a_link:  # it was not looked at yet: a link is what it is now
        assert {one.name: one.kind for one in walk()}[b"etc/zz"] == MemberKind.SYMLINK
        return
    with pytest.raises(SourceChanged, match="etc/zz"):
        list(walk())


def swap_for_another(path):
    path.rename(path.with_name("before"))  # so that its number stays taken
    path.write_bytes(b"")


def swap_for_a_pipe(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("change", [Path.unlink, swap_for_a_link, swap_for_another, swap_for_a_pipe])
def test_what_changes_between_a_look_and_its_opening(source, change):
    walk = _Walk(blame=Blame(folder=os.fsencode(source)), excluded=frozenset(), left_out=[], limits=Limits())
    level = walk._root()
    try:
        status = os.stat("a", dir_fd=level.descriptor, follow_symlinks=False)
        change(source / "a")
        before = set(Path("/proc/self/fd").iterdir())
        with pytest.raises(SourceChanged):
            walk._open(b"a", b"a", level, status)
        assert set(Path("/proc/self/fd").iterdir()) == before
    finally:
        os.close(level.descriptor)


def test_what_cannot_be_read_is_named():
    folder = Path(tempfile.mkdtemp(prefix="rafsight-test-"))  # others must be able to come here
    try:
        folder.chmod(0o755)
        (folder / "secret").write_bytes(b"secret")
        (folder / "secret").chmod(0)
        with pytest.raises(UnreadableSource, match=r"secret in .* cannot be read: Permission denied") as caught:
            as_nobody(lambda: list(read_folder(folder)))
        assert caught.value.exit_status is ExitStatus.HOST
        (folder / "secret").unlink()
        (folder / "closed").mkdir(0)
        with pytest.raises(UnreadableSource, match="closed in"):
            as_nobody(lambda: list(read_folder(folder)))
        folder.chmod(0)
        with pytest.raises(UnreadableSource, match=r"\. in .*Permission denied"):
            as_nobody(lambda: list(read_folder(folder)))
    finally:
        folder.chmod(0o700)
        shutil.rmtree(folder)


def as_nobody(call):
    if os.geteuid():
        return call()
    os.seteuid(65534)
    try:
        return call()
    finally:
        os.seteuid(0)


def test_errors_are_of_this_machine():
    assert issubclass(SourceChanged, HostLimit)
    assert issubclass(UnreadableSource, HostLimit)


def test_a_tree_is_made_of_it(source):
    merger = LayerMerger()
    kept = {}

    def keep(layer, member):
        kept[member.content_offset] = member.content.read(1 << 30)

    merger.add_layer(read_folder(source), LayerSource(digest="sha256:" + "0" * 64), keep)
    merged = merger.finish()
    tree = ImageTree(merged.tables, Limits())
    assert {tree.path(row) for row in tree.walk()} == set(entries(source))
    assert merged.unread_count == 0
    row = tree.lookup(b"etc/name")
    assert tree.entries.nlink[row] == 3
    units = merged.placement.units
    stored = {int(offset): kept[int(offset)] for offset in units.offset}
    assert sorted(map(len, stored.values())) == sorted(units.stored_size.tolist())
    assert CONTENT in stored.values()


@pytest.mark.skipif(not shutil.which("tar"), reason="needs GNU tar")
def test_gnu_tar_sees_the_same(source):
    done = subprocess.run(["tar", "-C", source, "-c", "."], capture_output=True, check=True)
    theirs = {
        member.name: (member.mode, member.uid, member.gid, member.mtime // 10**9)
        for member in read_members(iter([done.stdout]), where="tar")
    }
    ours = {member.name: (member.mode, member.uid, member.gid, member.mtime // 10**9) for member in read_folder(source)}
    assert ours == theirs
