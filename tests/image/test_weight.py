"""What files and directories weigh, against sets of chunks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.image.small_trees import extents_of, flat, golden, linked, nested, synthetic, tree_of

from rafsight.image.weight import weigh


def by_hand(tree, start):
    """Yield (row, used, exclusive, content, files) of the subtree."""
    entries, chunks = tree.entries, tree.tables.chunks
    names = {}
    for row in tree.walk():
        if tree.is_file(row):
            names.setdefault(int(entries.link_row[row]), []).append(row)
    chunks_of = {inode: {chunk for chunk, _ in extents_of(tree, inode)} for inode in names}
    users = {}
    for inode, used in chunks_of.items():
        for chunk in used:
            users.setdefault(chunk, set()).add(inode)
    inside = list(tree.walk(start))
    firsts = {}
    for row in inside:
        if tree.is_file(row):
            firsts.setdefault(int(entries.link_row[row]), row)

    def weight(chosen):
        return sum(int(chunks.compressed_size[chunk]) for chunk in chosen)

    for row in inside:
        below = set(tree.walk(row))
        inodes = {inode for inode, first in firsts.items() if first in below}
        used = set().union(*(chunks_of[inode] for inode in inodes))
        if tree.is_file(row):
            exclusive = {chunk for chunk in used if len(users[chunk]) == 1}
        else:
            touched = {c for inode, all_names in names.items() if set(all_names) & below for c in chunks_of[inode]}
            exclusive = {c for c in touched if all(set(names[inode]) <= below for inode in users[c])}
        content = sum(int(entries.size[inode]) for inode in inodes)
        yield row, weight(used), weight(exclusive), content, len(inodes)


def check(tree, start=0):
    weights = weigh(tree, start)
    rows = list(by_hand(tree, start))
    assert weights.below.tolist() == [row for row, *_ in rows]
    for row, *expected in rows:
        found = [weights.used[row], weights.exclusive[row], weights.content[row], weights.files[row]]
        assert [int(one) for one in found] == expected, tree.path(row)
    assert weights.is_exact[weights.below].all()


@settings(deadline=None, max_examples=80)
@given(nested, some.data())
def test_weights_are_those_of_sets(files, data):
    tree = tree_of(flat(files), chunk_size=4)
    check(tree, data.draw(some.integers(0, len(tree) - 1)))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_hard_links_and_repeats(seed):
    tree = synthetic(400, seed)
    assert (tree.entries.link_row != range(len(tree))).any()
    check(tree)
    directories = [row for row in range(1, len(tree)) if tree.entries.child_count[row]]
    for row in directories[:3]:
        check(tree, row)


@pytest.mark.parametrize("name", ["merge-oci-v6", "v6-zstd", "v5-none", "chunk-dict-v5"])
def test_real_images(name):
    check(golden(name))


def test_a_file_of_two_names_is_exclusive_to_what_has_both():
    tree = linked(tree_of({b"d/a/x": b"12345", b"d/b/x": b"12345", b"e": b"1"}), (b"d/a/x", b"d/b/x"))
    weights = weigh(tree)
    row = {path: tree.lookup(path) for path in (b"d", b"d/a", b"d/b", b"d/a/x", b"d/b/x")}
    assert [int(weights.used[row[path]]) for path in row] == [5, 5, 0, 5, 0]
    assert [int(weights.exclusive[row[path]]) for path in row] == [5, 0, 0, 5, 0]
    assert int(weigh(tree, row[b"d/b"]).used[row[b"d/b"]]) == 5


def test_estimates_are_marked_up_to_the_root():
    tree = golden("v6-batch")
    weights = weigh(tree)
    assert not weights.is_exact[0]
    assert weights.is_exact.any()


def test_an_image_without_chunks():
    weights = weigh(golden("v6-nodata"))
    assert not weights.used.any()
    assert weights.is_exact.all()
