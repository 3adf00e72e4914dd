"""A golden RAFS v5 bootstrap that can be damaged place by place, and what must hold of the tables of any bootstrap.

Places and digests are worked out here with plain loops: a second opinion on the vectorised readers.
"""

import contextlib
import hashlib
import struct

import blake3
from tests.formats.rafs import images

from rafsight.base.errors import ImageFault
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import v5_layout as layout
from rafsight.formats.tables import TreeTables
from rafsight.image.tree import ImageTree

FORMATS = {"<u2": "<H", "<u4": "<I", "<u8": "<Q", "<i8": "<q"}


class Patch:
    """Bytes of a sound bootstrap, to be made unsound."""

    def __init__(self, content: bytes) -> None:
        self.content = bytearray(content)
        self.table = self.head("inode_table_offset")
        self.count = self.head("inode_table_entries")
        self.start = self.head("extended_blob_table_offset") + 64 * self.head("extended_blob_table_entries")
        self.is_sha256 = bool(self.head("flags") & shared.HASH_SHA256)
        self.index_of = self._paths()

    def _paths(self) -> dict[bytes, int]:
        """Find the index, from 0, of each path."""
        found, waiting = {b"/": 0}, [(b"/", 0)]
        while waiting:
            above, directory = waiting.pop()
            if self.value(directory, "mode") >> 12 != 4:
                continue
            start = self.value(directory, "child_index") - 1
            for index in range(start, start + self.value(directory, "child_count")):
                path = above + (b"" if above == b"/" else b"/") + self.name_of(index)
                found[path] = index
                waiting.append((path, index))
        return found

    # reading

    def get(self, offset: int, ondisk: str) -> int:
        return struct.unpack_from(FORMATS[ondisk], self.content, offset)[0]

    def head(self, name: str) -> int:
        return self.get(*_place(layout.SUPERBLOCK, name))

    def entry(self, path: bytes) -> int:
        """[bytes] of a path's place in the inode table."""
        return self.table + 4 * self.index_of[path]

    def record_at(self, index: int) -> int:
        return self.get(self.table + 4 * index, "<u4") * 8

    def record(self, path: bytes) -> int:
        return self.record_at(self.index_of[path])

    def value(self, index: int, name: str) -> int:
        offset, ondisk = _place(layout.INODE, name)
        return self.get(self.record_at(index) + offset, ondisk)

    def number(self, path: bytes) -> int:
        """The index of a path, from 1."""
        return self.index_of[path] + 1

    def name_of(self, index: int) -> bytes:
        start = self.record_at(index) + layout.INODE.size
        return bytes(self.content[start : start + self.value(index, "name_size")])

    def target_place(self, index: int) -> int:
        return self.record_at(index) + layout.INODE.size + _padded(self.value(index, "name_size"))

    def xattr_place(self, index: int) -> int:
        """[bytes] of the size of the pairs."""
        is_symlink = self.value(index, "mode") >> 12 == 10
        return self.target_place(index) + (_padded(self.value(index, "target_size")) if is_symlink else 0)

    def chunk_place(self, index: int) -> int:
        place = self.xattr_place(index)
        if not self.value(index, "flags") & layout.INODE_XATTR:
            return place
        return place + 8 + _padded(self.get(place, "<u8"))

    # damaging

    def put(self, offset: int, replacement: bytes) -> None:
        assert offset + len(replacement) <= len(self.content)
        self.content[offset : offset + len(replacement)] = replacement

    def set_head(self, **fields: int) -> None:
        for name, value in fields.items():
            offset, ondisk = _place(layout.SUPERBLOCK, name)
            struct.pack_into(FORMATS[ondisk], self.content, offset, value)

    def set(self, path: bytes, **fields: int) -> None:
        for name, value in fields.items():
            offset, ondisk = _place(layout.INODE, name)
            struct.pack_into(FORMATS[ondisk], self.content, self.record(path) + offset, value)

    def add(self, path: bytes, name: str, change: int) -> None:
        self.set(path, **{name: self.value(self.index_of[path], name) + change})

    def rename(self, path: bytes, name: bytes) -> None:
        """Give another name that takes up as much room."""
        index = self.index_of[path]
        room = _padded(self.value(index, "name_size"))
        assert _padded(len(name)) == room
        self.put(self.record(path) + layout.INODE.size, name.ljust(room, b"\0"))
        self.set(path, name_size=len(name))

    def set_entry(self, path: bytes, eighth: int) -> None:
        struct.pack_into("<I", self.content, self.entry(path), eighth)

    def set_chunk(self, path: bytes, ordinal: int = 0, **fields: int) -> int:
        place = self.chunk_place(self.index_of[path]) + 80 * ordinal
        for name, value in fields.items():
            offset, ondisk = _place(shared.CHUNK_INFO, name)
            struct.pack_into(FORMATS[ondisk], self.content, place + offset, value)
        return place

    def flip(self, offset: int) -> None:
        self.content[offset] ^= 0xFF

    def seal(self) -> None:
        """Compute all digests again; what lies outside the file is left alone."""
        for index in range(self.count - 1, -1, -1):
            place = self.record_at(index)
            if place < 8192 or place + 128 > len(self.content):
                continue
            kind, count = self.value(index, "mode") >> 12, self.value(index, "child_count")
            if kind == 8 and count < 1 << 16:
                start = self.chunk_place(index)
                covered = b"".join(self.content[at : at + 32] for at in range(start, start + 80 * count, 80))
            elif kind == 10:
                start = self.target_place(index)
                covered = bytes(self.content[start : start + self.value(index, "target_size")])
            elif kind == 4:
                start = self.value(index, "child_index") - 1
                children = range(start, min(start + count, self.count))
                covered = b"".join(self.content[self.record_at(at) : self.record_at(at) + 32] for at in children)
            else:
                covered = b""
            self.put(place, hashlib.sha256(covered).digest() if self.is_sha256 else blake3.blake3(covered).digest())


def _place(record, name: str) -> tuple[int, str]:
    dtype, offset = record.dtype.fields[name][:2]
    return offset, dtype.str


def _padded(size: int) -> int:
    return -(-size // 8) * 8


def check_index_safe(tables: TreeTables) -> None:
    """Hold the laws that are left where a reader went on: nothing leads outside, and the tree is one."""
    entries, extents, chunks = tables.entries, tables.extents, tables.chunks
    count, size = len(entries.mode), len(tables.buffer)
    for name in entries.__slots__:
        column = getattr(entries, name)
        assert column is None or len(column) == count, name
    assert entries.parent[0] == 0
    held = 1
    for row in range(count):
        start, number = int(entries.child_start[row]), int(entries.child_count[row])
        assert 0 <= start <= start + number <= count
        assert (start > row) if number else start == 0
        held += number
        assert (entries.parent[start : start + number] == row).all()
        for part in ("name", "target", "xattr"):
            offset = int(getattr(entries, f"{part}_offset")[row])
            assert 0 <= offset <= offset + int(getattr(entries, f"{part}_size")[row]) <= size
        assert entries.name_size[row] <= 255
        source = int(entries.link_row[row])
        assert source <= row
        assert entries.link_row[source] == source
        first, slices = int(entries.extent_start[row]), int(entries.extent_count[row])
        assert (first, slices) == (entries.extent_start[source], entries.extent_count[source])
        assert 0 <= first <= first + slices <= len(extents.size)
        ends = extents.file_offset[first : first + slices] + extents.size[first : first + slices]
        assert (ends[:-1] <= extents.file_offset[first + 1 : first + slices]).all()
        assert ends[-1:].sum() <= entries.size[row]
    assert held == count
    assert entries.inode_offset is not None
    assert ((entries.inode_offset >= 0) & (entries.inode_offset < size)).all()
    if len(extents.chunk):
        assert 0 <= extents.chunk.min() <= extents.chunk.max() < len(chunks.size)
    if len(chunks.blob_index):
        assert 0 <= chunks.blob_index.min() <= chunks.blob_index.max() < len(tables.blobs)
    _walk(tables)


def _walk(tables: TreeTables) -> None:
    """Ask a tree for everything that it has."""
    tree = ImageTree(tables, images.LIMITS)
    rows = list(tree.walk())
    assert sorted(rows) == list(range(len(tree)))
    assert len(tree.paths()) == len(tree)
    for row in rows:
        tree.attributes(row)
        tree.target(row)
        tree.content_key(row)
        if row < 250:  # deep ones take long
            tree.find(tree.path(row))
        with contextlib.suppress(ImageFault):
            tree.xattrs(row)
