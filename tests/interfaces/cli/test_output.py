import os
import stat
import subprocess
import sys

import pytest

from rafsight.base.errors import ExitStatus, RegistryFault
from rafsight.interfaces.cli.output import OutputFailed, open_output


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_all_is_written(tmp_path):
    target = tmp_path / "report.json"
    with open_output(target) as sink:
        sink("first\n")
        assert not target.exists()
        sink("\u6f22\n")
    assert target.read_text() == "first\n\u6f22\n"
    assert names(tmp_path) == ["report.json"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "report.json"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), open_output(target) as sink:
        sink(f"new {1 / 0}")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["report.json"]


def test_half_a_report_is_no_report(tmp_path):
    def work(sink):
        sink("half")
        return 1 / 0

    with pytest.raises(ZeroDivisionError), open_output(tmp_path / "report.json") as sink:
        work(sink)
    assert names(tmp_path) == []


def test_errors_of_the_work_stay_what_they_are(tmp_path):
    class Gone(RegistryFault):
        code, template, remedy = "gone", "gone", "gone"

    with pytest.raises(Gone), open_output(tmp_path / "report.json"):
        raise Gone
    assert names(tmp_path) == []


def test_a_new_file_follows_the_umask_and_an_old_one_keeps_its_mode(tmp_path):
    before = os.umask(0o027)
    try:
        with open_output(tmp_path / "new") as sink:
            sink("x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    (tmp_path / "new").chmod(0o600)
    with open_output(tmp_path / "new") as sink:
        sink("y")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with open_output(tmp_path / "link") as sink:
        sink("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_devices_are_written_in_place():
    with open_output(_path("/dev/null")) as sink:
        sink("x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)  # noqa: PTH116


def test_a_full_device_is_an_output_error():
    with pytest.raises(OutputFailed) as caught, open_output(_path("/dev/full")) as sink:
        sink("x")
    assert caught.value.exit_status == ExitStatus.OUTPUT


@pytest.mark.parametrize("kind", ["folder", "missing"])
def test_what_cannot_be_written_is_said_at_once(tmp_path, kind):
    target = tmp_path if kind == "folder" else tmp_path / "no" / "file"
    entered = []
    with pytest.raises(OutputFailed), open_output(target):
        entered.append(True)
    assert not entered


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
def test_standard_output_has_several_names(name, capsysbinary):
    with open_output(_path(name)) as sink:
        sink("\u6f22\n")
    assert capsysbinary.readouterr().out == "\u6f22\n".encode()


def test_an_open_pipe_is_written_as_it_is():
    reader, writer = os.pipe()
    with open_output(_path(f"/dev/fd/{writer}")) as sink:
        sink("x\n")
    os.close(writer)
    with os.fdopen(reader) as stream:
        assert stream.read() == "x\n"


def test_an_open_file_is_written_on_and_not_replaced(tmp_path):
    log = tmp_path / "log"
    log.write_text("before\n")
    with log.open("a") as stream, open_output(_path(f"/dev/fd/{stream.fileno()}")) as sink:
        sink("after\n")
    assert log.read_text() == "before\nafter\n"


def test_a_fifo_is_written_as_it_is(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE)
    with open_output(fifo) as sink:
        sink("x\n")
    assert reader.communicate()[0] == b"x\n"
    assert names(tmp_path) == ["fifo"]


def test_a_closed_descriptor_is_said_at_once():
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    with pytest.raises(OutputFailed), open_output(_path(f"/dev/fd/{writer}")):
        pass


def _path(text):
    from pathlib import Path

    return Path(text)


WRITER = """
import sys
from rafsight.interfaces.cli import output, failure
def work():
    for _ in range(100_000):
        output.write_text("line after line\\n")
    output.flush_output()
try:
    work()
except output.ReaderGone:
    output.drop_output()
    sys.exit(failure.READER_GONE)
except output.OutputFailed as error:
    output.drop_output()
    sys.exit(failure.show_failure(error, debug=False))
"""


def test_a_reader_that_leaves_is_no_error():
    writer = subprocess.Popen([sys.executable, "-c", WRITER], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert writer.stdout.readline() == b"line after line\n"
    writer.stdout.close()
    assert writer.stderr.read() == b""
    writer.stderr.close()
    assert writer.wait() == 141


def test_a_full_disk_is_an_output_error():
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        answer = subprocess.run(
            [sys.executable, "-c", WRITER], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert answer.returncode == ExitStatus.OUTPUT
    assert "cannot write standard output: No space left on device" in answer.stderr
    assert "Exception ignored" not in answer.stderr
