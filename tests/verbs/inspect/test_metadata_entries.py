"""`stat`, `icheck`, `ls` and `find`."""

import fnmatch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.verbs.inspect import recorded
from tests.verbs.inspect.comparison import as_json, octets, opened

from rafsight.image.tree import NoSuchPath
from rafsight.verbs.inspect.metadata import NoSuchInode, check_inode, describe_entry, list_directory, list_found
from rafsight.views.vfs import find_files

BOTH = ["v5-zstd", "v6-zstd"]


def ask(image, path):
    return as_json(describe_entry(image, image.tree.lookup(path, follow=False)))


@pytest.mark.parametrize("name", recorded.NAMES)
def test_every_entry_is_described(name):
    """Every entry has the same keys; what depends on its kind is there, or null."""
    with opened(name) as image:
        keys = set(ask(image, b"/"))
        for row in image.tree.walk():
            facts = as_json(describe_entry(image, row))
            assert {key for key in facts if not key.endswith("_b64")} == keys
            assert octets(facts, "path") == b"/" + image.tree.path(row)
            assert (facts["chunks"] is not None) == (facts["kind"] == "file")
            assert (facts["target"] is not None) == (facts["kind"] == "symlink")
            assert (facts["device"] is not None) == (facts["kind"] in ("char", "block"))
            assert facts["kind"] != "file" or facts["nlink"] == facts["name_count"]
            if facts["chunks"]:
                assert sum(chunk["decompressed_size"] for chunk in facts["chunks"]) == facts["size"]


@pytest.mark.parametrize("name", BOTH)
def test_what_only_some_entries_have(name):
    with opened(name) as image:
        assert ask(image, b"chrbig")["device"] == {"major": 511, "minor": 70000}
        assert ask(image, b"sl-dangling")["target"] == "nowhere/at/all"
        assert ask(image, b"mtneg")["mtime"] < 0
        assert ask(image, b"mtbig")["mtime"] > 1 << 32
        assert (ask(image, b"suid")["permissions"], ask(image, b"suid")["mode"]) == ("104755", 0o104755)
        xattrs = ask(image, b"xa")["xattrs"]
        assert [one["name"] for one in xattrs] == sorted(one["name"] for one in xattrs)
        assert {"name": "user.empty", "value": ""} in xattrs
        capability = next(one for one in xattrs if one["name"] == "security.capability")
        assert len(octets(capability, "value")) == 20


def test_inode_digests_are_there_where_the_format_has_them():
    with opened("v5-zstd") as image:
        assert len(ask(image, b"big")["digest"]) == 64
        assert ask(image, b"big")["digest"] == ask(image, b"big-dup")["digest"]
    with opened("v6-zstd") as image:
        assert ask(image, b"big")["digest"] is None


@pytest.mark.parametrize("name", BOTH)
def test_names_that_are_no_text_are_there_twice(name):
    with opened(name) as image:
        facts = ask(image, b"raw-\xff\xfe")
        assert (facts["name"], facts["name_b64"]) == ("raw-\ufffd\ufffd", "cmF3Lf/+")
        assert octets(facts, "path") == b"/raw-\xff\xfe"


@pytest.mark.parametrize("name", BOTH)
def test_the_root_is_its_own_parent(name):
    with opened(name) as image:
        facts = as_json(describe_entry(image, 0))
        assert (facts["path"], facts["name"], facts["kind"]) == ("/", "/", "directory")
        assert facts["parent"] == facts["inode"] == image.head.superblock.root_ino


@pytest.mark.parametrize("name", BOTH)
def test_what_does_not_exist_is_an_error(name):
    with opened(name) as image:
        with pytest.raises(NoSuchPath):
            ask(image, b"not/there")
        for ino in (0, 127, 1 << 40, (1 << 64) - 1, 1 << 64, 1 << 80, -1):
            if ino == 127 and name.startswith("v5"):
                continue
            with pytest.raises(NoSuchInode, match=f"no inode {ino}"):
                check_inode(image, ino)


@pytest.mark.parametrize(("name", "links"), [("v5-none", [b"/d/e/f", b"/hl"]), ("v6-none", [b"/d/e/f", b"/hl"])])
def test_each_path_of_an_inode_has_its_own_name_and_parent(name, links):
    with opened(name) as image:
        facts = as_json(check_inode(image, ask(image, b"hl")["inode"]))
        parents = [ask(image, b"d/e")["inode"], image.head.superblock.root_ino]
        assert [octets(one, "path") for one in facts["names"]] == links
        assert [one["name"] for one in facts["names"]] == ["f", "hl"]
        assert [one["parent"] for one in facts["names"]] == parents
        assert facts["name_count"] == 2
        for path, one in zip(links, facts["names"], strict=True):
            assert ask(image, path) == {**one, **{key: facts[key] for key in facts if key not in ("names", "inode")}}


@pytest.mark.parametrize("name", [*BOTH, "targz-ref", "merge-oci-v5"])
def test_every_inode_is_found_by_its_number(name):
    with opened(name) as image:
        tree = image.tree
        by_ino = {}
        for row in tree.walk():
            by_ino.setdefault(int(tree.entries.ino[row]), []).append(tree.path(row))
        assert {ino: [one.path for one in check_inode(image, ino).names] for ino in by_ino} == by_ino
        assert max(map(len, by_ino.values())) > 1


@pytest.mark.parametrize("name", BOTH)
def test_a_directory_is_listed_by_name_and_a_file_is_listed_itself(name):
    with opened(name) as image:
        tree = image.tree
        inside = list_directory(image, tree.lookup(b"big-dir")).entries
        assert len(inside) == 150
        assert [one.name for one in inside] == sorted(one.name for one in inside)
        row = tree.lookup(b"a/sl-hard", follow=False)
        (alone,) = list_directory(image, row).entries
        assert (alone.name, alone.kind, alone.ino) == (b"sl-hard", "symlink", int(tree.entries.ino[row]))
        assert list_directory(image, tree.lookup(b"empty-dir")).entries == ()


PATTERNS = some.one_of(
    some.text(alphabet="aeln*?[]!-./", max_size=8).map(str.encode),
    some.sampled_from([b"*", b"/*", b"*/b*", b"a/*", b"*\xff*", b"[!a-z]*", b"**/entry-00?*", b"..*", "ü*".encode()]),
)


@settings(deadline=None, max_examples=60)
@given(pattern=PATTERNS, name=some.sampled_from(BOTH))
def test_a_search_finds_what_find_does(pattern, name):
    with opened(name) as image:
        expected = [(file.path, file.kind) for file in find_files(image, pattern)]
        found = list_found(image, pattern, 0)
        assert found.has_paths
        assert [(one.name, one.kind) for one in found.entries] == expected


@pytest.mark.parametrize("name", BOTH)
def test_a_search_below_a_directory_leaves_out_the_rest(name):
    with opened(name) as image:
        row = image.tree.lookup(b"a/b")
        found = [one.name for one in list_found(image, b"*", row).entries]
        assert found == [file.path for file in find_files(image, b"*") if file.path.startswith(b"a/b/")] != []
        assert [one.name for one in list_found(image, b"/a/*", row).entries] == found
        assert list_found(image, b"*", image.tree.lookup(b"empty")).entries == ()
        lines = as_json(list_found(image, b"*", row))
        assert all(fnmatch.fnmatch(line["path"], "/a/b/*") for line in lines)
