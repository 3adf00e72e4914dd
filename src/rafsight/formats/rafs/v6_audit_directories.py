"""Rules of RAFS v6 directories that this reader does not need.

This module alone decides what they are: that `.` and `..` are there and stand where a binary search looks for them, and
that nothing is hidden behind the names; section 2.9 of the format reference.
"""

import numpy as np

from rafsight.formats.judge import Judge
from rafsight.formats.rafs import shared_rules
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs import v6_rules as rules
from rafsight.formats.rafs.names import dots
from rafsight.formats.rafs.v6_data import share_out
from rafsight.formats.rafs.v6_dirents import WHERE, Dirents, read_dirents
from rafsight.formats.rafs.v6_inodes import DIRECTORY, Inodes, decode_inodes, record_sizes
from rafsight.formats.rafs.v6_volume import Volume
from rafsight.formats.rafs.v6_walk import DIRENT
from rafsight.formats.records import Indexes, load_words
from rafsight.formats.tables import TreeTables

_RESERVED_FIELD = 11
"""[bytes] of a dirent before its last."""


def audit_directories(volume: Volume, tables: TreeTables, judge: Judge) -> None:
    """Look at the blocks of every directory, all together.

    Args:
        volume: the bootstrap, with a judge that nobody asks.
        tables: what was read of it.
        judge: told about every rule.
    """
    places = tables.entries.inode_offset
    is_directory = tables.entries.mode >> np.uint32(12) == DIRECTORY
    offset = np.zeros(0, np.int64) if places is None else places[is_directory & (places > 0)]
    inodes = decode_inodes(volume, offset, record_sizes(volume, offset))
    inodes = inodes.take(np.flatnonzero(inodes.kind == DIRECTORY))  # a root of another kind stands as an empty one
    wanted = -(-inodes.size // volume.block_size)
    share_out(
        volume.judge, inodes.size, len(volume.octets), rule=rules.DIRECTORY_SIZE, where=WHERE, inodes=inodes.offset
    )
    dirents = read_dirents(volume, inodes)
    lasts = np.flatnonzero(np.diff(dirents.block, append=-1) != 0)
    firsts = np.concatenate((np.zeros(1, np.intp), lasts[:-1] + 1))[: len(lasts)]
    begins = dirents.records["name_offset"][firsts].astype(np.int64)
    whole = begins == (lasts - firsts + 1) * layout.DIRENT.size
    complete = np.bincount(dirents.directory[lasts[whole]], minlength=len(wanted)) == wanted
    _audit_dots(volume, dirents, inodes, np.flatnonzero(complete), judge)
    _audit_padding(volume, dirents, inodes, lasts[whole], judge)
    zero = dirents.records["reserved"] == 0
    judge.require(
        zero, shared_rules.RESERVED, DIRENT, dirents.place + _RESERVED_FIELD, inodes.offset[dirents.directory]
    )


def _audit_dots(volume: Volume, dirents: Dirents, inodes: Inodes, complete: Indexes, judge: Judge) -> None:
    """Look for `.` and `..` in directories of which everything could be read, and at what stands before and after."""
    dot, dotdot = dots(volume.octets, dirents.name_offset, dirents.name_size)
    both = np.ones(len(inodes.offset), np.bool_)
    for here in (dot, dotdot):
        has_one = np.bincount(dirents.directory[here], minlength=len(both)) > 0
        both[complete] &= has_one[complete]
    judge.require(both, rules.DOTS_ABSENT, WHERE, inodes.offset, inodes.offset)
    # eight bytes of each name decide how it compares with one of two
    keys = load_words(volume.octets, dirents.name_offset, dirents.name_size).byteswap()
    rises = np.ones(len(keys), np.bool_)
    rises[1:] = (keys[1:] > keys[:-1]) | (np.diff(dirents.directory) != 0)
    found = np.flatnonzero(dot | dotdot)
    after = np.minimum(found + 1, max(len(keys) - 1, 0))
    ordered = rises[found] & (rises[after] | (after == found))
    judge.require(ordered, shared_rules.NAME_ORDER, DIRENT, dirents.place[found],
                  inodes.offset[dirents.directory[found]])  # fmt: skip


def _audit_padding(volume: Volume, dirents: Dirents, inodes: Inodes, lasts: Indexes, judge: Judge) -> None:
    """Look behind the last names of blocks."""
    start = dirents.name_offset[lasts] + dirents.name_size[lasts]
    end = dirents.block_end[dirents.block[lasts]]
    clean = np.ones(len(lasts), np.bool_)
    for row in np.flatnonzero(start < end).tolist():
        clean[row] = not volume.octets[int(start[row]) : int(end[row])].any()
    judge.require(clean, rules.NAME_PADDING, WHERE, start, inodes.offset[dirents.directory[lasts]])
