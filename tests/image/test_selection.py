import stat as st
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from rafsight.image.selection import Wants, compile_patterns, select_files, select_wanted
from rafsight.image.tree import ImageTree
from rafsight.testing.trees import Link, build_image

FILES = {
    b"var/lib/dpkg/info/a.list": b"1",
    b"var/lib/dpkg/info/b.list": b"2",
    b"var/lib/dpkg/info/b.md5sums": b"3",
    b"var/lib/dpkg/info/sub.list/x": b"4",
    b"usr/lib/python3/x-1.dist-info/METADATA": b"5",
    b"opt/METADATA": b"6",
    b"srv/node_modules/a/package.json": b"7",
    b"package.json": b"8",
    b"usr/lib/sysimage/rpm/rpmdb.sqlite": b"9",
    b"var/lib/rpm": Link(b"../../usr/lib/sysimage/rpm"),
    b"etc/os-release": Link(b"/usr/lib/os-release"),
    b"usr/lib/os-release": b"ID=x",
    b"dangling": Link(b"nowhere"),
}


def select(*patterns):
    tree = ImageTree(build_image(FILES).tables)
    return sorted((match.path, tree.path(match.row)) for match in select_files(tree, patterns))


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        (b"var/lib/dpkg/info/*.list", [b"var/lib/dpkg/info/a.list", b"var/lib/dpkg/info/b.list"]),
        (b"**/*.dist-info/METADATA", [b"usr/lib/python3/x-1.dist-info/METADATA"]),
        (b"**/METADATA", [b"opt/METADATA", b"usr/lib/python3/x-1.dist-info/METADATA"]),
        (b"**/package.json", [b"package.json", b"srv/node_modules/a/package.json"]),
        (b"**/node_modules/*/package.json", [b"srv/node_modules/a/package.json"]),
        (b"**/p*k*e.json", [b"package.json", b"srv/node_modules/a/package.json"]),
        (b"dangling", []),
        (b"nowhere/*", []),
        (b"var/lib/dpkg/info/a.list/x", []),
        (b"srv/*/a/*", [b"srv/node_modules/a/package.json"]),
    ],
)
def test_patterns_find_regular_files(pattern, paths):
    assert [found for _, found in select(pattern)] == paths


def test_literal_directories_follow_links():
    assert select(b"var/lib/rpm/rpmdb.sqlite") == [(b"var/lib/rpm/rpmdb.sqlite", b"usr/lib/sysimage/rpm/rpmdb.sqlite")]
    assert select(b"var/lib/rpm/*.sqlite") == [(b"var/lib/rpm/rpmdb.sqlite", b"usr/lib/sysimage/rpm/rpmdb.sqlite")]


def test_a_file_is_found_once_under_its_first_name():
    assert select(b"etc/os-release", b"usr/lib/os-release") == [(b"etc/os-release", b"usr/lib/os-release")]


NAMES = some.sampled_from([b"a", b"b", b"ab", b"ba", b"aba", b"a.b", b"\xff"])
PATHS = some.lists(NAMES, min_size=1, max_size=4).map(b"/".join)
GLOBS = some.sampled_from([b"a", b"*", b"a*", b"*b", b"a*a", b"*.*", b"*a*b*", b"\xff"])
PATTERNS = some.builds(
    lambda deep, parts: (b"**/" if deep else b"") + b"/".join(parts),
    some.booleans(),
    some.lists(GLOBS, min_size=1, max_size=3),
)


@settings(deadline=None, max_examples=200)
@given(paths=some.lists(PATHS, max_size=12), pattern=PATTERNS)
def test_a_tree_and_a_stream_select_the_same(paths, pattern):
    files = {}
    for path in paths:  # a path that needs a file as a directory is left out
        if not any(other.startswith(path + b"/") or path.startswith(other + b"/") for other in files):
            files[path] = b"x"
    tree = ImageTree(build_image(files).tables)
    matches = compile_patterns([pattern]).fullmatch
    assert sorted(m.path for m in select_files(tree, [pattern])) == sorted(path for path in files if matches(path))


def test_many_links_to_one_directory_cost_one_look():
    links = {b"l%04d" % number: Link(b"d") for number in range(2000)}
    tree = ImageTree(build_image({b"d/f%04d" % number: b"x" for number in range(2000)} | links).tables)
    started = time.process_time()
    found = select_files(tree, [b"*/f*"])
    assert time.process_time() - started < 5  # each link anew would be four million look-ups
    assert len(found) == 2000


PROGRAM = st.S_IFREG | 0o755


def select_programs(**conditions):
    image = build_image({b"bin/a": bytes(100), b"bin/b.so": bytes(100), b"bin/c": bytes(9), b"bin/d": bytes(100)})
    tree = ImageTree(image.tables)
    for row in range(len(tree)):
        if tree.is_file(row) and tree.name(row) != b"d":
            tree.entries.mode[row] = PROGRAM
    return [match.path for match in select_wanted(tree, Wants(max_size=50, **conditions))]


@pytest.mark.parametrize("pattern", [b"**/*", b"bin/*", b"**/bin/*"])
def test_wants_have_conditions(pattern):
    patterns = (pattern,)
    assert select_programs(patterns=patterns) == [b"bin/a", b"bin/b.so", b"bin/c", b"bin/d"]
    assert select_programs(patterns=patterns, executable_only=True) == [b"bin/a", b"bin/b.so", b"bin/c"]
    assert select_programs(patterns=patterns, min_size=10) == [b"bin/a", b"bin/b.so", b"bin/d"]
    assert select_programs(patterns=patterns, except_for=(b"**/*.so", b"bin/d")) == [b"bin/a", b"bin/c"]
    assert select_programs(patterns=patterns, executable_only=True, min_size=10, except_for=(b"**/*.so",)) == [b"bin/a"]


def test_an_exact_path_has_conditions_too():
    assert select_programs(patterns=(b"bin/d",)) == [b"bin/d"]
    assert select_programs(patterns=(b"bin/d",), executable_only=True) == []
