"""A foreign program is run to its end, or stopped, and nothing of it is left."""

import os
import signal
import time

import pytest
from tests.engines.fakes import is_alive, wait_for

from rafsight.base.errors import ExitStatus
from rafsight.engines.faults import EngineNotStarted
from rafsight.engines.runner import LOG_SIZE, OutOfTime, TooMuchOutput, run


@pytest.fixture
def script(tmp_path):
    """Run a script of the shell."""

    def go(text, *arguments, time_limit=60.0, output_limit=1 << 20, environment=None):
        program = tmp_path / "program"
        program.write_text("#!/bin/sh\n" + text)
        program.chmod(0o755)
        return run(
            program,
            arguments,
            environment={"PATH": "/usr/bin:/bin"} if environment is None else environment,
            folder=tmp_path,
            time_limit=time_limit,
            output_limit=output_limit,
        )

    return go


def child_of(tmp_path):
    """Return the number of a process that a script wrote down."""
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"))
    return int((tmp_path / "pid").read_text())


def test_outputs_and_status(script):
    ended = script("echo out; echo log >&2; printf more; exit 7")
    assert (ended.status, ended.output, ended.log) == (7, b"out\nmore", "log\n")


def test_arguments_reach_it_as_they_are(script):
    hostile = ["", "a b", "$(touch here)", "*", "-x", "\\", "'\"", "\u00e4\n"]
    assert script('printf "%s|" "$@"', *hostile).output.decode() == "|".join(hostile) + "|"


def test_it_sees_only_the_given_environment(script, tmp_path):
    ended = script("/bin/cat /proc/$$/environ; /bin/pwd >&2", environment={"A": "1"})
    assert ended.output == b"A=1\0"
    assert ended.log == f"{tmp_path}\n"


def test_nothing_to_read_and_none_of_our_files(script):
    ours = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(ours, True)
    try:
        assert script("/bin/cat; [ -e /proc/$$/fd/$1 ] && echo open", str(ours)).output == b""
    finally:
        os.close(ours)


def test_a_group_of_its_own_so_that_no_terminal_interrupts_it(script):
    assert int(script("/usr/bin/cut -d' ' -f5 /proc/$$/stat").output) != os.getpgrp()


def test_ended_by_a_signal(script):
    assert script("kill -SEGV $$").status == -signal.SIGSEGV


def test_large_outputs_of_both_kinds(script):
    ended = script("/bin/dd if=/dev/zero bs=1024 count=900 2>/dev/null; /bin/dd if=/dev/zero bs=1024 count=900 >&2")
    assert len(ended.output) == 900 * 1024
    assert len(ended.log) == LOG_SIZE
    assert "900+0 records" in ended.log  # its end


def test_an_output_of_just_the_most(script):
    assert len(script("/bin/head -c 4096 /dev/zero", output_limit=4096).output) == 4096


def test_more_output_than_that(script, tmp_path):
    with pytest.raises(TooMuchOutput) as caught:
        script("echo $$ > pid; echo so far >&2; sleep 0.1; /bin/cat /dev/zero", output_limit=4096)
    assert caught.value.log == "so far\n"
    assert not is_alive(child_of(tmp_path))


@pytest.mark.parametrize("outputs", ["", "exec >&- 2>&-"], ids=["open", "closed"])
def test_it_does_not_end_in_time(script, tmp_path, outputs):
    began = time.monotonic()
    with pytest.raises(OutOfTime) as caught:
        script(f"echo $$ > pid; echo so far >&2; {outputs}\nwhile :; do /bin/sleep 5; done", time_limit=2.0)
    assert 2.0 <= time.monotonic() - began < 60
    assert caught.value.log == "so far\n"
    assert not is_alive(child_of(tmp_path))


def test_one_that_heeds_no_signal(script, tmp_path):
    with pytest.raises(OutOfTime):
        script("trap '' TERM INT HUP; echo $$ > pid; while :; do /bin/sleep 5; done", time_limit=2.0)
    assert not is_alive(child_of(tmp_path))


def test_it_closes_its_outputs_and_works_on(script):
    assert script("echo out; exec >&- 2>&-; /bin/sleep 0.2; exit 5").status == 5


def test_what_it_left_behind_ends_with_it(script, tmp_path):
    """Though that holds its outputs open."""
    began = time.monotonic()
    ended = script("/bin/sleep 600 & echo $! > pid; echo out")
    assert (ended.status, ended.output) == (0, b"out\n")
    assert time.monotonic() - began < 60
    wait_for(lambda: not is_alive(child_of(tmp_path)))


def test_what_went_to_another_session_keeps_nobody_waiting(script, tmp_path):
    began = time.monotonic()
    try:
        ended = script(
            "/usr/bin/setsid /bin/sh -c 'echo $$ > pid; exec /bin/sleep 600' & while [ ! -s pid ]; do :; done; echo out"
        )
        assert (ended.status, ended.output) == (0, b"out\n")
        assert time.monotonic() - began < 60
    finally:
        os.kill(child_of(tmp_path), signal.SIGKILL)


def test_an_interrupt_leaves_nothing(script, tmp_path):
    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            script("echo $$ > pid; /bin/sleep 600 & kill -ALRM $PPID; /bin/sleep 600")
    finally:
        signal.signal(signal.SIGALRM, before)
    wait_for(lambda: not is_alive(child_of(tmp_path)))


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (b"no program", 0o755, "Exec format error"),
        (b"#!/no/such/shell\n", 0o755, "No such file"),
        (None, 0, "No such file"),
    ],
)
def test_no_program(tmp_path, content, mode, why):
    program = tmp_path / "program"
    if content is not None:
        program.write_bytes(content)
        program.chmod(mode)
    with pytest.raises(EngineNotStarted, match=why) as caught:
        run(program, (), environment={}, folder=tmp_path, time_limit=5, output_limit=5)
    assert caught.value.exit_status == ExitStatus.HOST
    assert str(program) in str(caught.value)
