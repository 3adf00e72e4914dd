"""What a store of jobs and reports has to do.

    accept -> WAITING -> claim -> RUNNING -> finish -> DONE
                 ^                   |------> fail (permanent, or the last attempt) -> FAILED
                 +---- fail (again later), release, lease over
    cancel: WAITING or RUNNING -> CANCELLED

This module alone says what callers may rely on; `sqlite.py` and `postgres.py` keep it, and one suite tests both.

Every method is one transaction: when it returns, what it did is on disk; when it raises, nothing was done. Methods
block, for milliseconds as a rule, and may be called from any thread. They raise the classes of `faults.py`, and what
they name themselves.
"""

import secrets
from collections.abc import Sequence
from typing import Final, Protocol

from rafsight.base.errors import ExitStatus, HostLimit
from rafsight.interfaces.service.jobs.model import (
    Accepted,
    Claim,
    Counts,
    Delivery,
    DeliveryState,
    DeliveryWish,
    Failure,
    ImageOrder,
    ImageRow,
    Job,
    JobState,
    NewNews,
    NewReport,
    News,
    Order,
    Page,
    Paging,
    Pruned,
    ReportHead,
    Request,
    StoredReport,
    Token,
)

MAX_ATTEMPTS: Final = 3
MAX_LOST: Final = 10
"""Attempts after which a job ends whose replica was not heard of any more: that a service is killed says little about
the image, but one that takes every replica with it has to end, too."""
RETRY_MOST: Final = 600_000
"""[ms]"""
REPLICA_TIMEOUT: Final = 30_000
"""[ms] A replica that has not been heard of for so long is dead, and so are the credentials that it held."""


LOST: Final = Failure(
    code="worker-lost",
    message="the worker that ran the scan ended, or was not heard of any more",
    remedy="See the service's log; a scan that needs much memory may want a larger limit.",
    is_permanent=False,
)
"""Why a job is taken back whose worker is no more."""


PUSHED: Final = "push"
"""`Order.source` of what a registry told of."""
NO_IMAGE: Final = "not-an-image"
"""Code of the failure of what was pushed and is a signature, a report or the like: registries do not always say so, and
nobody is told of it."""


class QueueFull(HostLimit):
    """So many jobs wait that no other is taken."""

    code = "queue-full"
    template = "{waiting} scans are waiting, and no more are taken"
    remedy = "Ask again later; more workers, or a larger --queue-limit, help against this."
    exit_status = ExitStatus.UNAVAILABLE
    permanent = False


def new_id() -> str:
    """Make an id that nobody can guess: 22 characters."""
    return secrets.token_urlsafe(16)


def retry_delay(retry_in: int, attempts: int) -> int:
    """Return how long to wait after some attempts: twice as long each time, up to ten minutes.

    Args:
        retry_in: [ms] after the first.
        attempts: that were made.
    """
    return min(retry_in << min(max(0, attempts - 1), 20), RETRY_MOST)


class JobStore(Protocol):
    """Jobs, reports and what belongs to them, shared by all replicas of the service. Thread-safe."""

    # --- jobs

    def accept(self, order: Order, *, replica: str, queue_limit: int, request_id: str = "") -> Accepted:
        """Take an order: begin a job, or join one for the same work (`Order.key`) that waits, runs, or is freshly done.

        Args:
            order: what is wanted. Its wishes become deliveries, due when the job is done; a wish that the same job
                has already (same kind, target and place) is not fulfilled twice.
            replica: who takes it; holds the credential if one was lent.
            queue_limit: jobs that may wait; joining is always possible.
            request_id: of the request to be, made by `new_id`, where a credential was lent under it before; empty:
                the store makes one.
        Raises: QueueFull.
        """
        ...

    def claim(self, *, worker: str, replica: str, lease: int) -> Claim | None:
        """Take the next job that is due, for a while; counts an attempt. None: there is none.

        A job for which only credentials were lent goes to a replica that holds one, while any of those is alive.

        Args:
            worker: who will run it, for people.
            replica: to which the worker belongs.
            lease: [ms] after which the job goes back unless it is extended.
        """
        ...

    def extend(self, job_id: str, ticket: str, *, lease: int) -> bool:
        """Keep a job a while longer; False: it is not ours any more (cancelled, or taken back), so stop.

        Args:
            job_id: claimed.
            ticket: of the claim.
            lease: [ms] from now.
        """
        ...

    def finish(self, job_id: str, ticket: str, report: NewReport) -> ReportHead | None:
        """Keep a report, end its job, and make its deliveries due, at once; None: the job is not ours any more.

        The report belongs to all places that the job's requests name.
        """
        ...

    def fail(self, job_id: str, ticket: str, failure: Failure, *, retry_in: int | None) -> JobState | None:
        """Say that an attempt failed. The job waits again, or ends with its deliveries told of that (not of NO_IMAGE).

        Args:
            job_id: claimed.
            ticket: of the claim.
            failure: why.
            retry_in: [ms] to wait; None, or no attempt left of MAX_ATTEMPTS: the job ends.
        Returns: What the job is now; None: it is not ours any more.
        """
        ...

    def release(self, job_id: str, ticket: str) -> bool:
        """Give a job back untried, so that the attempt does not count; False: it is not ours any more."""
        ...

    def sweep(self, *, retry_in: int) -> int:
        """Take back jobs whose lease is over: they wait again, or fail after MAX_LOST attempts.

        Args:
            retry_in: [ms] to wait.
        Returns: How many jobs.
        """
        ...

    def cancel(self, job_id: str) -> bool:
        """End a job, waiting or running, for all who asked; False: it has ended already, or never was."""
        ...

    def withdraw(self, request_id: str) -> bool:
        """Take a request back; its job is cancelled if nobody else waits for it. False: there was nothing to stop."""
        ...

    def job(self, job_id: str) -> Job | None:
        """Return a job."""
        ...

    def request(self, request_id: str) -> tuple[Request, Job] | None:
        """Return what somebody was promised, and what has become of it."""
        ...

    def jobs(self, paging: Paging, *, states: Sequence[JobState] = (), search: str = "") -> Page[Job]:
        """List jobs, the latest first.

        Args:
            paging: which part.
            states: of these only; empty: of all.
            search: part of `REGISTRY/REPOSITORY:TAG@DIGEST`; case does not matter for it.
        """
        ...

    # --- reports

    def report(self, report_id: str) -> StoredReport | None:
        """Return a report."""
        ...

    def head(self, report_id: str) -> ReportHead | None:
        """Return what is known about a report without its content."""
        ...

    def latest(self, digest: str, *, scanners: Sequence[str] = ()) -> ReportHead | None:
        """Return the latest report about a digest.

        Args:
            digest: as it was asked for, or of the manifest that was read.
            scanners: that it has to have at least.
        """
        ...

    def history(self, registry: str, repository: str, paging: Paging, *, tag: str | None = None) -> Page[ReportHead]:
        """List the reports about a repository, the latest scan first; what changed is between neighbours.

        Args:
            registry: HOST[:PORT].
            repository: its name.
            paging: which part.
            tag: what it has named; None: all of the repository.
        """
        ...

    def images(
        self, paging: Paging, *, search: str = "", order: ImageOrder = ImageOrder.WORST, registry: str = ""
    ) -> Page[ImageRow]:
        """List images: what each tag names now, and what was asked for by digest alone.

        Args:
            paging: which part.
            search: part of `REGISTRY/REPOSITORY:TAG@DIGEST`; case does not matter for it.
            order: how they are sorted.
            registry: of this one only; empty: of all.
        """
        ...

    def forget_image(self, registry: str, repository: str, *, digest: str = "", tag: str = "") -> int:
        """Take images out of the list that are no more in their registry (a registry told of it); reports stay.

        Returns: How many rows.
        """
        ...

    # --- matching again

    def stale_reports(self, database_digest: str, *, limit: int, after: str = "") -> list[str]:
        """Return ids of reports that another database was asked for: the latest of each digest and set of scanners.

        Args:
            database_digest: of the newer one.
            limit: how many at most.
            after: the last id of the answer before, so that a report that cannot be matched is not met again.
        Returns: Ordered; reports without vulnerabilities among their scanners are not there.
        """
        ...

    def revise(
        self,
        report_id: str,
        report: NewReport,
        *,
        seen_matched: int,
        news: NewNews | None,
        wishes: Sequence[DeliveryWish],
    ) -> News | None:
        """Put a report that was matched again in the place of the old one; news become deliveries.

        Args:
            report_id: which; keeps its id and the time of its scan.
            report: the new content.
            seen_matched: [ms] `matched` of the one that was read; nothing is done if it is another now.
            news: what is new; None: nothing is.
            wishes: who is told of it.
        Returns: The news as kept; None: there are none, or somebody else was faster.
        """
        ...

    def news(self, paging: Paging, *, report_id: str = "") -> Page[News]:
        """List news, the latest first; of one report only, if it is named."""
        ...

    def one_news(self, news_id: str) -> News | None:
        """Return news."""
        ...

    # --- deliveries

    def claim_delivery(self, *, lease: int) -> Delivery | None:
        """Take the next delivery that is due, for a while; counts an attempt. None: there is none.

        Args:
            lease: [ms] after which it is due again.
        """
        ...

    def delivered(self, delivery_id: str, ticket: str) -> bool:
        """Say that a delivery arrived; False: it is not ours any more."""
        ...

    def delivery_failed(self, delivery_id: str, ticket: str, failure: Failure, *, retry_in: int | None) -> bool:
        """Say that a delivery did not arrive; None: it is given up. False: it is not ours any more.

        Args:
            delivery_id: claimed.
            ticket: of the claim.
            failure: why.
            retry_in: [ms] to wait; how often is the caller's to decide, by `attempts`.
        """
        ...

    def deliveries(self, paging: Paging, *, states: Sequence[DeliveryState] = (), job_id: str = "") -> Page[Delivery]:
        """List deliveries, the latest first."""
        ...

    # --- replicas, chores and marks

    def beat(self, replica: str) -> None:
        """Say that a replica is alive; every few seconds, see REPLICA_TIMEOUT."""
        ...

    def leave(self, replica: str) -> None:
        """Say that a replica ends: what only it could do is open to the others at once."""
        ...

    def take_turn(self, chore: str, replica: str, *, lease: int) -> bool:
        """Tell whether a chore is ours to do now: one replica at a time, for a while; taking it again extends it."""
        ...

    def end_turn(self, chore: str, replica: str) -> None:
        """Give a chore back."""
        ...

    def mark(self, key: str) -> str:
        """Return a small text that was kept; empty: none."""
        ...

    def set_mark(self, key: str, value: str) -> None:
        """Keep a small text, such as the digest of the database that was last matched; at most 8192 characters."""
        ...

    def prune(self, *, older_than: int | None, size_limit: int | None, keep_requests: int) -> Pruned:
        """Remove what is old, then reports until the rest fits.

        The latest report of an image in the list goes only for its size; live jobs and their deliveries never go.

        Args:
            older_than: [ms] an age: reports by their scan, news and ended deliveries; None: age does not matter.
            size_limit: [bytes] that reports may take; the oldest go first; None: any.
            keep_requests: [ms] an age: ended jobs and their requests.
        """
        ...

    def counts(self) -> Counts:
        """Return the state of the store in numbers. Cost: a few counts over indexes; call it once a few seconds."""
        ...

    def check(self) -> None:
        """Ask the store for a sign of life, for readiness: raises what ails it."""
        ...

    # --- tokens

    def add_token(self, digest: bytes, *, name: str, scopes: Sequence[str], expires: int | None) -> Token:
        """Keep a token.

        Args:
            digest: SHA-256 of it; the token itself has 32 random bytes, so nobody can guess it from that.
            name: for people.
            scopes: what it may be used for.
            expires: [ms since 1970]; None: never.
        """
        ...

    def find_token(self, digest: bytes) -> Token | None:
        """Return the token with a digest, also if it is revoked or expired; says that it was used, once a minute."""
        ...

    def tokens(self) -> list[Token]:
        """List tokens, the latest first."""
        ...

    def revoke_token(self, token_id: str) -> bool:
        """End a token at once; False: there is none, or it is ended already."""
        ...

    def close(self) -> None:
        """Give back files and connections."""
        ...
