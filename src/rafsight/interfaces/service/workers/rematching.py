"""Every stored report against the advisory database, when that is another one than the last time.

No registry is asked: what is in the images is stored. A worker process does the matching, one report at a time, so that
the service stays quick; the reports stay readable meanwhile, each is replaced when its new one is there. This module
alone decides when that happens, and that what is new is told.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import rafsight
from rafsight.base.events import Listener, Noticed, silent
from rafsight.interfaces.service.jobs.contract import JobStore
from rafsight.interfaces.service.jobs.model import DeliveryWish, NewNews, ReportHead
from rafsight.interfaces.service.workers.chore import Chore
from rafsight.interfaces.service.workers.process import WorkerProcess
from rafsight.interfaces.service.workers.task import ScanAnswer, ScanTask, WorkerSetup
from rafsight.interfaces.service.workers.terms import ScanSettings
from rafsight.interfaces.service.workers.worker import SCAN

MATCHED: Final = "matched-database"
"""The mark with the digest of the database that all reports were last matched with."""
BUILT: Final = "matched-database-built"
"""The mark that says when that database was built."""
CHORE: Final = "match-again"
_LEASE: Final = 120_000
"""[ms]"""
_LIMIT: Final = 60.0
"""[s] that one report may take."""
_LOOK: Final = 0.5
"""[s] between two looks whether everything ends."""
_BATCH: Final = 50
_NICE: Final = 15

WishesFor = Callable[[ReportHead, NewNews], Sequence[DeliveryWish]]
"""Who is told what is new in a report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RematchState:
    """How the matching does."""

    is_running: bool
    done: int
    """Reports of the present or latest round."""
    unreadable: int
    """Of them: those that could not be matched."""
    news: int
    """Of them: those with something new."""


class Rematcher:
    """The chore of one replica. `start`, `request`, `stop` and `state` may be called from any thread."""

    def __init__(
        self,
        store: JobStore,
        *,
        database: Path,
        replica: str,
        environment: Mapping[str, str],
        wishes_for: WishesFor | None = None,
        every: float = 60.0,
        listener: Listener = silent,
    ) -> None:
        """Start nothing yet.

        Args:
            store: where the reports are.
            database: looked at for its digest.
            replica: the name of this one.
            environment: of this process; the worker gets what Python needs of it.
            wishes_for: who is told; None: nobody.
            every: [s] between two looks at the database.
            listener: told what was done, and about trouble.
        """
        self._store = store
        self._database = database.absolute()
        self._replica = replica
        self._environment = environment
        self._wishes_for = wishes_for
        self._listener = listener
        self._state = RematchState(is_running=False, done=0, unreadable=0, news=0)
        self._given_up: tuple[str, set[str]] = ("", set())
        """A database, and the reports that could not be matched with it."""
        self._matched = ""
        """The database that this replica itself matched last."""
        self._chore = Chore("matching again", self._step, every=every, listener=listener)

    def start(self) -> None:
        """Begin to look at the database."""
        self._chore.start()

    def request(self) -> None:
        """Match again now what another database was asked for, though the store says that all is done."""
        self._chore.request()

    def stop(self) -> None:
        """End; the report that is being matched is left for the next time."""
        self._chore.stop()

    def state(self) -> RematchState:
        """Return how it does."""
        return self._state

    def _step(self, is_wanted: bool) -> bool:
        """Look at the database; match if it is a new one, and if that is ours to do."""
        status = rafsight.Advisories(self._database).status()
        digest = status.digest
        if not digest or not (is_wanted or self._is_due(digest, status.built)):
            return True
        if not self._store.take_turn(CHORE, self._replica, lease=_LEASE):
            return False
        self._state = RematchState(is_running=True, done=0, unreadable=0, news=0)
        try:
            if self._match_all(digest):
                self._store.set_mark(BUILT, status.built)
                self._store.set_mark(MATCHED, digest)
                self._matched = digest
        finally:
            self._state = replace(self._state, is_running=False)
            self._store.end_turn(CHORE, self._replica)
        return True

    def _is_due(self, digest: str, built: str) -> bool:
        """Tell whether reports are to be matched.

        Where replicas have copies of the database of their own, who has an older one than was matched leaves it alone;
        of two that were built at the same moment each matches once, so that they do not take turns for ever. A scan
        that began with the database before may have ended after all were matched: so stale reports are looked for each
        time.
        """
        if digest != self._store.mark(MATCHED):
            known = self._store.mark(BUILT)
            return built > known or (built == known and digest != self._matched)
        if self._given_up[0] != digest:
            self._given_up = (digest, set())
        hopeless = self._given_up[1]
        return not hopeless.issuperset(self._store.stale_reports(digest, limit=len(hopeless) + 1))

    def _match_all(self, digest: str) -> bool:
        """Match what is stale; False if it was interrupted."""
        setup = WorkerSetup(work=SCAN, settings=ScanSettings(database=self._database), nice=_NICE, memory_limit=None)
        self._given_up = (digest, set())
        with _Matcher(setup, self._environment, is_ending=lambda: self._chore.is_ending) as matcher:
            after = ""
            while ids := self._store.stale_reports(digest, limit=_BATCH, after=after):
                for report_id in ids:
                    if not self._store.take_turn(CHORE, self._replica, lease=_LEASE):
                        return False
                    self._match_one(report_id, matcher)
                    if self._chore.is_ending:
                        return False
                after = ids[-1]
        state = self._state
        if state.done:
            self._listener(
                Noticed(
                    message=f"{state.done} reports were matched with the database {digest}: {state.news} with news, "
                    f"{state.unreadable} could not be matched"
                )
            )
        return True

    def _match_one(self, report_id: str, matcher: "_Matcher") -> None:
        stored = self._store.report(report_id)
        if stored is None:
            return
        state = self._state
        answer = matcher.match(report_id, stored.content)
        if answer is None and self._chore.is_ending:
            return
        if answer is None or answer.report is None:
            why = answer.failure.message if answer is not None and answer.failure else "the process died"
            self._listener(Noticed(message=f"the report {report_id} was not matched again: {why}"))
            self._state = replace(state, done=state.done + 1, unreadable=state.unreadable + 1)
            self._given_up[1].add(report_id)
            return
        news, wishes = answer.news, tuple[DeliveryWish, ...]()
        if news is not None and self._wishes_for is not None:
            wishes = tuple(self._wishes_for(stored.head, news))
        self._store.revise(report_id, answer.report, seen_matched=stored.head.matched, news=news, wishes=wishes)
        self._state = replace(state, done=state.done + 1, news=state.news + (news is not None))


class _Matcher:
    """A worker process that is begun when there is something to match."""

    def __init__(self, setup: WorkerSetup, environment: Mapping[str, str], *, is_ending: Callable[[], bool]) -> None:
        self._setup = setup
        self._environment = environment
        self._is_ending = is_ending
        self._process: WorkerProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def match(self, report_id: str, content: bytes) -> ScanAnswer | None:
        """Match a report; None if the process died of it, took too long, or everything ends."""
        if self._process is None:
            self._process = WorkerProcess(self._setup, self._environment)
        task = ScanTask(job_id=report_id, digest="", scanners=(), declared=False, platform="", places=(), kept=content)
        self._process.send(task)
        until, answer = time.monotonic() + _LIMIT, None
        with suppress(EOFError):
            while answer is None and time.monotonic() < until and not self._is_ending():
                answer = self._process.answer(_LOOK)
        if answer is None or answer.is_spent:
            self._end()
        return answer

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
