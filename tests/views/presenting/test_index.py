"""An index with Nydus images, shown with plain ones in their place."""

import json

from rafsight.formats.oci.manifest import parse_document
from rafsight.views.presenting.index import present_index
from rafsight.views.presenting.shown import Shown

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def child(character, platform=None, **more):
    entry = {"mediaType": MANIFEST, "digest": "sha256:" + character * 64, "size": 100, **more}
    if platform:
        entry["platform"] = {"os": "linux", "architecture": platform}
    return entry


def nydus(character, platform):
    entry = child(character, platform, artifactType="application/vnd.nydus.image.manifest.v1+json")
    entry["platform"]["os.features"] = ["nydus.remoteimage.v1"]
    entry["annotations"] = {"containerd.io/snapshot/nydus-source-digest": "sha256:x", "kept": "yes"}
    return entry


def present(entries, shown, dropped=(), **more):
    members = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": entries, **more}
    content = json.dumps(members).encode()
    made = {
        "sha256:" + character * 64: Shown(
            origin="sha256:" + character * 64, media_type=MANIFEST, manifest=b"made of " + character.encode()
        )
        for character in shown
    }
    done = present_index(content, parse_document(content), made, ["sha256:" + one * 64 for one in dropped])
    assert done.origin == parse_document(content).digest
    by_digest = {one.digest: character for character, one in zip(shown, made.values(), strict=True)}
    document = json.loads(done.manifest)
    order = [by_digest.get(entry["digest"], entry["digest"][-1]) for entry in document["manifests"]]
    return document, order


def test_a_nydus_child_becomes_the_plain_image_that_was_made():
    document, _ = present([nydus("a", "amd64")], "a")
    (entry,) = document["manifests"]
    assert entry["mediaType"] == MANIFEST
    assert entry["size"] == len(b"made of a")
    assert entry["platform"] == {"os": "linux", "architecture": "amd64"}
    assert entry["annotations"] == {"kept": "yes"}
    assert "artifactType" not in entry


def test_it_stands_before_its_plain_twin_and_all_else_stays():
    entries = [child("1", "amd64"), child("2", "arm64"), nydus("a", "amd64"), nydus("b", "arm64"), child("3")]
    document, order = present(entries, "ab", annotations={"some": "thing"})
    assert order == ["a", "1", "b", "2", "3"]
    assert document["manifests"][1] == entries[0]
    assert document["annotations"] == {"some": "thing"}


def test_one_without_a_twin_stays_where_it_was():
    assert present([child("1", "s390x"), nydus("a", "amd64"), child("2", "arm64")], "a")[1] == ["1", "a", "2"]


def test_members_that_nobody_knows_stay():
    entries = [child("1", "amd64", data="eA==", whatever=[1]), nydus("a", "amd64")]
    document, _ = present(entries, "a", artifactType="x/y")
    assert document["manifests"][1] == entries[0]
    assert document["artifactType"] == "x/y"


def test_children_that_are_not_wanted_are_left_out():
    assert present([child("1", "amd64"), nydus("a", "amd64"), nydus("b", "arm64")], "a", dropped="b")[1] == ["a", "1"]


def test_the_same_child_twice():
    assert present([nydus("a", "amd64"), nydus("a", "amd64"), child("1", "amd64")], "a")[1] == ["a", "a", "1"]
