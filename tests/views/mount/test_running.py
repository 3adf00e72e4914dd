"""Views of other processes: found, told to end, and waited for; and never a process that only has the number."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.views.mount.places import clean_spot, needs_root, processes_naming, tmpfs, wait_until

from rafsight.views.mount.records import opened_site, process_start, views_folder
from rafsight.views.mount.running import Running, StillRunning, ask_to_end, list_running, wait_until_gone
from rafsight.views.mount.stale import clean_stale

SERVER = """
import signal, sys, time
from pathlib import Path
from rafsight.views.mount.guardian import guarded
from rafsight.views.mount.records import opened_site, views_folder
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
folder = views_folder(Path(sys.argv[1]) / "cache")
with opened_site(folder, "app:v1", None, made_directory=False, hears_signals=sys.argv[2] != "program") as site:
    with guarded(site.folder, site.lock):
        print("ready", flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def spot(tmp_path):
    with clean_spot(tmp_path) as folder:
        yield folder


@pytest.fixture
def server(spot):
    started = []

    def start(kind):
        command = [sys.executable, "-c", SERVER, spot, kind]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        started.append(process)
        assert process.stdout.readline() == b"ready\n"
        (view,) = list_running(views_folder(spot / "cache"))
        return process, view

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_server_is_told_by_a_signal_and_waited_for(server):
    process, view = server("server")
    ask_to_end(view, pytest.fail)
    wait_until_gone(view)
    assert process.wait(20) == -signal.SIGTERM
    wait_until(lambda: not view.folder.exists())


def test_a_server_that_does_not_react_is_killed(server):
    process, view = server("deaf")
    ask_to_end(view, pytest.fail)
    wait_until_gone(view, patience=0.2)
    assert process.wait(20) == -signal.SIGKILL
    wait_until(lambda: not view.folder.exists())


def test_a_program_that_mounts_is_not_killed(server):
    """Nothing of this one is mounted, so nothing has to be taken away."""
    process, view = server("program")
    ask_to_end(view, pytest.fail)
    wait_until_gone(view)
    assert process.poll() is None
    process.communicate(b"", timeout=20)
    assert process.returncode == 0


@pytest.mark.root
def test_of_a_program_the_tree_is_unmounted_and_the_rest_left_to_it(server):
    needs_root()
    process, view = server("program")
    with (
        tmpfs(view.folder / "root", source=str(view.folder / "metadata")),
        tmpfs(view.folder / "blobs", source=f"rafsight-{view.folder.name}"),
    ):
        ask_to_end(view, pytest.fail)
        wait_until_gone(view, patience=5)
        assert not os.path.ismount(view.folder / "root")
        assert os.path.ismount(view.folder / "blobs")
        assert process.poll() is None
        process.communicate(b"", timeout=20)
    assert not view.folder.exists()


def test_a_number_that_is_somebody_elses_by_now_is_let_be(spot):
    """The record names a living process that is not the server: it must not be signalled, though the lock is held."""
    folder = views_folder(spot / "cache")
    with (
        subprocess.Popen(["sleep", "60"]) as innocent,
        opened_site(folder, "app:v1", None, made_directory=False, hears_signals=True) as site,
    ):
        try:
            record = replace(site.record, pid=innocent.pid, pid_started=process_start(innocent.pid) - 1)
            view = Running(folder=site.folder, record=record)
            ask_to_end(view, pytest.fail)
            with pytest.raises(StillRunning, match=f"process {innocent.pid}"):
                wait_until_gone(view, patience=0, last_patience=0.2)
            assert is_let_be(innocent)
            gone = replace(record, pid=dead_process())
            ask_to_end(Running(folder=site.folder, record=gone), pytest.fail)
        finally:
            innocent.kill()
    assert clean_stale(folder) == [site.record]


def test_a_server_whose_lock_is_free_is_not_signalled(spot):
    folder = views_folder(spot / "cache")
    with opened_site(folder, "app:v1", None, made_directory=False, hears_signals=True) as site:
        pass
    with subprocess.Popen(["sleep", "60"]) as innocent:
        try:
            record = replace(site.record, pid=innocent.pid, pid_started=process_start(innocent.pid))
            view = Running(folder=site.folder, record=record)
            ask_to_end(view, pytest.fail)
            wait_until_gone(view)
            assert is_let_be(innocent)
        finally:
            innocent.kill()
    assert list_running(folder) == []
    assert clean_stale(folder) == [site.record]


def is_let_be(process):
    """Tell whether a process goes on; a signal takes a moment."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.2)
    return process.poll() is None


def dead_process():
    with subprocess.Popen(["true"]) as process:
        process.wait(20)
    return process.pid


def test_only_what_lives_and_is_known_is_listed(server, spot):
    process, view = server("server")
    folder = views_folder(spot / "cache")
    (folder / "half").mkdir()
    (view.folder / "record.json").write_bytes(b"{")
    assert list_running(folder) == []
    process.kill()
    wait_until(lambda: not processes_naming(view.folder))
    (folder / "half").rmdir()
