"""Rows of the same paths, against a dictionary of paths."""

import pytest
from hypothesis import given, settings
from tests.image.small_trees import flat, golden, nested, synthetic, tree_of

from rafsight.image.pairing import pair_trees


def check(left, right):
    pairs = pair_trees(left, right)
    mine = {left.path(row): row for row in left.walk()}
    theirs = {right.path(row): row for row in right.walk()}
    assert pairs.left.tolist() == [row for path, row in mine.items() if path in theirs]
    assert pairs.right.tolist() == [theirs[path] for path in mine if path in theirs]
    assert pairs.only_left.tolist() == [row for path, row in mine.items() if path not in theirs]
    assert pairs.only_right.tolist() == [row for path, row in theirs.items() if path not in mine]
    return pairs


@settings(deadline=None, max_examples=150)
@given(nested, nested)
def test_pairs_are_equal_paths(one, other):
    check(tree_of(flat(one)), tree_of(flat(other)))


@pytest.mark.parametrize(
    ("one", "other"), [("v5-zstd", "v6-zstd"), ("merge-oci-v6", "tar-rafs-v6"), ("v6-nodata", "v5-zstd")]
)
def test_real_trees(one, other):
    check(golden(one), golden(other))


def test_a_tree_and_itself():
    tree = synthetic(2000)
    pairs = check(tree, tree)
    assert len(pairs.left) == 2000


def test_what_lies_below_a_missing_directory_is_missing():
    left, right = tree_of({b"a/b/c": b"1", b"d": None}), tree_of({b"a": b"a file", b"d/e": b"2"})
    pairs = check(left, right)
    assert [left.path(row) for row in pairs.left] == [b"", b"a", b"d"]
    assert [left.path(row) for row in pairs.only_left] == [b"a/b", b"a/b/c"]
    assert [right.path(row) for row in pairs.only_right] == [b"d/e"]


def test_a_root_alone():
    pairs = check(tree_of({}), tree_of({b"a": b""}))
    assert (len(pairs.left), len(pairs.only_right)) == (1, 1)
