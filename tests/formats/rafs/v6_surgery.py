"""Changing one field of a v6 bootstrap: a patient, and where everything lies in it."""

import numpy as np
from tests.formats.rafs import images

from rafsight.base.limits import Limits
from rafsight.formats.judge import STRICT
from rafsight.formats.rafs import shared_layout, v6
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs.v6_chunks import first_index
from rafsight.formats.rafs.v6_dirents import read_dirents
from rafsight.formats.rafs.v6_inodes import decode_inodes, record_sizes
from rafsight.formats.rafs.v6_volume import read_volume

BLOCK = 4096


class Patient:
    """A sound bootstrap, to be changed. Every change returns [bytes] of the field."""

    def __init__(self, content: bytes) -> None:
        self.content = bytearray(content)
        self.sound = bytes(content)
        self.volume = read_volume(self.sound, Limits(), STRICT)
        self.tables = v6.read(self.sound, "name", Limits(), STRICT)
        paths = [path.removeprefix(b"/") for path in images.paths(self.tables)]
        self.places = dict(zip(paths, self.tables.entries.inode_offset.tolist(), strict=True))
        self.nids = dict(zip(paths, self.tables.entries.ino.tolist(), strict=True))

    # heads and tables

    def erofs(self, field, value):
        return self._set(layout.SUPERBLOCK, layout.SUPERBLOCK_OFFSET, field, value)

    def rafs(self, field, value):
        return self._set(layout.EXTENDED_SUPERBLOCK, layout.EXTENDED_SUPERBLOCK_OFFSET, field, value)

    def slot(self, row, field, value):
        return self._set(layout.DEVICE_SLOT, layout.DEVICE_TABLE_OFFSET + 128 * row, field, value)

    def blob(self, row, field, value):
        return self._set(layout.BLOB, self.volume.blob_table_offset + 256 * row, field, value)

    def chunk(self, row, field, value):
        return self._set(shared_layout.CHUNK_INFO, self.chunk_place(row), field, value)

    def chunk_place(self, row):
        return self.volume.chunk_table_offset + 80 * (row % self.volume.chunk_table_count)

    def get(self, record, offset, field):
        return np.frombuffer(self.content, record.dtype, 1, offset)[0][field]

    # inodes

    def inode(self, path, field, value):
        return self._set(layout.EXTENDED_INODE, self.places[path], field, value)

    def node(self, path):
        offset = np.array([self.places[path]])
        return decode_inodes(self.volume, offset, record_sizes(self.volume, offset))

    def body(self, path):
        return int(self.node(path).body[0])

    def index(self, path, ordinal, field, value):
        place = int(first_index(self.node(path))[0]) + 8 * ordinal
        self._set(layout.CHUNK_INDEX, place, field, value)
        return place

    def data(self, path):
        """Where the first block of a directory or a plain symlink lies."""
        return int(self.node(path).union[0]) * self.volume.block_size

    # directories

    def dirents(self, path):
        """(name, place of the dirent, place of the name) of each, dots included."""
        found = read_dirents(self.volume, self.node(path))
        columns = (found.place.tolist(), found.name_offset.tolist(), found.name_size.tolist())
        return [(self.sound[start : start + size], place, start) for place, start, size in zip(*columns, strict=True)]

    def dirent(self, path, field, value):
        place, _ = self._entry(path)
        return self._set(layout.DIRENT, place, field, value)

    def dirent_place(self, path):
        return self._entry(path)[0]

    def rename(self, path, name):
        """Give an entry another name of the same size; returns where the name lies."""
        _, start = self._entry(path)
        assert len(name) == len(path.rpartition(b"/")[2])
        return self.write(start, name)

    def _entry(self, path):
        above, _, name = path.rpartition(b"/")
        return next((place, start) for found, place, start in self.dirents(above) if found == name)

    # bytes

    def write(self, offset, piece):
        self.content[offset : offset + len(piece)] = piece
        return offset

    def move(self, record, field, old, size, new):
        """Copy a table somewhere, and let a field of the superblock say so."""
        self.write(new, self.sound[old : old + size])
        self._set(record, {layout.SUPERBLOCK: 1024, layout.EXTENDED_SUPERBLOCK: 1152}[record], field, new)
        return new

    def _set(self, record, offset, field, value):
        dtype, at = record.dtype.fields[field][:2]
        piece = value if isinstance(value, bytes) else np.array([value], dtype).tobytes()
        assert len(piece) == dtype.itemsize
        assert piece != bytes(self.content[offset + at : offset + at + len(piece)]), f"{field} is so already"
        return self.write(offset + at, piece)
