"""Every golden image and the planted one, mounted each way: what the kernel shows is what `tree.json` says, all of it."""

import hashlib
import itertools
import json
import os
import stat

import pytest
from tests.formats.made_tables import odd_tree, stated
from tests.formats.rafs import images
from tests.formats.rafs.kernel import mounted as mounted_bootstrap
from tests.formats.rafs.test_kernel import flat_disk
from tests.views.export.golden import NAMES, entries_of, options_of, reference_of
from tests.views.fuse.images import open_nodes
from tests.views.mount.ways import erofs_over_cache, erofs_over_fuse, fuse_tree
from tests.views.observed import FIELDS, assert_tree, needs_root, observe

from rafsight.access.chunk_store.store import open_chunk_store
from rafsight.access.session import open_image
from rafsight.base.units import GiB
from rafsight.testing.registry import PLANTED

pytestmark = [pytest.mark.root, needs_root]

TAGS = sorted(
    one["annotations"]["org.opencontainers.image.ref.name"]
    for one in json.loads((PLANTED / "index.json").read_text())["manifests"]
)


def expected_of(name):
    """What `tree.json` says, as `assert_tree` wants it."""
    found = {}
    for path, one in entries_of(name).items():
        major, minor = one.get("rdev", (0, 0))
        found[path] = {
            "mode": one["mode"],
            "uid": one["uid"],
            "gid": one["gid"],
            "mtime": one["mtime"][0] * 10**9 + one["mtime"][1],
            "nlink": one["nlink"],
            "rdev": minor & 0xFF | major << 8 | (minor & ~0xFF) << 12,
            "size": one.get("size", 0),
            "target": one["target"],
            "xattrs": one["xattrs"],
            "sha256": one.get("sha256", ""),
            "first": one.get("link_group", path),
        }
    return found


def assert_engines_agree(image, folder, expected):
    """Mount an image all ways, cold and warm; returns what each showed."""
    (folder / "one").mkdir()
    (folder / "other").mkdir()
    with open_chunk_store(image, folder / "store", limit=GiB) as store:
        with erofs_over_fuse(image, store, folder / "one") as root:
            by_kernel = observe(root)
        assert store.tally.failed == 0
        with erofs_over_cache(image, store, folder / "other") as root:
            from_cache = observe(root)
    with open_chunk_store(image, folder / "fresh store", limit=GiB) as store:
        with fuse_tree(image, store, folder / "one") as root:
            by_fuse = observe(root)
        assert store.tally.failed == 0
        is_complete = store.is_complete()
    for found in (by_kernel, from_cache, by_fuse):
        assert_tree(found, expected)
    assert from_cache == by_kernel
    for path, one in by_fuse.items():
        other = by_kernel[path]
        assert sorted(one["names"]) == sorted(other["names"]), path
        assert one["blocks"] == other["blocks"] or stat.S_ISDIR(one["mode"]), path
        assert one["times"] == other["times"] == [one["mtime"]] * 2, path
    return is_complete


@pytest.mark.parametrize("name", NAMES)
def test_every_golden_image(name, tmp_path):
    expected = expected_of(name)
    assert len(expected) >= 7
    with open_image(reference_of(name), options=options_of(name)) as image:
        is_complete = assert_engines_agree(image, tmp_path, expected)
        assert is_complete, "reading every file brings every chunk"


@pytest.mark.parametrize("tag", TAGS)
def test_the_planted_image_in_all_forms(tag, tmp_path):
    with open_image(f"oci:{PLANTED}:{tag}") as image:
        tree = image.tree
        expected = {}
        paths = tree.paths()
        for row, path in enumerate(paths):
            said = tree.attributes(row)
            content = b"".join(image.read_file(row)) if said.kind == "file" else b""
            expected[path] = described(said, paths[tree.entries.link_row[row]], content, tree, row)
        assert len(expected) > 10
        assert_engines_agree(image, tmp_path, expected)


def described(said, first, content, tree, row):
    return {
        "mode": said.mode,
        "uid": said.uid,
        "gid": said.gid,
        "mtime": said.mtime * 10**9 + said.mtime_nsec,
        "nlink": said.nlink,
        "rdev": int(tree.entries.rdev[row]),
        "size": said.size,
        "target": tree.target(row),
        "xattrs": {one.name: one.value for one in tree.xattrs(row)},
        "sha256": hashlib.sha256(content).hexdigest() if said.kind == "file" else "",
        "first": first,
    }


def test_the_planted_image_is_the_same_tree_in_all_rafs_forms(tmp_path):
    """What was planted does not depend on the format."""
    contents = set()
    for tag in TAGS:
        with open_image(f"oci:{PLANTED}:{tag}") as image, open_chunk_store(image, tmp_path / tag, limit=GiB) as store:
            with fuse_tree(image, store, tmp_path / tag) as root:
                found = observe(root)
            files = sorted((path, one["mode"], one["sha256"]) for path, one in found.items() if one["sha256"])
            contents.add(tuple(files))
    assert len(contents) == 1


def test_a_tree_of_everything_odd(tmp_path):
    with open_nodes(odd_tree()) as image:
        assert_engines_agree(image, tmp_path, stated(odd_tree()))


V6 = [name for name in NAMES if images.bootstrap(name)[:4] != b"SFAR"]


@pytest.mark.parametrize("name", V6)
def test_the_kernel_sees_the_same_in_the_original_bootstrap(name, tmp_path):
    """Two ways to the same image: the bootstrap as its builder wrote it, and what we write of it."""
    image = images.open_golden(name)
    with mounted_bootstrap(flat_disk(image, tmp_path / "disk"), tmp_path / "original") as root:
        original = observe(root)
    with (
        open_image(reference_of(name), options=options_of(name)) as opened,
        open_chunk_store(opened, tmp_path / "store", limit=GiB) as store,
        erofs_over_fuse(opened, store, tmp_path) as root,
    ):
        ours = observe(root)
    assert set(ours) == set(original)
    for path, one in ours.items():
        other = original[path]
        for field in (*FIELDS, "rdev", "xattrs"):
            assert one[field] == other[field], (path, field)
        assert stat.S_ISDIR(one["mode"]) or one["size"] == other["size"], path
        assert sorted(one["names"]) == sorted(other["names"]), path
    assert groups(ours) == groups(original)


def groups(found):
    """Return the names of each inode."""
    by_ino = sorted((one["ino"], path) for path, one in found.items())
    return sorted([path for _, path in group] for _, group in itertools.groupby(by_ino, key=lambda pair: pair[0]))


def test_sparse_files_are_holes_for_those_who_ask_only_where_they_are(tmp_path):
    """No engine tells of holes; nobody may take content for one."""
    with open_nodes(odd_tree()) as image, open_chunk_store(image, tmp_path / "store", limit=GiB) as store:
        for way in (fuse_tree, erofs_over_fuse):
            with way(image, store, tmp_path) as root, (root / "holes").open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                offset = 3 * 8192
                assert os.lseek(file.fileno(), 0, os.SEEK_DATA) <= offset
                assert os.lseek(file.fileno(), offset, os.SEEK_DATA) == offset
                assert offset < os.lseek(file.fileno(), offset, os.SEEK_HOLE) <= size
