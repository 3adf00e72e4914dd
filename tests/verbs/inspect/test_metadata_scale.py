"""Large images: answers by columns, and paths that have an end."""

import sys

import pytest
from tests.verbs.inspect.comparison import opened

from rafsight.access.session import open_image
from rafsight.testing.bootstraps import synthetic_bootstrap
from rafsight.verbs.inspect.metadata import (
    TooManyPaths,
    check_inode,
    find_chunks,
    list_directory,
    list_found,
    list_prefetch,
)
from rafsight.verbs.inspect.paths import Paths

ENTRY_COUNT = 50_000


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "image.boot"
    path.write_bytes(synthetic_bootstrap(ENTRY_COUNT))
    with open_image(f"boot:{path}") as image:
        assert len(image.tree) == ENTRY_COUNT
        yield image


def calls_of(function, *arguments):
    """How many functions are called to answer."""
    count = 0

    def watch(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(watch)
    try:
        answer = function(*arguments)
    finally:
        sys.setprofile(None)
    return count, answer


def test_questions_about_few_of_many_entries_go_by_columns(large):
    tree = large.tree
    row = max(range(ENTRY_COUNT - 1000, ENTRY_COUNT), key=lambda row: tree.entries.extent_count[row])
    chunk = int(tree.tables.extents.chunk[tree.extent_rows(row).start])
    offset = int(tree.tables.chunks.compressed_offset[chunk])
    calls, uses = calls_of(find_chunks, large, offset)
    assert calls < 1000
    assert tree.path(row) in {path for use in uses.files for path in use.paths}
    calls, facts = calls_of(check_inode, large, int(tree.entries.ino[row]))
    assert calls < 3000
    assert tree.path(row) in {one.path for one in facts.names}
    calls, table = calls_of(list_prefetch, large)
    assert (calls < 200, table.entries) == (True, ())


def test_a_listing_costs_little_for_each_entry(large):
    tree = large.tree
    row = max(range(1000), key=lambda row: tree.entries.child_count[row])
    calls, listing = calls_of(list_directory, large, row)
    assert [one.name for one in listing.entries] == tree.names(tree.children(row))
    assert calls < 5 * len(listing.entries) + 200


def test_paths_are_those_of_the_tree(large):
    paths, known = Paths(large.tree), large.tree.paths()
    assert [paths.of(row) for row in range(ENTRY_COUNT)] == known
    found = list_found(large, b"*.so.1", 0).entries
    assert sorted(one.name for one in found) == sorted(path for path in known if path.endswith(b".so.1"))


def test_paths_have_an_end():
    with opened("v6-zstd") as image:
        row = image.tree.lookup(b"a/b")
        assert Paths(image.tree, limit=5).of(row) == b"a/b"  # `a`, and `a/b`, with a slash each
        with pytest.raises(TooManyPaths, match="more than 4 bytes"):
            Paths(image.tree, limit=4).of(row)
        paths = Paths(image.tree, limit=40)
        with pytest.raises(TooManyPaths):
            paths.all_of([row] * 20)
        with pytest.raises(TooManyPaths):
            Paths(image.tree, limit=10).spend(11)
