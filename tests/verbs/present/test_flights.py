"""One does the work, the others wait for it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Lock

import pytest

from rafsight.access.registry.errors import RegistryBusy, RegistryDenied
from rafsight.base.errors import RafsightError
from rafsight.verbs.present.flights import FAILED_FOR, Flights
from rafsight.views.presenting.image import NotPresentable


def damaged():
    return NotPresentable(reference="x", why="y")


def denied():
    return RegistryDenied(place="p", what="w", reason="r", sent="s", host="h")


class Work:
    """Counts how often it is done; goes on when it may."""

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.count = 0
        self.may_end = Event()
        self.begun = Event()
        self._lock = Lock()

    def __call__(self):
        with self._lock:
            self.count += 1
            outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        self.begun.set()
        assert self.may_end.wait(60)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def run_all(flights, work, count=10):
    barrier = Barrier(count)

    def run(number):
        barrier.wait(60)
        try:
            return flights.run("same", work)
        except RafsightError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        results = [pool.submit(run, number) for number in range(count)]
        assert work.begun.wait(60)
        work.may_end.set()
        return [result.result(60) for result in results]


def test_all_get_the_result_of_one():
    work = Work("made")
    found = run_all(Flights(2), work)
    assert set(found) == {"made"}


def test_all_are_told_of_damage_once_found():
    now = [0.0]
    flights, work = Flights(2, clock=lambda: now[0]), Work(damaged())
    assert all(isinstance(one, NotPresentable) for one in run_all(flights, work))
    assert work.count == 1  # those who come later are told the same
    now[0] = FAILED_FOR - 1
    with pytest.raises(NotPresentable):
        flights.run("same", work)
    now[0] = FAILED_FOR
    with pytest.raises(NotPresentable):
        flights.run("same", work)
    assert work.count == 2


def test_other_failures_are_tried_again():
    work = Work(RegistryBusy(retry_after=None, host="h", status=503, because=""), "made")
    work.may_end.set()
    flights = Flights(2)
    with pytest.raises(RegistryBusy):
        flights.run("same", work)
    assert flights.run("same", work) == "made"


def test_what_is_denied_to_one_may_be_given_to_another():
    work = Work(denied(), "made")
    found = run_all(Flights(2), work, count=5)
    assert sum(isinstance(one, RegistryDenied) for one in found) == 1
    assert found.count("made") == 4


def test_no_more_at_once_than_may_be():
    flights, lock = Flights(2), Lock()
    running, most = [0], [0]

    def work():
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        Event().wait(0.01)
        with lock:
            running[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: flights.run(str(number), work), range(16)))
    assert most[0] == 2
