"""The directory tree of a RAFS v6 bootstrap, level by level.

This module alone decides which entries an EROFS directory has. Every directory is reached once and no two
share their data, so that the work is bounded by the length of the file; a level costs as many array operations however
wide it is.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs.names import MAX_NAME_SIZE, dots, name_order
from rafsight.formats.rafs.v6_inodes import DIRECTORY, Inodes, join, read_inodes
from rafsight.formats.rafs.v6_volume import Volume
from rafsight.formats.records import Indexes, Long, ragged, require, sizes_to_nul
from rafsight.formats.tables import MalformedImage, Offsets, Rows

WHERE: Final = "v6 directory"
_NAME_FIELD: Final = 8
"""[bytes] of a dirent before its name offset."""
_FILE_TYPES: Final = np.array(layout.FILE_TYPES, dtype=np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Directory entries in the order of the tables; n rows."""

    parent: Rows
    name_offset: Offsets
    name_size: Rows
    child_start: Rows
    child_count: Rows
    nid: Long
    inodes: Inodes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """Entries of one depth."""

    parent: Rows
    name_offset: Offsets
    name_size: Rows
    nid: Long
    file_type: Rows

    def take(self, rows: Indexes) -> "_Level":
        return _Level(**{name: getattr(self, name)[rows] for name in self.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Blocks:
    """Directory blocks, those of one directory together and in order."""

    directory: Indexes
    """Which of the level's directories."""
    offset: Offsets
    size: Offsets


def walk(volume: Volume, limits: Limits) -> Tree:
    """Read the whole directory tree.

    Raises: MalformedImage: a directory is damaged, is reached twice, or lies too deep.
    Cost: linear in the entries, by columns; some hundred array operations a level.
    """
    levels = [_root(volume)]
    inodes = [read_inodes(volume, levels[0].nid, "v6 superblock")]
    require(inodes[0].kind == DIRECTORY, WHERE, "is the root, and no directory", inodes[0].offset)
    claims = np.zeros(volume.slot_count, np.int32)
    first_row, room = 0, len(volume.octets)
    parents = levels[0].nid
    while (directories := np.flatnonzero(inodes[-1].kind == DIRECTORY)).size:
        level, found = levels[-1], inodes[-1].take(directories)
        rows = (first_row + directories).astype(np.int32)
        if len(levels) > limits.path_size // 2:
            raise MalformedImage(where=WHERE, what="lies too deep", offset=int(found.offset[0]))
        _claim(claims, level.nid[directories], rows, found.offset)
        room = _take_room(room, found)
        below = _read_level(volume, found, level.nid[directories], parents[directories], rows)
        first_row += len(level.nid)
        if first_row + len(below.nid) > limits.entry_count:
            raise MalformedImage(where=WHERE, what="brings too many entries", offset=int(found.offset[0]))
        parents = level.nid[below.parent - (first_row - len(level.nid))]
        levels.append(below)
        inodes.append(read_inodes(volume, below.nid, "v6 dirent"))
        _check_types(below, inodes[-1])
    return _assemble(levels, join(inodes))


def _root(volume: Volume) -> _Level:
    zero = np.zeros(1, np.int64)
    return _Level(
        parent=zero.astype(np.int32),
        name_offset=zero,
        name_size=zero.astype(np.int32),
        nid=np.array([volume.root_nid], np.uint64),
        file_type=np.array([2], np.int32),
    )


def _claim(claims: Rows, nids: Long, rows: Rows, offset: Offsets) -> None:
    """Take directories for rows; a directory that has one already is reached twice."""
    require(claims[nids] == 0, WHERE, "is reached twice", offset)
    claims[nids] = rows + 1
    require(claims[nids] == rows + 1, WHERE, "is reached twice", offset)


def _take_room(room: int, inodes: Inodes) -> int:
    """Subtract the data of some directories from what the file has; no two directories share any."""
    fits = bool((inodes.size <= room).all()) and int(inodes.size.sum()) <= room
    if not fits:
        raise MalformedImage(where=WHERE, what="is larger than the file", offset=int(inodes.offset[0]))
    return room - int(inodes.size.sum())


def _blocks(volume: Volume, inodes: Inodes) -> _Blocks:
    """Find the blocks of some directories; an inline tail is a block too.

    Raises: MalformedImage: a block lies outside the file or in its head.
    """
    require((inodes.layout == layout.LAYOUT_PLAIN) | (inodes.layout == layout.LAYOUT_INLINE), WHERE,
            "has the layout of a file", inodes.offset)  # fmt: skip
    tail = inodes.size % volume.block_size
    is_inline = (inodes.layout == layout.LAYOUT_INLINE) & (tail > 0)
    start = inodes.union.astype(np.int64) * volume.block_size
    outside = inodes.size - np.where(is_inline, tail, 0)
    require((outside == 0) | ((start >= volume.first_offset) & (start + outside <= len(volume.octets))), WHERE,
            "has data outside the file", inodes.offset)  # fmt: skip
    require(~is_inline | (inodes.body + tail <= len(volume.octets)), WHERE, "has a tail past the end", inodes.offset)
    directory, ordinal = ragged(-(-inodes.size // volume.block_size))
    offset = start[directory] + ordinal * volume.block_size
    is_tail = ordinal == inodes.size[directory] // volume.block_size
    return _Blocks(
        directory=directory,
        offset=np.where(is_tail & is_inline[directory], inodes.body[directory], offset),
        size=np.where(is_tail, tail[directory], volume.block_size),
    )


def _read_level(volume: Volume, inodes: Inodes, nids: Long, parents: Long, rows: Rows) -> _Level:
    """Read the entries of some directories, without `.` and `..`, ordered by directory and name."""
    blocks = _blocks(volume, inodes)
    block, place, dirents = _dirents(volume, blocks)
    directory = blocks.directory[block]
    name_offset, name_size = _names(volume, blocks, block, place, dirents["name_offset"].astype(np.int64))
    dot, dotdot = dots(volume.octets, name_offset, name_size)
    nid = np.ascontiguousarray(dirents["nid"])
    _check_dots(dot, directory, nid, nids, place)
    _check_dots(dotdot, directory, nid, parents, place)
    level = _Level(
        parent=rows[directory],
        name_offset=name_offset,
        name_size=name_size.astype(np.int32),
        nid=nid,
        file_type=dirents["file_type"].astype(np.int32),
    ).take(np.flatnonzero(~(dot | dotdot)))
    order = name_order(volume.octets, level.name_offset, level.name_size.astype(np.int64), level.parent, "v6 dirent")
    return level if order is None else level.take(order)


def _dirents(volume: Volume, blocks: _Blocks) -> tuple[Indexes, Offsets, np.ndarray]:
    """Gather the dirents of some blocks: for each its block, its place [bytes], itself."""
    require(blocks.size >= layout.DIRENT.size, WHERE, "has a block too small for an entry", blocks.offset)
    first = layout.DIRENT.gather(volume.octets, blocks.offset, WHERE)["name_offset"].astype(np.int64)
    require((first % layout.DIRENT.size == 0) & (first > 0) & (first < blocks.size), WHERE,
            "has a wrong first name offset", blocks.offset + _NAME_FIELD)  # fmt: skip
    block, ordinal = ragged(first // layout.DIRENT.size)
    place = blocks.offset[block] + ordinal * layout.DIRENT.size
    return block, place, layout.DIRENT.gather(volume.octets, place, WHERE)


def _names(volume: Volume, blocks: _Blocks, block: Indexes, place: Offsets, start: Offsets) -> tuple[Offsets, Offsets]:
    """Find the names of dirents: where each begins and its size, [bytes].

    A name ends where the next begins; the last of a block at its first NUL, or with the block.
    """
    is_last = np.diff(block, append=len(blocks.size)) > 0
    end = np.where(is_last, blocks.size[block], np.roll(start, -1))
    require((end > start) & (end <= blocks.size[block]), WHERE, "has wrong name offsets", place + _NAME_FIELD)
    offset, size = blocks.offset[block] + start, end - start
    lasts = np.flatnonzero(is_last)
    size[lasts] = sizes_to_nul(volume.octets, offset[lasts], size[lasts], MAX_NAME_SIZE)
    return offset, size


def _check_dots(here: np.ndarray, directory: Indexes, nid: Long, expected: Long, place: Offsets) -> None:
    """Make sure that `.` or `..` names what it should, and stands in a directory at most once."""
    found = np.flatnonzero(here)
    require(nid[found] == expected[directory[found]], WHERE, "has a wrong `.` or `..`", place[found])
    require(np.diff(directory[found], prepend=-1) > 0, WHERE, "has `.` or `..` twice", place[found])


def _check_types(level: _Level, inodes: Inodes) -> None:
    same = level.file_type == _FILE_TYPES[inodes.kind]
    require(same, "v6 dirent", "has another file type than its inode", inodes.offset)


def _assemble(levels: list[_Level], inodes: Inodes) -> Tree:
    parent = np.concatenate([level.parent for level in levels])
    child_count = np.bincount(parent[1:], minlength=len(parent)).astype(np.int32)
    # children come in the order of their parents, from row 1 on
    child_start = np.where(child_count > 0, 1 + np.cumsum(child_count) - child_count, 0).astype(np.int32)
    return Tree(
        parent=parent,
        name_offset=np.concatenate([level.name_offset for level in levels]),
        name_size=np.concatenate([level.name_size for level in levels]),
        child_start=child_start,
        child_count=child_count,
        nid=np.concatenate([level.nid for level in levels]),
        inodes=inodes,
    )
