"""Differences of trees, against what their files really are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.image.small_trees import changed, flat, golden, linked, nested, synthetic, tree_of, with_columns

from rafsight.formats.tables import Xattr
from rafsight.image.difference import Aspect, compare_trees
from rafsight.image.tree import ImageTree
from rafsight.testing.trees import Link

BASE = {b"d/f": b"aaaabbbb", b"d/g": b"aaaa", b"l": Link(b"target"), b"e": None, b"z": b""}


def aspects_by_path(left, right):
    found = compare_trees(left, right)
    rows = found.pairs.left.tolist()
    return {left.path(row): Aspect(bits) for row, bits in zip(rows, found.aspects.tolist(), strict=True) if bits}


def kind_of(content):
    return Link if isinstance(content, Link) else type(content)


def expected(mine, theirs):
    """What differs, for files of equal chunk size without other attributes."""
    found = {}
    for path in mine.keys() & theirs.keys():
        one, other = mine[path], theirs[path]
        if kind_of(one) is not kind_of(other):
            found[path] = Aspect.KIND | Aspect.MODE
        elif isinstance(one, Link) and one != other:
            found[path] = Aspect.TARGET
        elif isinstance(one, bytes) and one != other:
            found[path] = Aspect.CONTENT | (Aspect.SIZE if len(one) != len(other) else 0)
    return found


@settings(deadline=None, max_examples=150)
@given(nested, nested)
def test_all_that_differs_is_found(one, other):
    mine, theirs = flat(one), flat(other)
    left, right = tree_of(mine, chunk_size=4), tree_of(theirs, chunk_size=4)
    assert aspects_by_path(left, right) == expected(mine, theirs)
    there, back = compare_trees(left, right), compare_trees(right, left)
    assert np.array_equal(there.aspects, back.aspects)
    assert np.array_equal(there.pairs.left, back.pairs.right)
    assert np.array_equal(there.pairs.only_left, back.pairs.only_right)
    assert np.array_equal(there.pairs.only_right, back.pairs.only_left)


@settings(deadline=None, max_examples=80)
@given(nested, nested, some.sampled_from((2, 3, 8)))
def test_another_chunk_size_never_leads_to_a_false_answer(one, other, chunk_size):
    mine, theirs = flat(one), flat(other)
    found = aspects_by_path(tree_of(mine, chunk_size=4), tree_of(theirs, chunk_size=chunk_size))
    truth = expected(mine, theirs)
    for path in mine.keys() & theirs.keys():
        bits = found.get(path, Aspect(0))
        if bits & Aspect.UNKNOWN_CONTENT:
            assert len(mine[path]) == len(theirs[path])
        else:
            assert bits == truth.get(path, 0)


def test_another_chunk_size_is_unknown_where_files_are_cut_otherwise():
    left, right = (tree_of(BASE, chunk_size=size) for size in (4, 8))
    found = compare_trees(left, right)
    assert [left.path(int(found.pairs.left[at])) for at in found.unknown] == [b"d/f"]
    assert len(found.changed) == 0


def test_a_file_cut_otherwise_that_is_no_chunk_longer_is_unknown():
    tree = tree_of({b"f": b"aaaabb"}, chunk_size=4)
    extents = tree.tables.extents
    shifted = replace(extents, file_offset=np.array([0, 3]), size=np.array([3, 3]))
    other = ImageTree(replace(tree.tables, extents=shifted))
    assert aspects_by_path(tree, other) == {b"f": Aspect.UNKNOWN_CONTENT}


def without_digests(tree):
    chunks = replace(tree.tables.chunks, digest=np.zeros_like(tree.tables.chunks.digest))
    return ImageTree(replace(tree.tables, chunks=chunks))


def test_no_digests_are_unknown_unless_it_is_the_same_place_of_the_same_blob():
    left, right = tree_of({b"a": b"aaaa"}), tree_of({b"a": b"bbbb"})
    assert aspects_by_path(left, without_digests(right)) == {b"a": Aspect.UNKNOWN_CONTENT}
    assert aspects_by_path(without_digests(left), without_digests(right)) == {b"a": Aspect.UNKNOWN_CONTENT}
    assert aspects_by_path(without_digests(left), without_digests(left)) == {}


@pytest.mark.parametrize(
    ("column", "value", "aspect"),
    [
        ("mode", 0o100600, Aspect.MODE),
        ("uid", 7, Aspect.UID),
        ("gid", 7, Aspect.GID),
        ("mtime", -1, Aspect.MTIME),
        ("mtime_nsec", 5, Aspect.MTIME),
        ("size", 5, Aspect.SIZE | Aspect.CONTENT),
        ("mode", 0o020644, Aspect.KIND),
        ("nlink", 9, None),
        ("ino", 77, None),
    ],
)
def test_each_attribute(column, value, aspect):
    tree = tree_of(BASE)
    row = tree.lookup(b"d/f")
    other = with_columns(tree, **{column: changed(getattr(tree.entries, column), row, value)})
    assert aspects_by_path(tree, other) == ({} if aspect is None else {b"d/f": aspect})
    assert aspects_by_path(other, tree) == ({} if aspect is None else {b"d/f": aspect})


def test_sizes_of_directories_do_not_count():
    tree = tree_of(BASE)
    assert aspects_by_path(tree, with_columns(tree, size=changed(tree.entries.size, tree.lookup(b"d"), 99))) == {}


def test_devices():
    tree = tree_of(BASE)
    row = tree.lookup(b"z")
    left = with_columns(tree, mode=changed(tree.entries.mode, row, 0o020600), rdev=changed(tree.entries.rdev, row, 1))
    right = with_columns(left, rdev=changed(tree.entries.rdev, row, 2))
    assert aspects_by_path(left, right) == {b"z": Aspect.DEVICE}


def with_xattrs(tree, path, attributes):
    entries = tree.entries
    row = tree.lookup(path)
    tables = replace(
        tree.tables,
        entries=replace(entries, xattr_size=changed(entries.xattr_size, row, 1)),
        read_xattrs=lambda area: tuple(attributes),
    )
    return ImageTree(tables)


def test_xattrs_are_compared_whatever_their_order():
    tree = tree_of(BASE)
    one, two = Xattr(name=b"user.a", value=b"1"), Xattr(name=b"user.b", value=b"2")
    left = with_xattrs(tree, b"e", (one, two))
    assert aspects_by_path(left, with_xattrs(tree, b"e", (two, one))) == {}
    assert aspects_by_path(left, with_xattrs(tree, b"e", (two,))) == {b"e": Aspect.XATTRS}
    assert aspects_by_path(tree, left) == {b"e": Aspect.XATTRS}


def test_link_groups():
    tree = tree_of(dict.fromkeys((b"a", b"b", b"c", b"d", b"e"), b"same"))
    left = linked(tree, (b"a", b"b"), (b"c", b"d"))
    right = linked(tree, (b"a", b"b"), (b"c", b"e"))
    assert aspects_by_path(left, left) == {}
    assert aspects_by_path(left, right) == dict.fromkeys((b"c", b"d", b"e"), Aspect.LINKS)
    assert aspects_by_path(tree, left) == dict.fromkeys((b"a", b"b", b"c", b"d"), Aspect.LINKS)


def test_links_to_what_the_other_image_has_not_are_no_difference():
    left = linked(tree_of(dict.fromkeys((b"a", b"b"), b"same")), (b"a", b"b"))
    assert aspects_by_path(left, tree_of({b"b": b"same"})) == {}


SAME = ["v5-zstd", "v6-lz4-sha256-4k-fs", "tar-tarfs", "targz-ref", "v6-batch", "merge-oci-v5", "parent-ovl-v6"]


@pytest.mark.parametrize("name", SAME)
def test_an_image_is_as_itself(name):
    assert aspects_by_path(golden(name), golden(name)) == {}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("v5-zstd", "v6-zstd"),
        ("merge-oci-v5", "merge-oci-v6"),
        ("chunk-dict-v5", "chunk-dict-v6"),
        ("v6-enc", "v6-none"),
        ("parent-oci-v6", "merge-oci-v6"),
    ],
)
def test_the_same_tree_of_one_source_in_other_forms(one, other):
    assert aspects_by_path(golden(one), golden(other)) == {}


def test_other_digesters_tell_nothing_about_content():
    left, right = golden("v5-lz4-sha256-fs"), golden("v5-zstd")
    found = compare_trees(left, right)
    sized = [row for row in left.walk() if left.is_file(row) and left.entries.size[row]]
    assert found.pairs.left[found.unknown].tolist() == sized
    assert len(found.changed) == 0


def test_a_made_up_tree_is_as_itself():
    tree = synthetic(3000, seed=3)
    assert not compare_trees(tree, tree).aspects.any()
