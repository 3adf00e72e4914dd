"""The blocks of RAFS v6 directories, and the dirents in them.

This module alone decides which dirents a directory has, and where their names begin and end.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs import v6_rules as rules
from rafsight.formats.rafs.names import MAX_NAME_SIZE
from rafsight.formats.rafs.v6_data import flat_data
from rafsight.formats.rafs.v6_inodes import Inodes
from rafsight.formats.rafs.v6_volume import Volume
from rafsight.formats.records import Indexes, ragged, sizes_to_nul
from rafsight.formats.tables import Offsets

WHERE: Final = "v6 directory"
_NAME_FIELD: Final = 8
"""[bytes] of a dirent before its name offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Blocks:
    """Directory blocks, those of one directory together and in order."""

    directory: Indexes
    """Which of the directories."""
    offset: Offsets
    size: Offsets

    def take(self, rows: Indexes) -> "_Blocks":
        return _Blocks(directory=self.directory[rows], offset=self.offset[rows], size=self.size[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class Dirents:
    """Dirents of some directories, those of one together and in order; `.` and `..` are among them."""

    block_end: Offsets
    """(blocks,) [bytes] where each block ends."""
    block: Indexes
    """Which of the blocks."""
    directory: Indexes
    """Which of the directories."""
    place: Offsets
    """[bytes] of the dirent."""
    records: np.ndarray
    name_offset: Offsets
    name_size: Offsets

    def take(self, rows: Indexes) -> "Dirents":
        """Choose some rows."""
        columns = {name: getattr(self, name)[rows] for name in self.__slots__ if name != "block_end"}
        return Dirents(block_end=self.block_end, **columns)


def read_dirents(volume: Volume, inodes: Inodes) -> Dirents:
    """Read the dirents of some directories.

    Args:
        volume: the bootstrap.
        inodes: the directories; their sizes together are bounded by the caller.
    Returns: with a judge that goes on, those in blocks that begin as blocks do, whose names lie where names may.
    Raises: MalformedImage.
    """
    judge, octets = volume.judge, volume.octets
    blocks = _blocks(volume, inodes)
    homes = inodes.offset[blocks.directory]
    small = judge.require(blocks.size >= layout.DIRENT.size, rules.DIRECTORY_BLOCK, WHERE, blocks.offset, homes)
    if small.size:
        blocks, homes = _without(blocks, small), np.delete(homes, small)
    first = layout.DIRENT.gather(octets, blocks.offset, WHERE)["name_offset"].astype(np.int64)
    good = (first % layout.DIRENT.size == 0) & (first > 0) & (first < blocks.size)
    wrong = judge.require(good, rules.FIRST_NAME, WHERE, blocks.offset + _NAME_FIELD, homes)
    if wrong.size:
        blocks, first = _without(blocks, wrong), np.delete(first, wrong)
    block, ordinal = ragged(first // layout.DIRENT.size)
    place = blocks.offset[block] + ordinal * layout.DIRENT.size
    records = layout.DIRENT.gather(octets, place, WHERE)
    start = records["name_offset"].astype(np.int64)
    is_last = np.diff(block, append=len(blocks.size)) > 0
    end = np.where(is_last, blocks.size[block], np.roll(start, -1))
    fits = (end > start) & (end <= blocks.size[block])
    directory = blocks.directory[block]
    owners = None if judge.is_strict else inodes.offset[directory]
    lost = judge.require(fits, rules.NAME_OFFSET, WHERE, place + _NAME_FIELD, owners)
    offset, size = blocks.offset[block] + start, np.where(fits, end - start, 0)
    lasts = np.flatnonzero(is_last & fits)
    size[lasts] = sizes_to_nul(octets, offset[lasts], size[lasts], MAX_NAME_SIZE)
    dirents = Dirents(
        block_end=blocks.offset + blocks.size,
        block=block,
        directory=directory,
        place=place,
        records=records,
        name_offset=offset,
        name_size=size,
    )
    return dirents.take(np.flatnonzero(fits & (start >= first[block]))) if lost.size else dirents


def _blocks(volume: Volume, inodes: Inodes) -> _Blocks:
    """Find the blocks of some directories; an inline tail is a block too.

    Raises: MalformedImage: a block lies outside the file or in its head.
    """
    data = flat_data(volume, inodes, inodes.size, WHERE)
    directory, ordinal = ragged(-(-data.size // volume.block_size))
    offset = data.start[directory] + ordinal * volume.block_size
    is_tail = ordinal == data.size[directory] // volume.block_size
    return _Blocks(
        directory=directory,
        offset=np.where(is_tail & (data.tail[directory] > 0), inodes.body[directory], offset),
        size=np.where(is_tail, data.size[directory] % volume.block_size, volume.block_size),
    )


def _without(blocks: _Blocks, rows: Indexes) -> _Blocks:
    return blocks.take(np.delete(np.arange(len(blocks.size)), rows))
