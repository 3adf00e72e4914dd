import random

import numpy as np

from rafsight.hunt.index.grouping import group_entries, trees_of


def random_trees(chance, count, entries):
    trees = [
        np.array(sorted(chance.sample(range(entries), chance.randint(1, entries))), dtype=np.uint32)
        for _ in range(count)
    ]
    trees.append(np.arange(entries, dtype=np.uint32))  # every entry is in some tree
    return trees


def test_a_tree_is_the_entries_of_its_groups():
    for seed in range(20):
        trees = random_trees(random.Random(seed), 9, 30)
        grouping = group_entries(trees, 30)
        for numbers, groups in zip(trees, trees_of(grouping.spans, len(trees)), strict=True):
            assert np.flatnonzero(np.isin(grouping.group, groups)).tolist() == numbers.tolist()


def test_groups_are_as_few_as_can_be_and_the_same_each_time():
    trees = random_trees(random.Random(3), 6, 40)
    grouping = group_entries(trees, 40)
    members = {tuple(number in set(tree.tolist()) for tree in trees) for number in range(40)}
    assert len(set(grouping.group.tolist())) == len(members)
    again = group_entries(trees, 40)
    assert again.group.tolist() == grouping.group.tolist()
    assert again.spans.tolist() == grouping.spans.tolist()


def test_neighbours_share_a_span():
    shared = np.array([0, 1], dtype=np.uint32)
    grouping = group_entries([shared, shared, np.array([1], dtype=np.uint32), shared], 2)
    assert grouping.spans.tolist() == [[0, 0, 1], [0, 3, 3], [1, 0, 3]]


def test_no_trees_have_no_groups():
    grouping = group_entries([], 0)
    assert (len(grouping.group), len(grouping.spans)) == (0, 0)
    assert trees_of(grouping.spans, 0) == []
