"""Calls that travel to the workers of a Dask cluster, and their answers.

What a worker had in hand when it died is done again by another: the scheduler sees to that, and an answer is taken
once. This module alone decides what is made of a cluster that fails.
"""

import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from secrets import token_hex
from threading import Thread
from typing import Any, Final

from rafsight.base.errors import ExitStatus, HostLimit
from rafsight.base.events import Listener, Noticed
from rafsight.hunt.cluster import ClusterUnreachable, load_dask
from rafsight.hunt.station import end_work, hand_on, work_on
from rafsight.hunt.wire import OtherRelease, Parcel

PATIENCE: Final = 60.0
"""[s] without a worker before the work is given up."""
_LOOK: Final = 2.0
"""[s] between two looks at how the cluster does."""
_ANSWER: Final = 30.0
"""[s] that a worker may take to hand over what is done, before the cluster is looked at."""
_FAREWELL: Final = 5.0
"""[s] that the end may take."""


class ClusterLost(HostLimit):
    """A cluster has gone in the middle of some work."""

    code = "cluster-lost"
    template = "the Dask cluster {address} is lost: {why}"
    remedy = "When it is back, go on: hunts with --state and `index update` do not ask again what was answered."
    exit_status = ExitStatus.UNAVAILABLE
    permanent = False


class WorkerUnfit(HostLimit):
    """A worker of a cluster cannot take part, and so the answers would have holes."""

    code = "worker-unfit"
    template = "the worker {worker} cannot take part: {why}"
    remedy = "{advice} This is to be done on that worker."
    exit_status = ExitStatus.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a call."""

    number: int
    """Of the call."""
    content: Parcel | None
    """None: the workers that had it died, one after the other."""
    deaths: int = 0
    """How many did."""


class Sending:
    """Calls of one order. Not safe to share between threads."""

    def __init__(
        self, client: Any, address: str, order: Parcel, *, listener: Listener, patience: float = PATIENCE
    ) -> None:
        """Send the order; a cluster that grows when there is something to do begins to.

        Args:
            client: a `distributed.Client`.
            address: what people call the cluster.
            order: as `pack_order` wrote it.
            listener: told about trouble that may pass.
            patience: [s] without a worker before the work is given up.
        """
        self._client = client
        self._address = address
        self._listener = listener
        self._patience = patience
        self._name = f"rafsight-{token_hex(8)}"
        self._count = 0
        self._running: dict[Any, int] = {}
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._workers: dict[str, int] = {}
        self._looked = float("-inf")
        self._seen = time.monotonic()
        self._killed = load_dask().KilledWorker
        self._order = client.submit(hand_on, order, key=f"{self._name}-order", pure=False)

    @property
    def workers(self) -> int:
        """How many processes there are, as last seen; at least one."""
        return max(len(self._workers), 1)

    @property
    def threads(self) -> int:
        """How many calls they do at the same time; at least one."""
        return max(sum(self._workers.values()), 1)

    def await_workers(self) -> None:
        """Wait for the first worker, and make sure that all have the rafsight that is here.

        Raises: ClusterUnreachable, OtherRelease, ClusterLost.
        """
        self.look()
        if not self._workers:
            self._listener(Noticed(message=f"waiting for a worker to join the cluster {self._address}"))
        while not self._workers:
            if time.monotonic() - self._seen > self._patience:
                raise ClusterUnreachable(address=self._address, why="no worker has joined it")
            time.sleep(min(_LOOK, self._patience) / 10)
            self.look()
        found = self._asked(lambda: self._client.get_versions(packages=["rafsight"]))
        ours = found["client"]["packages"]["rafsight"]
        for worker, facts in sorted(found["workers"].items()):
            theirs = facts["packages"].get("rafsight")
            if ours and theirs != ours:
                what = f"rafsight {theirs}" if theirs else "no rafsight"
                raise OtherRelease(worker=worker, theirs=what, ours=f"rafsight {ours}")

    def look(self) -> None:
        """See which workers there are.

        Raises: ClusterLost.
        """
        self._workers = self._asked(self._client.nthreads)
        self._looked = time.monotonic()
        if self._workers:
            self._seen = self._looked

    def send(self, work: str, items: Parcel, rate: float | None) -> int:
        """Send a call; see `work_on`.

        Returns: Its number.
        """
        self._count += 1
        key = f"{self._name}-{work}-{self._count}"
        future = self._client.submit(
            work_on, self._name, self._order, work, items, rate, key=key, pure=False, retries=0
        )
        self._running[future] = self._count
        future.add_done_callback(self._ended.put)
        return self._count

    def receive(self) -> Answer:
        """Wait for the next call that ends.

        Raises: ClusterLost, WorkerUnfit.
        """
        while True:
            try:
                future = self._ended.get(timeout=_LOOK)
            except Empty:
                future = None
            if time.monotonic() - self._looked > _LOOK:
                self.look()
            if time.monotonic() - self._seen > self._patience:
                raise ClusterLost(address=self._address, why=f"it has had no worker for {self._patience:.0f} s")
            if future in self._running and (answer := self._answer(future)) is not None:
                return answer

    def cancel(self) -> None:
        """Give up all calls that are under way."""
        running, self._running = list(self._running), {}
        if running:
            self._in_time(lambda: self._client.cancel(running))

    def end(self) -> None:
        """Give up everything, and let the workers close what the order needs."""
        self.cancel()
        self._in_time(lambda: self._client.run(end_work, self._name, on_error="ignore"))
        self._order.release()

    def _answer(self, future: Any) -> Answer | None:
        """Take the answer of a call that has ended; None if it has to be waited for."""
        try:
            content = future.result(timeout=_ANSWER)
        except TimeoutError:
            self.look()
            self._ended.put(future)  # whoever has the answer is dead or busy
            return None
        except self._killed as error:
            return Answer(self._running.pop(future), None, error.allowed_failures + 1)
        except (CancelledError, OSError) as error:
            raise ClusterLost(address=self._address, why="it does not know our calls any more") from error
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            advice = "See that the same release of rafsight is installed there."
            raise WorkerUnfit(worker="that had a call", why=why, advice=advice) from error
        return Answer(self._running.pop(future), content)

    def _asked(self, question: Callable[[], Any]) -> Any:
        """Ask the scheduler.

        Raises: ClusterLost.
        """
        if self._client.status != "running":
            raise ClusterLost(address=self._address, why="its scheduler has gone")
        try:
            return question()
        except (OSError, CancelledError) as error:
            raise ClusterLost(address=self._address, why=f"its scheduler does not answer: {error}") from error

    def _in_time(self, action: Callable[[], object]) -> None:
        """Do something on the way out, if it can be done in a few seconds."""

        def act() -> None:
            try:
                action()
            except (OSError, CancelledError, RuntimeError):  # it is gone: what we wanted to tell it does not count
                return

        if self._client.status == "running":
            thread = Thread(target=act, name="rafsight-farewell", daemon=True)
            thread.start()
            thread.join(_FAREWELL)
