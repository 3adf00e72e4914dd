"""`check` as users run it: forms, files, exit statuses, wrong use, Ctrl-C."""

import json
import os
import pty
import signal
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest
from tests.shared import SHARED, needs_shared
from tests.verbs.check.layouts import Layout

from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli import run
from rafsight.testing.registry import PLANTED, Mischief, serve_layout
from rafsight.testing.registry_pages import error_answer

IMAGE = f"oci:{PLANTED}:v5"
AMD64 = ("--platform", "linux/amd64")


def check(capfd, *arguments):
    """Run `check` and return its status, what it wrote, and what it said."""
    status = run(["check", *AMD64, *map(str, arguments)])
    written = capfd.readouterr()
    return status, written.out, written.err


def unsound(folder):
    layout = Layout(folder, "v5")
    layout.config["rootfs"]["diff_ids"][-1] = "sha256:" + "a" * 64
    return layout.write()


def warned(folder):
    layout = Layout(folder, "v5")
    layout.config.pop("architecture")
    return layout.write()


def test_a_sound_image(capfd):
    status, out, err = check(capfd, IMAGE)
    assert (status, err) == (0, "")
    assert out.startswith(f"Image    {IMAGE}\n")
    assert out.splitlines()[-2:] == ["Sound.", "The content of the blobs was not read: --chunks verifies it."]
    assert "\x1b" not in out
    status, out, err = check(capfd, IMAGE, "--chunks")
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == "Sound."
    assert "1,286 chunks" in out


def test_an_unsound_image(capfd, tmp_path):
    reference = unsound(tmp_path)
    status, out, err = check(capfd, reference)
    assert (status, err) == (ExitStatus.DAMAGED, "")
    assert "error bootstrap-diff-id" in out
    assert out.splitlines()[-1] == "Unsound: 1 error."
    status, out, _ = check(capfd, reference, "-f", "json")
    assert status == ExitStatus.DAMAGED
    assert json.loads(out)["exit_status"] == ExitStatus.DAMAGED


def test_strict_lets_warnings_count(capfd, tmp_path):
    reference = warned(tmp_path)
    status, out, _ = check(capfd, reference)
    assert (status, out.splitlines()[-2]) == (0, "Sound, with 1 warning.")
    status, out, _ = check(capfd, reference, "--strict")
    assert (status, out.splitlines()[-1]) == (ExitStatus.DAMAGED, "Unsound by --strict: 1 warning.")
    status, out, _ = check(capfd, reference, "--strict", "-f", "junit")
    assert status == ExitStatus.DAMAGED
    assert ET.fromstring(out).get("failures") == "1"
    status, out, _ = check(capfd, reference, "-f", "junit")
    assert (status, ET.fromstring(out).get("failures")) == (0, "0")


def test_reports_go_into_files(capfd, tmp_path):
    for form in ("text", "json", "junit"):
        target = tmp_path / f"report.{form}"
        status, out, err = check(capfd, IMAGE, "--format", form, "--output", target)
        assert (status, out, err) == (0, "", "")
        assert target.read_text()
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "sound"
    status, out, _ = check(capfd, IMAGE, "-f", "json", "-o", "-")
    assert json.loads(out)["verdict"] == "sound"
    status, _, err = check(capfd, IMAGE, "-o", tmp_path / "none" / "report")  # the last: it drops standard output
    assert status == ExitStatus.OUTPUT
    assert "cannot write" in err
    assert "hint: Make the folder first" in err


def test_whether_the_report_can_be_written_is_known_before_anything_is_fetched(capfd, tmp_path):
    with serve_layout(PLANTED) as registry:
        status, out, _ = check(capfd, registry.reference("v5"), "-o", tmp_path / "none" / "report")
        assert registry.log == ()
        blocked = tmp_path / "folder"
        blocked.mkdir()
        assert check(capfd, registry.reference("v5"), "-o", blocked)[0] == ExitStatus.OUTPUT
        assert registry.log == ()
    assert (status, out) == (ExitStatus.OUTPUT, "")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], ExitStatus.USAGE),
        ([IMAGE, "--format", "sarif"], ExitStatus.USAGE),
        ([IMAGE, "--source"], ExitStatus.USAGE),
        (["BAD//REF"], ExitStatus.REFERENCE),
        ([IMAGE, "--source", "BAD//REF"], ExitStatus.REFERENCE),
        (["registry.invalid/app", "--offline"], ExitStatus.REFERENCE),
        ([f"oci:{PLANTED}:none"], ExitStatus.NOT_FOUND),
        (["boot:/nowhere"], ExitStatus.NOT_FOUND),
    ],
)
def test_wrong_use_is_an_error(capfd, arguments, status):
    found, out, err = check(capfd, *arguments)
    assert (found, out) == (status, "")
    assert err.startswith("rafsight: error: ")
    assert len(err.strip().splitlines()) <= 2


@needs_shared
def test_a_plain_image_is_refused(capfd):
    status, out, err = check(capfd, f"oci:{SHARED / 'fixtures' / 'images' / 'planted'}:oci")
    assert (status, out) == (ExitStatus.NOT_AN_IMAGE, "")
    assert "is a plain OCI image, not a Nydus image" in err


def test_registries_that_fail(capfd):
    with serve_layout(PLANTED, mischief=[Mischief(method="HEAD", status=501)]) as registry:
        status, out, err = check(capfd, registry.reference("v5"))
    assert (status, err) == (ExitStatus.INCOMPLETE, "")
    assert "could not look at blob sha256:" in out
    assert "status 501 for" in out
    assert "(status" not in out
    assert out.splitlines()[-1].startswith("Could not check everything: ")
    with serve_layout(PLANTED, gate=lambda call: error_answer(403, "DENIED", "no")) as registry:
        status, out, _ = check(capfd, registry.reference("v5"))
        gone = registry.reference("v5")
    assert (status, out) == (ExitStatus.DENIED, "")
    status, out, _ = check(capfd, gone)
    assert (status, out) == (ExitStatus.UNAVAILABLE, "")


def test_ctrl_c_ends_at_once(tmp_path):
    reading = Mischief(only="/blobs/", hang=30.0, after=2, method="")
    with serve_layout(PLANTED, mischief=[reading]) as registry:
        command = [sys.executable, "-m", "rafsight", "check", "--chunks", *AMD64, registry.reference("v5")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
            assert registry.wait_for_hang()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)  # the request would hang for longer
        assert process.returncode == ExitStatus.INTERRUPTED, err
        assert (out, err.strip()) == (b"", b"")


def test_colour_and_bars_are_for_terminals(tmp_path):
    reference = unsound(tmp_path)
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "rafsight", "check", *AMD64, reference]
    with subprocess.Popen(command, stdout=child, stderr=child, env=environment) as process:
        os.close(child)
        text = b""
        while True:
            try:
                piece = os.read(parent, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
        process.wait(timeout=20)
    os.close(parent)
    assert process.returncode == ExitStatus.DAMAGED
    assert b"\x1b[1;31m" in text
    assert "✗".encode() in text
