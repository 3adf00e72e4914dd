"""Backing files of blobs in one directory, asked without a kernel."""

import errno
import os
import stat
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.access.chunk_store.images import PLENTY, Counted, backing_file, open_small, small_image
from tests.views.fuse import questions

from rafsight.access.backend import NotFound
from rafsight.access.chunk_store.store import open_chunk_store
from rafsight.views.fuse import wire
from rafsight.views.fuse.blob_files import BlobFiles
from rafsight.views.fuse.wire import InitFlag, Opcode


class Pattern:
    """Files in which every eight bytes say where they are; nobody may read past their ends."""

    def __init__(self, *sizes):
        self.backing = SimpleNamespace(sizes=np.array(sizes, np.int64))

    def read(self, blob, offset, size):
        assert 0 <= offset < offset + size <= self.backing.sizes[blob]
        return self.whole(blob)[offset : offset + size]

    def whole(self, blob):
        words = np.arange(-(-int(self.backing.sizes[blob]) // 8), dtype=np.uint64) + np.uint64(blob << 32)
        return words.tobytes()[: int(self.backing.sizes[blob])]


def open_pattern(*sizes, extra=None):
    store = Pattern(*sizes)
    return BlobFiles(store, [f"blob{number}" for number in range(len(sizes))], extra), store


def test_the_directory_and_its_files():
    files, _ = open_pattern(8192, 0, 4096, extra={"metadata": b"m" * 5000})
    found = questions.list_directory(files, wire.ROOT, 4096)
    assert [one.name for one in found] == [b".", b"..", b"blob0", b"blob1", b"blob2", b"metadata"]
    assert [one.attr.size for one in found[2:]] == [8192, 0, 4096, 5000]
    assert len({one.ino for one in found[1:]}) == 5
    root = questions.get_attr(files, wire.ROOT)
    assert (root.mode, root.nlink, root.uid, root.gid) == (stat.S_IFDIR | 0o500, 2, os.geteuid(), os.getegid())
    for one in found[2:]:
        assert one.attr.mode == stat.S_IFREG | 0o400
        assert (one.attr.uid, one.attr.gid, one.attr.nlink) == (os.geteuid(), os.getegid(), 1)
        assert one.attr.blocks == -(-one.attr.size // 4096) * 8
        assert (one.node, one.attr) == questions.look_up(files, one.name)
    assert questions.look_up(files, b"blob3") is None
    assert questions.look_up(files, b"blob") is None
    assert questions.look_up(files, b"") is None


@given(blob=some.integers(0, 2), offset=some.integers(0, 10_000) | some.just(2**63), size=some.integers(0, 10_000))
def test_any_piece_is_what_the_store_has_and_ends_with_the_file(blob, offset, size):
    files, store = open_pattern(8192, 0, 4096)
    node = questions.look_up(files, b"blob%d" % blob)[0]
    assert questions.read(files, node, offset, size) == store.whole(blob)[offset : offset + size]


@given(offset=some.integers(0, 400), size=some.integers(0, 400))
def test_files_beside_them_are_read_whole(offset, size):
    files, _ = open_pattern(4096, extra={"metadata": bytes(range(256)), "empty": b""})
    for name, content in ((b"metadata", bytes(range(256))), (b"empty", b"")):
        node = questions.look_up(files, name)[0]
        assert questions.read(files, node, offset, size) == content[offset : offset + size]


def test_other_questions():
    files, _ = open_pattern(4096)
    blob = questions.look_up(files, b"blob0")[0]
    assert files.init_flags == InitFlag(0)
    assert questions.read(files, wire.ROOT, 0, 10) == errno.EINVAL
    assert questions.ask(files, Opcode.READLINK, blob) == errno.EINVAL
    assert questions.ask(files, Opcode.LOOKUP, blob, b"x\0") == errno.ENOTDIR
    assert questions.list_xattrs(files, blob, 0) == errno.ENOSYS
    blocks, *_, count = wire.STATFS_OUT.unpack(questions.ask(files, Opcode.STATFS))[:4]
    assert (blocks, count) == (1, 2)


def test_the_pages_of_some_blobs_are_not_kept_twice():
    _, store = open_pattern(4096, 8192)
    files = BlobFiles(store, ("blob0", "blob1"), {"metadata": b"m"}, uncached=(1,))
    flags = [
        wire.OPEN_OUT.unpack(questions.ask(files, Opcode.OPEN, questions.look_up(files, name)[0], bytes(8)))[1]
        for name in (b"blob0", b"blob1", b"metadata")
    ]
    assert flags == [0, wire.DIRECT_IO, 0]


def test_no_blobs():
    files, _ = open_pattern(extra={"metadata": b"m"})
    assert [one.name for one in questions.list_directory(files, wire.ROOT, 4096)[2:]] == [b"metadata"]
    files, _ = open_pattern()
    assert questions.list_directory(files, wire.ROOT, 4096)[2:] == []


def test_many_blobs():
    files, store = open_pattern(*range(4096, 4096 + 2000))
    found = questions.list_directory(files, wire.ROOT, 1000)[2:]
    assert [one.attr.size for one in found] == store.backing.sizes.tolist()


def test_names_that_stand_twice_are_a_mistake_of_the_caller():
    with pytest.raises(AssertionError):
        BlobFiles(Pattern(1, 2), ["same", "same"])


def test_the_files_of_a_store(tmp_path):
    small = small_image()
    backend = Counted(small)
    with open_small(small, backend) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        files = BlobFiles(store, ["blob"])
        node, attr = questions.look_up(files, b"blob")
        expected = backing_file(small, store)
        assert attr.size == len(expected)
        backend.error = NotFound(place="here", what="blob")
        assert questions.read(files, node, 0, 4096) == errno.EIO
        assert files.tally.failed == 1
    with open_small(small) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        files = BlobFiles(store, ["blob"])
        parts = [questions.read(files, node, offset, 3000) for offset in range(0, len(expected), 3000)]
        assert b"".join(parts) == expected
        assert files.tally.bytes == len(expected)
