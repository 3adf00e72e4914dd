"""Names of directory entries: which are legal, and in which order they stand.

This module alone decides what a reader accepts as a name. All of it works on eight bytes of every name at a time: a
round costs a handful of array operations, and most names are done after two.
"""

from typing import Final

import numpy as np

from rafsight.formats.records import Bools, Indexes, Long, load_words, require, zero_octets
from rafsight.formats.tables import Octets, Offsets, Rows

MAX_NAME_SIZE: Final = 255
_SLASHES: Final = np.uint64(0x2F2F_2F2F_2F2F_2F2F)
_ALL: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_MASKS: Final = np.array([(1 << (8 * size)) - 1 for size in range(9)], dtype=np.uint64)
_DOT: Final = 0x2E
_DOTS: Final = 0x2E2E


def dots(octets: Octets, offset: Offsets, size: Offsets) -> tuple[Bools, Bools]:
    """Find the entries `.` and `..`.

    Returns: (n,) is `.`; (n,) is `..`.
    """
    words = load_words(octets, offset, size)
    return (size == 1) & (words == _DOT), (size == 2) & (words == _DOTS)


def name_order(octets: Octets, offset: Offsets, size: Offsets, group: Rows | Indexes, where: str) -> Indexes | None:
    """Check the names of some directories, and find the order that the tables want.

    Args:
        octets: the file.
        offset: (n,) [bytes] of each name; the names lie inside the file.
        size: (n,) [bytes].
        group: (n,) ascending: a number for each directory.
        where: what the names are, for the error.
    Returns: (n,) the rows, ordered by group and name; None if they are in order.
    Raises: MalformedImage: a name is empty, too long, `.`, `..`, holds a NUL or a slash, or stands twice.
    Cost: linear, and n log n for directories that are out of order (no builder makes them).
    """
    require((size > 0) & (size <= MAX_NAME_SIZE), where, "has a name of no or more than 255 bytes", offset)
    dot, dotdot = dots(octets, offset, size)
    require(~(dot | dotdot), where, "is named `.` or `..`", offset)
    falling = _compare(octets, offset, size, group, where)
    if not falling.size:
        return None
    order = _sort(octets, offset, size, group, np.unique(group[falling]).tolist())
    _compare(octets, offset[order], size[order], group, where)
    return order


def _compare(octets: Octets, offset: Offsets, size: Offsets, group: Rows | Indexes, where: str) -> Indexes:
    """Find the rows whose name is less than that of the row before, in the same directory."""
    tied: Indexes = np.flatnonzero(group[1:] == group[:-1]) + 1
    falling = [tied[:0]]
    live: Indexes = np.arange(len(size))
    for start in range(0, MAX_NAME_SIZE + 1, 8):
        live = live[size[live] > start]
        if not live.size:
            break
        keys = np.zeros(len(size), np.uint64)
        keys[live] = _keys(octets, offset[live] + start, size[live] - start, where)
        mine, before = keys[tied], keys[tied - 1]
        falling.append(tied[mine < before])
        tied = tied[mine == before]
    twice = np.zeros(len(size), np.bool_)
    twice[tied] = True
    require(~twice, where, "has the name of its neighbour", offset)
    return np.concatenate(falling)


def _keys(octets: Octets, offset: Offsets, size: Offsets, where: str) -> Long:
    """Load up to eight bytes of each name so that they compare as the bytes do; zeros after its end."""
    words = load_words(octets, offset, size)
    beyond = _ALL ^ _MASKS[np.minimum(size, 8)]
    require(zero_octets(words | beyond) == 0, where, "has a NUL in its name", offset)
    require(zero_octets(words ^ _SLASHES) == 0, where, "has a slash in its name", offset)
    return words.byteswap()


def _sort(octets: Octets, offset: Offsets, size: Offsets, group: Rows | Indexes, wrong: list[int]) -> Indexes:
    """Order the rows of some directories by name."""
    order: Indexes = np.arange(len(size))
    for directory in wrong:
        first, end = np.searchsorted(group, [directory, directory + 1])
        names = [
            octets[start : start + length].tobytes()
            for start, length in zip(offset[first:end].tolist(), size[first:end].tolist(), strict=True)
        ]
        order[first:end] = first + np.array(sorted(range(len(names)), key=names.__getitem__))
    return order
