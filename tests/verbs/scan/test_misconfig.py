"""Checks of whole images: the planted truth through every tag, what they cost, and what is said about what was missing."""

import json
import shutil
from datetime import date
from pathlib import Path

import pytest
from tests.shared import SHARED, needs_shared
from tests.verbs.inspect.layouts import write_plain

import rafsight
from rafsight.access.layers import keep_nothing
from rafsight.analysis.inventory import GapReason
from rafsight.analysis.misconfig.configuration import read_settings
from rafsight.base.events import Advanced, Finished, Started
from rafsight.base.severity import Severity
from rafsight.base.units import KiB
from rafsight.image.selection import compile_patterns
from rafsight.testing.registry import PLANTED, serve_layout
from rafsight.verbs.scan.misconfig import MisconfigTerms, find_misconfigurations, misconfig_wants

TODAY = date(2026, 6, 1)
TERMS = MisconfigTerms(today=TODAY)
GOLDEN = Path(__file__).resolve().parents[2] / "golden/rafs"
LAYOUT = SHARED / "fixtures/images/planted"
TAGS = ("oci", "v6", "v5", "v6-ref", "merged")
CHECK_OF_KIND = {
    "setuid": "RS-FS-001",
    "setgid": "RS-FS-002",
    "world-writable-file": "RS-FS-011",
    "world-writable-dir": "RS-FS-012",
}
CHANGED_BY_CONVERSION = {b"srv/shared": 0o755}
"""Folders that an upper layer puts something into without naming them: nydusify gave them its own mode."""
FOUND = [
    "RS-CFG-001", "RS-FS-001", "RS-CFG-004", "RS-FS-002", "RS-FS-011", "RS-FS-012", "RS-FS-050", "RS-CFG-003", "RS-CFG-028",
]  # fmt: skip


def places(report):
    return {
        one.id: [(evidence.path or evidence.place.encode(), evidence.detail) for evidence in one.evidence]
        for one in report.misconfigurations
    }


@pytest.mark.parametrize("tag", ["v5", "v6"])
def test_the_shipped_image_costs_a_few_bytes(tag):
    with serve_layout(PLANTED) as registry, rafsight.open_image(registry.reference(tag)) as image:
        image.tree  # noqa: B018 - the bootstrap is not what is counted
        before = image.cost
        report = find_misconfigurations(image, TERMS)
        assert image.cost.bytes_needed - before.bytes_needed < KiB
        assert image.cost.bytes_fetched - before.bytes_fetched < 4 * KiB
        assert image.cost.requests - before.requests <= 4
    assert [one.id for one in report.misconfigurations] == FOUND
    assert report.check_count > 100
    assert report.gaps == ()


def test_progress_and_terms():
    events = []
    settings = read_settings(b"checks:\n  - {id: OWN-1, title: A, severity: critical, paths: '**/package.json', pattern: lodash}\n"
                             b"misconfig: {disable: RS-CFG-001}\n")  # fmt: skip
    with rafsight.open_image(f"oci:{PLANTED}:v6") as image:
        report = find_misconfigurations(image, MisconfigTerms(settings=settings, today=TODAY), events.append)
    first = report.misconfigurations[0]
    assert (first.id, first.severity) == ("OWN-1", Severity.CRITICAL)
    assert any(evidence.path.endswith(b"lodash/package.json") for evidence in first.evidence)
    assert "RS-CFG-001" not in {one.id for one in report.misconfigurations}
    started = events[0]
    assert isinstance(started, Started)
    assert sum(event.amount for event in events if isinstance(event, Advanced)) == started.total
    assert events[-1] == Finished(operation=started.operation)


def test_files_that_cannot_be_had_are_gaps(tmp_path):
    shutil.copytree(PLANTED, tmp_path / "x")
    index = json.loads((tmp_path / "x/index.json").read_bytes())
    digests = {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in index["manifests"]}
    manifest = json.loads((tmp_path / "x/blobs" / digests["v6"].replace(":", "/")).read_bytes())
    for layer in manifest["layers"][:-1]:
        (tmp_path / "x/blobs" / layer["digest"].replace(":", "/")).unlink()
    with rafsight.open_image(f"oci:{tmp_path / 'x'}:v6") as image:
        report = find_misconfigurations(image, TERMS)
    assert {gap.reason for gap in report.gaps} == {GapReason.UNREADABLE}
    assert "etc/passwd" in {gap.subject for gap in report.gaps}
    assert {"RS-FS-001", "RS-CFG-001"} <= {one.id for one in report.misconfigurations}


def test_a_bare_bootstrap_has_no_config():
    with rafsight.open_image(f"boot:{GOLDEN / 'v6-zstd/image.boot'}") as image:
        report = find_misconfigurations(image, TERMS)
    assert ("image config", GapReason.UNREADABLE) in {(gap.subject, gap.reason) for gap in report.gaps}
    assert not any(one.id.startswith(("RS-CFG", "RS-BLD")) for one in report.misconfigurations)
    assert 50 < report.check_count < 70


def test_streams_keep_what_is_wanted(tmp_path):
    reference = write_plain(tmp_path, {"etc/shadow": b"root:::::::\n", "srv/x": bytes(100_000)})
    matches = [compile_patterns(one.patterns).fullmatch for one in misconfig_wants()]

    def keep(path, size):
        return any(match(path) for match in matches)

    costs = []
    for choice in (keep_nothing, keep):
        with rafsight.open_image(reference, keep=choice) as image:
            before = image.cost.bytes_fetched
            report = find_misconfigurations(image, TERMS)
            costs.append(image.cost.bytes_fetched - before)
        assert "RS-ACC-002" in {one.id for one in report.misconfigurations}
    assert costs[0] > costs[1] == 0


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("tag", TAGS)
def test_the_planted_modes_are_found_and_nothing_else(tag):
    truth = json.loads(LAYOUT.with_name("planted.expected.json").read_bytes())
    expected = {}
    with rafsight.open_image(f"oci:{LAYOUT}:{tag}") as image:
        report = find_misconfigurations(image, TERMS)
        for item in truth["modes"]:
            path = item["path"].encode()
            if not item["visible"] or item["kind"] not in CHECK_OF_KIND:
                continue
            mode = int(image.tree.entries.mode[image.tree.lookup(path)]) & 0o7777
            if tag != "oci" and path in CHANGED_BY_CONVERSION:
                assert mode == CHANGED_BY_CONVERSION[path]
                continue
            assert mode == int(item["mode"], 8)
            expected.setdefault(CHECK_OF_KIND[item["kind"]], set()).add(path)
    found = places(report)
    for check, paths in expected.items():
        assert {path for path, _ in found.pop(check)} == paths
    assert set(found) == set(FOUND) - set(expected)
    assert found["RS-CFG-001"] == [(b"config.User", "root")]
    assert found["RS-CFG-004"] == [(b"config.ExposedPorts[22/tcp]", "SSH")]
    assert found["RS-FS-050"] == [(b"opt/outside", "leads to ../../../etc/passwd")]
    assert report.gaps == ()


@needs_shared
@pytest.mark.shared
def test_all_conversions_of_one_image_say_the_same():
    reports = []
    for tag in ("v6", "v5", "v6-ref", "merged"):
        with rafsight.open_image(f"oci:{LAYOUT}:{tag}") as image:
            reports.append(find_misconfigurations(image, TERMS))
    assert all(report.misconfigurations == reports[0].misconfigurations for report in reports)


@needs_shared
@pytest.mark.shared
def test_no_planted_secret_is_in_a_report():
    with rafsight.open_image(f"oci:{LAYOUT}:v6") as image:
        report = find_misconfigurations(image, TERMS)
        entries = json.loads(image.identity.config.raw)["config"]["Env"]
    password = next(entry for entry in entries if entry.startswith("DB_PASSWORD=")).partition("=")[2]
    assert len(password) > 10
    assert password not in str(report)
    assert "ghp_" not in str(report)
