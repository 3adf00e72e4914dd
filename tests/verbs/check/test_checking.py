"""Every damage of documents and bootstrap layers is found and named; every sound image is called sound."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.shared import SHARED, needs_shared
from tests.verbs.check.damages import DAMAGES
from tests.verbs.check.layouts import Layout

import rafsight
from rafsight.access.backend import NotFound
from rafsight.access.options import Offline, Options
from rafsight.access.registry.errors import RegistryDenied, RegistryUnreachable
from rafsight.base.errors import ExitStatus, ImageFault
from rafsight.formats.judge import MALFORMED, Weight, rules_of
from rafsight.formats.oci import rules
from rafsight.formats.oci.classify import NydusManifest
from rafsight.formats.oci.errors import NoMatchingPlatform, NotAnImage
from rafsight.formats.oci.reference import MalformedReference
from rafsight.formats.rafs.faults import NotABootstrap, UnsupportedImage
from rafsight.reports.check_json import render_json
from rafsight.reports.check_junit import render_junit
from rafsight.reports.check_summary import all_steps
from rafsight.reports.check_text import render_text
from rafsight.reports.soundness import Verdict
from rafsight.testing.registry import PLANTED, Mischief, serve_layout
from rafsight.testing.registry_pages import error_answer
from rafsight.verbs.check.checking import check_reference
from rafsight.verbs.check.selection import NotNydus
from rafsight.verbs.check.steps import TITLES

GOLDEN = Path(__file__).parents[2] / "golden" / "rafs"
CASES = sorted(path for path in GOLDEN.iterdir() if (path / "tree.json").exists())
LINUX = Options(platform="linux/amd64")
RULES = {rule.code: rule for rule in rules_of(rules)}


INLINED = {"v5-inline", "v6-inline", "v6-toc-inline", "v6-enc-batch-inline", "targz-ref-toc-inline"}


def bootstrap_of(case, folder):
    """Inlined bootstraps are taken out of their blob, whose name says which it is."""
    if case.name not in INLINED:
        return case / "image.boot"
    blobs = [path for path in case.iterdir() if len(path.name) == 64]
    for blob in blobs:
        shutil.copy(blob, folder)
    return folder / next(blob.name for blob in sorted(blobs, key=has_no_contents))


def has_no_contents(blob):
    """Of a zran image, the original archive has no table of contents."""
    return b"rafs.blob.toc" not in blob.read_bytes()[-512:]


def codes(report):
    return {code for step in all_steps(report.images) for code, _ in step.counts}


def unchecked(report):
    return [one for step in all_steps(report.images) for one in step.unchecked]


def image_faults(report):
    return [fault for step in all_steps(report.images) for fault in step.faults]


def describe(report):
    found = [fault for step in all_steps(report.images) for fault in step.faults]
    return [(fault.rule.code, fault.where, fault.detail) for fault in found] + unchecked(report)


def damaged(damage, folder):
    layout = Layout(folder, damage.tag)
    if damage.merged:
        layout.merge()
    afterwards = damage.change(layout)
    reference = layout.write()
    if callable(afterwards):
        afterwards()
    return reference


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_damage_is_found_and_named(damage, tmp_path):
    report = check_reference(damaged(damage, tmp_path), chunks=damage.chunks, options=LINUX)
    found = codes(report)
    assert found == {damage.code, *damage.also}, describe(report)
    weights = {fault.rule.weight for step in all_steps(report.images) for fault in step.faults}
    expected = Verdict.UNSOUND if Weight.BROKEN in weights else Verdict.SOUND
    assert report.verdict is expected, describe(report)


def test_every_rule_has_a_damage():
    assert set(RULES) - {damage.code for damage in DAMAGES} == set()
    assert {damage.code for damage in DAMAGES} - set(RULES) <= {MALFORMED.code}


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("tag", ["v5", "v6"])
def test_an_image_that_was_only_rebuilt_is_sound(tag, merged, tmp_path):
    layout = Layout(tmp_path, tag, rebuilds=True)
    if merged:
        layout.merge()
    report = check_reference(layout.write(), chunks=True, options=LINUX)
    assert report.verdict is Verdict.SOUND, describe(report)
    assert codes(report) == set()
    assert len(report.images) == (2 if merged else 1)


@pytest.mark.parametrize("chunks", [False, True])
@pytest.mark.parametrize("tag", ["v5", "v6"])
def test_the_shipped_image_is_sound(tag, chunks):
    with serve_layout(PLANTED) as registry:
        report = check_reference(registry.reference(tag), chunks=chunks, options=LINUX)
    assert report.verdict is Verdict.SOUND, describe(report)
    assert codes(report) == set()
    (image,) = report.images
    assert [step.name for step in image.steps] == list(TITLES)
    none = ["chunk-info"] if tag == "v5" else []
    assert [step.name for step in image.steps if step.skipped] == none + ([] if chunks else ["chunks"]) + ["source"]
    assert image.platform == "linux/amd64"
    assert image.manifest_digest.startswith("sha256:")
    assert report.cost.requests > 3


@needs_shared
@pytest.mark.parametrize("tag", ["v6", "v5", "v6-ref", "merged"])
def test_every_form_of_the_planted_image_is_sound(tag):
    with serve_layout(SHARED / "fixtures" / "images" / "planted") as registry:
        report = check_reference(registry.reference(tag), chunks=True, options=LINUX)
    assert report.verdict is Verdict.SOUND, describe(report)
    assert codes(report) == set()
    assert [image.title for image in report.images] == ["Nydus image", "OCI half"][: 1 + (tag == "merged")]
    assert bool(report.index_digest) == (tag == "merged")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("chunks", [False, True])
def test_every_golden_bootstrap_is_sound(case, chunks, tmp_path):
    reference = f"boot:{bootstrap_of(case, tmp_path)}"
    options = Options(blob_dir=tmp_path if case.name in INLINED else case)
    report = check_reference(reference, chunks=chunks, options=options)
    assert report.verdict is Verdict.SOUND, describe(report)
    assert codes(report) == set()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_bare_golden_bootstrap_is_sound_beside_its_blobs(case):
    report = check_reference(f"boot:{case / 'image.boot'}", chunks=True, options=Options(blob_dir=case))
    assert report.verdict is Verdict.SOUND, describe(report)
    assert codes(report) == set()
    assert report.images[0].title == "RAFS bootstrap"


@pytest.mark.parametrize("name", sorted(INLINED))
def test_a_bootstrap_whose_blob_is_not_found_has_something_unchecked(name, tmp_path):
    report = check_reference(f"boot:{GOLDEN / name / 'image.boot'}", chunks=True, options=Options(blob_dir=tmp_path))
    (left,) = unchecked(report)
    assert "check boot:BLOBFILE" in left.why
    assert "sha256:image" not in render_json(report, exit_status=0)
    if name == "targz-ref-toc-inline":  # the other archive has a name
        assert codes(report) == {"blob-missing"}
    else:
        assert report.verdict is Verdict.UNKNOWN, describe(report)
        assert codes(report) == set()


SPOILT = [
    ("v6-zstd", 1024 + 8, b"\x80\0\0\0", NotABootstrap, ExitStatus.NOT_AN_IMAGE),
    ("v6-zstd", 1024 + 80, b"\0\0\0\x80", UnsupportedImage, ExitStatus.UNSUPPORTED),
    ("v5-zstd", 4, b"\0\4", UnsupportedImage, ExitStatus.UNSUPPORTED),
    ("v5-zstd", 4, b"\0\7", UnsupportedImage, ExitStatus.UNSUPPORTED),
]


@pytest.mark.parametrize(
    ("name", "skipped"), [("v6-nodata", ["blobs", "chunk-info", "chunks"]), ("v5-zstd", ["chunk-info"])]
)
def test_what_an_image_does_not_have_is_not_called_sound(name, skipped):
    options = Options(blob_dir=GOLDEN / name)
    report = check_reference(f"boot:{GOLDEN / name / 'image.boot'}", chunks=True, options=options)
    assert report.verdict is Verdict.SOUND
    of_blobs = [step for step in all_steps(report.images) if step.name in ("blobs", "chunk-info", "chunks")]
    assert [step.name for step in of_blobs if step.skipped] == skipped


@pytest.mark.parametrize(("name", "offset", "content", "error", "status"), SPOILT)
def test_a_file_of_which_nothing_can_be_read_is_an_error(name, offset, content, error, status, tmp_path):
    boot = bytearray((GOLDEN / name / "image.boot").read_bytes())
    boot[offset : offset + len(content)] = content
    (tmp_path / "image.boot").write_bytes(boot)
    for options in (Options(), Options(blob_dir=tmp_path)):
        with pytest.raises(error) as caught:
            check_reference(f"boot:{tmp_path / 'image.boot'}", options=options)
        assert caught.value.exit_status is status


@pytest.mark.parametrize(
    ("tag", "offset", "content", "rule"),
    [("v6", 1024 + 8, b"\x80\0\0\0", "not-rafs"), ("v5", 4, b"\0\7", "rafs-version")],
)
def test_in_an_image_the_other_steps_are_taken(tag, offset, content, rule, tmp_path):
    layout = Layout(tmp_path, tag, rebuilds=True)
    boot = bytearray(layout.bootstrap.content("image/image.boot"))
    boot[offset : offset + len(content)] = content
    layout.bootstrap.replace("image/image.boot", bytes(boot))
    report = check_reference(layout.write(), options=LINUX)
    assert report.verdict is Verdict.UNKNOWN, describe(report)
    assert rule in codes(report)
    assert not next(step.skipped for step in all_steps(report.images) if step.name == "blobs")


def test_a_bootstrap_without_its_blobs_has_only_metadata():
    report = check_reference(f"boot:{CASES[0] / 'image.boot'}")
    (image,) = report.images
    done = {step.name for step in image.steps if not step.skipped}
    assert done == {"metadata"}
    assert "--blob-dir" in next(step.skipped for step in image.steps if step.name == "blobs")
    assert report.verdict is Verdict.SOUND


@needs_shared
def test_an_image_differs_from_what_it_was_not_made_from(tmp_path):
    planted = SHARED / "fixtures" / "images" / "planted"
    report = check_reference(f"oci:{planted}:v5", source=f"oci:{planted}:oci", options=LINUX)
    (image,) = report.images
    assert image.steps[-1].name == "source"
    assert dict(image.steps[-1].facts)["layers"] == 6
    layout = Layout(tmp_path).merge()
    other = check_reference(f"oci:{planted}:v6", source=layout.write(), options=LINUX)
    assert other.verdict is Verdict.UNSOUND
    assert "runtime-config-differs" not in codes(report)


def test_a_source_that_starts_otherwise_is_another_image(tmp_path):
    layout = Layout(tmp_path, "v5").merge()
    layout.plain_config["config"] = {"Env": ["A=1"]}
    report = check_reference(f"oci:{PLANTED}:v5", source=layout.write(), options=LINUX)
    (step,) = [step for step in all_steps(report.images) if step.name == "source"]
    assert "runtime-config-differs" in dict(step.counts)
    assert dict(step.facts)["layers"] == 2


def test_a_source_that_cannot_be_had_leaves_something_unchecked(tmp_path):
    (tmp_path / "index.json").write_text('{"schemaVersion":2,"manifests":[]}')
    report = check_reference(f"oci:{PLANTED}:v5", source=f"oci:{tmp_path}:gone", options=LINUX)
    assert report.verdict is Verdict.UNKNOWN
    assert [one for one in unchecked(report) if "gone" in one.why]


@pytest.mark.parametrize(
    "source",
    [f"oci:{PLANTED}:v5", f"oci:{PLANTED}:none", f"boot:{GOLDEN / 'v6-zstd' / 'image.boot'}", "oci:/nowhere:x", "gone"],
)
def test_whatever_is_wrong_with_a_source_leaves_the_step_unchecked(source):
    if source == "gone":
        with serve_layout(PLANTED) as registry:
            source = registry.reference("v5")
    options = Options(platform="linux/amd64", timeout=1.0)
    report = check_reference(f"oci:{PLANTED}:v5", source=source, options=options)
    assert report.verdict is Verdict.UNKNOWN, describe(report)
    assert [one.subject for one in unchecked(report)] == ["the source"]
    (step,) = [step for step in all_steps(report.images) if step.name == "source"]
    assert not step.faults


def test_a_source_that_the_options_forbid_is_refused_first():
    with pytest.raises(Offline):
        check_reference(f"oci:{PLANTED}:v5", source="registry.invalid/app:1", options=Options(offline=True))


@pytest.mark.parametrize("source", ["", "UPPER/case:!", "https://x"])
def test_a_source_that_is_no_reference_is_refused_first(source):
    with pytest.raises(MalformedReference):
        check_reference(f"oci:{PLANTED}:v5", source=source)


def test_faults_of_inodes_have_their_paths(tmp_path):
    with rafsight.open_image(f"oci:{PLANTED}:v5", options=LINUX) as image:
        row = image.tree.find(b"srv/app/settings.ini")
        assert row is not None
        assert image.tree.entries.inode_offset is not None
        offset = int(image.tree.entries.inode_offset[row])
    layout = Layout(tmp_path, "v5", rebuilds=True)
    boot = bytearray(layout.bootstrap.content("image/image.boot"))
    boot[offset] ^= 1  # an inode begins with its digest
    layout.bootstrap.replace("image/image.boot", bytes(boot))
    report = check_reference(layout.write(), options=LINUX)
    assert report.verdict is Verdict.UNSOUND
    faults = [fault for step in all_steps(report.images) for fault in step.faults]
    assert b"srv/app/settings.ini" in {fault.path for fault in faults}, faults


# ------------------------------------------------------------------------------------------------- wrong use


@needs_shared
def test_a_plain_image_is_no_nydus_image():
    with serve_layout(SHARED / "fixtures" / "images" / "planted") as registry, pytest.raises(NotNydus) as caught:
        check_reference(registry.reference("oci"), options=LINUX)
    assert caught.value.exit_status is ExitStatus.NOT_AN_IMAGE


def test_an_index_of_plain_images_is_no_nydus_image(tmp_path):
    layout = Layout(tmp_path).merge()
    layout.manifest, layout.config = layout.plain, layout.plain_config
    layout.descriptor["artifactType"] = ""
    with pytest.raises(NotNydus, match="index"):
        check_reference(layout.write(), options=LINUX)


def test_an_artifact_is_no_image(tmp_path):
    layout = Layout(tmp_path)
    layout.manifest["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json"
    layout.manifest["layers"] = [{**layout.layers[0], "mediaType": "application/x-chart", "annotations": {}}]
    with pytest.raises(NotAnImage) as caught:
        check_reference(layout.write(), options=LINUX)
    assert caught.value.exit_status is ExitStatus.NOT_AN_IMAGE


def test_a_later_file_system_is_not_supported(tmp_path):
    layout = Layout(tmp_path)
    layout.layers[-1]["annotations"]["containerd.io/snapshot/nydus-fs-version"] = "7"
    with pytest.raises(ImageFault) as caught:
        check_reference(layout.write(), options=LINUX)
    assert caught.value.exit_status is ExitStatus.UNSUPPORTED


def test_what_is_not_there_or_cannot_be_reached_is_an_error():
    with serve_layout(PLANTED) as registry:
        with pytest.raises(NotFound):
            check_reference(registry.reference("none"), options=LINUX)
        gone = registry.reference("v6")
    with pytest.raises(RegistryUnreachable):
        check_reference(gone, options=Options(timeout=1.0, platform="linux/amd64"))
    with pytest.raises(Offline):
        check_reference(gone, options=Options(offline=True))
    with pytest.raises(NotFound):
        check_reference("boot:./no-such-file")


def test_a_platform_that_the_index_does_not_have_is_an_error(tmp_path):
    reference = Layout(tmp_path).merge().write()
    with pytest.raises(NoMatchingPlatform):
        check_reference(reference, options=Options(platform="linux/s390x"))


def test_a_registry_that_lets_nobody_in_is_an_error():
    def gate(call):
        return error_answer(403, "DENIED", "not for you")

    with serve_layout(PLANTED, gate=gate) as registry, pytest.raises(RegistryDenied):
        check_reference(registry.reference("v6"), options=LINUX)


def test_a_registry_that_fails_on_head_leaves_blobs_unchecked():
    busy = Mischief(method="HEAD", status=501)
    with serve_layout(PLANTED, mischief=[busy]) as registry:
        report = check_reference(registry.reference("v5"), options=LINUX)
    assert report.verdict is Verdict.UNKNOWN, describe(report)
    assert codes(report) == set()
    assert {step.name for step in all_steps(report.images) if step.unchecked} >= {"config", "blobs"}
    (metadata,) = [step for step in all_steps(report.images) if step.name == "metadata"]
    assert not metadata.skipped
    assert not metadata.faults


def test_a_registry_that_dies_is_not_asked_for_every_blob():
    def note(call):
        asked.append(call.path)

    asked = []
    dead = Mischief(only="/blobs/", method="", hang_up=True)
    with serve_layout(PLANTED, mischief=[dead], gate=note) as registry:
        report = check_reference(registry.reference("v6"), chunks=True, options=LINUX)
    assert report.verdict is Verdict.UNKNOWN, describe(report)
    assert len(unchecked(report)) == 8
    assert len({one.why for one in unchecked(report)}) == 1
    assert len({path for path in asked if "/blobs/" in path}) <= 2
    text = render_text(report, width=100, colour=False, unicode=True)
    assert "could not look at 6 blobs: " in text


def test_a_blob_that_is_gone_is_a_fault(tmp_path):
    layout = Layout(tmp_path)
    reference = layout.write()
    layout.blobs.drop(layout.layers[0]["digest"])
    with serve_layout(tmp_path) as registry:
        report = check_reference(registry.reference("v6"), options=LINUX)
    assert reference
    assert report.verdict is Verdict.UNSOUND
    (fault,) = [fault for fault in image_faults(report) if fault.rule.code == "blob-missing"]
    assert fault.where == f"blob {layout.layers[0]['digest']}"
    assert fault.detail.startswith("named by the manifest and the blob table; 127.0.0.1:")
    assert "sha256" not in fault.detail
    assert not [one for one in unchecked(report) if "manifest" in one.subject]


def test_images_with_blobs_elsewhere_are_not_called_sound(tmp_path):
    layout = Layout(tmp_path)
    del layout.manifest["layers"][:-1]
    del layout.diff_ids[:-1]
    layout.config["history"] = layout.config["history"][-1:]
    report = check_reference(layout.write(), options=LINUX)
    assert report.verdict is Verdict.UNKNOWN, describe(report)
    assert [one.subject for one in unchecked(report)] == ["blobs"]


def test_a_fault_in_one_half_does_not_stop_the_other(tmp_path):
    layout = Layout(tmp_path).merge()
    layout.document = b"{"
    report = check_reference(layout.write(), chunks=True, options=LINUX)
    nydus, plain = report.images
    assert [step.name for step in nydus.steps] == list(TITLES)
    assert all(step.skipped for step in nydus.steps[1:])
    assert [step.name for step in plain.steps] == ["manifest", "config", "blobs", "chunks"]
    assert not any(step.skipped or step.faults for step in plain.steps)


def test_nothing_is_taken_from_the_cache(tmp_path):
    layout = Layout(tmp_path / "layout")
    reference = layout.write()
    options = Options(cache_dir=tmp_path / "cache", platform="linux/amd64")
    with rafsight.open_image(reference, options=options):
        pass
    layout.blobs.lie(layout.name_of("config"), b"{}")
    assert "config-digest" in codes(check_reference(reference, options=options))


def test_a_bootstrap_that_cannot_be_had_leaves_the_rest_unchecked():
    with rafsight.open_image(f"oci:{PLANTED}:v6", options=LINUX) as image:
        assert isinstance(image.identity.classified, NydusManifest)
        digest = image.identity.classified.bootstrap_layer.digest
    with serve_layout(PLANTED, mischief=[Mischief(only=digest, status=501)]) as registry:
        report = check_reference(registry.reference("v6"), chunks=True, options=LINUX)
    assert report.verdict is Verdict.UNKNOWN, describe(report)
    assert codes(report) == set()
    assert [one.subject for one in unchecked(report)] == ["bootstrap layer"]
    skipped = [step.name for step in all_steps(report.images) if step.skipped]
    assert skipped == ["metadata", "chunk-info", "chunks", "source"]
    assert dict(next(step.facts for step in all_steps(report.images) if step.name == "blobs"))["blobs"] == 6


def test_halves_over_a_registry(tmp_path):
    layout = Layout(tmp_path).merge()
    layout.document = b'{"schemaVersion":2,"layers":[],"config":{"digest":"sha256:x","size":1}}'
    layout.write()
    with serve_layout(tmp_path) as registry:
        report = check_reference(registry.reference("v6"), options=LINUX)
    assert codes(report) == {"nydus-half"}
    assert report.verdict is Verdict.UNSOUND


def test_an_oci_half_that_cannot_be_had_is_unchecked(tmp_path):
    layout = Layout(tmp_path).merge()
    layout.write()
    failing = Mischief(only=layout.name_of("plain"), status=501)
    with serve_layout(tmp_path, mischief=[failing]) as registry:
        report = check_reference(registry.reference("v6"), options=LINUX)
    assert report.verdict is Verdict.UNKNOWN
    assert [one.subject for one in unchecked(report)] == ["manifest of the OCI half"]
    assert [image.title for image in report.images] == ["Nydus image", "OCI half"]


def test_a_manifest_is_verified_against_the_digest_that_names_it(tmp_path):
    layout = Layout(tmp_path)
    layout.write()
    name = layout.name_of("manifest")
    layout.blobs.lie(name, b"{}")
    with serve_layout(tmp_path) as registry:
        report = check_reference(registry.reference(name), options=LINUX)
    assert codes(report) == {"document-digest"}
    assert all(step.skipped for step in report.images[0].steps[1:])


@pytest.mark.parametrize("tag", ["v5", "v6"])
@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_bootstraps_are_reported_whatever_is_damaged(tag, data, tmp_path):
    layout = Layout(tmp_path, tag, rebuilds=True)
    boot = bytearray(layout.bootstrap.content("image/image.boot"))
    original = bytes(boot)
    for _ in range(data.draw(st.integers(1, 30))):
        start = data.draw(st.one_of(st.integers(0, 8192), st.integers(0, len(boot) - 1)))
        boot[start : start + 4] = data.draw(st.binary(min_size=1, max_size=4))
    layout.bootstrap.replace("image/image.boot", bytes(boot))
    report = check_reference(layout.write(), chunks=data.draw(st.booleans()), options=LINUX)
    if bytes(boot) == original:
        assert report.verdict is Verdict.SOUND
    for width in (60, 120):
        assert render_text(report, width=width, colour=True, unicode=True)
    assert json.loads(render_json(report, exit_status=0))["images"]
    assert ET.fromstring(render_junit(report))
