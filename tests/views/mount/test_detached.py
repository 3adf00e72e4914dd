"""A process that is started and outlives whoever started it: what comes back, and what is left behind."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.views.mount.places import clean_spot, processes_naming, wait_until

from rafsight.base.errors import ExitStatus
from rafsight.views.mount.detached import NotAlone, start

HEAD = """
import os, signal, sys, threading, time
from pathlib import Path
from rafsight.base.events import Noticed
from rafsight.views.mount.detached import start
folder = Path(sys.argv[1])
events = []
"""
GOOD = """
def serve(back):
    back.tell(Noticed(message="opening"))
    thread = threading.Thread(target=back.tell, args=(Noticed(message="by a thread"),))
    thread.start(); thread.join()
    facts = {"pid": os.getpid(), "sid": os.getsid(0), "parent": os.getppid(), "open": sorted(map(int, os.listdir("/proc/self/fd")))}
    back.ready(facts)
    back.tell(Noticed(message="nobody listens any more"))
    while not (folder / "end").exists():
        time.sleep(0.01)
"""


@pytest.fixture
def spot(tmp_path):
    with clean_spot(tmp_path) as folder:
        yield folder


def run(spot, code, **more):
    return subprocess.run(
        [sys.executable, "-c", HEAD + code, spot], capture_output=True, text=True, check=False, timeout=60, **more
    )


def said(done):
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_facts_and_events_come_back_and_the_server_lives_on(spot):
    code = """
held = [os.open("/dev/null", os.O_RDONLY) for _ in range(5)]
facts = start(serve).wait(lambda event: events.append(event.message))
print(events)
print(facts["pid"], facts["sid"], facts["pid"] != os.getpid(), os.getsid(0) != facts["sid"])
print(len([number for number in facts["open"] if number > 2]))
"""
    lines = said(run(spot, GOOD + code))
    assert lines[0] == "['opening', 'by a thread']"
    pid, sid, *others = lines[1].split()
    assert others == ["True", "True"]
    assert pid != sid, "no leader of its session: it never gets a terminal"
    assert int(lines[2]) <= 2, "the way back, and the listing itself"
    assert int(pid) in processes_naming(spot)
    (spot / "end").touch()
    wait_until(lambda: not processes_naming(spot))


ERRORS = {
    "ours": (
        "from rafsight.views.mount.place import UnusablePlace; raise UnusablePlace(directory='/a{b}', why='it is full')",
        "UnusablePlace|nothing can be mounted at /a{b}: it is full|73|Name a folder",
    ),
    "with arguments": (
        "from rafsight.views.mount.kernel import MountRefused; raise MountRefused(kind='erofs', directory='/a', number=1)",
        "MountRefused|mounting erofs at /a was refused: Operation not permitted|71|`--engine fuse`",
    ),
    "the system's": ("Path('/nowhere/at/all').read_bytes()", "FileNotFoundError|2|No such file|None"),
    "anybody's": ("[][0]", "RuntimeError|IndexError: list index out of range"),
    "one that cannot be sent": (
        "class Local(Exception): pass\n    raise Local(lambda: 1)",
        "ServerDied|the process that was to serve the view ended without saying why|71|It may",
    ),
    "death": (
        "os.kill(os.getpid(), 9)",
        "ServerDied|the process that was to serve the view ended without saying why|71|It",
    ),
    "an end without a word": (
        "pass",
        "ServerDied|the process that was to serve the view ended without saying why|71|It",
    ),
}


@pytest.mark.parametrize(("failing", "words"), ERRORS.values(), ids=ERRORS)
def test_errors_are_raised_where_the_caller_is(spot, failing, words):
    code = f"""
def serve(back):
    {failing}
starting = start(serve)
try:
    starting.wait(events.append)
except BaseException as error:
    print(type(error).__name__, error, getattr(error, "exit_status", None), getattr(error, "advice", None), sep="|")
"""
    (line,) = said(run(spot, code))
    for word in words.split("|"):
        assert word in line.replace("[Errno 2]", "2")


def test_a_process_with_threads_is_not_forked():
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        with pytest.raises(NotAlone, match="threads") as refused:
            start(pytest.fail)
        assert refused.value.exit_status == ExitStatus.USAGE
    finally:
        release.set()
        thread.join()


SLOW = """
def serve(back):
    def end(number, frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, end)
    back.tell(Noticed(message="opening"))
    try:
        while True:
            time.sleep(0.01)
            if (folder / "talk").exists():
                back.tell(Noticed(message="still opening"))
    except KeyboardInterrupt:
        (folder / "taken back").touch()
        raise
starting = start(serve)
starting.wait(lambda event: print(event.message, flush=True))
"""


@pytest.mark.parametrize("how", ["Ctrl-C", "death"])
def test_a_wait_that_is_broken_off_takes_the_view_back(spot, how):
    """Also where the caller dies: the server notices it when it next says something."""
    command = [sys.executable, "-c", HEAD + "signal.signal(signal.SIGINT, signal.default_int_handler)" + SLOW, spot]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"opening\n"
            process.send_signal(signal.SIGINT if how == "Ctrl-C" else signal.SIGKILL)
            process.communicate(timeout=20)
            if how == "death":
                (spot / "talk").touch()
        finally:
            process.kill()
    assert process.returncode == (-signal.SIGINT if how == "Ctrl-C" else -signal.SIGKILL)
    wait_until((spot / "taken back").exists)
    wait_until(lambda: not processes_naming(spot))


def test_the_server_has_no_terminal_and_nothing_to_print_on(spot):
    code = """
def serve(back):
    print("lost"); sys.stderr.write("lost")
    back.ready([os.readlink(f"/proc/self/fd/{number}") for number in range(3)])
print(start(serve).wait(events.append))
"""
    assert said(run(spot, code)) == [str([os.devnull] * 3)]


def test_what_was_printed_before_comes_once(spot):
    code = "print('before', end=' ')\ndef serve(back): back.ready(1)\nprint(start(serve).wait(events.append))"
    assert said(run(spot, code, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})) == ["before 1"]
    assert Path(spot).exists()
