from dataclasses import replace

import pytest

from rafsight.image.tree import ImageTree, NoSuchPath, TooManyLinks, WrongKind, require_kind
from rafsight.testing.trees import Link, build_image

FILES = {
    b"etc/os-release": Link(b"../usr/lib/os-release"),
    b"usr/lib/os-release": b"ID=debian\n",
    b"lib": Link(b"usr/lib"),
    b"abs": Link(b"/usr"),
    b"loop": Link(b"loop"),
    b"up": Link(b"../../../etc"),
    b"a\xff/b": b"x",
    b"empty": None,
}


@pytest.fixture(scope="module")
def tree():
    return ImageTree(build_image(FILES).tables)


def test_paths_by_row_equal_path_of_each_row(tree):
    assert tree.paths() == [tree.path(row) for row in range(len(tree))]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (b"etc/os-release", b"usr/lib/os-release"),
        (b"/etc/os-release", b"usr/lib/os-release"),
        (b"lib/os-release", b"usr/lib/os-release"),
        (b"abs/lib/./os-release", b"usr/lib/os-release"),
        (b"up/os-release", b"usr/lib/os-release"),
        (b"../../etc/../lib/", b"usr/lib"),
        (b"a\xff/b", b"a\xff/b"),
        (b"", b""),
        (b"/", b""),
    ],
)
def test_lookup_stays_inside_and_follows_links(tree, path, found):
    assert tree.path(tree.lookup(path)) == found


def test_the_last_link_is_kept_if_asked(tree):
    assert tree.target(tree.lookup(b"etc/os-release", follow=False)) == b"../usr/lib/os-release"
    assert tree.path(tree.lookup(b"lib/os-release", follow=False)) == b"usr/lib/os-release"


@pytest.mark.parametrize(
    "path",
    [b"nothing", b"etc/nothing", b"usr/lib/os-release/", b"usr/lib/os-release/x", b"usr/lib/os-release/../os-release"],
)
def test_a_missing_path_says_so(tree, path):
    with pytest.raises(NoSuchPath, match=path.decode().strip("/")):
        tree.lookup(path)
    assert tree.find(path) is None


def test_links_in_a_circle_end(tree):
    with pytest.raises(TooManyLinks):
        tree.lookup(b"loop")


def test_walk_is_depth_first_by_name(tree):
    paths = [tree.path(row) for row in tree.walk()]
    assert paths == [
        b"", b"abs", b"a\xff", b"a\xff/b", b"empty", b"etc", b"etc/os-release", b"lib", b"loop", b"up", b"usr", b"usr/lib",
        b"usr/lib/os-release",
    ]  # fmt: skip


def test_kinds_are_checked(tree):
    assert require_kind(tree, tree.lookup(b"usr"), "directory") == tree.lookup(b"usr")
    with pytest.raises(WrongKind, match="/usr is a directory, not a file"):
        require_kind(tree, tree.lookup(b"usr"), "file")


def test_content_key_tells_contents_apart():
    tree = ImageTree(build_image({b"a": b"1" * 9000, b"b": b"1" * 9000, b"c": b"2" * 9000, b"d": b""}).tables)
    keys = {name: tree.content_key(tree.lookup(name)) for name in (b"a", b"b", b"c", b"d")}
    assert keys[b"a"] == keys[b"b"]
    assert len(set(keys.values())) == 3


def test_a_chunk_that_is_used_in_part_is_other_content():
    """A hostile bootstrap may name the chunks of another file and leave holes: what is kept by content must not mix them up."""
    tables = build_image({b"a": b"1" * 9000}).tables
    extents = replace(tables.extents, size=tables.extents.size - 1)
    whole, part = ImageTree(tables), ImageTree(replace(tables, extents=extents))
    assert whole.content_key(whole.lookup(b"a")) != part.content_key(part.lookup(b"a"))
