"""Archives as users name them: every reading command takes them."""

import json
import subprocess
import sys

import pytest
from tests.access.archive_builders import docker_members, packed, tar_of_folder, tar_with, with_bytes

from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli import run
from rafsight.testing.registry import PLANTED
from rafsight.verbs.export import export_slim

ADVISORIES = PLANTED.parent / "advisories"


@pytest.fixture
def docker(tmp_path):
    return with_bytes(tmp_path / "image.tar", tar_with(*docker_members()))


def test_commands_read_archives(docker, tmp_path, capsysbinary):
    assert run(["cat", f"docker-archive:{docker}:app:v1", "/etc/kept"]) == 0
    assert capsysbinary.readouterr().out == b"kept"
    assert run(["ls", f"docker-archive:{docker}", "/etc"]) == 0
    assert capsysbinary.readouterr().out.split() == [b"kept", b"name"]
    nydus = with_bytes(tmp_path / "nydus.tar.gz", packed(tar_of_folder(PLANTED)))
    assert run(["find", f"oci-archive:{nydus}:v5", "/etc/os-release"]) == 0
    assert capsysbinary.readouterr().out == b"/etc/os-release\n"


def test_what_goes_wrong_is_said(docker, tmp_path, capsys):
    assert run(["ls", f"oci-archive:{docker}", "/"]) == ExitStatus.REFERENCE
    assert f"Name it as docker-archive:{docker}." in capsys.readouterr().err
    assert run(["ls", f"docker-archive:{docker}:v9", "/"]) == ExitStatus.NOT_FOUND
    assert "its tags: demo/app:v1" in capsys.readouterr().err
    assert run(["ls", f"dir:{tmp_path}", "/"]) == ExitStatus.REFERENCE
    assert f"rafsight convert dir:{tmp_path}" in capsys.readouterr().err
    docker.write_bytes(docker.read_bytes()[:700])
    assert run(["ls", f"docker-archive:{docker}", "/"]) == ExitStatus.DAMAGED


def test_a_pipe_needs_no_file(docker):
    command = [sys.executable, "-m", "rafsight", "cat", "docker-archive:/dev/stdin", "/etc/kept"]
    with docker.open("rb") as file, subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE) as pipe:
        done = subprocess.run(command, stdin=pipe.stdout, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"kept"), done.stderr


def test_our_own_slim_archive_is_scanned(tmp_path, capsys):
    database, archive = tmp_path / "db.sqlite", tmp_path / "slim.tar"
    assert run(["-q", "db", "import", str(ADVISORIES), "--db", str(database)]) == 0
    export_slim(f"oci:{PLANTED}:v6", "syft", to=archive)
    capsys.readouterr()
    command = ["-q", "--cache-dir", str(tmp_path), "scan", "--format", "json", "--db", str(database)]
    reports = []
    for reference in (f"oci:{PLANTED}:v6", f"docker-archive:{archive}"):
        assert run([*command, reference]) == 0
        reports.append(json.loads(capsys.readouterr().out))
    assert found_in(reports[0]) == found_in(reports[1]) != set()


def found_in(report):
    return {one["VulnerabilityID"] for result in report["Results"] for one in result.get("Vulnerabilities", [])}
