"""Levels, walk order, sums and meetings, against walks by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from tests.image.small_trees import flat, golden, nested, synthetic, tree_of

from rafsight.image.levels import Meetings, levels_of, sum_upwards, walk_ranks


def check_ranks(tree):
    ranks, extends = walk_ranks(levels_of(tree.entries), len(tree))
    walk = list(tree.walk())
    assert np.argsort(ranks).tolist() == walk
    assert extends.tolist() == [len(list(tree.walk(row))) for row in range(len(tree))]


@settings(deadline=None, max_examples=60)
@given(nested)
def test_ranks_are_the_order_of_a_walk(files):
    check_ranks(tree_of(flat(files)))


@pytest.mark.parametrize("name", ["v5-zstd", "v6-zstd", "merge-oci-v6", "v6-nodata"])
def test_ranks_of_real_trees(name):
    check_ranks(golden(name))


def test_a_tree_of_a_root_alone():
    tree = tree_of({})
    assert levels_of(tree.entries) == []
    assert [part.tolist() for part in walk_ranks([], 1)] == [[0], [1]]
    assert Meetings([], tree.entries.parent).of(np.array([0]), np.array([0])).tolist() == [0]


def test_sums_are_those_of_all_below():
    tree = synthetic(500)
    values = np.arange(len(tree), dtype=np.int64) ** 2
    sums = sum_upwards(levels_of(tree.entries), values)
    assert sums.tolist() == [int(values[list(tree.walk(row))].sum()) for row in range(len(tree))]


def lowest_common(tree, one, other):
    above = []
    for row in (one, other):
        way = [row]
        while way[-1]:
            way.append(int(tree.entries.parent[way[-1]]))
        above.append(way[::-1])
    return [a for a, b in zip(*above, strict=False) if a == b][-1]


@settings(deadline=None, max_examples=40)
@given(nested)
def test_meetings_are_lowest_common_rows(files):
    tree = tree_of(flat(files))
    pairs = list(itertools.product(range(len(tree)), repeat=2))[:1500]
    meetings = Meetings(levels_of(tree.entries), tree.entries.parent)
    found = meetings.of(np.array([a for a, _ in pairs]), np.array([b for _, b in pairs]))
    assert found.tolist() == [lowest_common(tree, a, b) for a, b in pairs]


def test_meetings_in_a_deep_tree():
    stem = b"/".join([b"d"] * 70)
    tree = tree_of({stem + b"/x/y": b"1", stem + b"/z": b"2", b"d/e/f": b"3"})
    rows = {path: tree.lookup(path) for path in (stem + b"/x/y", stem + b"/z", b"d/e/f", b"d", stem)}
    cases = [(stem + b"/x/y", stem + b"/z", stem), (stem + b"/z", b"d/e/f", b"d"), (stem, stem + b"/x/y", stem)]
    meetings = Meetings(levels_of(tree.entries), tree.entries.parent)
    found = meetings.of(np.array([rows[a] for a, _, _ in cases]), np.array([rows[b] for _, b, _ in cases]))
    assert found.tolist() == [rows[where] for _, _, where in cases]
