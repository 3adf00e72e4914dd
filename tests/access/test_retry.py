"""Patience, with a clock that only moves when somebody sleeps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.access.registry.helpers import Time

from rafsight.access.backend import NotFound
from rafsight.access.registry.errors import RateLimited, RegistryUnreachable
from rafsight.access.retry import parse_retry_after
from rafsight.base.errors import RegistryFault


class Flaky:
    """Fails so many times, then answers."""

    def __init__(self, *faults: RegistryFault) -> None:
        self.faults = list(faults)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.faults:
            raise self.faults.pop(0)
        return "done"


def broken() -> RegistryFault:
    return RegistryUnreachable(host="h", why="it broke")


def limited(seconds: float | None) -> RegistryFault:
    return RateLimited(retry_after=seconds, host="h", reason="too much", when="later")


def test_doubles_up_to_the_longest_delay():
    time, call = Time(), Flaky(*(broken() for _ in range(5)))
    assert time.retrier(attempts=6, first_delay=1, longest_delay=4).run(call) == "done"
    assert time.slept == [1, 2, 4, 4, 4]


def test_gives_up_after_the_attempts():
    time, call = Time(), Flaky(*(broken() for _ in range(9)))
    with pytest.raises(RegistryUnreachable):
        time.retrier(attempts=3).run(call)
    assert call.calls == 3
    assert len(time.slept) == 2


def test_permanent_is_not_tried_again():
    time, call = Time(), Flaky(NotFound(place="h/r", what="blob"))
    with pytest.raises(NotFound):
        time.retrier().run(call)
    assert call.calls == 1
    assert time.slept == []


def test_waits_as_long_as_asked():
    time = Time()
    assert time.retrier(first_delay=0.5).run(Flaky(limited(7), limited(None), limited(0))) == "done"
    assert time.slept == [7, 1.0, 2.0]  # zero seconds: still not at once


def test_too_long_a_wish_is_not_waited_for():
    time, call = Time(), Flaky(limited(31))
    with pytest.raises(RateLimited):
        time.retrier(longest_wait=30).run(call)
    assert call.calls == 1
    assert time.slept == []


def test_patience_waits_as_asked_and_counts_no_attempt():
    time, call = Time(), Flaky(*(limited(40) for _ in range(3)), broken(), broken())
    assert time.retrier(attempts=3, budget=10, first_delay=1, patience=120).run(call) == "done"
    assert time.slept == [40, 40, 40, 1, 2]


def test_patience_ends():
    time = Time()
    with pytest.raises(RateLimited):
        time.retrier(attempts=2, first_delay=1, patience=20).run(Flaky(*(limited(0) for _ in range(30))))
    assert time.slept == [1] * 21  # twenty as asked, then one between two attempts
    with pytest.raises(RateLimited):
        time.retrier(patience=900).run(Flaky(limited(901)))
    with pytest.raises(RateLimited):
        time.retrier(patience=900, deadline=time.now + 5).run(Flaky(broken(), limited(6)))


def test_budget_counts_from_the_first_failure():
    time, call = Time(), Flaky(*(limited(10) for _ in range(9)))
    with pytest.raises(RateLimited):
        time.retrier(attempts=99, budget=35).run(call)
    assert time.slept == [10, 10, 10]


def test_deadline_holds_for_everything():
    time = Time()
    with pytest.raises(RateLimited):
        time.retrier(attempts=99, deadline=1015).run(Flaky(*(limited(10) for _ in range(9))))
    assert time.now == 1010


def test_progress_forgets_failures():
    time = Time()
    attempts = time.retrier(attempts=2, first_delay=1).start()
    for _ in range(10):
        attempts.wait(broken())
        attempts.progressed()
    assert time.slept == [1] * 10
    attempts.wait(broken())
    with pytest.raises(RegistryUnreachable):
        attempts.wait(broken())


@given(dice=st.floats(0, 1), failures=st.integers(1, 40))
def test_jitter_stays_between_half_and_whole(dice, failures):
    from rafsight.access.retry import Retrier, RetryPolicy

    time = Time()
    policy = RetryPolicy(attempts=100, first_delay=1, longest_delay=8, budget=1e9)
    Retrier(policy=policy, sleep=time.sleep, clock=time.clock, dice=lambda: dice).run(
        Flaky(*(broken() for _ in range(failures)))
    )
    for number, slept in enumerate(time.slept):
        whole = min(2**number, 8)
        assert whole / 2 <= slept <= whole


DATE = "Mon, 23 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        (None, None, None),
        ("0", None, 0),
        (" 17 ", None, 17),
        ("99999999999999", None, 604800),
        ("Mon, 23 Nov 2026 12:00:30 GMT", DATE, 30),
        ("Mon, 23 Nov 2026 11:00:00 GMT", DATE, 0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", None, None),
        ("Mon, 23 Nov 2026 12:00:30", DATE, None),  # one with a zone, one without
        ("-1", None, None),
        ("1.5", None, None),
        ("٣", None, None),
        ("soon", DATE, None),
        ("9" * 5000, None, None),
        ("", None, None),
    ],
)
def test_retry_after(value, date, seconds):
    assert parse_retry_after(value, date) == seconds


@given(st.text(max_size=80), st.none() | st.text(max_size=80))
def test_retry_after_never_fails(value, date):
    seconds = parse_retry_after(value, date)
    assert seconds is None or 0 <= seconds <= 604800
