"""An image's tree as a FUSE file system, asked without a kernel."""

import errno
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.access.chunk_store.images import PLENTY, Counted
from tests.formats.made_tables import ACL, Node, directory, make_image, odd_tree, stated
from tests.views.fuse import questions
from tests.views.fuse.images import open_nodes

from rafsight.access.backend import NotFound
from rafsight.access.chunk_store.store import open_chunk_store
from rafsight.image.tree import ImageTree
from rafsight.views.fuse import wire
from rafsight.views.fuse.tree_files import TreeFiles
from rafsight.views.fuse.wire import InitFlag, Opcode


class Zeros:
    """Reads anything as zeros."""

    def read_row(self, row, offset, size):
        return bytes(size)


def files_of(nodes, **options):
    return TreeFiles(ImageTree(make_image(nodes).tables), Zeros(), **options)


def test_every_file_of_an_odd_tree_is_read_right(tmp_path):
    nodes = odd_tree()
    expected = stated(nodes)
    with open_nodes(nodes) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        files = TreeFiles(image.tree, store)
        for path, node in nodes.items():
            if not path or not expected[path]["sha256"]:
                continue
            number, attr = questions.find(files, path)
            content = nodes[node.same_as or path].content
            pieces = [questions.read(files, number, offset, 5000) for offset in range(0, attr.size + 5000, 5000)]
            assert b"".join(pieces) == content
            assert questions.read(files, number, attr.size, 10) == b""
            assert questions.read(files, number, 2**62, 10) == b""
        assert files.tally.failed == 0
        assert files.tally.files == len({one["first"] for one in expected.values() if one["sha256"]})


@settings(max_examples=40)
@given(data=some.data())
def test_any_piece_of_a_file_is_right(data, tmp_path_factory):
    content = bytes(8192) + b"x" * 5000 + bytes(20_000) + b"y" * 3000
    with (
        open_nodes({b"f": Node(content=content)}) as image,
        open_chunk_store(image, tmp_path_factory.mktemp("store"), limit=PLENTY) as store,
    ):
        files = TreeFiles(image.tree, store)
        node, _ = questions.find(files, b"f")
        for _ in range(10):
            offset, size = data.draw(some.integers(0, 40_000)), data.draw(some.integers(0, 40_000))
            assert questions.read(files, node, offset, size) == content[offset : offset + size]


@pytest.mark.parametrize(
    ("xattrs", "wants"),
    [
        ({}, False),
        ({b"user.a": b"1"}, False),
        ({b"system.posix_acl_access": ACL}, True),
        ({b"user.a": b"1", b"system.posix_acl_default": ACL}, True),
    ],
)
def test_the_kernel_checks_acls_where_there_are_any(xattrs, wants):
    nodes = {b"d": directory(xattrs=xattrs), b"f": Node(xattrs={b"user.b": b"2"})}
    assert files_of(nodes).init_flags == (InitFlag.POSIX_ACL if wants else InitFlag(0))
    assert files_of(nodes, checks_acls=False).init_flags == InitFlag(0)


def test_of_many_different_xattrs_it_is_taken_that_there_are_acls():
    nodes = {b"%05d" % number: Node(xattrs={b"user.n": b"%d" % number}) for number in range(20_002)}
    assert files_of(nodes).init_flags == InitFlag.POSIX_ACL


def test_without_any_xattr_nobody_is_asked_for_them():
    files = files_of({b"f": Node()})
    assert questions.list_xattrs(files, wire.ROOT, 0) == errno.ENOSYS
    files = files_of({b"f": Node(), b"g": Node(xattrs={b"user.a": b"1"})})
    assert questions.list_xattrs(files, questions.find(files, b"f")[0], 100) == b""
    assert questions.list_xattrs(files, questions.find(files, b"g")[0], 100) == b"user.a\0"


def test_unreadable_xattrs_are_an_error_of_their_file_alone():
    tables = make_image({b"bad": Node(xattrs={b"user.a": b"1"}), b"good": Node(xattrs={b"user.b": b"22"})}).tables
    sizes = tables.entries.xattr_size.copy()
    sizes[1] -= 1
    files = TreeFiles(ImageTree(replace(tables, entries=replace(tables.entries, xattr_size=sizes))), Zeros())
    bad, good = (questions.find(files, name)[0] for name in (b"bad", b"good"))
    assert questions.list_xattrs(files, bad, 100) == errno.EIO
    assert questions.get_xattr(files, bad, b"user.a", 100) == errno.EIO
    assert questions.get_xattr(files, good, b"user.b", 100) == b"22"
    assert files.tally.failed == 2


def test_a_missing_blob_is_an_error_of_files_with_content(tmp_path):
    nodes = {b"full": Node(content=b"x" * 5000), b"hole": Node(content=bytes(8192 * 2))}
    backend = Counted(make_image(nodes))
    backend.error = NotFound(place="here", what="blob")
    with open_nodes(nodes, backend=backend) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        files = TreeFiles(image.tree, store)
        full, hole = (questions.find(files, name)[0] for name in (b"full", b"hole"))
        assert questions.read(files, full, 0, 100) == errno.EIO
        assert questions.read(files, hole, 0, 100) == bytes(100)
        assert (files.tally.failed, files.tally.reads) == (1, 1)


def test_all_names_of_a_file_are_one_node():
    nodes = {b"a": Node(content=b"1"), b"d/b": Node(same_as=b"a"), b"d/c": Node(same_as=b"a")}
    files = files_of(nodes)
    assert len({questions.find(files, path)[0] for path in nodes}) == 1
    told = []
    files = files_of(nodes, on_first_read=told.append)
    for path in reversed(nodes):
        questions.read(files, questions.find(files, path)[0], 0, 1)
    assert told == [1]


def test_the_size_of_the_volume_counts_inodes_once():
    nodes = {b"a": Node(content=b"x" * 5000), b"d/b": Node(same_as=b"a"), b"l": Node()}
    *_, blocks, _free, _available, count = wire.STATFS_OUT.unpack(questions.ask(files_of(nodes), Opcode.STATFS))[:4]
    assert (blocks, count) == (2, 4)


def test_hostile_sizes_do_not_break_the_size_of_the_volume():
    tables = make_image({b"%d" % number: Node(content=b"x") for number in range(5)}).tables
    entries = replace(tables.entries, size=np.where(tables.entries.size > 0, 2**62, 0))
    files = TreeFiles(ImageTree(replace(tables, entries=entries)), Zeros())
    blocks = wire.STATFS_OUT.unpack(questions.ask(files, Opcode.STATFS))[0]
    assert blocks == pytest.approx(5 * 2**62 / 4096, rel=1e-6)
    assert questions.find(files, b"3")[1].size == 2**62
