"""Artifacts in OCI layouts: how they are entered and found, and that an image without a name stays one."""

import json
import shutil

import pytest
from tests.access.registry.helpers import planted_manifest
from tests.access.registry.test_referrer_lists import artifact

from rafsight.access.layout_referrers import find_referrers
from rafsight.access.layout_target import LayoutTarget
from rafsight.access.oci_layout import LayoutBackend
from rafsight.base.digest import digest_of
from rafsight.formats.oci.errors import MalformedDocument
from rafsight.formats.oci.media_types import OCI_INDEX, OCI_MANIFEST
from rafsight.testing.registry import PLANTED

SUBJECT = "sha256:" + "5" * 64
TAG = "sha256-" + "5" * 64


def index_of(folder):
    return json.loads((folder / "index.json").read_bytes())["manifests"]


def put(folder, *numbers):
    target = LayoutTarget(folder)
    return [target.push_referrer(artifact(target, number), OCI_MANIFEST).digest for number in numbers]


def found_in(folder):
    return [one.digest for one in find_referrers(LayoutBackend(folder), SUBJECT)]


def test_an_artifact_is_an_entry_without_a_name(tmp_path):
    digests = put(tmp_path, 1, 2, 1)
    assert digests[0] == digests[2]
    assert [one["digest"] for one in index_of(tmp_path)] == digests[:2] == found_in(tmp_path)
    content = artifact(LayoutTarget(tmp_path), 1)
    assert index_of(tmp_path)[0] == {
        "mediaType": OCI_MANIFEST,
        "digest": digest_of(content),
        "size": len(content),
        "artifactType": "application/sarif+json",
        "annotations": {"number": "1"},
    }
    assert LayoutBackend(tmp_path).tags() == ()
    one = find_referrers(LayoutBackend(tmp_path), SUBJECT)[0]
    assert (one.artifact_type, one.size) == ("application/sarif+json", len(content))
    assert one.annotations.get("number") == "1"
    assert find_referrers(LayoutBackend(tmp_path), "sha256:" + "6" * 64) == ()


def test_no_annotation_becomes_a_name(tmp_path):
    target = LayoutTarget(tmp_path)
    document = json.loads(artifact(target))
    document["annotations"] = {"org.opencontainers.image.ref.name": "v6", "io.containerd.image.name": "x:v6", "a": "b"}
    target.push_referrer(json.dumps(document).encode(), OCI_MANIFEST)
    assert index_of(tmp_path)[0]["annotations"] == {"a": "b"}


def test_a_list_under_a_tag_is_read_too(tmp_path):
    (known,) = put(tmp_path, 1)
    target = LayoutTarget(tmp_path)
    content = artifact(target, 2)
    digest = target.push_manifest(content, OCI_MANIFEST)
    listed = [{"mediaType": OCI_MANIFEST, "digest": one, "size": len(content)} for one in (digest, known, SUBJECT)]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
    target.push_manifest(json.dumps(index).encode(), OCI_INDEX, tag=TAG)
    assert found_in(tmp_path) == [known, digest]


@pytest.mark.parametrize("name", ["", "v6"])
def test_an_image_without_a_name_stays_the_only_one(tmp_path, name):
    """Whether the one image of a layout has a tag or not: `oci:DIR` means it before and after."""
    folder = tmp_path / "layout"
    shutil.copytree(PLANTED, folder)
    digest, _ = planted_manifest("v6")
    path = folder / "index.json"
    index = json.loads(path.read_bytes())
    index["manifests"] = [one for one in index["manifests"] if one["digest"] == digest]
    if not name:
        del index["manifests"][0]["annotations"]
    path.write_text(json.dumps(index))
    assert LayoutBackend(folder).fetch_manifest("").digest == digest
    put(folder, 1, 2)
    assert LayoutBackend(folder).fetch_manifest("").digest == digest
    assert len(index_of(folder)) == 3


def test_only_an_artifact(tmp_path):
    (digest,) = put(tmp_path, 1)
    assert LayoutBackend(tmp_path).fetch_manifest("").digest == digest


def test_what_cannot_be_read_refers_to_nothing(tmp_path):
    digests = put(tmp_path, 1, 2, 3)
    (tmp_path / "blobs" / digests[0].replace(":", "/")).unlink()
    (tmp_path / "blobs" / digests[1].replace(":", "/")).write_bytes(b"other bytes")
    assert found_in(tmp_path) == digests[2:]


def test_nobody_reads_without_end(tmp_path):
    put(tmp_path, 1)
    path = tmp_path / "index.json"
    entries = [{"mediaType": OCI_MANIFEST, "digest": f"sha256:{number:064x}", "size": 9} for number in range(5000)]
    path.write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    with pytest.raises(MalformedDocument, match="more than 4096 documents"):
        found_in(tmp_path)
