import os
import subprocess
import sys
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from tests.views.mount.fanotify_volumes import make_volume

from rafsight.views.mount.fanotify import FAN_ACCESS, FAN_OPEN, FAN_OPEN_EXEC
from rafsight.views.mount.fanotify_columns import FileEvents
from rafsight.views.mount.kernel import MountRefused, mount, unmount
from rafsight.views.mount.opened import OpenedWatch, watch_opened


def events(*pairs, gaps=0):
    return FileEvents(
        mask=np.array([mask for mask, _ in pairs], np.uint64),
        ino=np.array([ino for _, ino in pairs], np.uint64),
        gaps=gaps,
    )


def test_rows_come_once_in_order_of_first_read():
    told = []
    watch = OpenedWatch(np.array([36, 90, 40, 90, 2**40], np.uint64), lambda rows: told.append(rows.tolist()))
    watch.take(events((FAN_OPEN, 40), (FAN_OPEN | FAN_ACCESS, 2**40), (FAN_OPEN | FAN_ACCESS, 90), (FAN_ACCESS, 2**40)))
    watch.take(events((FAN_ACCESS, 90), (FAN_OPEN_EXEC, 36)))
    assert told == [[4, 1], [0]]  # 90 has two names: the first
    tally = watch.tally
    assert (tally.opens, tally.files_opened, tally.files_read, tally.gaps) == (4, 4, 3, 0)
    assert watch.opened_count == 4


def test_what_is_lost_or_unknown_is_counted():
    watch = OpenedWatch(np.array([10, 20], np.uint64), None)
    watch.take(events((FAN_OPEN, 10), (FAN_OPEN, 15), (FAN_OPEN, 99), gaps=3))
    assert watch.tally.gaps == 5
    assert watch.tally.files_opened == 1
    OpenedWatch(np.array([1], np.uint64), None).take(events())


@pytest.fixture
def mounted(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    directory = tmp_path / "mounted"
    directory.mkdir()
    volume = make_volume(tmp_path, {"a": 5000, "b": 1, "deep/c": 100_000, "never": 10, "touched": 10})
    program = tmp_path / "source" / "program"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    os.link(tmp_path / "source/a", tmp_path / "source/z")
    subprocess.run(["mkfs.erofs", tmp_path / "plain", volume.source], check=True, capture_output=True)
    try:
        mount(str(tmp_path / "plain"), directory, "erofs", data="")
    except MountRefused as refused:
        pytest.skip(str(refused))
    try:
        yield directory
    finally:
        if os.path.ismount(directory):
            unmount(directory, lazy=True)


@contextmanager
def watched(directory, on_read=None):
    """Watch, and say the names that stand for the rows."""
    paths = sorted(path for path in directory.rglob("*"))
    names = [path.relative_to(directory).as_posix() for path in paths]
    nids = np.array([path.lstat().st_ino for path in paths], np.uint64)
    with watch_opened(directory, nids, on_read=on_read) as watch:
        yield watch, names


def test_the_kernel_says_what_was_opened_and_read(mounted):
    told = []
    with watched(mounted, lambda rows: told.extend(rows.tolist())) as (watch, names):
        for name in ("deep/c", "z", "b", "deep/c"):
            (mounted / name).read_bytes()
        os.close(os.open(mounted / "touched", os.O_RDONLY))
        (mounted / "never").stat()
        list((mounted / "deep").iterdir())
        subprocess.run([mounted / "program"], check=True)
    assert [names[row] for row in told] == ["deep/c", "a", "b", "program"]
    assert (watch.tally.files_opened, watch.tally.files_read, watch.tally.gaps) == (5, 4, 0)
    assert watch.tally.opens >= 5


def test_rows_are_told_while_it_runs(mounted):
    told, heard = [], threading.Event()

    def on_read(rows):
        told.extend(rows.tolist())
        heard.set()

    with watched(mounted, on_read) as (_, names):
        code = "import sys; sys.stdin.read(); open(sys.argv[1], 'rb').read()"
        subprocess.run([sys.executable, "-S", "-c", code, mounted / "b"], check=True, input=b"")
        assert heard.wait(60)
        assert [names[row] for row in told] == ["b"]


def test_a_watch_keeps_no_mount_busy(mounted):
    with watched(mounted) as (watch, _):
        (mounted / "b").read_bytes()
        unmount(mounted)
        assert not os.path.ismount(mounted)
    assert watch.tally.files_read == 1


def test_no_event_is_lost_when_many_come_at_once(mounted):
    with watched(mounted) as (watch, _):
        for _ in range(5000):
            os.close(os.open(mounted / "b", os.O_RDONLY))
            os.close(os.open(mounted / "touched", os.O_RDONLY))
    assert (watch.tally.files_opened, watch.tally.files_read, watch.tally.gaps) == (2, 0, 0)
    assert 2 <= watch.tally.opens <= 10_000
