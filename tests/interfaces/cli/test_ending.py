"""Signals end what must not be left behind, in order."""

import os
import signal
import threading

import pytest

from rafsight.interfaces.cli import root, run
from rafsight.interfaces.cli.ending import ENDED, Signalled, ending_in_order

NUMBERS = [signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def defaults():
    """Whatever those who started the tests decided."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", NUMBERS, ids=str)
def test_a_signal_goes_up_like_an_interrupt(number):
    with pytest.raises(Signalled) as caught, ending_in_order():
        os.kill(os.getpid(), number)
    assert not isinstance(caught.value, Exception)
    assert caught.value.status == 128 + number
    assert caught.value.status in ENDED
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.parametrize("number", NUMBERS, ids=str)
def test_what_whoever_started_the_process_decided_stays(number):
    signal.signal(number, signal.SIG_IGN)
    with ending_in_order():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is signal.SIG_IGN


@pytest.mark.parametrize(("ended", "status"), [(KeyboardInterrupt(), 130), (Signalled(signal.SIGTERM), 143)])
def test_an_error_of_a_lock_that_was_interrupted_is_the_interruption(ended, status, monkeypatch, capsys):
    held = threading.Lock()

    def interrupted(**_):
        try:
            raise ended
        finally:
            held.release()  # as Condition does, if the signal came before it had its lock back

    monkeypatch.setattr(root, "main", interrupted)
    assert run([]) == status
    assert capsys.readouterr() == ("", "")


def test_other_threads_hear_no_signals():
    entered = []

    def work():
        with ending_in_order():
            entered.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert entered == [signal.SIG_DFL]
