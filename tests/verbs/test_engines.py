"""Known scanners over images: the view, the run and the report together."""

import shutil
import sys
from pathlib import Path

import pytest
from tests.engines import expected
from tests.engines.fakes import NAMES, install, path_of, recorded
from tests.verbs.inspect.layouts import write_plain
from tests.views.slim.images import contents_of

import rafsight
from rafsight.analysis.inventory import GapReason
from rafsight.engines.faults import (
    EngineFailed,
    EngineMissing,
    EngineReportMalformed,
    EngineTooSlow,
    EngineViewMissing,
    UnknownEngine,
)
from rafsight.testing.registry import PLANTED, serve_layout

IMAGE = f"oci:{PLANTED}:v6"


class Bench:
    """A folder on PATH, and a cache that has to be empty of runs when a test ends."""

    def __init__(self, folder):
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.cache = folder / "cache"
        self.events = []

    def install(self, name, **behaviour):
        return install(self.programs, name, **behaviour)

    def engines(self, **more):
        options = rafsight.Options(
            cache_dir=self.cache, environment={"PATH": path_of(self.programs), "HOME": str(self.cache.parent)}
        )
        return rafsight.Engines(options=options, listener=self.events.append, **more)


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    assert list(made.cache.glob("engines/run-*")) == []


@pytest.mark.parametrize("name", ["trivy", "grype", "osv-scanner"])
def test_a_scan(bench, name):
    fake = bench.install(name)
    report = bench.engines().scan(IMAGE, name)
    assert expected.findings_in(report) == expected.FINDINGS
    assert report.gaps == ()
    assert report.unimportant == ()
    assert report.inventory.distribution.id == "debian"
    assert (report.engine.name, report.engine.view) == (name, "slim archive")
    assert report.engine.version in recorded(name, "version.txt").decode()
    assert report.database is not None
    assert report.image.name == IMAGE
    assert report.image.entry_count > 1000
    assert report.seconds > 0
    assert report.started.endswith("Z")
    assert report.cost.bytes_fetched > 0
    assert contents_of(fake.archive)["var/lib/dpkg/status"]


def test_a_list(bench):
    bench.install("syft")
    report = bench.engines().scan(IMAGE, "syft")
    assert len(report.inventory.components) == 12
    assert report.database is None
    assert "syft lists packages and looks for no vulnerabilities" in report.image.notes


@pytest.mark.parametrize("name", NAMES)
def test_the_report_untouched(bench, name):
    bench.install(name)
    raw = bench.engines().scan_raw(IMAGE, name)
    assert raw.content == recorded(name, "report.json")
    assert raw.engine.name == name
    assert raw.gaps == ()


def test_the_report_untouched_and_what_it_does_not_say(bench):
    """OSV-Scanner's report is like a clean one when its database is missing."""
    bench.install(
        "osv-scanner",
        status=0,
        report=recorded("osv-scanner", "missing-database.json"),
        log=recorded("osv-scanner", "missing-database.txt"),
    )
    raw = bench.engines().scan_raw(IMAGE, "osv-scanner")
    assert raw.content == recorded("osv-scanner", "missing-database.json")
    assert ("no-advisories", "PyPI") in expected.reasons(raw)


def test_a_report_that_does_not_read(bench):
    bench.install("grype", report=b"{}")
    with pytest.raises(EngineReportMalformed):
        bench.engines().scan(IMAGE, "grype")
    raw = bench.engines().scan_raw(IMAGE, "grype")
    assert raw.content == b"{}"
    assert expected.reasons(raw) == [("malformed", "the report")]


def test_nothing_is_fetched_for_an_engine_that_is_not_there(bench):
    with serve_layout(PLANTED) as registry:
        for name in NAMES[:2]:
            with pytest.raises(EngineMissing):
                bench.engines().scan(registry.reference("v6"), name)
        with pytest.raises(UnknownEngine):
            bench.engines().scan(registry.reference("v6"), "snyk")
        assert not registry.log


@pytest.mark.parametrize("method", ["scan", "scan_raw"])
def test_a_view_that_an_engine_cannot_be_given(bench, method):
    fake = bench.install("osv-scanner")
    with serve_layout(PLANTED) as registry:
        with pytest.raises(EngineViewMissing, match="osv-scanner cannot be given a mounted tree: it finds"):
            getattr(bench.engines(), method)(registry.reference("v6"), "osv-scanner", via="mount")
        assert not registry.log
    assert not fake.has_run


def test_the_engine_is_asked_before_anything_is_fetched(bench):
    """So that nobody waits for an image in vain."""
    bench.install("trivy", version=b"Version: 0.69.5\n")
    with serve_layout(PLANTED) as registry:
        with pytest.raises(rafsight.RafsightError, match="steals credentials"):
            bench.engines().scan(registry.reference("v6"), "trivy")
        assert not registry.log


def test_it_does_not_end_in_time(bench):
    bench.install("syft", work="exec /bin/sleep 600")
    with pytest.raises(EngineTooSlow, match="did not end within 1 s"):
        bench.engines(time_limit=1.0).scan(IMAGE, "syft")


def test_its_own_failure(bench):
    bench.install("trivy", status=1, report=b"", log=recorded("trivy", "missing-database.txt"))
    with pytest.raises(EngineFailed) as caught:
        bench.engines().scan(IMAGE, "trivy")
    assert "trivy image --download-db-only" in caught.value.advice


def test_an_image_that_is_not_there(bench):
    fake = bench.install("syft")
    with pytest.raises(rafsight.RafsightError):
        bench.engines().scan(f"oci:{PLANTED}:v7", "syft")
    assert not fake.has_run


def test_what_the_engine_was_not_shown_is_in_the_report(bench, tmp_path):
    bench.install("trivy")
    layout = tmp_path / "image"
    shutil.copytree(PLANTED, layout)
    for blob in (layout / "blobs/sha256").iterdir():
        if blob.stat().st_size > 200_000:
            content = bytearray(blob.read_bytes())
            content[1000:-20_000] = bytes(len(content) - 21_000)
            blob.write_bytes(content)
    report = bench.engines().scan(f"oci:{layout}:v5", "trivy")
    assert report.gaps
    assert {gap.reason for gap in report.gaps} == {GapReason.UNREADABLE}
    raw = bench.engines().scan_raw(f"oci:{layout}:v5", "trivy")
    assert raw.gaps == report.gaps


def test_an_image_without_packages_does_not_look_clean(bench, tmp_path):
    bench.install("osv-scanner", status=128, report=b"", log=b"No package sources found\n")
    report = bench.engines().scan(write_plain(tmp_path / "image", {"etc/passwd": b"root"}), "osv-scanner")
    assert expected.reasons(report) == [("no-packages", "image")]
    assert not report.findings


def test_the_listener_hears_that_it_is_at_work(bench):
    bench.install("trivy")
    bench.engines().scan(IMAGE, "trivy")
    titles = [event.title for event in bench.events if hasattr(event, "title")]
    assert titles[-1] == "trivy is at work"
    begun = {event.operation for event in bench.events if hasattr(event, "title")}
    ended = {event.operation for event in bench.events if type(event).__name__ == "Finished"}
    assert begun == ended


def test_without_a_cache(tmp_path):
    install(tmp_path / "bin", "syft")
    options = rafsight.Options(environment={"PATH": path_of(tmp_path / "bin")})
    assert rafsight.Engines(options=options).scan(IMAGE, "syft").inventory.components


def test_which_engines_are_here(bench):
    bench.install("trivy", version=b"Version: 0.69.4\n")
    bench.install("grype", version=b"grype 0.1.0\n")
    bench.install("osv-scanner")
    found = {one.name: one for one in bench.engines().found()}
    assert tuple(found) == NAMES
    assert {name: one.usable for name, one in found.items() if name != "syft"} == {
        "trivy": False,
        "grype": False,
        "osv-scanner": True,
    }
    assert "steals credentials" in found["trivy"].problem
    assert "0.88.0" in found["grype"].problem
    assert found["grype"].path == str(bench.programs / "grype")


def test_an_engine_beside_python(bench):
    """A wheel of an engine puts its program there, whether or not the environment is on PATH."""
    beside = Path(sys.executable).parent / "syft"
    assert beside.exists(), "syft comes with requirements/dev.txt"
    (syft,) = [one for one in bench.engines().found() if one.name == "syft"]
    assert (syft.path, syft.usable) == (str(beside), True)
    on_path = bench.install("syft")
    (syft,) = [one for one in bench.engines().found() if one.name == "syft"]
    assert syft.path == str(on_path.program)
