"""The store: each method of the contract as one transaction of a database, whichever it is."""

from collections.abc import Callable, Sequence
from dataclasses import replace

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
from rafsight.interfaces.service.jobs.sql import chores, deliveries, images, pruning, queue, reports
from rafsight.interfaces.service.jobs.sql.database import Cursor, Database

_NOTHING = Pruned(jobs=0, requests=0, reports=0, deliveries=0, freed=0)


class SqlJobStore:
    """A `JobStore`; what its methods do is said there."""

    def __init__(self, database: Database) -> None:
        """Take a database with the tables in it; it is closed with this."""
        self._database = database

    def accept(self, order: Order, *, replica: str, queue_limit: int, request_id: str = "") -> Accepted:
        """Take an order."""
        return self._database.write(
            lambda cursor: queue.accept(cursor, order, replica=replica, queue_limit=queue_limit, request_id=request_id)
        )

    def claim(self, *, worker: str, replica: str, lease: int) -> Claim | None:
        """Take the next job that is due."""
        if not self._database.read(queue.is_any_due):
            return None
        return self._database.write(lambda cursor: queue.claim(cursor, worker=worker, replica=replica, lease=lease))

    def extend(self, job_id: str, ticket: str, *, lease: int) -> bool:
        """Keep a job a while longer."""
        return self._database.write(lambda cursor: queue.extend(cursor, job_id, ticket, lease=lease))

    def finish(self, job_id: str, ticket: str, report: NewReport) -> ReportHead | None:
        """Keep a report and end its job."""
        return self._database.write(lambda cursor: reports.finish(cursor, job_id, ticket, report))

    def fail(self, job_id: str, ticket: str, failure: Failure, *, retry_in: int | None) -> JobState | None:
        """Say that an attempt failed."""
        return self._database.write(lambda cursor: queue.fail(cursor, job_id, ticket, failure, retry_in=retry_in))

    def release(self, job_id: str, ticket: str) -> bool:
        """Give a job back untried."""
        return self._database.write(lambda cursor: queue.release(cursor, job_id, ticket))

    def sweep(self, *, retry_in: int) -> int:
        """Take back jobs whose lease is over."""
        if not self._database.read(queue.is_any_lost):
            return 0
        return self._database.write(lambda cursor: queue.sweep(cursor, retry_in=retry_in))

    def cancel(self, job_id: str) -> bool:
        """End a job for all who asked."""
        return self._database.write(lambda cursor: queue.cancel(cursor, job_id))

    def withdraw(self, request_id: str) -> bool:
        """Take a request back."""
        return self._database.write(lambda cursor: queue.withdraw(cursor, request_id))

    def job(self, job_id: str) -> Job | None:
        """Return a job."""
        return self._database.read(lambda cursor: queue.job(cursor, job_id))

    def request(self, request_id: str) -> tuple[Request, Job] | None:
        """Return what somebody was promised."""
        return self._database.read(lambda cursor: queue.request(cursor, request_id))

    def jobs(self, paging: Paging, *, states: Sequence[JobState] = (), search: str = "") -> Page[Job]:
        """List jobs."""
        return self._database.read(lambda cursor: queue.jobs(cursor, paging, tuple(states), search))

    def report(self, report_id: str) -> StoredReport | None:
        """Return a report."""
        return self._database.read(lambda cursor: reports.report(cursor, report_id))

    def head(self, report_id: str) -> ReportHead | None:
        """Return a report without its content."""
        return self._database.read(lambda cursor: reports.head(cursor, report_id))

    def latest(self, digest: str, *, scanners: Sequence[str] = ()) -> ReportHead | None:
        """Return the latest report about a digest."""
        return self._database.read(lambda cursor: reports.latest(cursor, digest, scanners))

    def history(self, registry: str, repository: str, paging: Paging, *, tag: str | None = None) -> Page[ReportHead]:
        """List the reports about a repository."""
        return self._database.read(lambda cursor: reports.history(cursor, registry, repository, paging, tag))

    def images(
        self, paging: Paging, *, search: str = "", order: ImageOrder = ImageOrder.WORST, registry: str = ""
    ) -> Page[ImageRow]:
        """List images."""
        return self._database.read(
            lambda cursor: images.listing(cursor, paging, search=search, order=order, registry=registry)
        )

    def forget_image(self, registry: str, repository: str, *, digest: str = "", tag: str = "") -> int:
        """Take images out of the list."""
        return self._database.write(lambda cursor: images.forget(cursor, registry, repository, digest=digest, tag=tag))

    def stale_reports(self, database_digest: str, *, limit: int, after: str = "") -> list[str]:
        """Return reports that another database was asked for."""
        return self._database.read(lambda cursor: reports.stale(cursor, database_digest, limit, after))

    def revise(
        self,
        report_id: str,
        report: NewReport,
        *,
        seen_matched: int,
        news: NewNews | None,
        wishes: Sequence[DeliveryWish],
    ) -> News | None:
        """Put a report that was matched again in the place of the old one."""
        return self._database.write(
            lambda cursor: reports.revise(
                cursor, report_id, report, seen_matched=seen_matched, news=news, wishes=wishes
            )
        )

    def news(self, paging: Paging, *, report_id: str = "") -> Page[News]:
        """List news."""
        return self._database.read(lambda cursor: reports.news_listing(cursor, paging, report_id))

    def one_news(self, news_id: str) -> News | None:
        """Return news."""
        return self._database.read(lambda cursor: reports.one_news(cursor, news_id))

    def claim_delivery(self, *, lease: int) -> Delivery | None:
        """Take the next delivery that is due."""
        if not self._database.read(deliveries.is_any_due):
            return None
        return self._database.write(lambda cursor: deliveries.claim(cursor, lease=lease))

    def delivered(self, delivery_id: str, ticket: str) -> bool:
        """Say that a delivery arrived."""
        return self._database.write(lambda cursor: deliveries.delivered(cursor, delivery_id, ticket))

    def delivery_failed(self, delivery_id: str, ticket: str, failure: Failure, *, retry_in: int | None) -> bool:
        """Say that a delivery did not arrive."""
        return self._database.write(
            lambda cursor: deliveries.failed(cursor, delivery_id, ticket, failure, retry_in=retry_in)
        )

    def deliveries(self, paging: Paging, *, states: Sequence[DeliveryState] = (), job_id: str = "") -> Page[Delivery]:
        """List deliveries."""
        return self._database.read(lambda cursor: deliveries.listing(cursor, paging, tuple(states), job_id))

    def beat(self, replica: str) -> None:
        """Say that a replica is alive."""
        self._database.write(lambda cursor: chores.beat(cursor, replica))

    def leave(self, replica: str) -> None:
        """Say that a replica ends."""
        self._database.write(lambda cursor: chores.leave(cursor, replica))

    def take_turn(self, chore: str, replica: str, *, lease: int) -> bool:
        """Tell whether a chore is ours to do now."""
        return self._database.write(lambda cursor: chores.take_turn(cursor, chore, replica, lease=lease))

    def end_turn(self, chore: str, replica: str) -> None:
        """Give a chore back."""
        self._database.write(lambda cursor: chores.end_turn(cursor, chore, replica))

    def mark(self, key: str) -> str:
        """Return a small text."""
        return self._database.read(lambda cursor: chores.mark(cursor, key))

    def set_mark(self, key: str, value: str) -> None:
        """Keep a small text."""
        self._database.write(lambda cursor: chores.set_mark(cursor, key, value))

    def prune(self, *, older_than: int | None, size_limit: int | None, keep_requests: int) -> Pruned:
        """Remove what is old, then reports until the rest fits. Cost: many small transactions."""
        done = self._repeat(lambda cursor: pruning.prune_jobs(cursor, cursor.now - keep_requests))
        if older_than is not None:
            old = self._repeat(lambda cursor: pruning.prune_old(cursor, cursor.now - older_than))
            done = pruning.add_pruned(done, old)
        if size_limit is not None:
            large = self._repeat(lambda cursor: pruning.prune_large(cursor, size_limit))
            done = pruning.add_pruned(done, large)
        if done != _NOTHING:
            self._database.shrink()
        return done

    def counts(self) -> Counts:
        """Return the state of the store in numbers."""
        return replace(self._database.read(pruning.counts), store_size=self._database.size())

    def check(self) -> None:
        """Ask the store for a sign of life."""
        self._database.check()

    def add_token(self, digest: bytes, *, name: str, scopes: Sequence[str], expires: int | None) -> Token:
        """Keep a token."""
        return self._database.write(
            lambda cursor: chores.add_token(cursor, digest, name=name, scopes=scopes, expires=expires)
        )

    def find_token(self, digest: bytes) -> Token | None:
        """Return the token with a digest."""

        def ask(cursor: Cursor) -> tuple[Token | None, bool]:
            token = chores.find_token(cursor, digest)
            return token, token is not None and chores.wants_touch(cursor, token)

        token, is_to_touch = self._database.read(ask)
        if token is not None and is_to_touch:
            self._database.write(lambda cursor: chores.touch_token(cursor, token.id))
        return token

    def tokens(self) -> list[Token]:
        """List tokens."""
        return self._database.read(chores.tokens)

    def revoke_token(self, token_id: str) -> bool:
        """End a token at once."""
        return self._database.write(lambda cursor: chores.revoke_token(cursor, token_id))

    def close(self) -> None:
        """Give back files and connections."""
        self._database.close()

    def _repeat(self, action: Callable[[Cursor], Pruned]) -> Pruned:
        """Do something until it has nothing more to do."""
        done = _NOTHING
        while (more := self._database.write(action)) != _NOTHING:
            done = pruning.add_pruned(done, more)
        return done
