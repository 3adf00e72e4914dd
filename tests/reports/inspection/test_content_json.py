"""Answers about content as JSON: exact, complete, the same keys for every form."""

import base64
import json

import pytest
from tests.image.small_trees import golden
from tests.reports.inspection.content_samples import (
    HOSTILE,
    bare_answers,
    difference_of,
    hostile_difference,
    layer_answers,
    planted_answers,
)

from rafsight.image.difference import Aspect, compare_trees
from rafsight.reports.inspection.content import ImageDifference
from rafsight.reports.inspection.content_render import RENDERERS
from rafsight.testing.registry import PLANTED


def document_of(answer):
    return json.loads(json.dumps(RENDERERS[type(answer)].to_json(answer)))


def shape_of(value):
    """Keys, however many rows there are."""
    if isinstance(value, dict):
        return {key: shape_of(one) for key, one in value.items()}
    if isinstance(value, list):
        return "rows"
    return "value"


@pytest.mark.parametrize("name", ["v6-batch", "tar-tarfs", "targz-ref", "v5-nodata"])
def test_keys_are_the_same_for_every_form(name):
    blobs, layers, largest, shared, difference = bare_answers(name)
    others = bare_answers("merge-oci-v5")
    for answer, other in zip((blobs, layers, largest, shared, difference), others, strict=True):
        assert shape_of(document_of(answer)) == shape_of(document_of(other))
    rows = [document_of(one)["blobs"] for one in (blobs, others[0])]
    if rows[0]:
        assert rows[0][0].keys() == rows[1][0].keys()


def test_blobs_have_layers_and_sums():
    document = document_of(planted_answers()[0])
    assert [blob["layer"] for blob in document["blobs"]] == [0, 3, 4, 5, 2, 1]
    for key in ("used_chunks", "stored_size", "data_size", "unused_size", "content_size", "addressed_size"):
        assert document["total"][key] == sum(blob[key] for blob in document["blobs"])
    assert document["total"]["exact"] is True
    assert all(blob["ratio"] == blob["stored_size"] / blob["content_size"] for blob in document["blobs"])


def test_estimates_are_marked():
    blobs, _, largest, shared, _ = map(document_of, bare_answers("v6-batch"))
    assert blobs["blobs"][0]["exact"] is blobs["total"]["exact"] is False
    assert largest["total"]["exact"] is False
    assert shared["other"]["exact"] is False


def test_layers():
    document = document_of(planted_answers()[1])
    assert [layer["holds"] for layer in document["layers"]] == ["nydus blob"] * 6 + ["bootstrap"]
    assert document["total_size"] == sum(layer["size"] for layer in document["layers"])
    assert document["layers"][-1]["use"] is None
    assert document["layers"][0]["use"]["files"] == 56
    assert document["blobs_in_no_layer"] == []


def test_largest():
    document = document_of(planted_answers()[2])
    assert document["total"]["path"] == "/"
    assert document["files"][0]["path"] == "/bin/busybox"
    assert len(document["files"]) == len(document["directories"]) == 5


def test_dedupe():
    alone, other = (document_of(answer) for answer in planted_answers()[3:5])
    assert alone["other"] is None
    assert other["other"]["chunk_count"] == other["other"]["chunk_total"]
    assert alone["addressed_size"] == alone["distinct_size"] + alone["between_files_size"]


def test_what_is_not_known_is_null(tmp_path):
    blobs, largest, shared = map(document_of, layer_answers(tmp_path, f"oci:{PLANTED}:v6"))
    known = [document_of(planted_answers()[place]) for place in (0, 2, 4)]
    for one, other in zip((blobs, largest, shared), known, strict=True):
        assert shape_of(one) == shape_of(other)
    assert blobs["blobs"][0].keys() == known[0]["blobs"][0].keys()
    assert {blob["compressor"] for blob in blobs["blobs"]} == {"gzip"}
    assert {blobs["blobs"][0][key] for key in ("chunks", "known_chunks", "used_chunks")} == {None}
    assert blobs["total"]["used_chunks"] is None
    assert largest["total"]["exclusive_size"] is largest["files"][0]["exclusive_size"] is None
    assert [key for key, value in shared.items() if value is None] == [
        "within_files_size",
        "between_files_size",
        "stored_again_size",
        "stored_again_stored_size",
        "distinct_size",
    ]
    other = shared["other"]
    assert {other[key] for key in ("chunk_count", "content_size", "stored_size", "same_chunk_size")} == {None}
    assert other["uncompared_size"] == other["content_total"] == shared["addressed_size"] > 0


def test_a_difference_is_complete():
    document = document_of(
        difference_of({b"a/%d" % at: b"" for at in range(200)}, {b"b/%d" % at: b"" for at in range(99)})
    )
    assert document["counts"]["removed"] == len(document["removed"]) == 201
    assert document["counts"]["added"] == len(document["added"]) == 100
    assert document["removed"][0] == {"path": "/a", "kind": "directory", "size": 0}


def test_values_of_fields():
    document = document_of(hostile_difference())
    changed = {entry["path"]: entry for entry in document["changed"]}
    assert changed["/kind"] == {
        "path": "/kind",
        "kind": "directory",
        "fields": [
            {"field": "kind", "left": "file", "right": "directory"},
            {"field": "mode", "left": "0644", "right": "0755"},
        ],
    }
    (link,) = (entry for entry in document["changed"] if entry["kind"] == "symlink")
    assert base64.b64decode(link["path_b64"]) == b"/" + HOSTILE
    (target,) = link["fields"]
    assert base64.b64decode(target["left_b64"]) == b"\x07" + HOSTILE
    assert (target["field"], target["right"]) == ("target", "other")
    (file,) = (entry for entry in document["changed"] if entry["kind"] == "file")
    assert file["fields"] == [
        {"field": "size", "left": 2, "right": 1},
        {"field": "content", "left": None, "right": None},
    ]


def test_counts_of_fields():
    fields = document_of(hostile_difference())["counts"]["changed_fields"]
    assert {key for key, count in fields.items() if count} == {"kind", "mode", "size", "target", "content"}
    assert "unknown_content" not in fields
    assert len(fields) == len(Aspect) - 1


def test_unknown_content_is_listed():
    document = document_of(difference_of({b"a": b"x" * 5000}, {b"a": b"x" * 5000}, chunk_size=8192))
    assert document["content_unknown"] == [{"path": "/a"}]
    assert document["changed"] == []


def test_xattrs_are_named():
    left, right = golden("parent-oci-v6"), golden("parent-ovl-v6")
    answer = ImageDifference(left="", right="", left_tree=left, right_tree=right, difference=compare_trees(left, right))
    (entry,) = document_of(answer)["changed"]
    (field,) = entry["fields"]
    assert (entry["path"], field["field"]) == ("/retype", "xattrs")
    assert {field["left"], field["right"]} == {"", "user.z"}
