"""All manifests and configs that real tools wrote follow the rules; what breaks one is named (most in tests/verbs/check)."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import SHARED, needs_shared

from rafsight.base.digest import digest_of
from rafsight.base.errors import ImageFault
from rafsight.base.limits import Limits
from rafsight.formats.judge import STRICT, Collector, Weight, rules_of
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types, rules, soundness
from rafsight.formats.oci.classify import NydusManifest, classify, survey
from rafsight.formats.oci.config import parse_config
from rafsight.formats.oci.errors import MalformedDocument
from rafsight.formats.oci.manifest import Manifest, parse_document
from rafsight.formats.oci.platform import Platform

GOLDEN = Path(__file__).parents[2] / "golden" / "manifests"
DOCKER = {"docker", "v5-docker", "v6-docker"}
NO_IMAGES = {"cache", "v6-merged", "archive-index", "archive-docker-manifest"}
REVERSED = {"reversed", "reversed5", "reversedref"}
"""Converted back: their annotations are those of the Nydus form."""
VERSIONS = {"5": 5, "6": 6}
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
DIGEST = "sha256:" + "a" * 64


def names(folder):
    found = {path.name.removesuffix(".json") for path in folder.glob("*.json")}
    return sorted(name for name in found if not name.endswith(".config") and name not in NO_IMAGES)


def check_all(folder, name):
    """Look at every rule that documents alone can break."""
    judge = Collector()
    content = (folder / f"{name}.json").read_bytes()
    said = media_types.DOCKER_MANIFEST if name in DOCKER else media_types.OCI_MANIFEST
    parsed = parse_document(content, media_type=said)
    assert isinstance(parsed, Manifest)
    found = survey(parsed)
    soundness.check_document(content, said, parsed, judge)
    soundness.check_config_descriptor(found, judge, is_marked=name == "v6-merged.m1")
    if isinstance(found, NydusManifest):
        soundness.check_layers(found, judge, Limits())
        soundness.check_fs_version(found, found.fs_version or 0, judge)
    config = folder / f"{name}.config.json"
    if config.is_file():
        parsed_config = parse_config(config.read_bytes(), digest=digest_of(config.read_bytes()))
        platform = Platform(os="linux", architecture="amd64")
        soundness.check_config(parsed_config, found, judge, platform=platform)
        if name == "v6-merged.m0":
            soundness.check_empty_layer(found, parsed_config, judge)
    return judge


@pytest.mark.parametrize("name", names(GOLDEN))
def test_real_documents_follow_all_rules(name):
    assert check_all(GOLDEN, name).faults == []


@needs_shared
@pytest.mark.parametrize("name", names(SHARED / "fixtures" / "manifests") if SHARED.is_dir() else [])
def test_all_real_documents_follow_all_rules(name):
    assert check_all(SHARED / "fixtures" / "manifests", name).faults == []


def test_both_halves_of_a_real_merged_index_agree():
    judge = Collector()
    configs = [parse_config((GOLDEN / "v6-merged.m0.config.json").read_bytes(), digest=DIGEST)]
    configs.append(parse_config((GOLDEN / "v6.config.json").read_bytes(), digest=DIGEST))
    soundness.check_runtime(configs[0], configs[1], judge)
    manifests = [parse_document((GOLDEN / f"v6-merged.m{half}.json").read_bytes()) for half in (0, 1)]
    sources = [("manifest", one.annotations.get(keys.NYDUS_SOURCE_DIGEST)) for one in manifests]
    soundness.check_sources([*sources, ("index", None)], judge)
    assert judge.faults == []


def model(*, subject):
    layers = [
        {"mediaType": "application/vnd.cnai.model.weight.v1.tar", "digest": DIGEST, "size": 5},
        {
            "mediaType": GZIP,
            "digest": "sha256:" + "b" * 64,
            "size": 5,
            "annotations": {
                keys.NYDUS_BOOTSTRAP: "true",
                keys.NYDUS_FS_VERSION: "6",
                keys.NYDUS_ARTIFACT_TYPE: media_types.MODEL_MANIFEST,
            },
        },
    ]
    config = {"mediaType": media_types.MODEL_CONFIG, "digest": DIGEST, "size": 2}
    content = {"schemaVersion": 2, "artifactType": media_types.MODEL_MANIFEST, "config": config, "layers": layers}
    if subject:
        content["subject"] = {"mediaType": media_types.OCI_MANIFEST, "digest": DIGEST, "size": 2}
    return parse_document(json.dumps(content).encode())


@pytest.mark.parametrize("subject", [True, False])
def test_a_model_artifact_has_layers_of_its_own_kind(subject):
    judge = Collector()
    found = survey(model(subject=subject))
    assert isinstance(found, NydusManifest)
    soundness.check_config_descriptor(found, judge, is_marked=False)
    soundness.check_layers(found, judge, Limits())
    assert [fault.rule for fault in judge.faults] == ([] if subject else [rules.MODEL_SUBJECT])


def test_a_committed_image_may_mix_media_types():
    content = json.loads((GOLDEN / "v5-docker.json").read_text())
    content["layers"][-1]["mediaType"] = GZIP
    blobs = ",".join(layer["digest"] for layer in content["layers"][:-1])
    content["layers"][-1]["annotations"][keys.NYDUS_COMMIT_BLOBS] = blobs
    judge = Collector()
    found = survey(parse_document(json.dumps(content, indent=2).encode()))
    assert isinstance(found, NydusManifest)
    soundness.check_layers(found, judge, Limits())
    assert judge.faults == []


@pytest.mark.parametrize("marked", [[], [0], [1], [0, 2]])
def test_a_survey_finds_the_bootstrap_that_was_meant(marked):
    content = json.loads((GOLDEN / "v6.json").read_text())
    for row, layer in enumerate(content["layers"]):
        layer["annotations"].pop(keys.NYDUS_BOOTSTRAP, None)
        if row in marked:
            layer["annotations"][keys.NYDUS_BOOTSTRAP] = "true"
            layer["mediaType"] = GZIP
    manifest = parse_document(json.dumps(content).encode())
    found = survey(manifest)
    assert isinstance(found, NydusManifest)
    assert found.bootstrap_layer is manifest.layers[marked[-1] if marked else -1]
    with pytest.raises(MalformedDocument):
        classify(manifest)


def test_runtime_configs_are_compared_as_go_reads_them():
    def made(**config):
        return parse_config(json.dumps({"config": config}).encode(), digest=DIGEST)

    alike = (
        ({"Cmd": None, "Env": ["A=1"]}, {"Cmd": [], "Env": ["A=1"], "ArgsEscaped": True, "Healthcheck": {"Test": []}}),
        ({"ExposedPorts": {"80/tcp": {}}}, {"ExposedPorts": {"80/tcp": {}}, "Labels": {}}),
    )
    for one, other in alike:
        soundness.check_runtime(made(**one), made(**other), STRICT)
    for member, value in (
        ("User", "root"), ("ExposedPorts", {"80/tcp": {}}), ("Env", ["A=1"]), ("Entrypoint", ["a"]), ("Cmd", ["a"]),
        ("Volumes", {"/a": {}}), ("WorkingDir", "/a"), ("Labels", {"a": "b"}), ("StopSignal", "TERM"),
    ):  # fmt: skip
        judge = Collector()
        soundness.check_runtime(made(**{member: value}), made(), judge)
        assert [fault.rule for fault in judge.faults] == [rules.RUNTIME_DIFFERS], member
    with pytest.raises(MalformedDocument):
        soundness.check_runtime(made(Env=7), made(), STRICT)


@pytest.mark.parametrize("stored", [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"image/\0"])
@pytest.mark.parametrize("ending", ["", "+gzip", "+zstd", ".gzip"])
def test_compression_is_that_of_the_media_type(stored, ending):
    judge = Collector()
    content = json.loads((GOLDEN / "v6.json").read_text())
    content["layers"][-1]["mediaType"] = "application/vnd.oci.image.layer.v1.tar" + ending
    layer = parse_document(json.dumps(content).encode()).layers[-1]
    soundness.check_compression(layer, stored, 3, judge)
    fits = {b"\x1f": "gzip", b"\x28": "zstd", b"i": ""}[stored[:1]] == ending.strip("+.")
    assert (judge.faults == []) == fits


def test_codes_are_unique_and_sentences_end_without_a_stop():
    table = rules_of(rules)
    assert len({rule.code for rule in table}) == len(table) > 30
    for rule in table:
        assert rule.says
        assert not rule.says.endswith(".")
        assert isinstance(rule.weight, Weight)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 1 << 60)
    | st.text(max_size=5)
    | st.sampled_from([DIGEST, GZIP, "true"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_no_document_ends_in_another_error(data):
    """Any member of a real manifest or config replaced by anything."""
    manifest = json.loads(
        (GOLDEN / data.draw(st.sampled_from(["v6.json", "v6-ociref.json", "v5-opt.json"]))).read_text()
    )
    config = json.loads((GOLDEN / "v6.config.json").read_text())
    for document in (manifest, config):
        place = document
        for _ in range(data.draw(st.integers(1, 4))):
            key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else list(range(len(place)))))
            if not isinstance(place[key], (dict, list)) or not place[key]:
                break
            parent, place = place, place[key]
            del parent
        else:
            continue
        place[key] = data.draw(JSON)
    judge = Collector()
    try:
        content = json.dumps(manifest).encode()
        parsed = parse_document(content)
        assert isinstance(parsed, Manifest)
        found = survey(parsed)
        soundness.check_document(content, media_types.OCI_MANIFEST, parsed, judge)
        soundness.check_config_descriptor(found, judge, is_marked=True)
        parsed_config = parse_config(json.dumps(config).encode(), digest=DIGEST)
        soundness.check_config(parsed_config, found, judge, platform=Platform(os="linux", architecture="amd64"))
        soundness.check_runtime(parsed_config, parsed_config, judge)
        soundness.check_empty_layer(found, parsed_config, judge)
        if isinstance(found, NydusManifest):
            soundness.check_layers(found, judge, Limits())
    except ImageFault:
        pass
