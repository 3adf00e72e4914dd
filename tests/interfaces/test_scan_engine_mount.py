"""`rafsight scan --engine --via mount` as users run it: the engine sees the tree, and no mount outlives it."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.engines import expected
from tests.engines.fakes import install, is_alive, path_of, recorded, wait_for
from tests.interfaces.test_scan_engine import hearing_signals
from tests.views.mount.places import clean_spot, needs_engine, what_is_left

from rafsight.testing.registry import PLANTED

IMAGE = f"oci:{PLANTED}:v6"
LOOK = '/bin/cat "${argument_of_tree}/etc/passwd" "${argument_of_tree}/usr/lib/os-release" > "$data/seen"'

pytestmark = pytest.mark.root


@pytest.fixture
def spot(tmp_path):
    with clean_spot(tmp_path) as folder:
        needs_engine("fuse", folder)
        yield folder
        assert [path.name for path in (folder / "cache" / "engines").iterdir()] == ["lock"]


def start(spot, *arguments, image=IMAGE):
    environment = {"PATH": path_of(spot / "bin"), "HOME": str(spot), "RAFSIGHT_CACHE_DIR": str(spot / "cache")}
    command = [sys.executable, "-m", "rafsight", "scan", image, *arguments, "--via", "mount"]
    with hearing_signals():
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run(spot, *arguments, **more):
    with start(spot, *arguments, **more) as process:
        output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors.decode()


@pytest.mark.parametrize(("name", "place"), [("trivy", "$2"), ("grype", "${1#dir:}"), ("syft", "${2#dir:}")])
def test_an_engine_sees_the_tree(spot, name, place):
    fake = install(spot / "bin", name, work=f'argument_of_tree="{place}"\n{LOOK}')
    status, output, errors = run(spot, "--engine", name, "--format", "json", "--allow-incomplete")
    assert (status, errors) == (0, "")
    seen = (fake.data / "seen").read_text()
    assert seen.startswith("root:")
    assert "ID=debian" in seen
    facts = json.loads(output)["Rafsight"]
    assert facts["Engine"]["View"] == "mounted tree"
    assert any("mounted tree" in note for note in facts["Notes"])
    assert not (fake.data / "archive").exists()


def test_the_report_is_read_as_ever(spot):
    install(spot / "bin", "trivy")
    status, output, errors = run(spot, "--engine", "trivy", "--format", "json")
    assert (status, errors) == (0, "")
    found = {
        flaw["VulnerabilityID"] for one in json.loads(output)["Results"] for flaw in one.get("Vulnerabilities", [])
    }
    assert found == set(expected.FINDINGS)


def test_the_report_untouched(spot):
    install(spot / "bin", "grype")
    assert run(spot, "--engine", "grype", "--raw") == (0, recorded("grype", "report.json"), "")


def test_an_engine_that_fails_leaves_no_mount(spot):
    install(spot / "bin", "trivy", status=1, report=b"", log=recorded("trivy", "missing-database.txt"))
    status, output, errors = run(spot, "--engine", "trivy")
    assert (status, output) == (71, b"")
    assert "trivy image --download-db-only" in errors
    wait_for(lambda: what_is_left(spot) == [])


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_a_signal_while_it_is_at_work_leaves_nothing(spot, number, status):
    work = 'cd "$2"; echo $$ > "$data/pid"; : > "$data/at-work"; exec /bin/sleep 600'
    fake = install(spot / "bin", "trivy", work=work)
    with start(spot, "--engine", "trivy") as process:
        wait_for(lambda: (fake.data / "at-work").exists() or process.poll() is not None)
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors.strip()) == (status, b"", b"")
    wait_for(lambda: not is_alive(int((fake.data / "pid").read_text())))
    wait_for(lambda: what_is_left(spot) == [])


def test_syft_finds_in_the_tree_what_it_finds_in_the_archive(spot):
    """The real one, told to look as in an image."""
    (spot / "bin").mkdir()
    (spot / "bin" / "syft").symlink_to(Path(sys.executable).parent / "syft")
    status, output, errors = run(spot, "--engine", "syft", "--raw")
    assert (status, errors) == (0, "")
    found = {(one["name"].lower(), one["version"]) for one in json.loads(output)["artifacts"]}
    assert found >= expected.DEBS | expected.WHEELS | expected.NODES


def test_bytes_that_it_wanted_and_did_not_get_are_never_waived(spot):
    """Its report does not know: to it the file could not be read."""
    shutil.copytree(PLANTED, spot / "image")
    for blob in (spot / "image/blobs/sha256").iterdir():
        if blob.stat().st_size > 200_000:
            content = bytearray(blob.read_bytes())
            content[1000:-20_000] = bytes(len(content) - 21_000)
            blob.write_bytes(content)
    work = '/bin/cat "$2"/var/lib/dpkg/info/*.list > /dev/null 2>&1; /bin/cat "$2"/bin/* > /dev/null 2>&1'
    install(spot / "bin", "trivy", work=work)
    status, output, errors = run(spot, "--engine", "trivy", "--allow-incomplete", image=f"oci:{spot / 'image'}:v5")
    assert status == 3
    assert b"chunks that it wanted to read could not be had" in output
    assert "with --allow-incomplete, too" in errors
