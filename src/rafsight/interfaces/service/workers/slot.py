"""One place where a scan runs: a claimed job from its claim to the moment when the store knows what came of it.

    claim -> send -> (extend the lease, watch the time) -> answer -> finish or fail -> free

This module alone decides what becomes of a job whose worker answers, dies, takes too long or is not wanted any more.
What the store does not take now (it may be away for a while) is offered again until it does, or until the job is not
ours.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from rafsight.base.errors import CallerError, Defect, HostLimit, RafsightError
from rafsight.interfaces.service.jobs.contract import LOST, JobStore, retry_delay
from rafsight.interfaces.service.jobs.model import Claim, Failure, Job, JobState, ReportHead, Request
from rafsight.interfaces.service.workers.lending import Lending
from rafsight.interfaces.service.workers.runners import Runner, RunnerLost
from rafsight.interfaces.service.workers.task import ScanAnswer, ScanPlace, ScanTask
from rafsight.interfaces.service.workers.terms import PoolTerms

PLACES: Final = 8
"""Places that are tried for one scan, at most."""
HEARTBEAT: Final = 5.0
"""[s] between two extensions of a lease, at most; a cancelled scan runs no longer than that."""


def too_slow(limit: float) -> Failure:
    """Say that a scan took too long."""
    return Failure(
        code="scan-timeout",
        message=f"the scan took more than {limit:g} s and was stopped",
        remedy="Raise the time limit of scans, or see why the registry is slow.",
        is_permanent=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An attempt that ended, for logs and metrics."""

    job: Job
    """As it was claimed."""
    seconds: float
    report: ReportHead | None
    """None: it failed."""
    failure: Failure | None
    state: JobState | None
    """What the job is now; None: it was not ours any more."""


def ignore(outcome: Outcome) -> None:
    """Listen to nothing."""
    del outcome


@dataclass(slots=True)
class Slot:
    """One runner, and the job that it has."""

    store: JobStore
    runner: Runner
    lending: Lending
    terms: PoolTerms
    observer: Callable[[Outcome], None] = ignore
    clock: Callable[[], float] = time.monotonic
    claim: Claim | None = None
    _answer: ScanAnswer | None = None
    """What the store has not taken yet."""
    _began: float = 0.0
    """[s]"""
    _until: float = 0.0
    """[s] when the scan has taken too long."""
    _beat: float = 0.0
    """[s] when the lease is extended next."""
    _lent: tuple[str, ...] = field(default=())

    @property
    def is_free(self) -> bool:
        """Tell whether it can take a job."""
        return self.claim is None

    @property
    def is_running(self) -> bool:
        """Tell whether its runner has something to do."""
        return self.claim is not None and self._answer is None

    def begin(self, claim: Claim) -> None:
        """Take a claimed job."""
        now = self.clock()
        self.claim, self._answer = claim, None
        self._began = now
        self._until = now + self.terms.time_limit
        self._beat = now + self._pause()
        self._lent = tuple(request.id for request in claim.requests if request.is_lent)
        try:
            self.runner.send(self._task(claim))
        except RunnerLost:
            self._answer = self._failed(LOST)

    def tend(self, *, is_urgent: bool = False) -> bool:
        """See how the job is going; tell whether something happened.

        Args:
            is_urgent: ask the store now whether the job is still ours.
        Raises: RafsightError: of the store; call again.
        """
        claim = self.claim
        if claim is None:
            return False
        if self._answer is None:
            self._answer = self._look(claim)
        if self._answer is not None:
            self._settle(claim, self._answer)
            return True
        if is_urgent or self.clock() >= self._beat:
            self._beat = self.clock() + self._pause()
            if not self.store.extend(claim.job.id, claim.ticket, lease=self.terms.lease):
                self.runner.kill()
                self._forget()
                return True
        return False

    def give_back(self) -> None:
        """Stop what runs, and let others do it; the attempt does not count."""
        claim = self.claim
        if claim is not None:
            self.runner.kill()
            self.store.release(claim.job.id, claim.ticket)
            self.claim = None

    def abandon(self) -> None:
        """Stop what runs and forget it; others get the job when its lease is over."""
        self.claim, self._answer = None, None
        self.runner.kill()

    def _look(self, claim: Claim) -> ScanAnswer | None:
        """Return what came of the scan; None if it goes on."""
        try:
            answer = self.runner.answer()
        except RunnerLost:
            return self._failed(LOST)
        if answer is not None and answer.job_id == claim.job.id:
            return answer
        if answer is not None or self.clock() >= self._until:
            self.runner.kill()
            return self._failed(LOST if answer is not None else too_slow(self.terms.time_limit))
        return None

    def _settle(self, claim: Claim, answer: ScanAnswer) -> None:
        """Tell the store."""
        job = claim.job
        if answer.report is not None:
            try:
                head = self.store.finish(job.id, claim.ticket, answer.report)
            except RafsightError as error:
                if not _is_hopeless(error):
                    raise
                self._answer = self._failed(Failure(code=error.code, message=str(error), remedy=error.advice))
                return
            self._tell(job, JobState.DONE if head else None, report=head)
        else:
            failure = answer.failure or LOST
            wait = None if failure.is_permanent else retry_delay(self.terms.retry_in, job.attempts)
            self._tell(job, self.store.fail(job.id, claim.ticket, failure, retry_in=wait), failure=failure)
        self._forget()

    def _tell(
        self, job: Job, state: JobState | None, *, report: ReportHead | None = None, failure: Failure | None = None
    ) -> None:
        seconds = self.clock() - self._began
        self.observer(Outcome(job=job, seconds=seconds, report=report, failure=failure, state=state))

    def _forget(self) -> None:
        """Be free; credentials of requests that were served are not needed any more."""
        claim, self.claim, self._answer = self.claim, None, None
        if claim is None or not self._lent:
            return
        job = self.store.job(claim.job.id)
        if job is None or job.finished is not None:
            self.lending.forget(*self._lent)

    def _failed(self, failure: Failure) -> ScanAnswer:
        assert self.claim is not None
        return ScanAnswer(job_id=self.claim.job.id, failure=failure)

    def _pause(self) -> float:
        return min(self.terms.lease / 3000, HEARTBEAT)

    def _task(self, claim: Claim) -> ScanTask:
        job = claim.job
        return ScanTask(
            job_id=job.id,
            digest=job.place.digest,
            scanners=job.scanners,
            declared=job.declared,
            platform=job.platform,
            places=self._places(claim),
        )

    def _places(self, claim: Claim) -> tuple[ScanPlace, ...]:
        """Return where the image may be read: first with what was lent, and as ourselves only where nothing was.

        A request whose credential is lost (its replica died) is served with the service's own logins, if any.
        """
        places = dict.fromkeys(self._place(request) for request in claim.requests)
        ordered = sorted(places, key=lambda place: not place.password)
        return tuple(ordered[:PLACES]) or (self._place_of_job(claim),)

    def _place(self, request: Request) -> ScanPlace:
        lent = self.lending.find(request.id) if request.is_lent else None
        return ScanPlace(
            registry=request.place.registry,
            repository=request.place.repository,
            tag=request.place.tag,
            plain_http=request.plain_http,
            username=lent.username if lent else "",
            password=lent.password if lent else "",
        )

    def _place_of_job(self, claim: Claim) -> ScanPlace:
        place = claim.job.place
        return ScanPlace(
            registry=place.registry, repository=place.repository, tag=place.tag, plain_http=claim.job.plain_http
        )


def _is_hopeless(error: RafsightError) -> bool:
    """Tell whether the store will never take this."""
    return error.permanent and isinstance(error, CallerError | Defect | HostLimit)
