"""Which rows of two trees have the same path.

This module alone decides that. Names are compared directory by directory, so that no path is ever spelled out.
"""

from dataclasses import dataclass

import numpy as np

from rafsight.formats.tables import Offsets, Rows
from rafsight.image.levels import levels_of, walk_ranks
from rafsight.image.tree import ImageTree


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The rows of two trees, matched by path; all columns in path order, that of `ImageTree.walk`."""

    left: Rows
    """(k,) rows of the left tree whose path the right one has, too; the roots come first."""
    right: Rows
    """(k,) the rows of the right tree of the same paths."""
    only_left: Rows
    """Rows without a counterpart, with all that lies below a missing directory."""
    only_right: Rows


def pair_trees(left: ImageTree, right: ImageTree) -> Pairs:
    """Match the entries of two trees by path, whatever their kinds.

    Cost: linear in the entries, about a microsecond each.
    """
    left_rows, right_rows = _paired(left, right)
    left_ranks, right_ranks = (walk_ranks(levels_of(tree.entries), len(tree))[0] for tree in (left, right))
    order = np.argsort(left_ranks[left_rows])
    return Pairs(
        left=left_rows[order],
        right=right_rows[order],
        only_left=_others(left_rows, left_ranks),
        only_right=_others(right_rows, right_ranks),
    )


def _paired(left: ImageTree, right: ImageTree) -> tuple[Rows, Rows]:
    """Return the rows of common paths, level by level."""
    left_counts, right_counts = left.entries.child_count.tolist(), right.entries.child_count.tolist()
    left_rows, right_rows = [0], [0]
    pending = 0
    while pending < len(left_rows):
        above, opposite = left_rows[pending], right_rows[pending]
        pending += 1
        if not (left_counts[above] and right_counts[opposite]):
            continue
        mine, theirs = left.children(above), right.children(opposite)
        names, other_names = left.names(mine), right.names(theirs)
        if names == other_names:
            left_rows += mine
            right_rows += theirs
            continue
        places = dict(zip(other_names, theirs, strict=True))
        for row, name in zip(mine, names, strict=True):
            found = places.get(name)
            if found is not None:
                left_rows.append(row)
                right_rows.append(found)
    return np.array(left_rows, dtype=np.int32), np.array(right_rows, dtype=np.int32)


def _others(paired: Rows, ranks: Offsets) -> Rows:
    """Return the rows that are not paired, in path order."""
    is_alone = np.ones(len(ranks), dtype=np.bool_)
    is_alone[paired] = False
    rows = np.flatnonzero(is_alone).astype(np.int32)
    return rows[np.argsort(ranks[rows])]
