"""Groups: entries that the very same trees have. What layers are to images, found in the trees themselves.

A thousand variants of one image have a few thousand groups: one of what all have, and some for each variant. Which
trees have a group is told by spans of neighbouring trees, so that similar trees should stand side by side. This module
alone decides that.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rafsight.formats.records import Indexes
from rafsight.formats.tables import Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """The groups of some trees, and which trees have them."""

    group: Words
    """(entries,) the group of each entry."""
    spans: NDArray[np.uint32]
    """(m, 3) group, first tree, last tree; ordered, and the spans of a group do not touch."""


def group_entries(trees: Sequence[Words], count: int) -> Grouping:
    """Group entries by the trees that have them.

    Args:
        trees: the numbers of the entries of each tree, each once.
        count: how many entries there are; each is in some tree.
    Cost: no I/O. Linear in the entries of all trees.
    """
    mark = np.zeros((count, 2), dtype=np.uint64)
    for numbers in trees:
        # random, so that no image can be made to look like others; 128 bits do not meet by chance
        mark[numbers] ^= np.frombuffer(secrets.token_bytes(16), dtype=np.uint64)
    pairs = mark.view(np.dtype([("high", np.uint64), ("low", np.uint64)])).reshape(-1)
    _, group = np.unique(pairs, return_inverse=True)
    group = group.astype(np.uint32)
    spans = _spans([np.unique(group[numbers]) for numbers in trees])
    order = _order(spans)
    spans[:, 0] = order[spans[:, 0]]
    return Grouping(group=order[group], spans=spans[np.lexsort((spans[:, 1], spans[:, 0]))])


def _order(spans: NDArray[np.uint32]) -> Words:
    """Number groups by the trees that have them, so that their numbers do not depend on chance."""
    trees: dict[int, list[int]] = {}
    for group, *span in spans.tolist():
        trees.setdefault(group, []).extend(span)
    order = np.zeros(len(trees), dtype=np.uint32)
    order[sorted(trees, key=trees.__getitem__)] = np.arange(len(trees), dtype=np.uint32)
    return order


def _spans(members: Sequence[Words]) -> NDArray[np.uint32]:
    """Turn the groups of each tree into spans of trees of each group."""
    groups = np.concatenate([*members, np.empty(0, dtype=np.uint32)])
    trees = np.repeat(np.arange(len(members), dtype=np.uint32), [len(one) for one in members])
    order = np.lexsort((trees, groups))
    groups, trees = groups[order], trees[order]
    begins = np.ones(len(groups), dtype=np.bool_)
    begins[1:] = (groups[1:] != groups[:-1]) | (trees[1:] != trees[:-1] + 1)
    starts: Indexes = np.flatnonzero(begins)
    ends = np.append(starts[1:], len(groups)) - 1 if len(starts) else starts
    return (
        np.stack((groups[starts], trees[starts], trees[ends]), axis=1) if len(starts) else np.empty((0, 3), np.uint32)
    )


def trees_of(spans: NDArray[np.uint32], count: int) -> list[Words]:
    """Return the groups of each tree: the other way round.

    Args:
        spans: as of `Grouping`, each inside the trees.
        count: how many trees there are.
    """
    result: list[list[int]] = [[] for _ in range(count)]
    for group, first, last in spans.tolist():
        for tree in range(first, last + 1):
            result[tree].append(group)
    return [np.array(groups, dtype=np.uint32) for groups in result]
