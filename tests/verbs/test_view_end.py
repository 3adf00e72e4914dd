"""How the end of a view is waited for."""

import signal
import sys
import threading
from contextlib import ExitStack

import pytest
from tests.views.mount.places import wait_until

from rafsight.verbs.view import _closed_within

LONG = 60


@pytest.fixture
def ctrl_c():
    """Have Ctrl-C interrupt, whatever whoever started the tests does with it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def is_joining(thread):
    """Tell whether a thread waits for another one."""
    frame = sys._current_frames()[thread.ident]
    while frame is not None and frame.f_code is not threading.Thread.join.__code__:
        frame = frame.f_back
    return frame is not None


def test_the_end_is_waited_for():
    done = []
    stack = ExitStack()
    stack.callback(done.append, "closed")
    assert _closed_within(LONG, stack)
    assert done == ["closed"]


def test_what_closing_raises_is_raised():
    stack = ExitStack()
    stack.callback(int, "x")
    with pytest.raises(ValueError, match="invalid literal"):
        _closed_within(LONG, stack)


def test_the_end_is_not_waited_for_longer_than_patience_lasts():
    goes_on = threading.Event()
    stack = ExitStack()
    stack.callback(goes_on.wait, LONG)
    assert not _closed_within(0.01, stack)
    goes_on.set()


def test_a_ctrl_c_that_the_system_gives_to_another_thread_ends_the_waiting(ctrl_c):
    """It does so when that thread starts a process just then: the main thread is not even woken."""
    goes_on, ended = threading.Event(), threading.Event()
    went_on = []

    def close():
        wait_until(lambda: is_joining(threading.main_thread()))
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        went_on.append(goes_on.wait(10))
        ended.set()

    stack = ExitStack()
    stack.callback(close)
    with pytest.raises(KeyboardInterrupt):
        _closed_within(LONG, stack)
    goes_on.set()
    assert ended.wait(LONG)
    assert went_on == [True], "the interruption came only when there was nothing to wait for any more"
