"""The directory tree of a RAFS v6 bootstrap, level by level.

This module alone decides which entries an EROFS directory has. Every directory is reached once and no two
share their data, so that the work is bounded by the length of the file; a level costs as many array operations however
wide it is.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.judge import Judge, Rule
from rafsight.formats.rafs import shared_rules
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs import v6_rules as rules
from rafsight.formats.rafs.names import dots, name_order
from rafsight.formats.rafs.v6_data import share_out
from rafsight.formats.rafs.v6_dirents import WHERE, Dirents, read_dirents
from rafsight.formats.rafs.v6_inodes import DIRECTORY, Inodes, empty_root, join, read_inodes
from rafsight.formats.rafs.v6_volume import Volume
from rafsight.formats.records import Indexes, Long
from rafsight.formats.tables import Offsets, Rows

DIRENT: Final = "v6 dirent"
_ROOT_FIELD: Final = layout.SUPERBLOCK_OFFSET + 14
"""[bytes] of the root's nid in the file."""
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
    place: Offsets
    """[bytes] of the dirent."""

    def take(self, rows: Indexes) -> "_Level":
        return _Level(**{name: getattr(self, name)[rows] for name in self.__slots__})


def walk(volume: Volume, limits: Limits) -> Tree:
    """Read the whole directory tree.

    With a judge that goes on, entries that have no name, lead outside the file, or lead to a directory that has been
    reached are left out, and so are blocks that cannot be read. A root that is none becomes an empty directory.

    Raises: MalformedImage: a directory is damaged, is reached twice, or lies too deep.
    Cost: linear in the entries, by columns; some hundred array operations a level.
    """
    levels, inodes = [_root(volume)], [_root_inode(volume)]
    claims = np.zeros(volume.slot_count, np.int32)
    if inodes[0].offset[0]:
        _claim(volume.judge, claims, 0, levels[0], inodes[0])
    else:
        levels[0].nid[0] = 0
    parents = levels[0].nid
    first_row, room = 0, len(volume.octets)
    while (directories := np.flatnonzero(inodes[-1].kind == DIRECTORY)).size:
        level, found = levels[-1], inodes[-1].take(directories)
        if not _is_allowed(volume.judge, shared_rules.DIRECTORY_DEPTH, found, len(levels) <= limits.path_size // 2):
            break
        room = share_out(volume.judge, found.size, room, rule=rules.DIRECTORY_SIZE, where=WHERE, inodes=found.offset)
        rows = (first_row + directories).astype(np.int32)
        below = _read_level(volume, found, level.nid[directories], parents[directories], rows)
        above, first_row = first_row, first_row + len(level.nid)
        few = first_row + len(below.nid) <= limits.entry_count
        if not _is_allowed(volume.judge, shared_rules.ENTRY_COUNT, found, few):
            break
        below, nodes = _reach(volume, claims, first_row, below, inodes[-1].offset[below.parent - above])
        parents = level.nid[below.parent - above]
        levels.append(below)
        inodes.append(nodes)
    return _assemble(levels, join(inodes))


def _is_allowed(judge: Judge, rule: Rule, directories: Inodes, condition: bool) -> bool:
    """Look at a rule that bounds the walk."""
    judge.require(np.full(len(directories.offset), condition), rule, WHERE, directories.offset, directories.offset)
    return condition


def _root(volume: Volume) -> _Level:
    zero = np.zeros(1, np.int64)
    return _Level(
        parent=zero.astype(np.int32),
        name_offset=zero,
        name_size=zero.astype(np.int32),
        nid=np.array([volume.root_nid], np.uint64),
        file_type=np.array([2], np.int32),
        place=zero + _ROOT_FIELD,
    )


def _root_inode(volume: Volume) -> Inodes:
    """Read the inode of the root."""
    inodes, kept = read_inodes(volume, np.array([volume.root_nid], np.uint64), "v6 superblock", _ROOT_FIELD)
    if kept is not None:
        return empty_root(0)
    wrong = volume.judge.require(inodes.kind == DIRECTORY, shared_rules.ROOT_KIND, WHERE, inodes.offset, inodes.offset)
    return empty_root(int(inodes.offset[0])) if wrong.size else inodes


def _reach(volume: Volume, claims: Rows, first_row: int, level: _Level, homes: Offsets) -> tuple[_Level, Inodes]:
    """Read the inodes of a level, and leave out the entries that lead nowhere or where others led before.

    Args:
        volume: the bootstrap.
        claims: (slots,) row + 1 of the directories that have been reached, 0 elsewhere.
        first_row: row of the level's first entry.
        level: n entries.
        homes: (n,) [bytes] of the inodes of their directories.
    """
    judge = volume.judge
    inodes, kept = read_inodes(volume, level.nid, DIRENT, level.place, homes)
    if kept is not None:
        level = level.take(kept)
    again = _claim(judge, claims, first_row, level, inodes)
    if again.size:
        fresh = np.delete(np.arange(len(level.nid)), again)
        level, inodes = level.take(fresh), inodes.take(fresh)
    same = level.file_type == _FILE_TYPES[inodes.kind]
    judge.require(same, rules.DIRENT_TYPE, DIRENT, level.place, inodes.offset)
    return level, inodes


def _claim(judge: Judge, claims: Rows, first_row: int, level: _Level, inodes: Inodes) -> Indexes:
    """Take directories for rows; return the entries whose directory has been taken before."""
    directories = np.flatnonzero(inodes.kind == DIRECTORY)
    nids, rows = level.nid[directories], (1 + first_row + directories).astype(np.int32)
    free = claims[nids] == 0
    claims[nids[free][::-1]] = rows[free][::-1]  # of a nid that stands twice the last assignment counts: its first row
    free &= claims[nids] == rows
    again = judge.require(free, shared_rules.DIRECTORY_TWICE, WHERE, level.place[directories],
                          inodes.offset[directories])  # fmt: skip
    return directories[again]


def _read_level(volume: Volume, inodes: Inodes, nids: Long, parents: Long, rows: Rows) -> _Level:
    """Read the entries of some directories, without `.` and `..`, ordered by directory and name."""
    judge = volume.judge
    dirents = read_dirents(volume, inodes)
    directory, nid = dirents.directory, np.ascontiguousarray(dirents.records["nid"])
    dot, dotdot = dots(volume.octets, dirents.name_offset, dirents.name_size)
    _check_dots(judge, dirents.take(np.flatnonzero(dot)), nids, inodes)
    _check_dots(judge, dirents.take(np.flatnonzero(dotdot)), parents, inodes)
    level = _Level(
        parent=rows[directory],
        name_offset=dirents.name_offset,
        name_size=dirents.name_size.astype(np.int32),
        nid=nid,
        file_type=dirents.records["file_type"].astype(np.int32),
        place=dirents.place,
    ).take(np.flatnonzero(~(dot | dotdot)))
    order = name_order(
        volume.octets,
        level.name_offset,
        level.name_size.astype(np.int64),
        level.parent,
        where=DIRENT,
        judge=judge,
        inodes=None if judge.is_strict else volume.locate(level.nid)[0],
    )
    if order is not None:
        level = level.take(order)
    named = level.name_size > 0  # what has no name cannot be found
    return level if judge.is_strict or bool(named.all()) else level.take(np.flatnonzero(named))


def _check_dots(judge: Judge, found: Dirents, expected: Long, inodes: Inodes) -> None:
    """Make sure that `.` or `..` names what it should, and stands in a directory at most once."""
    homes = inodes.offset[found.directory]
    judge.require(found.records["nid"] == expected[found.directory], rules.DOTS_WRONG, WHERE, found.place, homes)
    judge.require(np.diff(found.directory, prepend=-1) > 0, rules.DOTS_TWICE, WHERE, found.place, homes)


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
