"""The pool: claims jobs for its slots, and keeps the store told that this replica lives.

One thread does all of it, so that nothing here needs a lock. It waits for answers of workers, for somebody who wakes
it, or for a second to pass. This module alone decides when the store is asked for work.
"""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import wait
from typing import Final

from rafsight.base.errors import Defect, RafsightError
from rafsight.base.events import Listener, Noticed, silent
from rafsight.interfaces.service.jobs.contract import REPLICA_TIMEOUT, JobStore
from rafsight.interfaces.service.workers.lending import Lending
from rafsight.interfaces.service.workers.runners import open_runners
from rafsight.interfaces.service.workers.slot import Outcome, Slot, ignore
from rafsight.interfaces.service.workers.task import WorkerSetup
from rafsight.interfaces.service.workers.terms import PoolTerms, ScanSettings
from rafsight.interfaces.service.workers.worker import SCAN

POLL: Final = 1.0
"""[s] after which the store is asked for work that others accepted."""
_CHORES: Final = REPLICA_TIMEOUT / 6000
"""[s] between two signs of life."""
_PAUSE: Final = 1.0
"""[s] after trouble with the store."""
_FORGET_SOME: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolState:
    """How the workers do."""

    slots: int
    """Scans that can run at the same time."""
    busy: int
    starts: int
    """Worker processes that were begun; many more than slots mean that many were killed or died."""
    trouble: str
    """What ails the store or the cluster, as last heard; empty: nothing."""
    is_alive: bool
    """It was started and has not ended."""


class Pool:
    """The workers of one replica. `start`, `wake`, `recheck`, `state` and `stop` may be called from any thread."""

    def __init__(
        self,
        store: JobStore,
        *,
        lending: Lending,
        terms: PoolTerms,
        scans: ScanSettings,
        replica: str,
        environment: Mapping[str, str],
        listener: Listener = silent,
        observer: Callable[[Outcome], None] = ignore,
        work: str = SCAN,
    ) -> None:
        """Start nothing yet.

        Args:
            store: where the jobs are.
            lending: the credentials of this replica.
            terms: how many, how long.
            scans: how images are scanned.
            replica: the name of this one; no other has it, not even the one before on the same machine.
            environment: of this process; workers get the part of it that Python needs.
            listener: told about trouble.
            observer: told about each attempt that ended here; from the pool's thread, so it should be quick.
            work: `MODULE:FUNCTION` that scans.
        """
        self._store = store
        self._lending = lending
        self._replica = replica
        self._retry_in = terms.retry_in
        self._listener = listener
        setup = WorkerSetup(work=work, settings=_absolute(scans), nice=terms.nice, memory_limit=terms.memory_limit)
        self._runners = open_runners(setup, terms, environment, self.wake)
        self._waker, self._sleeper = socket.socketpair()
        self._waker.setblocking(False)
        self._sleeper.setblocking(False)
        self._slots = [
            Slot(store=store, runner=self._runners.make(number), lending=lending, terms=terms, observer=observer)
            for number in range(terms.workers)
        ]
        self._thread = threading.Thread(target=self._run, name="rafsight-pool")
        self._is_urgent = False
        self._is_called = False
        """Somebody called, and the pool has not looked yet."""
        self._end: float | None = None
        """[s] When what still runs is given back; None: nobody wants an end."""
        self._given_back = 0
        self._trouble = ""
        self._chores_due = 0.0
        """[s]"""

    def start(self) -> None:
        """Begin to work.

        Raises: what the store raises: without it nothing can be begun.
        """
        try:
            self._store.beat(self._replica)
        except RafsightError:
            self._close()
            raise
        self._thread.start()

    def wake(self) -> None:
        """Look for work now: an order was accepted."""
        if self._is_called:
            return  # a burst of orders is one call
        self._is_called = True
        with suppress(OSError):  # the pool has ended
            self._waker.send(b"\0")

    def recheck(self) -> None:
        """See now whether all running jobs are still wanted: one was cancelled."""
        self._is_urgent = True
        self.wake()

    def state(self) -> PoolState:
        """Return how the workers do."""
        return PoolState(
            slots=len(self._slots),
            busy=sum(not slot.is_free for slot in self._slots),
            starts=sum(slot.runner.starts for slot in self._slots),
            trouble=self._trouble,
            is_alive=self._thread.is_alive(),
        )

    def stop(self, grace: float) -> bool:
        """End: take no more work, let what runs finish, and give the rest back.

        Args:
            grace: [s] for what runs.
        Returns: Whether all that ran was finished.
        Cost: waits as long as that, and a few seconds more at most.
        """
        self._end = time.monotonic() + grace
        self.wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._close()
        return not self._given_back

    def _close(self) -> None:
        self._waker.close()
        self._sleeper.close()
        self._runners.close()

    def _run(self) -> None:
        """Work until the end."""
        try:
            while not self._is_over():
                self._wait(POLL if self._round() else _PAUSE)
        finally:
            self._leave()

    def _is_over(self) -> bool:
        if self._end is None:
            return False
        return all(slot.is_free for slot in self._slots) or time.monotonic() >= self._end

    def _round(self) -> bool:
        """Do all that can be done now; False if something was in the way."""
        is_urgent, self._is_urgent = self._is_urgent, False
        is_well = self._try(self._do_chores)
        for slot in self._slots:
            is_well &= self._try(partial(_tend, slot, is_urgent=is_urgent))
        if is_well and self._end is None:
            is_well = self._try(self._claim)
        if is_well:
            self._trouble = ""
        return is_well

    def _try(self, step: Callable[[], object]) -> bool:
        """Do something that the store may refuse; it is done again in the next round."""
        try:
            step()
        except RafsightError as error:
            trouble = str(error)
        except Exception as error:  # noqa: BLE001 - a mistake in one job must not end the work of all
            trouble = str(Defect(what=f"the pool met {type(error).__name__}: {error}"))
        else:
            return True
        if trouble != self._trouble:
            self._trouble = trouble
            self._listener(Noticed(message=f"jobs do not go on: {trouble}"))
        return False

    def _claim(self) -> None:
        """Fill the free slots."""
        for slot in self._slots:
            if slot.is_free:
                claim = self._store.claim(worker=slot.runner.name, replica=self._replica, lease=slot.terms.lease)
                if claim is None:
                    return
                slot.begin(claim)

    def _do_chores(self) -> None:
        """Say that we live, take back what others left, forget what nobody waits for."""
        now = time.monotonic()
        if now < self._chores_due:
            return
        self._store.beat(self._replica)
        self._store.sweep(retry_in=self._retry_in)
        for request_id in self._lending.held()[:_FORGET_SOME]:
            found = self._store.request(request_id)
            if found is not None and found[1].finished is not None:
                self._lending.forget(request_id)
        self._chores_due = now + _CHORES

    def _wait(self, seconds: float) -> None:
        """Wait for an answer, a call, or some time."""
        pipes = [pipe for slot in self._slots if slot.is_running and (pipe := slot.runner.signal) is not None]
        wait([self._sleeper, *pipes], seconds)
        self._is_called = False  # before what was sent is taken: who calls from here on sends again
        with suppress(OSError):
            while self._sleeper.recv(4096):
                pass

    def _leave(self) -> None:
        """Give back what still runs, end the workers, and say so."""
        for slot in self._slots:
            self._given_back += not slot.is_free
            self._try(slot.give_back)
            slot.runner.close()
        self._try(partial(self._store.leave, self._replica))


def _tend(slot: Slot, *, is_urgent: bool) -> None:
    """See to a slot; after a mistake of ours it is free for others, and its job goes back when the lease is over."""
    try:
        slot.tend(is_urgent=is_urgent)
    except RafsightError:
        raise
    except Exception:
        slot.abandon()
        raise


def _absolute(scans: ScanSettings) -> ScanSettings:
    """Name files so that a process in another folder finds them."""
    return replace(
        scans,
        database=scans.database and scans.database.absolute(),
        cache_dir=scans.cache_dir and scans.cache_dir.absolute(),
        config=scans.config and scans.config.absolute(),
        ca_files=tuple(path.absolute() for path in scans.ca_files),
    )
