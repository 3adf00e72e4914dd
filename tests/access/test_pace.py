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
