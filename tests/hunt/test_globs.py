import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.hunt.globs import BadGlob, parse_name_glob, parse_path_glob
from rafsight.image.tree import ImageTree
from rafsight.matching.suppression.globs import names_path
from rafsight.testing.trees import Link, build_image

TREE = ImageTree(
    build_image(
        {
            b"etc/passwd": b"x",
            b"usr/bin/dash": b"x",
            b"usr/bin/sh": Link(b"dash"),
            b"bin": Link(b"usr/bin"),
            b"usr/lib/x86_64-linux-gnu/liblzma.so.5.6.1": b"x",
            b"usr/lib/x86_64-linux-gnu/liblzma.so.5": Link(b"liblzma.so.5.6.1"),
            b"opt/app/lib/log4j-core-2.14.1.jar": b"x",
            b"opt/[odd]/file": b"x",
            b"opt/caf\xe9": b"x",
            b"srv/a/b/c/d": b"x",
            b"empty": None,
        }
    ).tables
)


def found(glob: bytes) -> list[bytes]:
    return sorted(TREE.path(row) for row in parse_path_glob(glob).select(TREE).tolist())


@pytest.mark.parametrize(
    ("glob", "paths"),
    [
        (b"/etc/passwd", [b"etc/passwd"]),
        (b"etc/passwd", [b"etc/passwd"]),
        (b"/bin/sh", [b"usr/bin/sh"]),  # over the link in front, not the one that is named
        (b"/bin", [b"bin"]),
        (b"/bin/*", [b"usr/bin/dash", b"usr/bin/sh"]),
        (b"/usr/lib/*/liblzma.so.5.6.*", [b"usr/lib/x86_64-linux-gnu/liblzma.so.5.6.1"]),
        (b"**/liblzma.so.5*", [b"usr/lib/x86_64-linux-gnu/liblzma.so.5", b"usr/lib/x86_64-linux-gnu/liblzma.so.5.6.1"]),
        (b"**/log4j-core-2.[0-9]*.jar", [b"opt/app/lib/log4j-core-2.14.1.jar"]),
        (b"/opt/**/*.jar", [b"opt/app/lib/log4j-core-2.14.1.jar"]),
        (b"/srv/**", [b"srv/a", b"srv/a/b", b"srv/a/b/c", b"srv/a/b/c/d"]),
        (b"/srv/**/d", [b"srv/a/b/c/d"]),
        (b"/srv/*/d", []),
        (b"**/**/d", [b"srv/a/b/c/d"]),
        (b"/opt/caf?", [b"opt/caf\xe9"]),
        (b"/opt/[[]odd]/file", [b"opt/[odd]/file"]),
        (b"/etc/passwd/x", []),
        (b"/nowhere/**", []),
        (b"**/usr", [b"usr"]),
    ],
)
def test_what_a_glob_names(glob, paths):
    assert found(glob) == paths


@pytest.mark.parametrize("glob", [b"", b"/", b"..", b"/etc/../x", b"a/" * 100, b"x" * 5000])
def test_globs_that_name_nothing_are_refused(glob):
    with pytest.raises(BadGlob):
        parse_path_glob(glob)
    with pytest.raises(BadGlob):
        parse_name_glob(glob + b"/")


PARTS = st.sampled_from([b"*", b"**", b"a", b"a*", b"?", b"*b", b"x.*", b"lib", b"*.*.*"])
NAMES = st.sampled_from([b"a", b"b", b"ab", b"lib", b"x.so", b"x.so.1", b"a.b.c"])


@given(
    paths=st.lists(st.lists(NAMES, min_size=1, max_size=5).map(b"/".join), min_size=1, max_size=12),
    glob=st.lists(PARTS, min_size=1, max_size=5).map(b"/".join),
)
def test_columns_say_what_paths_one_by_one_say(paths, glob):
    files = {path: b"" for path in paths if not any(other.startswith(path + b"/") for other in paths)}
    tree = ImageTree(build_image(files).tables)
    all_paths = tree.paths()
    selected = {all_paths[row] for row in parse_path_glob(glob).select(tree).tolist()}
    assert selected == {path for path in all_paths[1:] if names_path(glob.decode(), path)}


@pytest.mark.parametrize(
    ("glob", "name", "matches"),
    [(b"a*c", b"abc", True), (b"a*c", b"ac", True), (b"aa*a", b"aa", False), (b"x", b"x", True), (b"x", b"xy", False)],
)
def test_one_name(glob, name, matches):
    assert parse_name_glob(glob).names(name) is matches
