"""Which files keep their content."""

import pytest
from tests.views.slim.images import link, other_name, write_image

import rafsight
from rafsight.views.slim.rules import Programs, SlimRules, rules_for
from rafsight.views.slim.selection import compile_path, compile_patterns, keep_for, match_files, named_files

NOTHING = Programs(names=(), sections=frozenset(), keeps_appended=False)


def rules(*patterns, follows_links=False, except_for=()):
    return SlimRules(
        name="some", patterns=patterns, except_for=except_for, follows_links=follows_links, programs=NOTHING
    )


def named(image, chosen):
    return {image.tree.path(row) for row in named_files(image.tree, chosen)}


@pytest.fixture
def image(tmp_path):
    reference = write_image(
        tmp_path,
        {
            "lib": link("usr/lib"),
            "usr/lib/apk/db/installed": b"P:musl\n",
            "usr/lib/gems/specifications/a.gemspec": b"a",
            "usr/lib/gems/specifications/default/b.gemspec": b"b",
            "usr/lib/gems/c.gemspec": b"c",
            "opt/app/x.dist-info/METADATA": b"Name: x",
            "opt/app/x.dist-info/RECORD": b"x",
            "usr/bin/tool": b"tool",
            "usr/bin/node": link("tool"),
            "usr/bin/perl": link("missing"),
            "usr/bin/ruby": link("../lib"),
            "etc/first": b"one file",
            "etc/os-release": other_name("etc/first"),
        },
    )
    with rafsight.open_image(reference) as opened:
        yield opened


def test_names_at_any_depth_and_at_one_place(image):
    assert named(image, rules(b"**/lib/apk/db/installed")) == {b"usr/lib/apk/db/installed"}
    assert named(image, rules(b"lib/apk/db/installed")) == {b"usr/lib/apk/db/installed"}
    assert named(image, rules(b"apk/db/installed")) == set()


def test_any_depth_in_the_middle(image):
    below = {b"usr/lib/gems/specifications/a.gemspec", b"usr/lib/gems/specifications/default/b.gemspec"}
    assert named(image, rules(b"**/specifications/**/*.gemspec")) == below
    assert named(image, rules(b"usr/**/b.gemspec")) == {b"usr/lib/gems/specifications/default/b.gemspec"}
    assert named(image, rules(b"opt/**/b.gemspec")) == set()


def test_exceptions_go_before_patterns(image):
    chosen = rules(b"**/*.dist-info/*", except_for=(b"**/*.dist-info/RECORD",))
    assert named(image, chosen) == {b"opt/app/x.dist-info/METADATA"}


def test_links_lead_to_files_only_if_the_scanner_follows_them(image):
    names = (b"**/node", b"**/perl", b"**/ruby")
    assert named(image, rules(*names)) == set()
    assert named(image, rules(*names, follows_links=True)) == {b"usr/bin/tool"}
    assert named(image, rules(b"usr/lib/node", follows_links=True)) == set()


def test_all_names_of_a_file_keep_its_content(image):
    (row,) = named_files(image.tree, rules(b"etc/os-release"))
    assert row == image.tree.entries.link_row[image.tree.lookup(b"etc/first")]


@pytest.mark.parametrize(
    ("pattern", "path", "is_named"),
    [
        (b"**/a", b"a", True),
        (b"**/a", b"x/y/a", True),
        (b"**/a", b"xa", False),
        (b"a/**/b", b"a/b", True),
        (b"a/**/b", b"a/x/y/b", True),
        (b"a/**/b", b"a/xb", False),
        (b"a/*/b", b"a/x/y/b", False),
        (b"**/a*/**/*.so", b"usr/a7/mod/x\n.so", True),
        (b"etc/*-release", b"etc/x/y-release", False),
    ],
)
def test_paths_and_patterns(pattern, path, is_named):
    assert (compile_path(pattern).fullmatch(path) is not None) == is_named
    assert (compile_patterns([b"zz", pattern]).fullmatch(path) is not None) == is_named


@pytest.mark.parametrize("name", ["trivy", "grype", "syft", "osv-scanner"])
def test_the_stream_and_the_tree_agree(image, name):
    """What is kept from the first pass of plain layers is what the tree names, links and exceptions aside."""
    chosen = rules_for(name)
    keep = keep_for(chosen)
    tree = image.tree
    files = {path for row, path in enumerate(tree.paths()) if tree.is_file(row)}
    matched = {match.path for match in match_files(tree, chosen.patterns)}
    assert matched == {path for path in files if keep(path, 1)}
    assert b"usr/lib/apk/db/installed" in matched
    assert not keep(b"usr/lib/apk/db/installed", 0)
