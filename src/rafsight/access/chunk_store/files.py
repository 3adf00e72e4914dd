"""Where the pieces of regular files lie in backing files.

Extents that follow each other in the file and in the backing file become one stretch, so that a read is one read there,
too. This module alone decides how many files it remembers.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.image.backing import Backing
from rafsight.image.plan import RowArray
from rafsight.image.tree import ImageTree

_REMEMBERED: Final = 1 << 17
"""Stretches of files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A piece of a file that lies in one piece."""

    offset: int
    """[bytes] in the file."""
    size: int
    """[bytes]"""
    blob: int
    address: int
    """[bytes] in the backing file; negative if there is no place for it."""
    chunk: int
    """Row of the chunk that it begins with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """The stretches of one file."""

    file_size: int
    offsets: "array[int]"
    sizes: "array[int]"
    blobs: "array[int]"
    addresses: "array[int]"
    chunks: "array[int]"


class FileMap:
    """Stretches by row of the entry table. Thread-safe."""

    def __init__(self, tree: ImageTree, backing: Backing) -> None:
        """Know nothing yet."""
        self._tree = tree
        self._backing = backing
        self._files: dict[int, _Columns] = {}
        self._count = 0

    def find(self, row: int, offset: int, size: int) -> tuple[int, Iterator[Stretch]]:
        """Find a piece of a file.

        Args:
            row: the entry.
            offset: [bytes]
            size: [bytes]
        Returns: how many bytes of it there are, and what of them is no hole: cut to the piece.
        """
        columns = self._files.get(row)
        if columns is None:
            columns = self._compile(row)
        length = max(min(offset + size, columns.file_size) - offset, 0)
        return length, _cut(columns, offset, offset + length)

    def _compile(self, row: int) -> _Columns:
        extents, rows = self._tree.tables.extents, self._tree.extent_rows(row)
        if len(rows) == 1:
            columns = self._compile_one(row, rows.start)
            self._remember(row, columns)
            return columns
        part = slice(rows.start, rows.stop)
        chunks = extents.chunk[part].astype(np.int64)
        offsets, sizes = extents.file_offset[part], extents.size[part]
        addresses, blobs = self._backing.address[chunks], self._tree.tables.chunks.blob_index[chunks]
        begins = np.ones(len(chunks), np.bool_)
        begins[1:] = (offsets[1:] != offsets[:-1] + sizes[:-1]) | (addresses[1:] != addresses[:-1] + sizes[:-1])
        begins[1:] |= (blobs[1:] != blobs[:-1]) | (addresses[1:] < 0)
        first: RowArray = np.flatnonzero(begins)
        columns = _Columns(
            file_size=int(self._tree.entries.size[row]),
            offsets=_array(offsets[first]),
            sizes=_array(np.add.reduceat(sizes, first) if len(first) else first),
            blobs=_array(blobs[first].astype(np.int64)),
            addresses=_array(addresses[first]),
            chunks=_array(chunks[first]),
        )
        self._remember(row, columns)
        return columns

    def _compile_one(self, row: int, extent: int) -> _Columns:
        """Do the same for the many files that have one extent, at a tenth of the cost."""
        extents = self._tree.tables.extents
        chunk = int(extents.chunk[extent])
        return _Columns(
            file_size=int(self._tree.entries.size[row]),
            offsets=array("q", (int(extents.file_offset[extent]),)),
            sizes=array("q", (int(extents.size[extent]),)),
            blobs=array("q", (int(self._tree.tables.chunks.blob_index[chunk]),)),
            addresses=array("q", (int(self._backing.address[chunk]),)),
            chunks=array("q", (chunk,)),
        )

    def _remember(self, row: int, columns: _Columns) -> None:
        if self._count > _REMEMBERED:
            self._files, self._count = {}, 0
        self._files[row] = columns
        self._count += len(columns.offsets) + 1


def _cut(columns: _Columns, start: int, end: int) -> Iterator[Stretch]:
    index = max(bisect_right(columns.offsets, start) - 1, 0)
    while index < len(columns.offsets) and columns.offsets[index] < end:
        offset = columns.offsets[index]
        low, high = max(start, offset), min(end, offset + columns.sizes[index])
        if low < high:
            yield Stretch(
                offset=low,
                size=high - low,
                blob=columns.blobs[index],
                address=columns.addresses[index] + low - offset if columns.addresses[index] >= 0 else offset - low - 1,
                chunk=columns.chunks[index],
            )
        index += 1


def _array(column: RowArray) -> "array[int]":
    return array("q", column.astype(np.int64).tobytes())
