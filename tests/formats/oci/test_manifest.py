"""Manifests and indexes: real ones are read whole, hostile ones are refused by name."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.base.digest import digest_of
from rafsight.base.errors import ImageFault
from rafsight.base.limits import Limits
from rafsight.formats.oci import media_types
from rafsight.formats.oci.classify import classify
from rafsight.formats.oci.config import parse_config
from rafsight.formats.oci.errors import MalformedDocument, NotAnImage, UnsupportedFormat
from rafsight.formats.oci.manifest import Index, Manifest, parse_document

GOLDEN = Path(__file__).parents[2] / "golden" / "manifests"
DIGEST = "sha256:" + "a" * 64


def golden(name):
    return (GOLDEN / f"{name}.json").read_bytes()


def document(**changes):
    base = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": {"mediaType": media_types.OCI_CONFIG, "digest": DIGEST, "size": 2},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": DIGEST, "size": 1}],
    }
    return json.dumps({key: value for key, value in {**base, **changes}.items() if value != "absent"}).encode()


def test_reads_a_manifest_whole():
    manifest = parse_document(golden("v6-referrer"))
    assert isinstance(manifest, Manifest)
    assert manifest.digest == digest_of(golden("v6-referrer"))
    assert manifest.media_type == media_types.OCI_MANIFEST
    assert [layer.size for layer in manifest.layers] == [41467532, 3155652, 8099, 292887]
    assert manifest.layers[3].annotations.get("containerd.io/snapshot/nydus-fs-version") == "6"
    assert manifest.layers[3].annotations.get("nothing") is None
    assert manifest.config.size == 915
    assert manifest.subject is not None
    assert manifest.subject.digest == digest_of(golden("oci"))


def test_reads_an_index_without_a_media_type():
    index = parse_document(golden("v6-merged"), media_type=f"{media_types.OCI_INDEX}; charset=utf-8")
    assert isinstance(index, Index)
    assert [str(one.platform) for one in index.manifests] == ["linux/amd64"] * 2
    assert index.manifests[1].artifact_type == media_types.NYDUS_MANIFEST
    assert index == parse_document(golden("v6-merged"))


def test_keeps_the_digest_that_the_caller_verified():
    other = "sha512:" + "b" * 128
    assert parse_document(golden("oci"), digest=other).digest == other


def test_takes_null_for_absent_and_ignores_what_it_does_not_know():
    manifest = parse_document(
        document(annotations=None, subject=None, layers=None, artifactType=None, extra={"deep": [1, {"x": None}]})
    )
    assert isinstance(manifest, Manifest)
    assert manifest.layers == ()
    index = parse_document(b'{"manifests": null, "mediaType": "' + media_types.OCI_INDEX.encode() + b'"}')
    assert isinstance(index, Index)
    assert index.manifests == ()


def test_the_same_layer_may_occur_twice():
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": DIGEST, "size": 1}
    manifest = parse_document(document(layers=[layer, layer]))
    assert isinstance(manifest, Manifest)
    assert manifest.layers[0] == manifest.layers[1]


LAYER = {"mediaType": "x", "digest": DIGEST, "size": 1}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        (b"\xff\xfe", "malformed"),
        (b'{"mediaType": "\xff"}', "utf-8"),
        (b'{"mediaType": "\\ud800"}', ""),
        (b"{}", "neither a manifest nor an index"),
        (b'{"x":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", "nested too deeply"),
        (document(manifests=[]), "at once"),
        (document(config="absent"), "no config"),
        (document(layers=[{**LAYER, "size": -1}]), "size of -1"),
        (document(layers=[{**LAYER, "size": 1 << 60}]), "impossible"),
        (document(layers=[{**LAYER, "size": 10**30}]), "impossible"),
        (document(layers=[{**LAYER, "size": 1.5}]), "Expected `int`"),
        (document(layers=[{**LAYER, "size": "1"}]), "Expected `int`"),
        (document(layers=[{**LAYER, "digest": "sha256:../../etc/passwd"}]), "not a digest"),
        (document(layers=[{**LAYER, "digest": "md5:" + "a" * 32}]), "not a digest"),
        (document(layers=[{"mediaType": "x", "size": 1}]), "digest"),
        (document(layers=[{**LAYER, "annotations": {"a": 1}}]), "Expected `str"),
        (document(layers=[LAYER] * 1025), "more than 1024"),
        (document(mediaType=media_types.OCI_INDEX), "members are not those"),
        (json.dumps({"mediaType": media_types.OCI_MANIFEST, "manifests": []}).encode(), "members are not those"),
        (b" " * (9 << 20), "larger than"),
        (document(extra="x" * (5 << 20)), "larger than"),
    ],
)
def test_refuses_what_is_malformed(content, what):
    with pytest.raises(MalformedDocument) as caught:
        parse_document(content)
    assert what in str(caught.value)
    digest = digest_of(content)
    for name, called in (("", digest), ("manifest of tag v1", f"manifest of tag v1 ({digest})")):
        with pytest.raises(MalformedDocument) as caught:
            parse_document(content, name=name)
        assert str(caught.value).startswith(f"{called}: ")


def test_refuses_a_document_that_its_source_calls_something_else():
    with pytest.raises(MalformedDocument, match="calls itself"):
        parse_document(golden("v6"), media_type=media_types.OCI_INDEX)


def test_a_source_without_a_clear_word_is_not_believed():
    assert isinstance(parse_document(golden("v6-merged"), media_type="application/json"), Index)
    assert isinstance(parse_document(document(mediaType="absent"), media_type="text/plain"), Manifest)


def test_refuses_schema_1_by_name():
    with pytest.raises(UnsupportedFormat, match="schema 1"):
        parse_document(b'{"schemaVersion": 1, "fsLayers": []}')
    with pytest.raises(UnsupportedFormat, match="schema 1"):
        parse_document(b"{}", media_type=media_types.DOCKER_SCHEMA_1[0])


def test_names_the_withdrawn_artifact_manifest():
    content = {"mediaType": media_types.OCI_ARTIFACT_MANIFEST, "artifactType": "application/spdx+json", "blobs": []}
    with pytest.raises(NotAnImage, match="SPDX"):
        parse_document(json.dumps(content).encode())


def test_limits_are_the_callers():
    with pytest.raises(MalformedDocument):
        parse_document(golden("v6"), limits=Limits(manifest_size=100))
    with pytest.raises(MalformedDocument):
        parse_config(golden("v6.config"), digest=DIGEST, limits=Limits(config_size=100))


DOCUMENTS = sorted(path.stem for path in GOLDEN.glob("*.json"))


@settings(deadline=None, max_examples=400)
@given(data=st.data(), name=st.sampled_from(DOCUMENTS))
def test_damage_is_always_an_image_fault(data, name):
    content = bytearray(golden(name))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        kind = data.draw(st.sampled_from(["change", "cut", "repeat"]))
        if kind == "change":
            content[position] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del content[position : position + data.draw(st.integers(1, 50))]
        else:
            content[position:position] = content[position : position + data.draw(st.integers(1, 50))]
        if not content:
            break
    with suppress(ImageFault):
        parsed = parse_document(bytes(content))
        if isinstance(parsed, Manifest):
            classify(parsed)
    with suppress(ImageFault):
        parse_config(bytes(content), digest=DIGEST)


@settings(deadline=None, max_examples=200)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["config", "layers", "manifests", "digest", "size", "annotations", "platform", "rootfs"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read_or_refused(value):
    content = json.dumps(value).encode()
    with suppress(ImageFault):
        parse_document(content)
    with suppress(ImageFault):
        parse_config(content, digest=DIGEST)
