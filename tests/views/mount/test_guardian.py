"""A small process beside each server: what it does when the server ends, dies, or is interrupted."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.views.mount.places import clean_spot, mounts_below, needs_root, processes_naming, tmpfs, wait_until

from rafsight.views.mount.guardian import NoGuardian, guarded
from rafsight.views.mount.records import opened_site, views_folder
from rafsight.views.mount.stale import clean_stale

SERVER = """
import sys
from pathlib import Path
from rafsight.views.mount.guardian import guarded
from rafsight.views.mount.records import opened_site, source_of, views_folder
folder = views_folder(Path(sys.argv[1]) / "cache")
directory = Path(sys.argv[1]) / "place"
directory.mkdir()
with opened_site(folder, "app:v1", directory, made_directory=True, hears_signals=True) as site:
    with guarded(site.folder, site.lock):
        print(site.folder, flush=True)
        word = sys.stdin.readline().strip()
        if word == "fail":
            raise SystemExit(7)
"""


@pytest.fixture
def spot(tmp_path):
    with clean_spot(tmp_path) as folder:
        yield folder


@pytest.fixture
def server(spot):
    """A server that has a place and a guardian, and its folder."""
    command = [sys.executable, "-c", SERVER, spot]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, spot / process.stdout.readline().strip()
        finally:
            process.kill()


def guardian_of(process, folder):
    """Return the number of the guardian: it names the folder of the view, a moment after it was begun."""
    (pid,) = wait_until(lambda: [pid for pid in processes_naming(folder) if pid != process.pid])
    return pid


@pytest.mark.parametrize(("word", "status"), [("end", 0), ("fail", 7)])
def test_an_end_in_order_leaves_nothing(server, spot, word, status):
    process, folder = server
    guardian_of(process, folder)
    process.communicate(word + "\n", timeout=20)
    assert process.returncode == status
    assert not folder.exists()
    assert not (spot / "place").exists()
    assert processes_naming(folder) == []


@pytest.mark.root
def test_a_killed_server_is_cleaned_up_after(server, spot):
    needs_root()
    process, folder = server
    with tmpfs(spot / "place", source=f"rafsight-{folder.name}"):
        with (spot / "place/file").open("wb"):
            process.kill()
            wait_until(lambda: mounts_below(spot) == [])
        wait_until(lambda: not folder.exists())
    assert not (spot / "place").exists()
    wait_until(lambda: processes_naming(folder) == [])


def test_a_guardian_hears_no_signal_of_a_terminal(server):
    process, folder = server
    pid = guardian_of(process, folder)
    assert os.getsid(pid) == pid != os.getsid(process.pid)
    ignored = wait_until(lambda: ignored_by(pid))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        assert ignored >> (number - 1) & 1
        os.kill(pid, number)
    process.kill()
    wait_until(lambda: not folder.exists())


def ignored_by(pid):
    """Return the bits of the signals that a process ignores, once it ignores SIGTERM."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (line,) = [line for line in lines if line.startswith("SigIgn:")]
    mask = int(line.split()[1], 16)
    return mask if mask >> (signal.SIGTERM - 1) & 1 else 0


def test_a_killed_guardian_is_no_harm(server):
    process, folder = server
    os.kill(guardian_of(process, folder), signal.SIGKILL)
    process.communicate("end\n", timeout=20)
    assert process.returncode == 0
    assert not folder.exists()


def test_an_error_passes_and_everything_goes(spot):
    folder = views_folder(spot / "cache")
    with (
        pytest.raises(KeyboardInterrupt),
        opened_site(folder, "app:v1", None, made_directory=False, hears_signals=True) as site,
        guarded(site.folder, site.lock),
    ):
        raise KeyboardInterrupt
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_without_a_python_there_is_no_guardian(spot, monkeypatch):
    folder = views_folder(spot / "cache")
    monkeypatch.setattr(sys, "executable", str(spot / "nowhere"))
    with (
        opened_site(folder, "app:v1", None, made_directory=False, hears_signals=True) as site,
        pytest.raises(NoGuardian, match="No such file"),
        guarded(site.folder, site.lock),
    ):
        pass
    assert clean_stale(folder) == [site.record], "the next view takes it away"
