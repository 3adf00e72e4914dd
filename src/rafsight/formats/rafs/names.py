"""Names of directory entries: which are legal, and in which order they stand.

This module alone decides what a reader accepts as a name; where the judge goes on, illegal names stay. All of it works
on eight bytes of every name at a time: a round costs a handful of array operations, and most names are done after two.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.formats.judge import STRICT, Collector, Judge
from rafsight.formats.rafs import shared_rules as rules
from rafsight.formats.records import Bools, Indexes, Long, load_words, zero_octets
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


def name_order(
    octets: Octets,
    offset: Offsets,
    size: Offsets,
    group: Rows | Indexes,
    *,
    where: str,
    judge: Judge,
    inodes: Offsets | None = None,
) -> Indexes | None:
    """Check the names of some directories, and find the order that the tables want.

    Args:
        octets: the file.
        offset: (n,) [bytes] of each name; the names lie inside the file.
        size: (n,) [bytes].
        group: (n,) ascending: a number for each directory.
        where: what the names are.
        judge: told about names that are empty, too long, `.`, `..`, hold a NUL or a slash, stand twice, or (collecting
            judges only) stand out of order.
        inodes: (n,) [bytes] of the inodes that have the names.
    Returns: (n,) the rows, ordered by group and name; None if they are in order.
    Cost: linear, and n log n for directories that are out of order (no builder makes them).
    """
    judge.require((size > 0) & (size <= MAX_NAME_SIZE), rules.NAME_SIZE, where, offset, inodes)
    dot, dotdot = dots(octets, offset, size)
    judge.require(~(dot | dotdot), rules.NAME_DOTS, where, offset, inodes)
    names = _Names(octets=octets, offset=offset, size=size, where=where, judge=judge, inodes=inodes)
    falling, twice = _compare(names, group)
    if falling.size:
        if not judge.is_strict:
            judge.require(_absent(falling, len(size)), rules.NAME_ORDER, where, offset, inodes)
        order = _sort(octets, offset, size, group, np.unique(group[falling]))
        _, twice = _compare(names.take(order), group)
        twice = order[twice]
    else:
        order = None
    judge.require(_absent(twice, len(size)), rules.NAME_TWICE, where, offset, inodes)
    return order


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    octets: Octets
    offset: Offsets
    size: Offsets
    where: str
    judge: Judge
    inodes: Offsets | None

    def take(self, rows: Indexes) -> "_Names":
        return _Names(
            octets=self.octets,
            offset=self.offset[rows],
            size=self.size[rows],
            where=self.where,
            judge=STRICT if self.judge.is_strict else Collector(),  # the first pass told about characters already
            inodes=None,
        )

    def keys(self, live: Indexes, start: int) -> Long:
        """Load up to eight bytes of each name so that they compare as the bytes do; zeros after its end."""
        offset, size = self.offset[live] + start, self.size[live] - start
        inodes = None if self.inodes is None else self.inodes[live]
        words = load_words(self.octets, offset, size)
        beyond = _ALL ^ _MASKS[np.minimum(size, 8)]
        self.judge.require(zero_octets(words | beyond) == 0, rules.NAME_NUL, self.where, offset, inodes)
        self.judge.require(zero_octets(words ^ _SLASHES) == 0, rules.NAME_SLASH, self.where, offset, inodes)
        return words.byteswap()


def _compare(names: _Names, group: Rows | Indexes) -> tuple[Indexes, Indexes]:
    """Find the rows whose name is less than that of the row before, in the same directory; and those with the same."""
    count = len(names.size)
    tied: Indexes = np.flatnonzero(group[1:] == group[:-1]) + 1
    falling = [tied[:0]]
    live: Indexes = np.arange(count)
    for start in range(0, MAX_NAME_SIZE + 1, 8):
        live = live[names.size[live] > start]
        if not live.size:
            break
        keys = np.zeros(count, np.uint64)
        keys[live] = names.keys(live, start)
        mine, before = keys[tied], keys[tied - 1]
        falling.append(tied[mine < before])
        tied = tied[mine == before]
    return np.concatenate(falling), tied


def _absent(rows: Indexes, count: int) -> Bools:
    """Return (count,) true but for some rows."""
    answer = np.ones(count, np.bool_)
    answer[rows] = False
    return answer


def _sort(octets: Octets, offset: Offsets, size: Offsets, group: Rows | Indexes, wrong: np.ndarray) -> Indexes:
    """Order the rows of some directories by name.

    Args:
        octets: the file.
        offset: (n,) [bytes] of each name.
        size: (n,) [bytes].
        group: (n,) ascending.
        wrong: (w,) the groups to be ordered, of the type of `group`: all of it would be converted otherwise.
    """
    order: Indexes = np.arange(len(size))
    firsts, ends = np.searchsorted(group, wrong), np.searchsorted(group, wrong, side="right")
    for first, end in zip(firsts.tolist(), ends.tolist(), strict=True):
        names = [
            octets[start : start + length].tobytes()
            for start, length in zip(offset[first:end].tolist(), size[first:end].tolist(), strict=True)
        ]
        order[first:end] = first + np.array(sorted(range(len(names)), key=names.__getitem__))
    return order
