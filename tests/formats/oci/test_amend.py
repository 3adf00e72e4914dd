"""Documents that are changed in a few members keep all others."""

import json

import pytest

from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.amend import amend_history, amend_index, amend_manifest
from rafsight.formats.oci.documents import BOOTSTRAP_STEP, blob_layer, history_steps, write_bootstrap_layer, write_json
from rafsight.formats.oci.errors import MalformedDocument

LAYER = write_bootstrap_layer(b"bootstrap", {})
OLD = "sha256:" + "0" * 64


def manifest(**last):
    return json.dumps(
        {
            "schemaVersion": 2,
            "x": 1.10,
            "config": {"mediaType": "c", "digest": OLD, "size": 3, "data": "eA==", "y": [None]},
            "layers": [
                {"mediaType": "l", "digest": OLD, "size": 1, "z": {"a": 1e3}},
                {"mediaType": media_types.DOCKER_LAYER, "digest": OLD, "size": 2, "annotations": {"a": None}, **last},
            ],
        }
    ).encode()


def amended(content, blobs=()):
    return json.loads(amend_manifest(content, config=("sha256:new", 9), blobs=blobs, bootstrap=LAYER))


def test_members_that_nobody_knows_stay():
    found = amended(manifest(), [blob_layer("sha256:blob", 7)])
    assert list(found) == ["schemaVersion", "x", "config", "layers"]
    assert found["config"] == {"mediaType": "c", "digest": "sha256:new", "size": 9, "y": [None]}
    first, blob, last = found["layers"]
    assert first == {"mediaType": "l", "digest": OLD, "size": 1, "z": {"a": 1000.0}}
    assert (blob["digest"], blob["annotations"]) == ("sha256:blob", {keys.NYDUS_BLOB: "true"})
    assert last == {
        "mediaType": media_types.DOCKER_LAYER, "digest": LAYER.digest, "size": LAYER.size, "annotations": {"a": None},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (media_types.OCI_LAYER, media_types.OCI_LAYER),
        (media_types.DOCKER_LAYER, media_types.DOCKER_LAYER),
        ("application/vnd.oci.image.layer.v1.tar", media_types.OCI_LAYER),
        ("application/vnd.oci.image.layer.v1.tar+zstd", media_types.OCI_LAYER),
    ],
)
def test_the_bootstrap_is_called_what_it_is_compressed_with(old, new):
    assert amended(manifest(mediaType=old))["layers"][-1]["mediaType"] == new


def test_an_index_names_what_took_the_place_of_another():
    entries = [{"digest": OLD, "size": 1, "platform": {"x": 1}}, {"digest": "sha256:" + "1" * 64, "size": 2}]
    content = json.dumps({"schemaVersion": 2, "manifests": entries, "k": "v"}).encode()
    found = json.loads(amend_index(content, {OLD: ("sha256:new", 9)}))
    assert found == {
        "schemaVersion": 2,
        "manifests": [{"digest": "sha256:new", "size": 9, "platform": {"x": 1}}, entries[1]],
        "k": "v",
    }


def test_what_is_no_document_is_refused():
    for content in (b"", b"[]", b'{"manifests": [1]}', b'{"manifests": {}}'):
        with pytest.raises(MalformedDocument):
            amend_index(content, {})


@pytest.mark.parametrize(
    ("steps", "place"),
    [([], 0), ([{"created_by": "RUN"}], 1), ([{"created_by": "RUN"}, BOOTSTRAP_STEP], 1), ([BOOTSTRAP_STEP, {}], 2)],
)
def test_the_step_of_the_bootstrap_stays_the_last(steps, place):
    step = {"created_by": "us"}
    read = history_steps(write_json({"history": steps}))
    found = json.loads(write_json(amend_history(read, step)))
    assert found[place] == step
    assert [one for one in found if one != step] == steps
