"""Which chunks are fetched ahead, and in which order."""

from dataclasses import replace

import numpy as np
import pytest
from tests.views.mount.places import noise

from rafsight.base.events import Noticed
from rafsight.image.tree import ImageTree
from rafsight.testing.trees import Link, build_image
from rafsight.views.mount.prefetch import ALL, TABLE, chunks_of, chunks_to_prefetch, files_below, rows_of_table

FILES = {
    b"a/one": noise(10_000, 1),  # chunks of 4096: three
    b"a/deep/two": noise(4096, 2),
    b"a/empty": b"",
    b"b/same": noise(10_000, 1),  # the same chunks
    b"b/three": noise(5000, 3),
    b"link": Link(b"b/three"),
    b"z": noise(1, 4),
}


def make_tree(files=FILES, **changes):
    tables = build_image(files).tables
    return ImageTree(replace(tables, **changes))


@pytest.fixture(scope="module")
def tree():
    return make_tree()


def rows(tree, *paths):
    return [tree.lookup(path, follow=False) for path in paths]


def with_table(files, *paths, more=()):
    """Return a tree whose own table names some paths, and inode numbers."""
    tree = make_tree(files)
    inos = [int(tree.entries.ino[row]) for row in rows(tree, *paths)]
    return make_tree(files, prefetch=np.array([*inos, *more], np.uint64))


def paths_of(tree, found):
    return [tree.path(int(row)) for row in found]


def wanted(tree, what, said=None):
    everything = np.arange(len(tree.tables.chunks.size), dtype=np.int64)[::-1]
    return chunks_to_prefetch(tree, what, everything, (said if said is not None else []).append).tolist()


def chunks(tree, path):
    row = tree.lookup(path)
    return tree.tables.extents.chunk[slice(*[tree.extent_rows(row).start, tree.extent_rows(row).stop])].tolist()


def test_all_is_all_in_the_order_of_the_blobs(tree):
    assert wanted(tree, ALL) == list(range(len(tree.tables.chunks.size)))[::-1]


def test_a_list_is_taken_in_its_order_and_each_chunk_once(tree):
    assert wanted(tree, [b"z", b"b/same", b"a/one"]) == chunks(tree, b"z") + chunks(tree, b"a/one")
    assert wanted(tree, [b"b/three", b"a"]) == chunks(tree, b"b/three") + chunks(tree, b"a/deep/two") + chunks(
        tree, b"a/one"
    )
    assert wanted(tree, [b"link"]) == chunks(tree, b"b/three")
    assert wanted(tree, []) == []
    assert wanted(tree, [b"a/empty"]) == []


def test_paths_that_the_image_does_not_have_are_counted(tree):
    said = []
    assert wanted(tree, [b"nowhere", b"z", b"a/nothing", b"z/below"], said) == chunks(tree, b"z")
    assert said == [Noticed(message="3 of the paths to prefetch are not in the image")]


def test_the_root_is_everything_that_files_use(tree):
    assert sorted(wanted(tree, [b""])) == list(range(len(tree.tables.chunks.size)))


def test_the_table_is_taken_in_its_order_and_directories_with_all_below():
    tree = with_table(FILES, b"z", b"a", b"b/three")
    said = []
    assert wanted(tree, TABLE, said) == [
        *chunks(tree, b"z"),
        *chunks(tree, b"a/deep/two"),
        *chunks(tree, b"a/one"),
        *chunks(tree, b"b/three"),
    ]
    assert said == []
    assert paths_of(tree, files_below(tree, rows_of_table(tree))) == [
        b"z",
        b"a/deep/two",
        b"a/empty",
        b"a/one",
        b"b/three",
    ]


def test_an_image_without_a_table_says_so(tree):
    said = []
    assert wanted(tree, TABLE, said) == []
    assert [event.message for event in said] == [
        "the image has no prefetch table: nothing is fetched before it is asked for"
    ]


def test_numbers_that_no_inode_has_are_passed_over():
    tree = with_table(FILES, b"z", more=(0, 999, 2**32, 2**64 - 1))
    assert paths_of(tree, rows_of_table(tree)) == [b"z"]
    assert wanted(tree, TABLE) == chunks(tree, b"z")
    tree = make_tree(FILES, prefetch=np.array([2**64 - 1], np.uint64))
    assert wanted(tree, TABLE) == []


def test_of_hard_links_the_first_name_stands_for_all():
    plain = make_tree({b"first": noise(9000, 1), b"second": noise(9000, 1), b"third": b"x"})
    first, second = rows(plain, b"first", b"second")
    entries = plain.entries
    ino, link_row = entries.ino.copy(), entries.link_row.copy()
    ino[second], link_row[second] = ino[first], first
    tables = replace(
        plain.tables, entries=replace(entries, ino=ino, link_row=link_row), prefetch=np.array([ino[first]], np.uint64)
    )
    tree = ImageTree(tables)
    assert rows_of_table(tree) == [first]
    assert files_below(tree, [second, first]).tolist() == [first]
    assert wanted(tree, TABLE) == chunks(tree, b"first")


def test_special_files_and_links_have_nothing_to_fetch(tree):
    assert files_below(tree, rows(tree, b"link")).tolist() == []
    assert files_below(tree, []).tolist() == []
    assert chunks_of(tree, np.zeros(0, np.int64)).tolist() == []


def test_a_table_that_names_everything_many_times_costs_no_more():
    """All directories of a deep chain, the deepest first, and the root again and again: each is walked once."""
    depth = 400
    path = b"/".join(b"d" for _ in range(depth))
    tree = make_tree({path + b"/f": b"x"})
    deepest_first = tree.entries.ino[::-1]
    root = np.full(20_000, tree.entries.ino[0], np.uint64)
    tree = make_tree({path + b"/f": b"x"}, prefetch=np.concatenate([np.tile(deepest_first, 200), root]))
    asked = [0]

    class Counted(ImageTree):
        def children(self, row):
            asked[0] += 1
            return super().children(row)

    counted = Counted(tree.tables)
    assert paths_of(counted, files_below(counted, rows_of_table(counted))) == [path + b"/f"]
    assert asked[0] <= len(counted.entries.ino)
