"""`rafsight export` as users run it: in processes, with the outputs that shells give them."""

import io
import os
import pty
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time

import pytest
from tests.access.registry.helpers import planted_manifest
from tests.views.export import golden

from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli import run
from rafsight.testing.registry import PLANTED, serve_layout

IMAGE = f"oci:{PLANTED}:v6"
PROGRAM = [sys.executable, "-m", "rafsight"]
NAMES = ["etc", "etc/os-release", "etc/passwd"]


def shell(command, *arguments, **more):
    line = ["bash", "-c", command, "bash", *arguments]
    return subprocess.run(
        line, capture_output=True, check=False, env=os.environ | {"PYTHON": sys.executable, "IMAGE": IMAGE}, **more
    )


def names_in(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return tar.getnames()


def test_to_an_archive(tmp_path, capsys):
    target = tmp_path / "some.tar.gz"
    assert run(["export", IMAGE, "/etc/passwd", "etc/os-release", "--to", str(target)]) == 0
    with tarfile.open(target) as tar:
        assert tar.getnames() == NAMES
    assert capsys.readouterr() == ("", "")


def test_to_a_folder(tmp_path, capsys):
    target = tmp_path / "some"
    assert run(["-q", "export", IMAGE, "/etc/passwd", "--to", str(target)]) == 0
    assert (target / "etc/passwd").read_text().startswith("root:")
    assert run(["export", IMAGE, "/etc/passwd", "--to", str(target)]) == ExitStatus.OUTPUT
    assert "is not empty" in capsys.readouterr().err
    assert run(["-q", "export", IMAGE, "/etc/os-release", "--force", "--to", str(target)]) == 0
    assert sorted(path.name for path in (target / "etc").iterdir()) == ["os-release", "passwd"]


@pytest.mark.parametrize("target", ["-", "/dev/stdout", "/dev/fd/1"])
def test_to_standard_output(target):
    done = shell('"$PYTHON" -m rafsight export "$IMAGE" /etc/passwd /etc/os-release --to "$1"', target)
    assert (done.returncode, done.stderr) == (0, b"")
    assert names_in(done.stdout) == NAMES


def test_tar_reads_what_comes_out(tmp_path):
    if shutil.which("tar") is None:
        pytest.skip("needs tar on PATH")
    done = shell('"$PYTHON" -m rafsight export "$IMAGE" /etc/passwd --to - | tar -x -C "$1"', str(tmp_path))
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "etc/passwd").is_file()


def test_a_terminal_gets_no_tar():
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [*PROGRAM, "export", IMAGE, "--to", "-"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(theirs)
    os.close(ours)
    assert done.returncode == ExitStatus.USAGE
    assert b"not written to a terminal" in done.stderr


@pytest.mark.parametrize(
    ("output", "why"),
    [
        ("--to - >/dev/full", "standard output: No space left on device"),
        ("--to - >&-", "standard output: it is closed"),
        ("--to /dev/full", "/dev/full: No space left on device"),
        ("--to /nowhere/at/all.tar", "/nowhere/at/all.tar: No such file or directory"),
        ("--to /nowhere/at/all", "/nowhere/at/all: No such file or directory"),
    ],
)
def test_an_output_that_takes_nothing_is_said(output, why):
    done = shell(f'"$PYTHON" -m rafsight export "$IMAGE" {output}')
    assert done.returncode == ExitStatus.OUTPUT
    assert done.stderr.decode().splitlines()[0] == f"rafsight: error: cannot write {why}"


def test_a_reader_that_goes_ends_it_quietly():
    done = shell('set -o pipefail; "$PYTHON" -m rafsight export "$IMAGE" --to - | head -c 1000 | wc -c')
    assert done.returncode == 141
    assert (done.stdout.strip(), done.stderr) == (b"1000", b"")


def test_a_path_that_is_missing(tmp_path, capsys):
    assert run(["export", IMAGE, "/etc/passwd", "/nope", "--to", str(tmp_path / "a.tar")]) == ExitStatus.NOT_FOUND
    assert "the image has no /nope" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_progress_is_drawn_while_a_file_is_written(tmp_path):
    """The content is held back until both bars were seen."""
    ours, theirs = pty.openpty()
    content = planted_manifest("v6")[1]["layers"][0]["digest"]
    seen = threading.Event()

    def hold(call):
        assert content not in call.path or seen.wait(60)

    with serve_layout(PLANTED, gate=hold) as registry:
        process = subprocess.Popen(
            [
                *PROGRAM,
                "--cache-dir",
                tmp_path / "cache",
                "export",
                registry.reference("v6"),
                "--to",
                tmp_path / "a.tar",
            ],
            stdout=theirs,
            stderr=theirs,
            env=os.environ | {"TERM": "xterm"},
        )
        os.close(theirs)
        drawn = b""
        try:
            while piece := os.read(ours, 65536):
                drawn += piece
                if b"writing files" in drawn and b"writing content" in drawn:
                    seen.set()
        except OSError:  # the other end is closed
            pass
        os.close(ours)
        assert process.wait() == 0
    assert b"writing files" in drawn
    assert b"writing content" in drawn


@pytest.mark.parametrize("target", ["whole.tar", "whole"])
def test_control_c_leaves_nothing_half_written(target, tmp_path):
    with serve_layout(PLANTED, latency=0.5) as registry:
        process = subprocess.Popen(
            [
                *PROGRAM,
                "--cache-dir",
                tmp_path / "cache",
                "export",
                registry.reference("v6"),
                "--to",
                tmp_path / target,
            ],
            stderr=subprocess.PIPE,
        )
        end = time.monotonic() + 60
        while not list(tmp_path.glob("*whole*")) and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == ExitStatus.INTERRUPTED
    assert b"Traceback" not in said
    assert not list(tmp_path.rglob("*.part"))
    assert not (tmp_path / "whole.tar").exists()


def test_what_is_left_out_is_told(tmp_path, capsys):
    name = next(n for n in golden.NAMES if any(map(golden.is_socket, golden.entries_of(n).values())))
    arguments = ["export", golden.reference_of(name), "--blob-dir", str(golden.GOLDEN / name)]
    assert run([*arguments, "--to", str(tmp_path / "a.tar")]) == 0
    assert "left out: sockets, which a tar cannot hold (1; the first: /" in capsys.readouterr().err
    assert run(["-q", *arguments, "--to", str(tmp_path / "a.tar")]) == 0
    assert capsys.readouterr().err == ""


def test_damaged_files_are_an_error_or_listed(tmp_path, capsys):
    shutil.copytree(golden.GOLDEN / "v6-none", tmp_path / "image")
    (blob,) = (path for path in (tmp_path / "image").iterdir() if len(path.name) == 64)
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    arguments = ["export", f"boot:{tmp_path / 'image/image.boot'}", "--to", str(tmp_path / "a.tar")]
    assert run(arguments) == ExitStatus.DAMAGED
    assert "(while reading /" in capsys.readouterr().err
    assert not (tmp_path / "a.tar").exists()
    assert run([*arguments, "--keep-going"]) == ExitStatus.INCOMPLETE
    lines = [line for line in capsys.readouterr().err.splitlines() if "was left out: chunk" in line]
    assert lines
    assert all(line.startswith("rafsight: error: /") for line in lines)
    with tarfile.open(tmp_path / "a.tar") as tar:
        left = {line.split()[2].lstrip("/") for line in lines}
        assert not left & set(tar.getnames())
