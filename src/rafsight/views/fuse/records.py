"""Names and attributes of a tree in the kernel's form: built by columns, a block of rows at a time, when asked for.

This module alone decides node numbers (the row of an inode's first name, plus ROOT), cookies of directories (1 after
`.`, 2 after `..`, then one more a child: stable for ever) and how long the kernel may cache (for ever).
"""

import stat as st
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Protocol

import numpy as np

from rafsight.formats.records import Buffer
from rafsight.formats.tables import Offsets, Rows
from rafsight.views.fuse import wire
from rafsight.views.fuse.protocol import ONE_YEAR, Piece
from rafsight.views.vfs import IO_BLOCK, StatColumns

_BLOCK: Final = 1024
"""Rows of one block: building it takes about 0.2 ms, the most that a single question costs."""
_BLOCKS_KEPT: Final = 256
"""Blocks in memory, about 45 MiB; the kernel asks for each name once, and caches it."""
_WORDS: Final = wire.DIRENTPLUS_SIZE // 8
_DOT_SIZE: Final = wire.DIRENTPLUS_SIZE + 8
_DOTS: Final = 2
_DOT_NAMES: Final = (b".", b"..")
_NO_NODE: Final = bytes(wire.ENTRY_SIZE)
_NEGATIVE: Final = wire.ENTRY_HEAD.pack(0, 0, ONE_YEAR, 0, 0, 0) + bytes(wire.ENTRY_SIZE - wire.ENTRY_HEAD.size)
_ATTR_HEAD: Final = wire.ATTR_HEAD.pack(ONE_YEAR, 0, 0)


class Links(Protocol):
    """The columns of entries that say which name lies where; `EntryTable` has them."""

    @property
    def parent(self) -> Rows: ...  # noqa: D102
    @property
    def name_offset(self) -> Offsets: ...  # noqa: D102
    @property
    def name_size(self) -> Rows: ...  # noqa: D102
    @property
    def link_row(self) -> Rows: ...  # noqa: D102
    @property
    def child_start(self) -> Rows: ...  # noqa: D102
    @property
    def child_count(self) -> Rows: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class _Block:
    """The directory records of neighbouring rows, one after the other."""

    content: memoryview
    starts: list[int]
    """[bytes] of each record, and the end of the last."""


class Records:
    """Answers about names and attributes. Thread-safe."""

    def __init__(self, links: Links, names: Buffer, describe: Callable[[slice], StatColumns]) -> None:
        """Take a tree.

        Args:
            links: its columns.
            names: what the name offsets point into.
            describe: what stat(2) says of neighbouring rows.
        """
        self._links = links
        self._octets = np.frombuffer(names, np.uint8)
        self._describe = describe
        self.count = len(links.parent)
        """Rows."""
        self._block = lru_cache(maxsize=_BLOCKS_KEPT)(self._build)

    def row_of(self, node: int) -> int | None:
        """Return the row of an inode's first name, or None if there is no such inode."""
        row = node - wire.ROOT
        return row if 0 <= row < self.count else None

    def entry(self, row: int | None) -> bytes:
        """Return the answer to LOOKUP: what a name is; None says that there is no such name."""
        if row is None:
            return _NEGATIVE
        block = self._block(row // _BLOCK)
        start = block.starts[row % _BLOCK]
        return bytes(block.content[start : start + wire.ENTRY_SIZE])

    def attributes(self, row: int) -> bytes:
        """Return the answer to GETATTR."""
        return _ATTR_HEAD + self.entry(row)[wire.ENTRY_HEAD.size :]

    def directory(self, row: int, offset: int, size: int) -> list[Piece] | None:
        """Return the answer to READDIRPLUS.

        Args:
            row: a directory.
            offset: cookie of the entry to begin after.
            size: [bytes] that the answer may have.
        Returns: whole records; none at the end; None if not even one fits.
        """
        room, pieces = size, []  # type: int, list[Piece]
        for place in range(offset, _DOTS):
            if room < _DOT_SIZE:
                return pieces or None
            pieces.append(self._dot(row, place))
            room -= _DOT_SIZE
        start, count = int(self._links.child_start[row]), int(self._links.child_count[row])
        first, stop = start + max(offset - _DOTS, 0), start + count
        while first < stop:
            block, low = self._block(first // _BLOCK), first % _BLOCK
            most = min(len(block.starts) - 1, low + stop - first)
            high = min(bisect_right(block.starts, block.starts[low] + room) - 1, most)
            pieces.append(block.content[block.starts[low] : block.starts[high]])
            room -= block.starts[high] - block.starts[low]
            first += high - low
            if high < most:
                return pieces if room < size else None
        return pieces

    def _dot(self, row: int, place: int) -> bytes:
        """Make the record of `.` or `..`: without a node, since the kernel knows both."""
        shown = row if place == 0 else int(self._links.parent[row])
        block = self._block(shown // _BLOCK)
        (ino,) = wire.INO.unpack_from(block.content, block.starts[shown % _BLOCK] + wire.ENTRY_HEAD.size)
        return _NO_NODE + wire.DIRENT.pack(ino, place + 1, place + 1, st.S_IFDIR >> 12, _DOT_NAMES[place])

    def _build(self, number: int) -> _Block:
        """Make the records of a block of rows."""
        rows = slice(number * _BLOCK, min((number + 1) * _BLOCK, self.count))
        fixed = self._fixed(rows)
        name_sizes = self._links.name_size[rows].astype(np.int64)
        sizes = wire.DIRENTPLUS_SIZE + (name_sizes + 7) // 8 * 8
        starts = np.concatenate(([0], np.cumsum(sizes)))
        words = np.zeros(int(starts[-1]) // 8, np.uint64)
        places = starts[:-1, None] // 8 + np.arange(_WORDS)
        words[places] = fixed.view(np.uint64).reshape(-1, _WORDS)
        octets = words.view(np.uint8)
        within = np.arange(int(name_sizes.sum())) - np.repeat(np.cumsum(name_sizes) - name_sizes, name_sizes)
        source = np.repeat(self._links.name_offset[rows], name_sizes) + within
        octets[np.repeat(starts[:-1] + wire.DIRENTPLUS_SIZE, name_sizes) + within] = self._octets[source]
        return _Block(memoryview(octets.tobytes()), starts.tolist())

    def _fixed(self, rows: slice) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        """Make the part of records that stands before the names."""
        links, stat = self._links, self._describe(rows)
        record = np.zeros(rows.stop - rows.start, wire.DIRENTPLUS)
        record["nodeid"] = links.link_row[rows].astype(np.int64) + wire.ROOT
        record["entry_valid"] = record["attr_valid"] = ONE_YEAR
        record["ino"] = record["dirent_ino"] = stat.ino
        record["size"], record["blocks"], record["blksize"] = stat.size, stat.blocks, IO_BLOCK
        record["atime"] = record["mtime"] = record["ctime"] = stat.mtime
        record["atime_nsec"] = record["mtime_nsec"] = record["ctime_nsec"] = stat.mtime_nsec
        record["mode"], record["nlink"], record["rdev"] = stat.mode, stat.nlink, stat.rdev
        record["uid"], record["gid"], record["type"] = stat.uid, stat.gid, stat.mode >> 12
        first = links.child_start[links.parent[rows]].astype(np.int64)
        record["next_offset"] = np.arange(rows.start, rows.stop) - first + _DOTS + 1
        record["name_size"] = links.name_size[rows]
        return record
