"""Threads end with their block, and are not waited for when the process is to end."""

import threading

import pytest

from rafsight.access.threads import threads


@pytest.fixture
def gate():
    """What a thread waits for; it opens at the end."""
    gate = threading.Event()
    yield gate
    gate.set()


def interrupt():
    raise KeyboardInterrupt


def interrupt_within_a_lock():
    """Raise what a Condition raises when a signal comes before it has its lock back."""
    try:
        raise KeyboardInterrupt
    finally:
        threading.Lock().release()


@pytest.mark.parametrize("end", [interrupt, interrupt_within_a_lock])
def test_an_interruption_does_not_wait(gate, end):
    with pytest.raises((KeyboardInterrupt, RuntimeError)), threads(1, name="test") as pool:  # noqa: PT012
        waiting = pool.submit(gate.wait)
        end()
    assert not waiting.done()


@pytest.mark.parametrize("error", [None, ValueError])
def test_all_else_waits(gate, error):
    pool = None
    try:
        with threads(1, name="test") as pool:
            waiting = pool.submit(gate.wait)
            threading.Timer(0.05, gate.set).start()
            if error is not None:
                raise error
    except ValueError:
        assert error is ValueError
    assert waiting.done()
