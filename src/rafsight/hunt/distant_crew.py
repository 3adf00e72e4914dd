"""The workers of a Dask cluster as the crew of a hunt.

Items go to the workers in batches, a few more than they can do at a time, and come back as they are done. This module
alone decides what is sent when. An item whose workers die is sent alone; if they still die, it is a failure of that
item.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec

from rafsight.access.fleet import Fleet
from rafsight.access.options import Options
from rafsight.base.errors import ImageFault
from rafsight.base.events import Advanced, Finished, Listener, Noticed, Started
from rafsight.hunt.cluster import Cluster
from rafsight.hunt.sending import PATIENCE, Answer, Sending, WorkerUnfit
from rafsight.hunt.spreading import Done, fault_of
from rafsight.hunt.wire import Batch, Order, Parcel, pack, pack_order, unpack
from rafsight.hunt.work import Spent, Work

Item = TypeVar("Item")
Result = TypeVar("Result")

_ROUNDS: Final = 8
"""Batches for each thread of the cluster, if there are items enough: so that none waits long for the last."""
_AHEAD: Final = 2
"""Batches for each thread that are under way or wait for it."""


class EndsWorkers(ImageFault):
    """Whatever worker looks at an image ends."""

    code = "ends-workers"
    template = "{count} workers ended while they looked at it"
    remedy = "Look at it alone, on one machine; the logs of the workers say why they ended: memory, mostly."


class Untold(ImageFault):
    """Something cannot be told to a worker."""

    code = "untold"
    template = "{what} cannot be sent to a worker: it is no UTF-8"
    remedy = "Ask for it without a cluster."


class DistantCrew:
    """The workers of a cluster. Not safe to share between threads."""

    def __init__(self, sending: Sending, *, jobs: int, rate: float | None, fleet: Fleet, listener: Listener) -> None:
        """Take over a cluster whose workers are there.

        Args:
            sending: the way to them.
            jobs: items that a worker does at the same time.
            rate: [requests/s] that one host is asked at most by all of them together.
            fleet: what this process itself asks with.
            listener: told how they get on.
        """
        self._sending = sending
        self._jobs = jobs
        self._rate = rate
        self._fleet = fleet
        self._listener = listener
        self._accounts: dict[str, Spent] = {}

    @property
    def spent(self) -> Spent:
        """See Crew: as far as workers have told."""
        cost = self._fleet.cost
        own = Spent(requests=cost.requests, bytes_fetched=cost.bytes_fetched)
        return sum(self._accounts.values(), own)

    def spread(self, work: Work[Any, Item, Result], items: Sequence[Item]) -> Iterator[Done[Item, Result]]:
        """See Crew.

        Raises: ClusterLost, WorkerUnfit.
        """
        if not items:
            return
        self._listener(
            Started(operation=work.title, title=work.title, total=sum(map(work.count, items)), unit=work.unit)
        )
        waiting = deque(_cut(items, self.together(len(items), work.batch)))
        sent: dict[int, Sequence[Item]] = {}
        try:
            while waiting or sent:
                while waiting and len(sent) < _AHEAD * self._sending.threads:
                    batch = waiting.popleft()
                    try:
                        sent[self._send(work, batch)] = batch
                    except UnicodeEncodeError:
                        yield from self._split(waiting, batch, Untold(what=ascii(batch[0])), work)
                if sent:
                    answer = self._sending.receive()
                    yield from self._take(work, waiting, sent.pop(answer.number), answer)
        finally:
            self._sending.cancel()
            self._listener(Finished(operation=work.title))

    def end(self) -> None:
        """See Crew."""
        self._sending.cancel()

    def together(self, count: int, most: int) -> int:
        """Return how many items should go together: few if there are few, but as many as a worker can do at once.

        Args:
            count: how many there are.
            most: that may go together.
        """
        threads = self._sending.threads
        return max(1, min(most, max(-(-count // (_ROUNDS * threads)), min(self._jobs, -(-count // threads)))))

    def _send(self, work: Work[Any, Any, Any], batch: Sequence[Item]) -> int:
        rate = None if self._rate is None else self._rate / self._sending.workers
        return self._sending.send(work.name, pack(list(batch)), rate)

    def _take(
        self, work: Work[Any, Item, Result], waiting: deque[Sequence[Item]], batch: Sequence[Item], answer: Answer
    ) -> Iterator[Done[Item, Result]]:
        """Take what came of a batch."""
        if answer.content is None:
            yield from self._split(waiting, batch, EndsWorkers(count=answer.deaths), work)
            return
        told = _read_batch(answer.content, len(batch))
        self._accounts[told.account] = told.spent
        for notice in told.notices:
            self._listener(Noticed(message=notice))
        self._listener(Advanced(operation=work.title, amount=sum(map(work.count, batch))))
        for item, outcome in zip(batch, told.outcomes, strict=True):
            result = None if outcome.result is None else _read(Parcel(outcome.result), work.result)
            yield Done(item, result, outcome.fault)

    def _split(
        self, waiting: deque[Sequence[Item]], batch: Sequence[Item], error: ImageFault, work: Work[Any, Item, Any]
    ) -> Iterator[Done[Item, Any]]:
        """Let the items of a batch go alone, before all others; of one that is alone say what is wrong with it."""
        if len(batch) > 1:
            waiting.extendleft([item] for item in reversed(batch))
            return
        self._listener(Advanced(operation=work.title, amount=work.count(batch[0])))
        yield Done(batch[0], None, fault_of(error))


@contextmanager
def muster(
    cluster: Cluster,
    trade: str,
    terms: object,
    *,
    options: Options,
    jobs: int,
    rate: float | None,
    fleet: Fleet,
    listener: Listener,
    patience: float = PATIENCE,
) -> Iterator[DistantCrew]:
    """Call the workers of a cluster together for some work; at the end they forget it.

    Args:
        cluster: whose workers.
        trade: what they shall be, see `station.TRADES`.
        terms: what they are told, see there.
        options: how images are reached, but for what each worker knows by itself: its logins, its cache.
        jobs: items that a worker does at the same time.
        rate: [requests/s] that one host is asked at most by all of them together.
        fleet: what this process itself asks with.
        listener: told how they get on.
        patience: [s] without a worker before the work is given up.
    Raises: MalformedCluster, NoDask, ClusterUnreachable, OtherRelease, ClusterLost.
    """
    order = Order(
        trade=trade,
        terms=pack(terms).content,
        options=options,
        keeps=options.cache_dir is not None,
        jobs=jobs,
    )
    with cluster.connect("rafsight") as client:
        sending = Sending(client, cluster.address, pack_order(order), listener=listener, patience=patience)
        try:
            sending.await_workers()
            yield DistantCrew(sending, jobs=jobs, rate=rate, fleet=fleet, listener=listener)
        finally:
            sending.end()


def _cut(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _read_batch(content: Any, count: int) -> Batch:
    """Read what came of some items.

    Raises: WorkerUnfit.
    """
    told = _read(content, Batch) if isinstance(content, Parcel) else Batch()
    assert isinstance(told, Batch)
    if told.final is not None:
        raise WorkerUnfit(worker=told.worker, why=told.final.message, advice=told.final.advice)
    if len(told.outcomes) != count:
        why = f"{len(told.outcomes)} answers to {count} questions"
        raise _unreadable(why)
    return told


def _read(content: Parcel, kind: Any) -> Any:
    try:
        return unpack(content, kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(str(error)) from error


def _unreadable(why: str) -> WorkerUnfit:
    advice = "See that the same release of rafsight is installed there, and that nobody else is in it."
    return WorkerUnfit(worker="that had a call", why=f"what it says is no answer: {why}", advice=advice)
