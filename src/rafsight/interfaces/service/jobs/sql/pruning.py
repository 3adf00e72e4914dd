"""What is removed when the store gets old or large, and what it holds.

This module alone removes reports. Nothing that somebody waits for goes: no live job, no delivery that is still to be
sent, and no report that such a delivery tells of. A few rows go at a time, so that others do not wait.
"""
# ruff: noqa: S608 - columns and conditions are constants of this package, values are parameters

from typing import Final

from rafsight.interfaces.service.jobs.model import Counts, DeliveryState, JobState, Pruned
from rafsight.interfaces.service.jobs.sql import chores
from rafsight.interfaces.service.jobs.sql.database import Cursor
from rafsight.interfaces.service.jobs.sql.rows import marks

STEP: Final = 200
"""Rows of one transaction."""
_UNSENT: Final = "('held', 'due')"
_NOT_AWAITED: Final = (
    f"NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.report = report.id AND delivery.state IN {_UNSENT})"
)
_SHOWN: Final = "EXISTS (SELECT 1 FROM image WHERE image.report = report.id AND image.is_current = 1)"


def prune_jobs(cursor: Cursor, before: int) -> Pruned:
    """Remove ended jobs that nobody has asked about since a moment, with their requests and deliveries."""
    rows = cursor.rows(
        "SELECT id FROM job WHERE state NOT IN ('waiting', 'running') AND finished < ? AND "
        "NOT EXISTS (SELECT 1 FROM request WHERE request.job = job.id AND request.created >= ?) AND "
        f"NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.job = job.id AND delivery.state IN {_UNSENT}) "
        "LIMIT ?",
        before,
        before,
        STEP,
    )
    ids = [row[0] for row in rows]
    requests = _delete(cursor, "request", "job", ids)
    sent = _delete(cursor, "delivery", "job", ids)
    return Pruned(jobs=_delete(cursor, "job", "id", ids), requests=requests, reports=0, deliveries=sent, freed=0)


def prune_old(cursor: Cursor, before: int) -> Pruned:
    """Remove reports that were made before a moment and that no image in the list shows, news, ended deliveries."""
    cursor.run("DELETE FROM image WHERE seen < ? AND (is_current = 0 OR tag = '')", before)
    rows = cursor.rows(
        f"SELECT id, size FROM report WHERE scanned < ? AND NOT {_SHOWN} AND {_NOT_AWAITED} ORDER BY scanned LIMIT ?",
        before,
        STEP,
    )
    removed = _remove_reports(cursor, rows)
    old = cursor.rows(
        f"SELECT id FROM delivery WHERE state NOT IN {_UNSENT} AND created < ? AND finished < ? LIMIT ?",
        before,
        before,
        STEP,
    )
    sent = _delete(cursor, "delivery", "id", [row[0] for row in old])
    told = cursor.rows(
        "SELECT id FROM news WHERE made < ? AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.news = news.id "
        f"AND delivery.state IN {_UNSENT}) LIMIT ?",
        before,
        STEP,
    )
    _delete(cursor, "news", "id", [row[0] for row in told])
    return Pruned(jobs=0, requests=0, reports=removed, deliveries=sent, freed=sum(row[1] for row in rows))


def prune_large(cursor: Cursor, limit: int) -> Pruned:
    """Remove reports until the rest fits: first those that no image shows, the oldest first."""
    row = cursor.row("SELECT coalesce(sum(size), 0) FROM report")
    excess = int(row[0]) - limit if row else 0
    going: list[tuple[str, int]] = []
    if excess > 0:
        rows = cursor.rows(
            f"SELECT id, size, CASE WHEN {_SHOWN} THEN 1 ELSE 0 END AS shown FROM report WHERE {_NOT_AWAITED} "
            "ORDER BY shown, scanned, id LIMIT ?",
            STEP,
        )
        for report_id, size, _ in rows:
            if excess <= 0:
                break
            going.append((report_id, size))
            excess -= size
    removed = _remove_reports(cursor, going)
    return Pruned(jobs=0, requests=0, reports=removed, deliveries=0, freed=sum(size for _, size in going))


def counts(cursor: Cursor) -> Counts:
    """Return the state of the store in numbers, without the size of the database."""
    jobs = dict.fromkeys(JobState, 0)
    jobs.update(
        {JobState(name): count for name, count in cursor.rows("SELECT state, count(*) FROM job GROUP BY state")}
    )
    deliveries = dict.fromkeys(DeliveryState, 0)
    grouped = cursor.rows("SELECT state, count(*) FROM delivery GROUP BY state")
    deliveries.update({DeliveryState(name): count for name, count in grouped})
    oldest = cursor.row("SELECT min(created) FROM job WHERE state = 'waiting' AND due <= ?", cursor.now)
    reports = cursor.row("SELECT count(*), coalesce(sum(size), 0) FROM report")
    images = cursor.row("SELECT count(*) FROM image WHERE is_current = 1")
    assert oldest is not None
    assert reports is not None
    assert images is not None
    return Counts(
        jobs=jobs,
        oldest_waiting=oldest[0],
        reports=reports[0],
        report_size=int(reports[1]),
        images=images[0],
        deliveries=deliveries,
        replicas=chores.alive(cursor),
        store_size=0,
    )


def add_pruned(one: Pruned, other: Pruned) -> Pruned:
    """Add what two prunings removed."""
    return Pruned(
        jobs=one.jobs + other.jobs,
        requests=one.requests + other.requests,
        reports=one.reports + other.reports,
        deliveries=one.deliveries + other.deliveries,
        freed=one.freed + other.freed,
    )


def _remove_reports(cursor: Cursor, rows: list[tuple[str, int]]) -> int:
    ids = [report_id for report_id, _ in rows]
    if not ids:
        return 0
    some = f"({marks(tuple(ids))})"
    cursor.run(f"UPDATE job SET report = '' WHERE report IN {some}", *ids)
    cursor.run(
        "UPDATE image SET report = coalesce((SELECT report.id FROM report WHERE report.digest = image.digest "
        f"AND report.id NOT IN {some} ORDER BY report.scanned DESC, report.id LIMIT 1), '') WHERE report IN {some}",
        *ids,
        *ids,
    )
    _delete(cursor, "news", "report", ids)
    _delete(cursor, "report_content", "report", ids)
    return _delete(cursor, "report", "id", ids)


def _delete(cursor: Cursor, table: str, column: str, ids: list[str]) -> int:
    if not ids:
        return 0
    return cursor.run(f"DELETE FROM {table} WHERE {column} IN ({marks(tuple(ids))})", *ids)
