"""What kind of image a manifest describes: all real ones, and those that only look like images."""

import json
from pathlib import Path

import pytest
from tests.shared import SHARED, needs_shared

from rafsight.base.digest import digest_of
from rafsight.base.errors import ExitStatus
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.classify import NydusManifest, OciManifest, classify
from rafsight.formats.oci.errors import EncryptedLayer, MalformedDocument, NotAnImage, UnsupportedFormat
from rafsight.formats.oci.manifest import Manifest, parse_document

GOLDEN = Path(__file__).parents[2] / "golden" / "manifests"
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
DIGEST = "sha256:" + "a" * 64


def golden(name, folder=GOLDEN):
    parsed = parse_document((folder / f"{name}.json").read_bytes())
    assert isinstance(parsed, Manifest)
    return parsed


def made(*layers, config=media_types.OCI_CONFIG, annotations=None, artifact_type=None, size=2):
    content = {
        "schemaVersion": 2,
        "config": {"mediaType": config, "digest": DIGEST, "size": size},
        "layers": [
            {"mediaType": kind, "digest": digest_of(bytes([row])), "size": 5, "annotations": marks}
            for row, (kind, marks) in enumerate(layers)
        ],
        "annotations": annotations,
        "artifactType": artifact_type,
    }
    parsed = parse_document(json.dumps(content).encode())
    assert isinstance(parsed, Manifest)
    return parsed


def blob(**more):
    return (media_types.NYDUS_BLOB, {keys.NYDUS_BLOB: "true", **more})


def bootstrap(kind=GZIP, value="true", **more):
    marks = {keys.NYDUS_BOOTSTRAP: value, keys.NYDUS_FS_VERSION: "6"}
    return (kind, {**marks, **more})


# name: class, blob layers, version, zran, dictionary marks
REAL = {
    "oci": None,
    "docker": None,
    "reversed": None,
    "reversed5": None,
    "reversedref": None,
    "v6-merged.m0": None,
    "v6": (3, 6, False, False),
    "v6-lz4": (3, 6, False, False),
    "v6-none": (3, 6, False, False),
    "v6-batch": (3, 6, False, False),
    "v6-docker": (3, 6, False, False),
    "v6-cached": (3, 6, False, False),
    "v6-cached2": (3, 6, False, False),
    "v6-referrer": (3, 6, False, False),
    "v6-merged.m1": (3, 6, False, False),
    "v6-dict": (6, 6, False, False),
    "v6-localfs": (0, 6, False, False),
    "v6-opt": (4, 6, False, False),
    "v6-ociref": (3, 6, True, False),
    "v5": (3, 5, False, False),
    "v5-lz4": (3, 5, False, False),
    "v5-aligned": (3, 5, False, False),
    "v5-docker": (3, 5, False, False),
    "v5-opt": (4, 5, False, False),
    "chunkdict": (0, 6, False, True),
}


def check_real(name, folder):
    found = classify(golden(name, folder))
    expected = REAL[name]
    if expected is None:
        assert isinstance(found, OciManifest)
        assert found.layers == found.manifest.layers
        return
    assert isinstance(found, NydusManifest)
    seen = (len(found.blob_layers), found.fs_version, bool(found.references), found.looks_like_dictionary)
    assert seen == expected
    assert found.bootstrap_layer == found.manifest.layers[-1]
    assert found.other_layers == ()
    assert not found.is_model


@pytest.mark.parametrize("name", sorted(set(REAL) & {path.stem for path in GOLDEN.glob("*.json")}))
def test_real_manifest(name):
    check_real(name, GOLDEN)


@needs_shared
@pytest.mark.parametrize("name", sorted(REAL))
def test_every_real_manifest(name):
    check_real(name, SHARED / "fixtures" / "manifests")


@needs_shared
def test_no_real_manifest_was_forgotten():
    names = {path.stem for path in (SHARED / "fixtures" / "manifests").glob("*.json")}
    rest = {name for name in names if not name.endswith(".config")} - set(REAL)
    assert rest == {"cache", "v6-merged", "archive-index", "archive-docker-manifest"}


def test_a_build_cache_is_no_image():
    with pytest.raises(NotAnImage, match="build cache") as caught:
        classify(golden("cache"))
    assert caught.value.exit_status is ExitStatus.NOT_AN_IMAGE
    old = made(blob(), bootstrap(), annotations={keys.NYDUS_CACHE: "v1"})
    with pytest.raises(NotAnImage, match="build cache"):
        classify(old)


def test_a_reference_image_names_the_original_layers():
    found = classify(golden("v6-ociref"))
    assert isinstance(found, NydusManifest)
    assert [one.original for one in found.references] == [layer.digest for layer in golden("oci").layers]
    assert [one.layer for one in found.references] == list(found.blob_layers)


def test_an_optimised_image_names_its_prefetch_blob():
    found = classify(golden("v5-opt"))
    assert isinstance(found, NydusManifest)
    assert "sha256:" + found.prefetch_blob == found.blob_layers[-1].digest
    assert found.source_digest == golden("oci").digest
    assert found.source_reference == "127.0.0.1:5067/demo/app:oci"


def test_a_committed_image_names_its_blobs():
    commit = f"sha256:{'1' * 64},sha256:{'2' * 64}, rubbish"
    found = classify(made(blob(), bootstrap(**{keys.NYDUS_COMMIT_BLOBS: commit})))
    assert isinstance(found, NydusManifest)
    assert found.commit_blobs == ("sha256:" + "1" * 64, "sha256:" + "2" * 64)


@pytest.mark.parametrize("value", ["true", "yes", "1", "false"])
@pytest.mark.parametrize(
    "kind",
    [
        GZIP,
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar",
    ],
)
def test_the_last_layer_decides_liberally(kind, value):
    assert isinstance(classify(made(blob(), bootstrap(kind, value))), NydusManifest)


def test_an_empty_mark_is_no_mark():
    assert isinstance(classify(made((GZIP, {keys.NYDUS_BOOTSTRAP: ""}))), OciManifest)


@pytest.mark.parametrize(
    ("layer_version", "manifest_version", "expected"),
    [("6", None, 6), ("v5", "6", 5), ("", "5", 5), (None, "6", 6), (None, None, None), ("odd", None, None)],
)
def test_the_version_is_the_layers_word_then_the_manifests(layer_version, manifest_version, expected):
    marks = {keys.NYDUS_BOOTSTRAP: "true", keys.NYDUS_FS_VERSION: layer_version}
    found = classify(made(blob(), (GZIP, marks), annotations={keys.NYDUS_FS_VERSION: manifest_version}))
    assert isinstance(found, NydusManifest)
    assert found.fs_version == expected


@pytest.mark.parametrize("version", ["7", "07", "v7", "8", "100"])
def test_a_later_file_system_is_refused(version):
    for manifest in (
        made(blob(), bootstrap(**{keys.NYDUS_FS_VERSION: version})),
        made(blob(), (GZIP, {keys.NYDUS_BOOTSTRAP: "true"}), annotations={keys.NYDUS_FS_VERSION: version}),
    ):
        with pytest.raises(UnsupportedFormat, match="not supported") as caught:
            classify(manifest)
        assert caught.value.exit_status is ExitStatus.UNSUPPORTED


@pytest.mark.parametrize(
    "layer",
    [
        bootstrap(GZIP + "+encrypted"),
        bootstrap(**{"org.opencontainers.image.enc.keys.jwe": "abc"}),
        (GZIP + "+encrypted", {}),
        (GZIP, {"org.opencontainers.image.enc.pubopts": "abc"}),
    ],
)
def test_an_encrypted_layer_is_called_so(layer):
    with pytest.raises(EncryptedLayer, match="is encrypted") as caught:
        classify(made(layer))
    assert caught.value.exit_status is ExitStatus.UNSUPPORTED


def test_an_encrypted_bootstrap_is_named_as_bootstrap():
    with pytest.raises(EncryptedLayer, match="the bootstrap sha256:"):
        classify(made(blob(), bootstrap(GZIP + "+encrypted")))


@pytest.mark.parametrize(
    ("layers", "what"),
    [
        ([blob(), blob()], "no bootstrap"),
        ([bootstrap(), blob()], "not the last layer"),
        ([blob(**{keys.NYDUS_REF: "sha256:.."}), bootstrap()], "not a digest"),
    ],
)
def test_a_broken_nydus_image_is_no_oci_image(layers, what):
    with pytest.raises(MalformedDocument, match=what):
        classify(made(*layers))


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(MalformedDocument, match="config"):
        classify(made(bootstrap(), size=1 << 40))
    with pytest.raises(MalformedDocument, match="config"):
        classify(made((GZIP, {}), size=1 << 40))


def test_a_model_artifact_with_a_bootstrap_is_an_image():
    weights: tuple[str, dict[str, str]] = ("application/vnd.cnai.model.weight.v1.tar", {})
    found = classify(
        made(
            weights,
            bootstrap(**{keys.NYDUS_ARTIFACT_TYPE: media_types.MODEL_MANIFEST}),
            config=media_types.MODEL_CONFIG,
            artifact_type=media_types.MODEL_MANIFEST,
        )
    )
    assert isinstance(found, NydusManifest)
    assert found.is_model
    assert [layer.media_type for layer in found.other_layers] == [weights[0]]


def test_an_image_of_no_layers_is_an_image():
    assert isinstance(classify(made()), OciManifest)


@pytest.mark.parametrize(
    ("config", "layers", "artifact_type", "what"),
    [
        ("application/vnd.cncf.helm.config.v1+json", ["application/vnd.cncf.helm.chart.content.v1.tar+gzip"], None, "a Helm chart"),
        (media_types.MODEL_CONFIG, ["application/vnd.cnai.model.weight.v1.tar"], media_types.MODEL_MANIFEST, "a model artifact"),
        (media_types.OCI_CONFIG, ["application/vnd.dev.cosign.simplesigning.v1+json"], None, "a Cosign signature"),
        (media_types.OCI_CONFIG, ["application/vnd.in-toto+json"], None, "an attestation"),
        (media_types.OCI_CONFIG, ["text/spdx+json"], None, "an SPDX bill"),
        (media_types.OCI_CONFIG, ["application/vnd.cyclonedx+json"], None, "a CycloneDX bill"),
        (media_types.OCI_EMPTY, ["application/octet-stream"], "application/vnd.cncf.notary.signature", "a Notary signature"),
        ("application/vnd.buildkit.cacheconfig.v0", [GZIP], None, "a BuildKit cache"),
        (media_types.DOCKER_CONFIG, ["application/vnd.ollama.image.model"], None, "an Ollama model"),
        ("application/vnd.wasm.config.v0+json", ["application/wasm"], None, "a WebAssembly module"),
        (media_types.OCI_EMPTY, ["application/x-thing"], "application/x-artifact", "type application/x-artifact"),
        (media_types.OCI_EMPTY, ["application/x-thing"], None, "type application/x-thing"),
        (media_types.OCI_EMPTY, [], None, "type unknown"),
    ],
)  # fmt: skip
def test_an_artifact_is_called_by_its_name(config, layers, artifact_type, what):
    with pytest.raises(NotAnImage) as caught:
        classify(made(*((kind, {}) for kind in layers), config=config, artifact_type=artifact_type))
    assert what in str(caught.value)
