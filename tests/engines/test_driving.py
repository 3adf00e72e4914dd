"""A run of an engine, with every way it can end told apart."""

from pathlib import Path

import pytest
from tests.engines.fakes import MALFORMED, NAMES, install, output_of, path_of, recorded

from rafsight.base.errors import ExitStatus
from rafsight.engines.catalogue import engine_named
from rafsight.engines.driving import drive, read_output
from rafsight.engines.engine import Output, Target, Via
from rafsight.engines.faults import (
    EngineFailed,
    EngineKilled,
    EngineReportMalformed,
    EngineTalksTooMuch,
    EngineTooSlow,
    Excerpt,
)
from rafsight.engines.programs import Program, open_program
from rafsight.engines.scratch import ScratchFailed


@pytest.fixture
def target(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "image.tar").write_bytes(b"an archive")
    return Target(via=Via.ARCHIVE, place=scratch / "image.tar", scratch=scratch)


@pytest.fixture
def driven(tmp_path, target):
    """Install an engine that behaves in some way, and drive it."""

    def go(name, *, time_limit=20.0, report_size=1 << 20, **behaviour):
        fake = install(tmp_path / "bin", name, **behaviour)
        environment = {"PATH": path_of(tmp_path / "bin"), "HOME": "/h", "HTTPS_PROXY": "http://proxy"}
        program = open_program(engine_named(name), environment, tmp_path, target.scratch)
        output = drive(program, target, environment=environment, time_limit=time_limit, report_size=report_size)
        return fake, output

    return go


BILL = b'{"bomFormat": "CycloneDX"}'
COMMANDS = {
    "trivy": [
        "image", "--input", "{archive}",
        "--skip-db-update", "--skip-java-db-update", "--skip-check-update", "--skip-vex-repo-update",
        "--skip-version-check", "--disable-telemetry", "--offline-scan",
        "--format", "json", "--scanners", "vuln", "--list-all-pkgs", "--show-suppressed",
        "--exit-code", "0", "--no-progress",
    ],
    "grype": ["docker-archive:{archive}", "--output", "json", "--output", "cyclonedx-json={scratch}/packages.cdx.json"],
    "syft": [
        "scan", "docker-archive:{archive}", "--config", "{scratch}/settings.yaml",
        "--scope", "squashed", "--output", "syft-json",
    ],
    "osv-scanner": [
        "scan", "image", "--offline", "--format", "json", "--all-packages", "--config", "{scratch}/settings.toml",
        "--archive", "{archive}",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_ends_well(driven, target, name):
    fake, output = driven(name)
    places = {"archive": target.place, "scratch": target.scratch}
    assert fake.arguments == [each.format(**places) for each in COMMANDS[name]]
    assert fake.folder == target.scratch
    assert fake.archive == b"an archive"
    assert "HTTPS_PROXY" not in fake.environment
    assert fake.environment["HOME"] == "/h"
    assert fake.environment["TMPDIR"] == str(target.scratch)
    assert engine_named(name).traits.forced.items() <= fake.environment.items()
    assert output.report == recorded(name, "report.json")
    assert output.introduction == recorded(name, "version.txt").decode()
    assert output.companion == (recorded(name, "packages.cdx.json") if name == "grype" else None)


@pytest.mark.parametrize("name", ["syft", "osv-scanner"])
def test_empty_settings_take_the_place_of_the_users(driven, name):
    fake, _ = driven(name)
    assert fake.settings == b""


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("trivy", ["rootfs", "/tree"]),
        ("grype", ["dir:/tree", "--output", "json"]),
        ("syft", ["scan", "dir:/tree", "--override-default-catalogers", "image"]),
    ],
)
def test_commands_over_a_mounted_tree(tmp_path, name, arguments):
    tree = Target(via=Via.MOUNT, place=Path("/tree"), scratch=tmp_path)
    command = engine_named(name).command(tree)
    assert list(command.arguments[: len(arguments)]) == arguments
    offs = {"--skip-db-update", "--skip-java-db-update", "--offline-scan", "--skip-version-check"}
    assert name != "trivy" or offs <= set(command.arguments)


@pytest.mark.parametrize("status", [0, 1, 127, 128])
def test_osv_scanner_ends_well_in_four_ways(driven, status):
    """127 only with a report, see below."""
    _, output = driven("osv-scanner", status=status)
    assert output.status == status


@pytest.mark.parametrize(("name", "status"), [("osv-scanner", 127), ("osv-scanner", 2), ("trivy", 1), ("syft", 1)])
def test_it_fails(driven, name, status):
    log = recorded(name, "missing-archive.txt")
    with pytest.raises(EngineFailed, match=f"ended with status {status}: ") as caught:
        driven(name, status=status, log=log, report=b"")
    assert caught.value.exit_status == ExitStatus.HOST
    assert not caught.value.permanent
    assert "/absent.tar" in str(caught.value)
    assert f"--for {name}" in caught.value.advice


@pytest.mark.parametrize(
    ("name", "log", "advice"),
    [
        ("trivy", "missing-database.txt", "trivy image --download-db-only"),
        ("grype", "missing-database.txt", "grype db update"),
        ("grype", "bad-database.txt", "grype db update"),
        ("grype", "old-database.txt", "grype db update"),
    ],
)
def test_it_fails_for_want_of_a_database(driven, name, log, advice):
    with pytest.raises(EngineFailed) as caught:
        driven(name, status=1, log=recorded(name, log), report=b"")
    assert advice in caught.value.advice


@pytest.mark.parametrize(
    ("name", "log", "advice"),
    [
        (
            "trivy",
            "Java DB error: --skip-java-db-update cannot be specified on the first run",
            "--download-java-db-only",
        ),
        (
            "trivy",
            "validate error: --skip-db-update cannot be specified with the old DB schema. Local DB: 1, Expected: 2",
            "--download-db-only",
        ),
        ("trivy", "the version of DB schema doesn't match. Local DB: 3, Expected: 2", "--download-db-only"),
        ("trivy", "failed to init DB: x", "--download-db-only"),
        ("trivy", "unable to initialize fs cache: cache may be in use by another process: timeout", "TRIVY_CACHE_DIR"),
        ("trivy", "no such file", ""),
        ("grype", "no such file", ""),
        ("syft", "could not load vulnerability db", ""),
        ("osv-scanner", "could not load db for npm ecosystem: x", "--download-offline-databases"),
        ("osv-scanner", "no such file", ""),
    ],
)
def test_remedies(name, log, advice):
    found = engine_named(name).remedy(log)
    assert advice in found
    assert bool(found) == bool(advice)


def test_a_signal_ends_it(driven):
    with pytest.raises(EngineKilled, match=r"grype 0\.121\.0 was ended by SIGKILL: no memory") as caught:
        driven("grype", work="echo no memory >&2; kill -KILL $$")
    assert not caught.value.permanent


def test_a_signal_without_a_name_ends_it(driven):
    with pytest.raises(EngineKilled, match="was ended by signal 40: it said nothing"):
        driven("grype", work="kill -40 $$")


def test_it_does_not_end(driven):
    with pytest.raises(EngineTooSlow, match="did not end within 1 s and was stopped: so far"):
        driven("syft", work="echo so far >&2; exec /bin/sleep 600", time_limit=1.0)


def test_it_talks_too_much(driven):
    with pytest.raises(EngineTalksTooMuch, match="wrote more than 1000 bytes"):
        driven("syft", report_size=1000)


def test_the_second_document_is_too_large(driven):
    size = len(recorded("grype", "report.json"))
    with pytest.raises(EngineTalksTooMuch):
        driven("grype", report_size=size, companion=bytes(size + 1))


def test_the_second_document_is_not_there(driven):
    _, output = driven("grype", companion=None)
    assert output.companion is None
    with pytest.raises(EngineReportMalformed, match="no bill of materials"):
        read_output(program_of("grype"), output)


def test_no_room_for_its_settings(driven, target):
    (target.scratch / "settings.yaml").mkdir()
    with pytest.raises(ScratchFailed, match="Is a directory"):
        driven("syft")


def program_of(name):
    return Program(engine=engine_named(name), path=None, version="1.2.3", introduction="")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_malformed_reports(name, content):
    with pytest.raises(EngineReportMalformed, match=f"the report of {name} 1.2.3 is not as expected: ") as caught:
        read_output(program_of(name), Output(report=content, companion=BILL, status=0, log="", introduction=""))
    assert str(caught.value).isprintable()
    assert caught.value.exit_status == ExitStatus.HOST


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_malformed_second_documents(content):
    if content == MALFORMED["an object"]:
        content = b'{"components": []}'
    with pytest.raises(EngineReportMalformed):
        read_output(program_of("grype"), output_of("grype", companion=content))


def test_words_of_a_program_are_short_and_printable():
    assert str(Excerpt.of("")) == "it said nothing"
    assert str(Excerpt.of(" \n\n a \n b\x1b[31m\u202e \n")) == "a | b\\x1b[31m\\u202e"
    assert str(Excerpt.of("\n".join(map(str, range(50))))) == "44 | 45 | 46 | 47 | 48 | 49"
    assert len(str(Excerpt.of("\x00" * 100_000))) == 1000
