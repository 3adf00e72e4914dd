"""A tree level by level: the order of a walk, sums from the leaves up, and where two rows meet.

This module alone decides what "path order" is: that of `ImageTree.walk`, a directory before what lies in it and the
entries of a directory by name. Nothing here takes a step of Python for each entry.
"""

from dataclasses import dataclass

import numpy as np

from rafsight.formats.records import Indexes, ragged
from rafsight.formats.tables import EntryTable, Offsets, Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """All children of the directories of one depth, the children of a directory together and by name."""

    parents: Rows
    """(d,) directories that have children."""
    firsts: Offsets
    """(d,) position in `rows` of the first child of each."""
    counts: Offsets
    """(d,) children of each; at least one."""
    rows: Offsets
    """(k,) the children."""


def levels_of(entries: EntryTable) -> list[Level]:
    """Return the levels of a tree below its root, from the top.

    Cost: linear in entries and levels, whose number `TreeTables` bounds.
    """
    levels = []
    rows = np.zeros(1, dtype=np.int64)
    while len(parents := rows[entries.child_count[rows] > 0]):
        counts = entries.child_count[parents].astype(np.int64)
        group, ordinal = ragged(counts)
        rows = entries.child_start[parents][group] + ordinal
        levels.append(
            Level(parents=parents.astype(np.int32), firsts=np.cumsum(counts) - counts, counts=counts, rows=rows)
        )
    return levels


def sum_upwards(levels: list[Level], values: Offsets) -> Offsets:
    """Return what each row and all rows below it add up to.

    Args:
        levels: the levels of the tree.
        values: (n,) int64 by row.
    """
    sums = values.copy()
    for level in reversed(levels):
        sums[level.parents] += np.add.reduceat(sums[level.rows], level.firsts)
    return sums


def walk_ranks(levels: list[Level], entry_count: int) -> tuple[Offsets, Offsets]:
    """Number the rows in the order of a walk.

    Args:
        levels: the levels of the tree.
        entry_count: rows of the tree.
    Returns: (n,) the place of each row, 0 for the root; and (n,) how many rows it has below it, itself included.
    """
    sizes = sum_upwards(levels, np.ones(entry_count, dtype=np.int64))
    ranks = np.zeros(entry_count, dtype=np.int64)
    for level in levels:
        mine = sizes[level.rows]
        before = np.cumsum(mine) - mine
        ranks[level.rows] = before + np.repeat(ranks[level.parents] + 1 - before[level.firsts], level.counts)
    return ranks, sizes


class Meetings:
    """Finds the lowest row that has two others below it, or is one of them, for many pairs at a time."""

    def __init__(self, levels: list[Level], parent: Rows) -> None:
        self._depths = np.zeros(len(parent), dtype=np.int32)
        for depth, level in enumerate(levels, 1):
            self._depths[level.rows] = depth
        self._above = [parent]
        """The row 1, 2, 4, 8 ... levels above each."""
        for _ in range(len(levels).bit_length() - 1):
            self._above.append(self._above[-1][self._above[-1]])

    def of(self, one: Indexes, other: Indexes) -> Indexes:
        """Return where each pair meets.

        Args:
            one: (p,) rows.
            other: (p,) rows.
        Cost: linear in the pairs, times the logarithm of the depth of the tree.
        """
        depths = self._depths
        low, high = np.where(depths[one] < depths[other], (other, one), (one, other))
        surplus = depths[low] - depths[high]
        for power, above in enumerate(self._above):
            low = np.where(surplus >> power & 1, above[low], low)
        for above in reversed(self._above):
            apart = above[low] != above[high]
            low, high = np.where(apart, above[low], low), np.where(apart, above[high], high)
        answer: Indexes = np.where(low == high, low, self._above[0][low]).astype(np.intp)
        return answer
