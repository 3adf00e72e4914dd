"""Orders, jobs and requests: who asks for what, whose turn it is, and what became of it.

This module alone moves jobs from state to state. A job is ours while its ticket is the one of our claim.
"""
# ruff: noqa: S608 - columns and conditions are constants of this package, values are parameters

from typing import Final

from rafsight._version import __version__
from rafsight.interfaces.service.jobs.contract import (
    LOST,
    MAX_ATTEMPTS,
    MAX_LOST,
    NO_IMAGE,
    PUSHED,
    REPLICA_TIMEOUT,
    QueueFull,
    new_id,
    retry_delay,
)
from rafsight.interfaces.service.jobs.model import (
    Accepted,
    Claim,
    DeliveryEvent,
    Failure,
    Job,
    JobState,
    Order,
    Page,
    Paging,
    Request,
)
from rafsight.interfaces.service.jobs.sql import deliveries, images
from rafsight.interfaces.service.jobs.sql.database import Cursor
from rafsight.interfaces.service.jobs.sql.rows import (
    JOB,
    REQUEST,
    columns,
    failure_text,
    job_of,
    like,
    marks,
    request_of,
    search_text,
    text_of,
)

_LIVE: Final = "state IN ('waiting', 'running')"
_JOB: Final = columns(JOB)


def accept(cursor: Cursor, order: Order, *, replica: str, queue_limit: int, request_id: str) -> Accepted:
    """See `JobStore.accept`."""
    joined = _live(cursor, order) or _fresh(cursor, order)
    begun = None if joined else _begin(cursor, order, queue_limit)
    job = joined or begun or _live(cursor, order)
    if job is None:  # somebody began it and it ended, in the wink of an eye
        job = begun = _begin(cursor, order, queue_limit)
        assert job is not None
    if begun is None and job.state is not JobState.DONE:
        _hurry(cursor, job, order)
    request = _promise(cursor, order, job, replica, request_id or new_id())
    for wish in order.wishes:
        deliveries.add(cursor, wish, order.place, job=job.id, report=job.report_id)
    if job.report_id:
        images.show(cursor, order.place)
    return Accepted(request=request, job=job, is_new=begun is not None)


def is_any_due(cursor: Cursor) -> bool:
    """Tell whether a job may be there for a claim; to look costs no write."""
    return cursor.row("SELECT 1 FROM job WHERE state = 'waiting' AND due <= ? LIMIT 1", cursor.now) is not None


def is_any_lost(cursor: Cursor) -> bool:
    """Tell whether a lease is over."""
    return cursor.row("SELECT 1 FROM job WHERE state = 'running' AND lease < ? LIMIT 1", cursor.now) is not None


def claim(cursor: Cursor, *, worker: str, replica: str, lease: int) -> Claim | None:
    """See `JobStore.claim`."""
    found = cursor.row(
        "SELECT id FROM job WHERE state = 'waiting' AND due <= ? AND (lent = 0 "
        "OR EXISTS (SELECT 1 FROM request WHERE request.job = job.id AND request.lent = 1 AND request.replica = ?) "
        "OR NOT EXISTS (SELECT 1 FROM request JOIN replica ON replica.id = request.replica "
        "WHERE request.job = job.id AND request.lent = 1 AND replica.seen > ?)) "
        f"ORDER BY priority DESC, created, id LIMIT 1 {cursor.skip_locked}",
        cursor.now,
        replica,
        cursor.now - REPLICA_TIMEOUT,
    )
    if found is None:
        return None
    ticket = new_id()
    row = cursor.row(
        "UPDATE job SET state = 'running', started = ?, attempts = attempts + 1, worker = ?, replica = ?, lease = ?, "
        f"ticket = ? WHERE id = ? RETURNING {_JOB}",
        cursor.now,
        worker,
        replica,
        cursor.now + lease,
        ticket,
        found[0],
    )
    assert row is not None
    job = job_of(row)
    return Claim(job=job, ticket=ticket, requests=tuple(_requests(cursor, job.id)))


def extend(cursor: Cursor, job_id: str, ticket: str, *, lease: int) -> bool:
    """See `JobStore.extend`."""
    return _ours(cursor, "lease = ?", (cursor.now + lease,), job_id, ticket) is not None


def fail(cursor: Cursor, job_id: str, ticket: str, failure: Failure, *, retry_in: int | None) -> JobState | None:
    """See `JobStore.fail`."""
    row = cursor.row(
        f"SELECT {_JOB} FROM job WHERE id = ? AND ticket = ? AND state = 'running' {cursor.lock}", job_id, ticket
    )
    if row is None:
        return None
    job = job_of(row)
    if retry_in is None and _lent_since(cursor, job):
        retry_in = 0
    if retry_in is None or job.attempts >= MAX_ATTEMPTS:
        if job.source == PUSHED and failure.code == NO_IMAGE:
            deliveries.drop(cursor, job.id)
        return _end(cursor, job.id, JobState.FAILED, failure)
    _back(cursor, job.id, cursor.now + retry_in, failure)
    return JobState.WAITING


def release(cursor: Cursor, job_id: str, ticket: str) -> bool:
    """See `JobStore.release`."""
    change = "state = 'waiting', attempts = attempts - 1, lease = NULL, ticket = ''"
    return _ours(cursor, change, (), job_id, ticket) is not None


def sweep(cursor: Cursor, *, retry_in: int) -> int:
    """See `JobStore.sweep`."""
    lost = cursor.rows(
        f"SELECT id, attempts FROM job WHERE state = 'running' AND lease < ? {cursor.skip_locked}", cursor.now
    )
    for job_id, attempts in lost:
        if attempts >= MAX_LOST:
            _end(cursor, job_id, JobState.FAILED, LOST)
        else:
            _back(cursor, job_id, cursor.now + retry_delay(retry_in, attempts), LOST)
    return len(lost)


def cancel(cursor: Cursor, job_id: str) -> bool:
    """See `JobStore.cancel`."""
    row = cursor.row(f"SELECT id FROM job WHERE id = ? AND {_LIVE} {cursor.lock}", job_id)
    if row is None:
        return False
    _end(cursor, job_id, JobState.CANCELLED, None)
    return True


def withdraw(cursor: Cursor, request_id: str) -> bool:
    """See `JobStore.withdraw`."""
    row = cursor.row("SELECT job FROM request WHERE id = ?", request_id)
    if row is None or cursor.row(f"SELECT id FROM job WHERE id = ? AND {_LIVE} {cursor.lock}", row[0]) is None:
        return False
    if cursor.row("SELECT 1 FROM request WHERE job = ? AND id <> ?", row[0], request_id) is None:
        _end(cursor, row[0], JobState.CANCELLED, None)
    else:
        cursor.run("DELETE FROM request WHERE id = ?", request_id)
    return True


def job(cursor: Cursor, job_id: str) -> Job | None:
    """See `JobStore.job`."""
    row = cursor.row(f"SELECT {_JOB} FROM job WHERE id = ?", job_id)
    return None if row is None else job_of(row)


def request(cursor: Cursor, request_id: str) -> tuple[Request, Job] | None:
    """See `JobStore.request`."""
    row = cursor.row(
        f"SELECT {columns(REQUEST, 'request')}, {columns(JOB, 'job')} "
        "FROM request JOIN job ON job.id = request.job WHERE request.id = ?",
        request_id,
    )
    return None if row is None else (request_of(row[: len(REQUEST)]), job_of(row[len(REQUEST) :]))


def jobs(cursor: Cursor, paging: Paging, states: tuple[JobState, ...], search: str) -> Page[Job]:
    """See `JobStore.jobs`."""
    conditions, values = ["1 = 1"], list[object]()
    if states:
        conditions.append(f"state IN ({marks(states)})")
        values += [state.value for state in states]
    if search:
        conditions.append("search LIKE ? ESCAPE '\\'")
        values.append(like(search))
    where = " AND ".join(conditions)
    total = cursor.row(f"SELECT count(*) FROM job WHERE {where}", *values)
    rows = cursor.rows(
        f"SELECT {_JOB} FROM job WHERE {where} ORDER BY created DESC, id LIMIT ? OFFSET ?",
        *values,
        paging.limit,
        paging.offset,
    )
    return Page(items=tuple(map(job_of, rows)), offset=paging.offset, total=total[0] if total else 0)


def _live(cursor: Cursor, order: Order) -> Job | None:
    row = cursor.row(f"SELECT {_JOB} FROM job WHERE key = ? AND {_LIVE} {cursor.lock}", order.key)
    return None if row is None else job_of(row)


def _fresh(cursor: Cursor, order: Order) -> Job | None:
    """Find a job that was done by this very release, and whose report is new enough; a tag may name another now."""
    if not order.fresh_for or not order.place.digest:
        return None
    row = cursor.row(
        f"SELECT {columns(JOB, 'job')} FROM job JOIN report ON report.id = job.report "
        "WHERE job.key = ? AND job.state = 'done' AND report.matched > ? AND report.version = ? "
        "ORDER BY report.scanned DESC LIMIT 1",
        order.key,
        cursor.now - order.fresh_for,
        __version__,
    )
    return None if row is None else job_of(row)


def _begin(cursor: Cursor, order: Order, queue_limit: int) -> Job | None:
    """Add a job; None if somebody else has just done so.

    Raises: QueueFull.
    """
    waiting = cursor.row("SELECT count(*) FROM job WHERE state = 'waiting'")
    assert waiting is not None
    if waiting[0] >= queue_limit:
        raise QueueFull(waiting=waiting[0])
    place = order.place
    values: dict[str, object] = {
        **dict.fromkeys(("worker", "replica", "failure", "report", "ticket"), ""),
        "id": new_id(),
        "key": order.key,
        "state": JobState.WAITING.value,
        "search": search_text(place),
        "registry": place.registry,
        "repository": place.repository,
        "digest": place.digest,
        "tag": place.tag,
        "scanners": text_of(order.scanners),
        "declared": int(order.declared),
        "platform": order.platform,
        "plain_http": None if order.plain_http is None else int(order.plain_http),
        "source": order.source,
        "priority": order.priority,
        "created": cursor.now,
        "due": cursor.now,
        "attempts": 0,
        "lent": int(order.is_lent),
    }
    names = tuple(values)
    row = cursor.row(
        f"INSERT INTO job ({columns(names)}) VALUES ({marks(names)}) "
        f"ON CONFLICT (key) WHERE {_LIVE} DO NOTHING RETURNING {_JOB}",
        *values.values(),
    )
    return None if row is None else job_of(row)


def _hurry(cursor: Cursor, job: Job, order: Order) -> None:
    """Let a job that waits do as the most urgent of its orders wants, with all credentials there are."""
    if order.priority > job.priority or order.is_lent:
        cursor.run(
            "UPDATE job SET priority = ?, lent = CASE WHEN ? = 1 THEN 1 ELSE lent END WHERE id = ?",
            max(order.priority, job.priority),
            int(order.is_lent),
            job.id,
        )


def _promise(cursor: Cursor, order: Order, job: Job, replica: str, request_id: str) -> Request:
    place = order.place
    values = (
        *(request_id, job.id, place.registry, place.repository, place.digest, place.tag),
        *(None if order.plain_http is None else int(order.plain_http), order.source, order.note, cursor.now),
        *(int(order.is_lent), replica),
    )
    cursor.run(f"INSERT INTO request ({columns(REQUEST)}) VALUES ({marks(REQUEST)})", *values)
    return request_of(values)


def _requests(cursor: Cursor, job_id: str) -> list[Request]:
    rows = cursor.rows(f"SELECT {columns(REQUEST)} FROM request WHERE job = ? ORDER BY created, id", job_id)
    return list(map(request_of, rows))


def _lent_since(cursor: Cursor, job: Job) -> bool:
    """Tell whether somebody joined with a credential that the attempt did not have."""
    found = "SELECT 1 FROM request WHERE job = ? AND lent = 1 AND created > ?"
    return cursor.row(found, job.id, job.started) is not None


def _ours(
    cursor: Cursor, change: str, values: tuple[object, ...], job_id: str, ticket: str
) -> tuple[object, ...] | None:
    """Change a job if it is ours."""
    return cursor.row(
        f"UPDATE job SET {change} WHERE id = ? AND ticket = ? AND state = 'running' RETURNING id",
        *values,
        job_id,
        ticket,
    )


def _back(cursor: Cursor, job_id: str, due: int, failure: Failure) -> None:
    cursor.run(
        "UPDATE job SET state = 'waiting', due = ?, lease = NULL, ticket = '', failure = ? WHERE id = ?",
        due,
        failure_text(failure),
        job_id,
    )


def _end(cursor: Cursor, job_id: str, state: JobState, failure: Failure | None) -> JobState:
    """End a job without a report, and tell those who want to know."""
    cursor.run(
        "UPDATE job SET state = ?, finished = ?, lease = NULL, ticket = '', failure = ? WHERE id = ?",
        state.value,
        cursor.now,
        failure_text(failure) if failure else "",
        job_id,
    )
    deliveries.decide(cursor, job_id, DeliveryEvent.FAILED)
    return state
