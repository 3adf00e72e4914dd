"""What goes to the workers of a cluster when, and what is made of what they say: with a way to them that only pretends."""

import pytest

from rafsight.access.fetch import threads
from rafsight.access.fleet import Fleet
from rafsight.access.options import Options
from rafsight.base.events import Advanced, Noticed, Started
from rafsight.hunt.cluster import Cluster, MalformedCluster
from rafsight.hunt.distant_crew import DistantCrew
from rafsight.hunt.sending import Answer, WorkerUnfit
from rafsight.hunt.spreading import Fault, FaultKind
from rafsight.hunt.wire import Batch, Outcome, Parcel, pack, unpack
from rafsight.hunt.work import Spent, Work

DOUBLE = Work(name="double", do=lambda _, item: item * 2, title="doubling", unit="words", item=str, result=str, batch=8)
ODD = Fault(kind=FaultKind.MISSING, code="odd", message="odd", advice="")


def double(items):
    return Batch(
        outcomes=tuple(
            Outcome(fault=ODD) if item == "odd" else Outcome(result=pack(item * 2).content) for item in items
        ),
        account="one",
        spent=Spent(requests=7),
        notices=("listen",) if "noisy" in items else (),
    )


class Pretending:
    """Calls that are answered one by one, the last first."""

    def __init__(self, answer=double, *, workers=2, threads=2, deadly=()):
        self.workers = workers
        self.threads = threads
        self.sizes = []
        self.rates = []
        self.most = 0
        self.cancelled = 0
        self._answer = answer
        self._deadly = deadly
        self._calls = []

    def send(self, work, items, rate):
        assert work == "double"
        self._calls.append(unpack(items, list[str]))
        self.sizes.append(len(self._calls[-1]))
        self.rates.append(rate)
        self.most = max(self.most, sum(call is not None for call in self._calls))
        return len(self._calls) - 1

    def receive(self):
        number = max(number for number, call in enumerate(self._calls) if call is not None)
        items, self._calls[number] = self._calls[number], None
        if set(items) & set(self._deadly):
            return Answer(number, None, 4)
        return Answer(number, pack(self._answer(items)))

    def cancel(self):
        self.cancelled += 1


@pytest.fixture
def spread():
    """Spread some words; returns what comes, and what was heard."""
    with threads(1, name="test") as pool:
        fleet = Fleet(Options(), pool=pool)

        def spread(sending, items, *, jobs=1, rate=None):
            heard = []
            crew = DistantCrew(sending, jobs=jobs, rate=rate, fleet=fleet, listener=heard.append)
            found = list(crew.spread(DOUBLE, items))
            return {done.item: done.result if done.fault is None else done.fault.code for done in found}, heard, crew

        yield spread
        fleet.close()


def test_every_item_comes_once(spread):
    words = [f"w{number}" for number in range(100)]
    sending = Pretending()
    found, heard, crew = spread(sending, [*words, "odd", "noisy"])
    assert found == {word: word * 2 for word in words} | {"odd": "odd", "noisy": "noisynoisy"}
    assert [event.total for event in heard if isinstance(event, Started)] == [102]
    assert sum(event.amount for event in heard if isinstance(event, Advanced)) == 102
    assert [event.message for event in heard if isinstance(event, Noticed)] == ["listen"]
    assert crew.spent == Spent(requests=7)  # a worker says what it was so far, not what it was for this batch
    assert sending.most == 4
    assert sending.cancelled == 1


@pytest.mark.parametrize(
    ("count", "threads", "jobs", "size"),
    [(1, 4, 8, 1), (10, 2, 8, 5), (10, 2, 2, 2), (64, 2, 1, 4), (10_000, 2, 1, 8)],
)
def test_batches_are_small_if_there_is_little_and_bounded_if_there_is_much(spread, count, threads, jobs, size):
    sending = Pretending(threads=threads)
    spread(sending, [str(number) for number in range(count)], jobs=jobs)
    assert max(sending.sizes) == size


def test_workers_share_the_rate(spread):
    sending = Pretending(workers=5)
    spread(sending, ["a"], rate=10)
    assert sending.rates == [2]


def test_nothing_is_sent_for_nothing(spread):
    assert spread(Pretending(), [])[:2] == ({}, [])


def test_an_item_that_ends_workers_is_found_and_said(spread):
    words = [f"w{number}" for number in range(20)]
    sending = Pretending(deadly=["w7"])
    found, heard, _ = spread(sending, words)
    assert found == {word: word * 2 for word in words} | {"w7": "ends-workers"}
    assert sum(event.amount for event in heard if isinstance(event, Advanced)) == 20


def test_what_is_no_text_is_a_failure_of_its_own(spread):
    assert spread(Pretending(), ["a", "b\udcff", "c"])[0] == {"a": "aa", "b\udcff": "untold", "c": "cc"}


@pytest.mark.parametrize(
    ("batch", "why"),
    [
        (lambda _: Batch(final=ODD, worker="tcp://x"), "the worker tcp://x cannot take part: odd"),
        (lambda _: Batch(), "0 answers to 1 questions"),
        (lambda _: "rubbish", "is no answer"),
        (lambda _: Batch(outcomes=(Outcome(result=b"\xc1"),)), "is no answer"),
    ],
    ids=["it says so", "too few", "another value", "another result"],
)
def test_a_worker_that_cannot_take_part_ends_it(spread, batch, why):
    sending = Pretending(batch)
    with pytest.raises(WorkerUnfit, match=why):
        spread(sending, ["a"])
    assert sending.cancelled == 1


def test_parcels_show_nothing():
    assert "secret" not in repr(Parcel(b"secret"))


@pytest.mark.parametrize(
    "cluster",
    [
        {"address": "localhost:8786"},
        {"address": "tcp://localhost"},
        {"address": "http://localhost:8786"},
        {"address": "tcp://localhost:99999"},
        {"address": "tcp://localhost:8786/x"},
        {"address": "tcp://localhost:8786", "tls_ca": "ca", "tls_certificate": "cert"},
        {"address": "tls://localhost:8786", "tls_ca": "ca"},
        {"address": "tls://localhost:8786", "tls_key": "key"},
    ],
    ids=str,
)
def test_what_is_no_cluster(cluster):
    with pytest.raises(MalformedCluster):
        Cluster(**cluster).check()
