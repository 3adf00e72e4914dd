"""`rafsight scan --engine` and `rafsight engines` as users run them, with programs that stand in for the engines."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.engines import expected
from tests.engines.fakes import NAMES, install, is_alive, path_of, recorded, wait_for
from tests.verbs.inspect.layouts import write_plain
from tests.views.slim.images import contents_of

from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli import run as run_here
from rafsight.interfaces.cli import scan_engine
from rafsight.testing.registry import PLANTED, Mischief, serve_layout

FILES = {"etc/os-release": b"ID=debian\n", "var/lib/dpkg/status": b"Package: x\n", "etc/passwd": b"root"}
PROGRAM = [sys.executable, "-m", "rafsight"]
ALL_FOUND = set(expected.FINDINGS)


@contextmanager
def hearing_signals():
    """Let a process that is started here hear signals, whoever ignores them out there."""
    own = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in own.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Shell:
    """A home, a PATH with engines that stand in for the real ones, and a cache that no run may leave anything in.

    The image is a small one: what engines that stand in find there does not depend on it.
    """

    def __init__(self, folder, monkeypatch, capfdbinary):
        self.folder = folder
        self.programs = folder / "bin"
        self.cache = folder / "cache"
        self.image = write_plain(folder / "image", FILES)
        self._captured = capfdbinary
        for name in list(os.environ):
            if name.startswith(("TRIVY_", "GRYPE_", "SYFT_", "OSV_")) or name.lower().endswith("_proxy"):
                monkeypatch.delenv(name)
        monkeypatch.setenv("PATH", path_of(self.programs))
        monkeypatch.setenv("HOME", str(folder))
        monkeypatch.setenv("RAFSIGHT_CACHE_DIR", str(self.cache))
        self.programs.mkdir()

    def install(self, name, **behaviour):
        return install(self.programs, name, **behaviour)

    def run(self, *arguments):
        """Run a command line here; return its status, standard output and standard error."""
        status = run_here([str(each) for each in arguments])
        output, errors = self._captured.readouterr()
        return status, output, errors.decode()

    def start(self, *arguments):
        with hearing_signals():
            return subprocess.Popen([*PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    @property
    def left(self):
        return sorted(path.name for path in (self.cache / "engines").iterdir()) if self.cache.exists() else ["lock"]


@pytest.fixture
def shell(tmp_path, monkeypatch, capfdbinary):
    made = Shell(tmp_path, monkeypatch, capfdbinary)
    yield made
    assert made.left in (["lock"], [])


def assert_said(done, status, *words):
    """One line that says what, one that says what to do, nothing on standard output, no traceback."""
    code, output, errors = done
    assert code == status, errors
    assert output == b""
    lines = errors.strip().splitlines()
    assert len(lines) == 2, errors
    assert lines[0].startswith("rafsight: error: ")
    assert lines[1].startswith("  hint: ")
    for word in words:
        assert word in errors


def ids_in(document):
    return {flaw["VulnerabilityID"] for result in document["Results"] for flaw in result.get("Vulnerabilities", [])}


# what comes out


@pytest.mark.parametrize("name", ["trivy", "grype", "osv-scanner"])
def test_a_table(shell, name):
    shell.install(name)
    status, output, errors = shell.run("scan", shell.image, "--engine", name)
    text = output.decode()
    assert (status, errors) == (0, "")
    assert f"Engine   {name} " in text
    assert "over a slim archive" in text
    assert f"Database {name}'s own, " in text
    assert "12 vulnerabilities found." in text
    assert all(each in text for each in ALL_FOUND)


@pytest.mark.parametrize("name", ["trivy", "grype", "osv-scanner"])
def test_json(shell, name):
    shell.install(name)
    status, output, errors = shell.run("scan", shell.image, "--engine", name, "--format", "json", "--list-all-pkgs")
    document = json.loads(output)
    assert (status, errors) == (0, "")
    assert ids_in(document) == ALL_FOUND
    engine = document["Rafsight"]["Engine"]
    assert (engine["Name"], engine["View"]) == (name, "slim archive")
    packages = {package["Name"].lower() for result in document["Results"] for package in result.get("Packages", [])}
    assert packages >= {package for package, _ in expected.DEBS | expected.WHEELS | expected.NODES}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("to_file", [False, True])
def test_raw_is_byte_for_byte_the_engines(shell, name, to_file):
    content = b'{"not": "changed",\r\n "\xc3\xa4": "\\u0000"}' if name == "syft" else recorded(name, "report.json")
    shell.install(name, report=content)
    target = shell.folder / "report"
    more = ["-o", target] if to_file else []
    status, output, errors = shell.run("scan", shell.image, "--engine", name, "--raw", *more)
    assert (target.read_bytes() if to_file else output) == content
    assert (output == b"") == to_file
    assert status == (ExitStatus.INCOMPLETE if name == "syft" else 0)
    assert ("is not as expected" in errors) == (name == "syft")


def test_the_archive_is_what_export_writes(shell):
    fake = shell.install("trivy")
    assert shell.run("scan", shell.image, "--engine", "trivy")[0] == 0
    target = shell.folder / "image.tar"
    assert shell.run("export", shell.image, "--slim", "--for", "trivy", "-o", target)[0] == 0
    assert fake.archive == target.read_bytes()
    assert contents_of(fake.archive) == FILES | {"etc/passwd": b""}


def test_an_image_of_a_registry(shell):
    shell.install("grype")
    with serve_layout(PLANTED) as registry:
        status, output, _ = shell.run("scan", registry.reference("v5"), "--engine", "grype", "-f", "json")
    assert status == 0
    assert ids_in(json.loads(output)) == ALL_FOUND


# exit statuses


def test_findings_set_the_status_that_is_asked_for(shell):
    shell.install("trivy")
    assert shell.run("scan", shell.image, "--engine", "trivy", "--exit-code", "5")[0] == 5
    assert shell.run("scan", shell.image, "--engine", "trivy", "--exit-code", "5", "--severity", "CRITICAL")[0] == 5
    few = ["--severity", "UNKNOWN", "--ignore-unfixed"]
    status, output, _ = shell.run("scan", shell.image, "--engine", "trivy", "--exit-code", "5", *few)
    assert status == 0
    assert b"12 more were left out by filters." in output


def test_a_list_of_packages_is_no_clean_scan(shell):
    shell.install("syft")
    status, output, errors = shell.run("scan", shell.image, "--engine", "syft")
    assert status == ExitStatus.INCOMPLETE
    assert b"Vulnerabilities were not looked for: syft lists packages only." in output
    assert "vulnerabilities were not looked for, so the exit status is 3" in errors
    assert shell.run("scan", shell.image, "--engine", "syft", "--allow-incomplete")[0] == 0


MISSING = {
    "status": 0,
    "report": recorded("osv-scanner", "missing-database.json"),
    "log": recorded("osv-scanner", "missing-database.txt"),
}


def test_an_engine_that_is_silent_about_its_database_is_no_clean_scan(shell):
    shell.install("osv-scanner", **MISSING)
    status, output, errors = shell.run("scan", shell.image, "--engine", "osv-scanner")
    assert status == ExitStatus.INCOMPLETE
    assert b"No vulnerabilities found in what was looked at." in output
    assert b"osv-scanner has no database of this ecosystem here" in output
    assert "the report lists it" in errors
    assert shell.run("scan", shell.image, "--engine", "osv-scanner", "--allow-incomplete")[0] == 0


def test_nor_is_its_raw_report(shell):
    shell.install("osv-scanner", **MISSING)
    command = ["scan", shell.image, "--engine", "osv-scanner", "--raw"]
    status, output, errors = shell.run(*command)
    assert (status, output) == (ExitStatus.INCOMPLETE, MISSING["report"])
    assert "warning: PyPI was not looked at: osv-scanner has no database" in errors
    assert shell.run(*command, "--allow-incomplete")[:2] == (0, MISSING["report"])
    assert shell.run("-q", *command) == (ExitStatus.INCOMPLETE, MISSING["report"], "")


@pytest.mark.parametrize("more", [[], ["--raw"], ["--allow-incomplete"], ["--raw", "--allow-incomplete"]])
def test_bytes_that_could_not_be_had_are_never_waived(shell, more):
    layout = shell.folder / "damaged"
    shutil.copytree(PLANTED, layout)
    for blob in (layout / "blobs/sha256").iterdir():
        if blob.stat().st_size > 200_000:
            content = bytearray(blob.read_bytes())
            content[1000:-20_000] = bytes(len(content) - 21_000)
            blob.write_bytes(content)
    shell.install("trivy")
    status, output, errors = shell.run("scan", f"oci:{layout}:v5", "--engine", "trivy", *more)
    assert status == ExitStatus.INCOMPLETE
    assert output
    assert "was not looked at" in errors if "--raw" in more else "could not be had" in errors


# engines that cannot be used


def test_missing(shell):
    said = shell.run("scan", shell.image, "--engine", "trivy")
    assert_said(said, ExitStatus.HOST, "trivy is not installed", "github.com/aquasecurity/trivy")


def test_too_old(shell):
    shell.install("grype", version=b"grype 0.87.0\n")
    said = shell.run("scan", shell.image, "--engine", "grype")
    assert_said(said, ExitStatus.HOST, "is grype 0.87.0; the oldest that works is 0.88.0", "Update it")


@pytest.mark.parametrize("version", ["0.69.4", "0.69.5", "0.69.6"])
@pytest.mark.parametrize("raw", [[], ["--raw"]])
def test_known_to_be_bad(shell, version, raw):
    fake = shell.install("trivy", version=f"Version: {version}\n".encode())
    said = shell.run("scan", shell.image, "--engine", "trivy", *raw)
    assert_said(
        said, ExitStatus.HOST, f"is trivy {version}, which is not run", "steals credentials", "replace the secrets"
    )
    assert not fake.has_run


@pytest.mark.parametrize("command", ["scan", "engines"])
def test_known_to_be_bad_by_its_build(shell, command):
    fake = shell.install("trivy", version=b"Version: 0.70.0\n")
    with fake.program.open("a") as file:
        file.write("\nmod\tgithub.com/aquasecurity/trivy\tv0.69.5\th1:x=\n")
    arguments = [shell.image, "--engine", "trivy"] if command == "scan" else []
    status, output, errors = shell.run(command, *arguments)
    assert b"steals credentials" in b" ".join((output + errors.encode()).split())
    assert status == (0 if command == "engines" else ExitStatus.HOST)
    assert not fake.was_asked_for_its_version


def test_a_version_that_is_none(shell):
    shell.install("syft", version=b"\x1b[2Jnone of your business\n")
    said = shell.run("scan", shell.image, "--engine", "syft")
    assert_said(said, ExitStatus.HOST, "does not say which version of syft it is: \\x1b[2Jnone of your business")


# engines that do not end well


def test_failing(shell):
    log = recorded("trivy", "missing-database.txt")
    shell.install("trivy", status=1, report=b"", log=log)
    said = shell.run("scan", shell.image, "--engine", "trivy")
    assert_said(
        said, ExitStatus.HOST, "trivy 0.69.3 ended with status 1", "first run", "trivy image --download-db-only"
    )


def test_hostile_words_of_an_engine_do_nothing_to_the_terminal(shell):
    shell.install(
        "grype", status=1, report=b"\x1b[2J", log=b"\x1b]0;title\x07\xff\n\r\nrafsight: error: forged\n" * 9999
    )
    status, output, errors = shell.run("scan", shell.image, "--engine", "grype")
    assert (status, output) == (ExitStatus.HOST, b"")
    assert all(character.isprintable() or character == "\n" for character in errors)
    assert len(errors.splitlines()) == 2
    assert len(errors) < 3000


def test_killed(shell):
    shell.install("grype", work="kill -KILL $$")
    said = shell.run("scan", shell.image, "--engine", "grype")
    assert_said(said, ExitStatus.HOST, "grype 0.121.0 was ended by SIGKILL", "memory")


@pytest.mark.parametrize("report", [b"", b"no JSON", b'{"matches": 7}', b"[" * 100_000])
def test_malformed(shell, report):
    shell.install("grype", report=report)
    target = shell.folder / "report.json"
    target.write_text("of yesterday")
    said = shell.run("scan", shell.image, "--engine", "grype", "-o", target)
    assert_said(said, ExitStatus.HOST, "the report of grype 0.121.0 is not as expected", "--raw")
    assert target.read_text() == "of yesterday"
    assert sorted(path.name for path in shell.folder.iterdir()) == ["bin", "cache", "image", "report.json"]


def test_an_image_that_is_not_there(shell):
    fake = shell.install("syft")
    said = shell.run("scan", f"oci:{PLANTED}:v7", "--engine", "syft")
    assert_said(said, ExitStatus.NOT_FOUND)
    assert not fake.has_run


# what an engine gets


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        (
            "trivy",
            [
                "--skip-db-update",
                "--skip-java-db-update",
                "--skip-version-check",
                "--disable-telemetry",
                "--offline-scan",
            ],
        ),
        ("osv-scanner", ["--offline"]),
    ],
)
def test_the_network_is_off_in_the_command(shell, name, flags):
    fake = shell.install(name)
    shell.run("scan", shell.image, "--engine", name)
    assert set(flags) <= set(fake.arguments)


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("trivy", {"TRIVY_SKIP_DB_UPDATE": "true", "TRIVY_OFFLINE_SCAN": "true"}),
        ("grype", {"GRYPE_DB_AUTO_UPDATE": "false", "GRYPE_CHECK_FOR_APP_UPDATE": "false"}),
        ("syft", {"SYFT_CHECK_FOR_APP_UPDATE": "false", "SYFT_JAVA_USE_NETWORK": "false"}),
    ],
)
def test_the_network_is_off_in_the_environment(shell, monkeypatch, name, variables):
    fake = shell.install(name)
    for each, value in variables.items():
        monkeypatch.setenv(each, {"true": "false", "false": "true"}[value])
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    shell.run("scan", shell.image, "--engine", name)
    assert variables.items() <= fake.environment.items()
    assert not {"HTTPS_PROXY", "AWS_SECRET_ACCESS_KEY"} & set(fake.environment)


def test_it_works_in_a_folder_of_its_own(shell):
    fake = shell.install("trivy")
    shell.run("scan", shell.image, "--engine", "trivy")
    assert fake.folder.parent == shell.cache / "engines"
    assert not fake.folder.exists()
    assert fake.environment["TMPDIR"] == str(fake.folder)
    assert fake.environment["HOME"] == str(shell.folder)


@pytest.mark.parametrize("more", [[], ["--raw"]])
def test_a_mount_is_refused_to_engines_that_cannot_use_it(shell, more):
    fake = shell.install("osv-scanner")
    said = shell.run("scan", shell.image, "--engine", "osv-scanner", "--via", "mount", *more)
    assert_said(said, ExitStatus.USAGE, "osv-scanner cannot be given a mounted tree", "Leave --via out")
    assert not fake.was_asked_for_its_version


def test_the_archive_can_be_asked_for(shell):
    fake = shell.install("syft")
    shell.run("scan", shell.image, "--engine", "syft", "--via", "archive")
    assert fake.arguments[1].startswith("docker-archive:")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--via", "mount"], "--via needs --engine"),
        (["--raw"], "--raw needs --engine"),
        (["--engine", "snyk"], "snyk"),
        (["--engine", "syft", "--via", "ssh"], "ssh"),
        (["--engine", "syft", "--db", "x"], "--db does not go with --engine"),
        (["--engine", "syft", "--raw", "--format", "json"], "--format does not go with --raw"),
        (["--engine", "syft", "--raw", "--severity", "LOW"], "--severity does not go with --raw"),
        (["--engine", "syft", "--raw", "--ignore-unfixed"], "--ignore-unfixed does not go with --raw"),
        (["--engine", "syft", "--raw", "--show-unimportant"], "--show-unimportant does not go with --raw"),
        (["--engine", "syft", "--raw", "--list-all-pkgs"], "--list-all-pkgs does not go with --raw"),
        (["--engine", "syft", "--raw", "--exit-code", "1"], "--exit-code does not go with --raw"),
    ],
)
def test_what_does_not_go_together(shell, arguments, word):
    fake = shell.install("syft")
    assert_said(shell.run("scan", shell.image, *arguments), ExitStatus.USAGE, word)
    assert not fake.was_asked_for_its_version


def test_the_command_names_the_engines_of_the_catalogue():
    from rafsight.engines.catalogue import ENGINES

    assert tuple(engine.traits.name for engine in ENGINES) == scan_engine.NAMES


# the end of a process while an engine is at work

AT_WORK = 'echo $$ > "$data/pid"; /bin/sleep 600 & echo $! > "$data/child"; : > "$data/at-work"; wait'


def numbers_of(fake):
    return [int((fake.data / name).read_text()) for name in ("pid", "child")]


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=str,
)
@pytest.mark.parametrize("more", [[], ["--raw"]])
def test_a_signal_while_it_is_at_work_leaves_nothing(shell, number, status, more):
    fake = shell.install("grype", work=AT_WORK)
    target = shell.folder / "report"
    with shell.start("scan", shell.image, "--engine", "grype", "-o", target, *more) as process:
        wait_for(lambda: (fake.data / "at-work").exists() or process.poll() is not None)
        assert len(shell.left) == 2
        process.send_signal(number)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == status, errors
    assert (output, errors.strip()) == (b"", b"")
    wait_for(lambda: not any(map(is_alive, numbers_of(fake))))
    assert shell.left == ["lock"]
    assert sorted(path.name for path in shell.folder.iterdir()) == ["bin", "cache", "image"]


def test_a_process_that_is_not_to_hear_of_a_hangup_does_not(shell):
    fake = shell.install("syft", work=': > "$data/at-work"; while [ ! -e "$data/go" ]; do /bin/sleep 0.05; done')
    command = [
        "/bin/sh",
        "-c",
        'trap "" HUP; exec "$@"',
        "sh",
        *PROGRAM,
        "scan",
        shell.image,
        "--engine",
        "syft",
        "--raw",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        wait_for(lambda: (fake.data / "at-work").exists() or process.poll() is not None)
        process.send_signal(signal.SIGHUP)
        (fake.data / "go").touch()
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, recorded("syft", "report.json"))


def test_what_a_killed_process_left_goes_with_the_next(shell):
    fake = shell.install("syft", work=AT_WORK)
    with shell.start("scan", shell.image, "--engine", "syft") as process:
        wait_for(lambda: (fake.data / "at-work").exists() or process.poll() is not None)
        process.kill()
        process.communicate(timeout=60)
    assert len(shell.left) == 2
    for number in numbers_of(fake):
        os.kill(number, signal.SIGKILL)
    assert shell.run("engines")[0] == 0
    assert shell.left == ["lock"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_a_signal_while_a_registry_is_silent_ends_it_at_once(shell, number):
    fake = shell.install("syft")
    with serve_layout(PLANTED, mischief=[Mischief(hang=60)]) as registry:
        with shell.start("scan", registry.reference("v6"), "--engine", "syft") as process:
            assert registry.wait_for_hang()
            began = time.monotonic()
            process.send_signal(number)
            _, errors = process.communicate(timeout=50)
        assert time.monotonic() - began < 40
    assert process.returncode == 128 + number, errors
    assert errors.strip() == b""
    assert not fake.has_run


def test_nobody_reads_the_report(shell):
    shell.install("trivy", work="/bin/sleep 0.2")
    command = '"$@" | :; exit ${PIPESTATUS[0]}'
    done = subprocess.run(
        ["bash", "-c", command, "bash", *PROGRAM, "scan", shell.image, "--engine", "trivy", "--raw"],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (141, b"")


# the list of engines


def test_engines(shell):
    trivy = shell.install("trivy")
    shell.install("grype", version=b"grype 0.1.0\n")
    status, output, errors = shell.run("engines")
    text = output.decode()
    assert (status, errors) == (0, "")
    assert "trivy 0.69.3  usable" in text
    assert str(trivy.program) in "".join(text.split())
    assert "grype  not usable" in text
    assert "osv-scanner  not usable" in text
    assert "\x1b" not in text


def test_engines_for_programs(shell):
    shell.install("osv-scanner")
    status, output, errors = shell.run("engines", "--json")
    found = {one["name"]: one for one in json.loads(output)["engines"]}
    assert (status, errors) == (0, "")
    assert tuple(found) == NAMES
    assert (found["osv-scanner"]["usable"], found["osv-scanner"]["version"]) == (True, "2.5.0")
    assert (found["trivy"]["usable"], found["trivy"]["path"]) == (False, "")
    assert found["osv-scanner"]["views"] == ["archive"]


def test_an_engine_beside_python(shell):
    """Though it is not on PATH."""
    beside = Path(sys.executable).parent / "syft"
    assert beside.exists(), "syft comes with requirements/dev.txt"
    status, output, _ = shell.run("engines", "--json")
    (syft,) = [one for one in json.loads(output)["engines"] if one["name"] == "syft"]
    assert (status, syft["path"], syft["usable"]) == (0, str(beside), True)
