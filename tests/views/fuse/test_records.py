"""Names and attributes in the kernel's form: every field, every cookie, every size of buffer."""

import errno
import stat
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.formats.made_tables import Node, directory, large_directory, make_image, odd_tree, paths_of, stated, trees
from tests.views.fuse import questions

from rafsight.image.tree import ImageTree
from rafsight.views.fuse import wire
from rafsight.views.fuse.records import Records
from rafsight.views.fuse.tree_files import TreeFiles
from rafsight.views.vfs import stat_columns

NOBODY_READS = SimpleNamespace(read_row=None)


def tree_of(nodes):
    return ImageTree(make_image(nodes).tables)


def files_of(nodes):
    return TreeFiles(tree_of(nodes), NOBODY_READS)


def records_of(tree):
    return Records(tree.entries, tree.buffer, lambda rows: stat_columns(tree, rows))


def assert_attributes(attr, said):
    sec, nsec = divmod(said["mtime"], 10**9)
    assert attr.mtime == attr.atime == attr.ctime == (sec, nsec)
    for name in ("mode", "nlink", "uid", "gid", "rdev"):
        assert getattr(attr, name) == said[name], name
    assert attr.blksize == 4096
    if not stat.S_ISDIR(said["mode"]):
        assert attr.size == said["size"]
        assert attr.blocks == -(-said["size"] // 4096) * 8


@pytest.mark.parametrize("nodes", [odd_tree(), large_directory(3000)], ids=["odd", "large"])
def test_every_entry_says_what_stat_says(nodes):
    tree, expected = tree_of(nodes), stated(nodes)
    records, inos = records_of(tree), {}
    paths = tree.paths()
    for row, path in enumerate(paths):
        node, attr = questions.parse_entry(records.entry(row))
        said = expected[path]
        assert_attributes(attr, said)
        assert paths[node - wire.ROOT] == said["first"]
        assert questions.parse_attr(records.attributes(row)[wire.ATTR_HEAD.size :]) == attr
        inos.setdefault(attr.ino, set()).add(said["first"])
    assert all(len(firsts) == 1 for firsts in inos.values())
    assert len(inos) == len({one["first"] for one in expected.values()})
    assert 0 not in inos


def test_no_such_name_is_said_to_be_cached_for_ever():
    assert questions.parse_entry(records_of(tree_of({})).entry(None)) is None


def test_only_numbers_of_rows_are_nodes():
    records = records_of(tree_of({b"a": Node()}))
    assert records.count == 2
    assert [records.row_of(node) for node in (0, 1, 2, 3, 2**64 - 1)] == [None, 0, 1, None, None]


def names_of(nodes, path):
    prefix = path + b"/" if path else b""
    inside = [other[len(prefix) :] for other in stated(nodes) if other.startswith(prefix) and other]
    return sorted(name for name in inside if b"/" not in name)


@pytest.mark.parametrize("size", [408, 409, 500, 1000, 4096, 65_536, 1 << 20])
def test_any_buffer_lists_a_large_directory_as_a_whole(size):
    """It has names up to 96 bytes, more than a block of rows, and begins in the middle of one."""
    nodes = {b"before/%03d" % number: Node() for number in range(700)} | large_directory(2500)
    files = files_of(nodes)
    node, attr = questions.find(files, b"d")
    found = questions.list_directory(files, node, size)
    assert [one.name for one in found] == [b".", b"..", *names_of(nodes, b"d")]
    assert [one.cookie for one in found] == list(range(1, len(found) + 1))
    assert (found[0].ino, found[1].ino) == (attr.ino, questions.get_attr(files, wire.ROOT).ino)
    assert [one.node for one in found[:2]] == [0, 0], "the kernel knows both"
    for one in found[2:]:
        assert one.ino == one.attr.ino
        assert one.kind == stat.S_IFREG >> 12
        assert (one.node, one.attr) == questions.look_up(files, one.name, node)


def test_every_cookie_goes_on_where_it_says():
    nodes = large_directory(1100)
    files = files_of(nodes)
    node, _ = questions.find(files, b"d")
    whole = questions.list_directory(files, node, 1 << 20)
    for place in range(0, len(whole) + 1, 1):
        rest = questions.read_directory(files, node, place, 3000)
        assert rest == whole[place : place + len(rest)]
        assert rest or place == len(whole)
    for beyond in (len(whole) + 1, 2**31, 2**63, 2**64 - 1):
        assert questions.read_directory(files, node, beyond, 3000) == []


def test_answers_are_no_longer_than_was_asked_for():
    nodes = {b"n" * length: Node() for length in range(1, 256)}
    files = files_of(nodes)
    for size in range(160, 2000, 7):
        for offset in (0, 1, 2, 3, 100, 256):
            answer = questions.read(files, wire.ROOT, offset, size, wire.Opcode.READDIRPLUS)
            if isinstance(answer, int):
                assert answer == errno.EINVAL
                name_size = max(offset - 1, 1) if offset >= 2 else 2
                assert size < wire.DIRENTPLUS_SIZE + -(-name_size // 8) * 8
            else:
                assert 0 < len(answer) <= size
    assert questions.read_directory(files, wire.ROOT, 0, 159) == errno.EINVAL


@settings(max_examples=60)
@given(nodes=trees(), size=some.integers(408, 3000))
def test_any_tree_is_listed_and_found(nodes, size):
    files, expected = files_of(nodes), stated(nodes)
    pending, seen = [(b"", wire.ROOT)], {b""}
    while pending:
        path, node = pending.pop()
        assert_attributes(questions.get_attr(files, node), expected[path])
        found = questions.list_directory(files, node, size)
        assert [one.name for one in found] == [b".", b"..", *names_of(nodes, path)]
        for one in found[2:]:
            below = path + b"/" + one.name if path else one.name
            seen.add(below)
            assert_attributes(one.attr, expected[below])
            assert (one.node, one.attr) == questions.look_up(files, one.name, node)
            assert one.kind == expected[below]["mode"] >> 12
            if stat.S_ISDIR(one.attr.mode):
                pending.append((below, one.node))
        for absent in (b"", b"no such name", b"\xff" * 255):
            assert absent in names_of(nodes, path) or questions.look_up(files, absent, node) is None
    assert seen == set(expected)


def test_an_empty_directory_has_its_dots():
    nodes = {b"a/b": directory()}
    files = files_of(nodes)
    node, _ = questions.find(files, b"a/b")
    found = questions.list_directory(files, node, 408)
    assert [(one.name, one.ino) for one in found] == [
        (b".", questions.get_attr(files, node).ino),
        (b"..", questions.find(files, b"a")[1].ino),
    ]
    root = questions.list_directory(files, wire.ROOT, 408)
    assert root[0].ino == root[1].ino, "the root is its own parent"


def test_numbers_of_inodes_can_be_given():
    tree = tree_of({b"a": Node(), b"d/b": Node(same_as=b"a")})
    inos = np.array([2, 2**63, 9, 2**63], np.uint64)
    assert paths_of(tree.tables) == [b"", b"a", b"d", b"d/b"]
    files = TreeFiles(tree, NOBODY_READS, inos=inos)
    assert questions.find(files, b"a")[1].ino == questions.find(files, b"d/b")[1].ino == 2**63
