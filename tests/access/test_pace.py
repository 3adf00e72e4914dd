import pytest
from tests.access.registry.helpers import Time

from rafsight.access.pace import Pace


def test_requests_to_one_host_keep_their_distance():
    time = Time()
    pace = Pace(4, clock=time.clock, sleep=time.sleep)
    began = time.now
    for _ in range(9):
        pace.wait("a")
    assert time.now - began == 2.0  # the first at once, eight more a quarter of a second apart


def test_hosts_do_not_wait_for_each_other_and_no_burst_is_saved_up():
    time = Time()
    pace = Pace(1, clock=time.clock, sleep=time.sleep)
    pace.wait("a")
    pace.wait("b")
    assert time.slept == []
    time.now += 100
    pace.wait("a")
    pace.wait("a")
    assert time.slept == [1.0]


def test_who_waits_together_goes_one_by_one():
    slept = []
    pace = Pace(10, clock=lambda: 5.0, sleep=slept.append)  # time stands still: all came at once
    for _ in range(4):
        pace.wait("a")
    assert [round(seconds, 3) for seconds in slept] == [0.1, 0.2, 0.3]


def test_a_refusal_holds_all_and_slows_down_for_a_while():
    time, heard = Time(), []
    pace = Pace(listener=heard.append, clock=time.clock, sleep=time.sleep)
    for _ in range(3):
        pace.wait("a")
    assert time.slept == []
    pace.answered("a", 429, 7)
    pace.answered("a", 429, 7)  # was under way with the other one
    pace.wait("b")
    assert time.slept == []
    began = time.now
    for _ in range(400):
        pace.answered("a", 200)
        pace.wait("a")
    assert time.slept[0] == 7
    assert time.slept[1] == pytest.approx(1 / 32, rel=0.05)
    assert 8 < time.now - began < 10
    assert time.slept[-1] < 0.0001  # forgiven
    assert [event.message for event in heard] == ["a wants to be asked less often: waiting 7 s"]


def test_each_further_refusal_halves_the_rate():
    time = Time()
    pace = Pace(10, clock=time.clock, sleep=time.sleep)
    for expected in (0.2, 0.4, 0.8):
        pace.answered("a", 503, 1)
        for _ in range(2):
            pace.wait("a")
        assert time.slept[-1] == pytest.approx(expected, rel=0.15)


def test_who_waits_already_when_a_host_refuses_waits_anew():
    time, slept = Time(), []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        time.now += seconds
        if len(slept) == 1:
            pace.answered("a", 429, 5)

    pace = Pace(1, clock=time.clock, sleep=sleep)
    for _ in range(2):
        pace.wait("a")
    assert slept == [1.0, 5.0]


def test_a_host_that_does_not_answer_is_given_up_and_looked_for():
    time = Time()
    pace = Pace(clock=time.clock, sleep=time.sleep)
    for status in (0, 502, 0):
        assert not pace.why_given_up("a")
        pace.answered("a", status)
        time.now += 30
    assert not pace.why_given_up("a")  # who comes first looks
    assert pace.why_given_up("a") == "it has not answered for 60 s"
    assert not pace.why_given_up("b")
    time.now += 10
    assert not pace.why_given_up("a")
    pace.answered("a", 404)
    assert not any(pace.why_given_up("a") for _ in range(3))


def test_a_host_that_wants_nobody_for_hours_is_not_waited_for():
    time = Time()
    pace = Pace(clock=time.clock, sleep=time.sleep)
    pace.answered("a", 429, 3600)
    pace.wait("a")
    assert time.slept == []
    assert pace.why_given_up("a") == "it wants to be left alone for 3600 s"
    time.now += 3600
    assert not pace.why_given_up("a")
