"""What ends a view, what a signal does to it at each stage, and who is told to use it."""

import mmap
import select
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from tests.views.mount.places import clean_spot, mounts_below, needs_root, tmpfs, wait_until

from rafsight.views.mount.kernel import mount_at, unmount
from rafsight.views.mount.supervisor import (
    Ending,
    Stage,
    find_users,
    heard_by,
    leave,
    leave_if_free,
    left_at_the_end,
    supervised,
)

ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def normal_signals():
    """Whoever started the tests may have had them ignore signals."""
    before = {number: signal.getsignal(number) for number in ALL}
    for number in ALL:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def spot(tmp_path):
    needs_root()
    with clean_spot(tmp_path) as folder:
        yield folder


@pytest.fixture
def mounted(spot):
    (spot / "place").mkdir()
    with tmpfs(spot / "place"):
        yield mount_at(spot / "place")


def has_ended(supervisor):
    return bool(select.select([supervisor._reading], [], [], 0)[0])


@pytest.mark.parametrize("number", ALL)
def test_while_it_opens_the_first_signal_takes_everything_back(number):
    with supervised() as supervisor, heard_by(supervisor) as signals:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert signals.stage is Stage.ENDING
        signal.raise_signal(signal.SIGTERM)  # whoever takes back is not interrupted
        signal.raise_signal(signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)  # but by an impatient person
        assert has_ended(supervisor), "an exception may be lost; then the view ends when it is ready"


@pytest.mark.parametrize("number", ALL)
def test_while_it_serves_signals_end_the_waiting(number):
    with supervised() as supervisor, heard_by(supervisor) as signals:
        signals.stage = Stage.SERVING
        assert not has_ended(supervisor)
        for _ in range(20_000):  # more than a pipe holds
            signal.raise_signal(number)
        assert has_ended(supervisor)


def test_while_it_ends_only_an_impatient_person_counts():
    with supervised() as supervisor, heard_by(supervisor) as signals:
        signals.stage = Stage.ENDING
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert not has_ended(supervisor)


def test_handlers_are_put_back():
    before = {number: signal.getsignal(number) for number in ALL}
    with supervised() as supervisor, heard_by(supervisor):
        assert all(signal.getsignal(number) != before[number] for number in ALL)
    assert {number: signal.getsignal(number) for number in ALL} == before


def test_what_whoever_started_us_had_us_ignore_stays_ignored():
    """As nohup(1) does."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with supervised() as supervisor, heard_by(supervisor) as signals:
        signal.raise_signal(signal.SIGHUP)
        signals.stage = Stage.SERVING
        signal.raise_signal(signal.SIGHUP)
        assert not has_ended(supervisor)
        signal.raise_signal(signal.SIGTERM)
        assert has_ended(supervisor)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_other_threads_hear_no_signals():
    before = {number: signal.getsignal(number) for number in ALL}
    found = []

    def run():
        with supervised() as supervisor, heard_by(supervisor):
            found.append({number: signal.getsignal(number) for number in ALL})

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    assert found == [before]


def test_after_the_end_there_is_nothing_to_end(tmp_path):
    """Its descriptors may be somebody else's files by then."""
    with supervised() as supervisor:
        pass
    with (tmp_path / "one").open("wb"), (tmp_path / "two").open("wb"):
        supervisor.end()
    assert [(tmp_path / name).read_bytes() for name in ("one", "two")] == [b"", b""]


@pytest.mark.root
@pytest.mark.parametrize("ending", [Ending.SIGNAL, Ending.WITHDRAWN])
def test_any_thread_ends_the_waiting(mounted, ending):
    ticks = []
    with supervised() as supervisor:
        timer = threading.Timer(0.05, supervisor.end, [ending])
        timer.start()
        assert supervisor.wait(mounted, lambda: ticks.append(1)) is ending
        timer.join()
    assert ticks, "once at the end, however early that is"


@pytest.mark.root
def test_the_waiting_ends_when_somebody_unmounts(mounted):
    with supervised() as supervisor:
        timer = threading.Timer(0.05, unmount, [mounted.path])
        timer.start()
        begun = time.monotonic()
        assert supervisor.wait(mounted, lambda: None, timeout=20) is Ending.UNMOUNTED
        assert time.monotonic() - begun < 10
        timer.join()
        assert supervisor.wait(mounted, lambda: None) is Ending.UNMOUNTED


@pytest.mark.root
def test_another_mount_on_top_is_no_end(mounted, spot):
    with supervised() as supervisor, tmpfs(mounted.path):
        assert supervisor.wait(mounted, lambda: None, timeout=0.05) is None


@pytest.mark.root
def test_the_numbers_are_looked_at_four_times_a_second(mounted):
    ticks = []

    def tick():
        ticks.append(time.monotonic())
        if len(ticks) == 3:
            supervisor.end()

    begun = time.monotonic()
    with supervised() as supervisor:
        assert supervisor.wait(mounted, tick, timeout=60) is Ending.SIGNAL
    assert len(ticks) == 4, "and once more at the end"
    assert all(after - before >= 0.25 for before, after in pairwise([begun, *ticks[:3]]))


USE = {
    "folder": "os.chdir(place)",
    "open file": "file = open(place + '/file', 'rb')",
    "map": "import mmap; file = open(place + '/file', 'rb'); m = mmap.mmap(file.fileno(), 0, prot=1); m[0]; file.close()",
}


@pytest.mark.root
@pytest.mark.parametrize("use", USE.values(), ids=USE)
def test_a_mount_in_use_is_detached_and_its_users_are_named(mounted, spot, use):
    (mounted.path / "file").write_bytes(b"x" * mmap.PAGESIZE)
    said = []
    code = f"import os, sys; place = sys.argv[1]; {use}; print('ready', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, mounted.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as user:
        try:
            assert user.stdout.readline() == b"ready\n"
            assert [one.pid for one in find_users(mounted)] == [user.pid]
            assert not leave_if_free(mounted, said.append)
            assert mounts_below(spot) == [mounted.path]
            leave(mounted, said.append)
            assert mounts_below(spot) == []
            user.communicate(b"\n", timeout=20)
        finally:
            user.kill()
    name = (Path(sys.executable).name[:15], user.pid)
    assert [event.message for event in said] == [
        f"{mounted.path} was still in use by {name[0]} ({name[1]}); what they read from now on fails"
    ] * 2


@pytest.mark.root
def test_many_users_are_counted(mounted):
    said = []
    users = []
    try:
        users.extend(subprocess.Popen(["sleep", "60"], cwd=mounted.path) for _ in range(7))
        wait_until(lambda: [user.name for user in find_users(mounted)] == ["sleep"] * 7)
        leave(mounted, said.append)
    finally:
        for user in users:
            user.kill()
            user.wait()
    (event,) = said
    assert event.message.count("sleep (") == 5
    assert "and 2 more" in event.message


@pytest.mark.root
def test_a_mount_that_nobody_uses_goes_quietly(mounted, spot):
    said = []
    with left_at_the_end(mounted.path, said.append):
        assert mounts_below(spot) == [mounted.path]
    assert mounts_below(spot) == []
    leave(mounted, said.append)
    assert leave_if_free(mounted, said.append)
    assert said == []


@pytest.mark.root
def test_what_somebody_mounted_since_is_not_taken_for_ours(mounted, spot):
    said = []
    with tmpfs(mounted.path, source="foreign"):
        leave(mounted, said.append)
        assert [mount_at(mounted.path).source, len(mounts_below(spot))] == ["foreign", 2]
    with left_at_the_end(mounted.path, said.append):
        unmount(mounted.path)
        stack = tmpfs(mounted.path, source="foreign")
        stack.__enter__()
    assert mount_at(mounted.path).source == "foreign"
    stack.__exit__(None, None, None)
    assert said == []
