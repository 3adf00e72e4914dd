"""Trees for tests: made up by hypothesis, out of golden images, and with hard links."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from hypothesis import strategies as some

from rafsight.base.limits import Limits
from rafsight.formats.rafs.codec import read_bootstrap
from rafsight.image.tree import ImageTree
from rafsight.testing.bootstraps import synthetic_bootstrap
from rafsight.testing.trees import Link, build_image

GOLDEN = Path(__file__).resolve().parents[1] / "golden/rafs"

NAMES = (b"a", b"a-b", b"a.b", b"b", b"\xff", b"ab", b"long name of many bytes")
"""`a-b` and `a.b` come before what lies below `a` as texts, and after it in a walk."""

_leaves = some.one_of(
    some.lists(some.sampled_from((b"aaaa", b"bbbb", b"cc", b"\0\0\0\0")), max_size=4).map(b"".join),
    some.sampled_from((b"a", b"../b", b"/long/target/of/a/link")).map(Link),
    some.none(),
)
nested = some.dictionaries(
    some.sampled_from(NAMES),
    some.recursive(
        _leaves, lambda below: some.dictionaries(some.sampled_from(NAMES), below, max_size=4), max_leaves=12
    ),
    max_size=5,
)


def flat(nested_files, above=b""):
    """Turn nested dictionaries into paths."""
    files = {}
    for name, content in nested_files.items():
        if isinstance(content, dict):
            files[above + name] = None
            files |= flat(content, above + name + b"/")
        else:
            files[above + name] = content
    return files


def tree_of(files, **options):
    return ImageTree(build_image(files, **options).tables)


def with_columns(tree, **columns):
    return ImageTree(replace(tree.tables, entries=replace(tree.entries, **columns)))


def linked(tree, *groups):
    """Make paths of equal content names of one file."""
    columns = {name: getattr(tree.entries, name).copy() for name in ("link_row", "extent_start", "extent_count")}
    for group in groups:
        rows = sorted(map(tree.lookup, group))
        columns["link_row"][rows] = rows[0]
        for name in ("extent_start", "extent_count"):
            columns[name][rows] = columns[name][rows[0]]
    return with_columns(tree, **columns)


@cache
def golden(name):
    return ImageTree(read_bootstrap((GOLDEN / name / "image.boot").read_bytes(), name="", limits=Limits()))


@cache
def synthetic(entry_count, seed=0):
    return ImageTree(read_bootstrap(synthetic_bootstrap(entry_count, seed=seed), name="", limits=Limits()))


def own_files(tree):
    """Rows of regular files, one for each inode."""
    return [row for row in range(len(tree)) if tree.is_file(row) and int(tree.entries.link_row[row]) == row]


def extents_of(tree, row):
    """Chunk and size of each extent."""
    extents = tree.tables.extents
    return [(int(extents.chunk[at]), int(extents.size[at])) for at in tree.extent_rows(row)]


def changed(column, row, value):
    column = np.array(column)
    column[row] = value
    return column
