"""The threads of a connection: how many they become and how they end. The kernel is a socket of this test."""

import os
import socket
import threading
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.views.fuse.mounts import PATIENCE
from tests.views.fuse.test_device import heard, question
from tests.views.mount.places import wait_until

from rafsight.views.fuse.channel import Channel
from rafsight.views.fuse.crew import MOST_THREADS, Crew
from rafsight.views.fuse.wire import Opcode


class Kernel:
    """Asks, and takes answers."""

    def __init__(self, end):
        self.end = end
        self.asked = 0

    def ask(self):
        self.asked += 1
        self.end.send(question(Opcode.GETATTR, unique=self.asked))

    def converse(self):
        """Ask, and wait for the answer, as statfs(2) does."""
        self.ask()
        return heard(self.end)


@contextmanager
def crew_of(answer, *, threads=2):
    end, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    end.settimeout(PATIENCE)
    told = []
    channel = Channel(directory=Path("/nowhere"), fd=ours.detach(), is_privileged=True)
    crew = Crew(SimpleNamespace(answer=answer), channel, threads=threads, tell=told.append)
    kernel = Kernel(end)
    with end:
        try:
            yield crew, kernel, channel
        finally:
            if not crew.ended.is_set():
                crew.call_out(kernel.converse)
            crew.stop()
            assert crew.ended.wait(PATIENCE)
            wait_until(lambda: count_threads() == 0)  # the last one says so before it is gone
    assert told == []


def count_threads():
    return sum(one.name.startswith("rafsight-fuse-") and one.name[-1].isdigit() for one in threading.enumerate())


def test_questions_are_answered_by_any_thread():
    with crew_of(lambda _request: (b"yes",), threads=3) as (crew, kernel, _):
        for _ in range(100):
            kernel.ask()
        answers = [heard(kernel.end) for _ in range(100)]
        assert sorted(unique for _, unique, _ in answers) == list(range(1, 101))
        assert {body for *_, body in answers} == {b"yes"}
        assert not crew.gone.is_set()


class Gathering:
    """Answers the first questions when all of them are there, and those after them at once."""

    def __init__(self, count):
        self.barrier = threading.Barrier(count)
        self.left = count
        self.lock = threading.Lock()

    def __call__(self, _request):
        with self.lock:
            self.left -= 1
            waits = self.left >= 0
        if waits:
            self.barrier.wait(PATIENCE)
        return 0


@pytest.mark.parametrize("count", [3, 8, MOST_THREADS])
def test_there_are_more_threads_when_all_wait(count):
    """Nobody is answered before all are there."""
    with crew_of(Gathering(count)) as (_, kernel, _channel):
        assert count_threads() == 2
        for _ in range(count):
            kernel.ask()
        assert {heard(kernel.end)[1] for _ in range(count)} == set(range(1, count + 1))
        assert count <= count_threads() <= MOST_THREADS
    assert count_threads() == 0


def test_there_are_no_more_threads_while_some_are_free():
    with crew_of(lambda _request: 0, threads=4) as (_, kernel, _channel):
        for _ in range(2000):
            assert kernel.converse()[0] == 0
        assert count_threads() == 4


def test_the_last_thread_closes_the_connection():
    with crew_of(lambda _request: 0) as (crew, kernel, channel):
        kernel.converse()
        fd = channel.fd
        os.fstat(fd)
        crew.call_out(kernel.converse)
        assert not crew.gone.is_set(), "out of the device, they still answer"
        assert kernel.converse()[0] == 0
        crew.stop()
        assert crew.ended.wait(PATIENCE)
        assert crew.gone.is_set()
        assert channel.fd == -1
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(fd)
        crew.stop()  # once more does nothing
        crew.call_out(kernel.converse)  # likewise: nobody is there to be called out


def test_a_thread_that_waits_for_content_does_not_keep_the_others_from_leaving():
    entered, leave = threading.Event(), threading.Event()

    def answer(request):
        if request.node == 99:
            entered.set()
            assert leave.wait(PATIENCE)
        return 0

    with crew_of(answer, threads=3) as (crew, kernel, _):
        kernel.end.send(question(Opcode.READ, unique=2**40, node=99))
        assert entered.wait(PATIENCE)
        crew.call_out(kernel.converse)
        crew.stop()
        assert crew.gone.wait(PATIENCE)
        assert not crew.ended.is_set()
        leave.set()
        assert heard(kernel.end)[1] == 2**40
        assert crew.ended.wait(PATIENCE)
