"""Reports: kept when a job is done, replaced when they are matched again.

This module alone writes them.
"""
# ruff: noqa: S608 - columns and conditions are constants of this package, values are parameters

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from rafsight.interfaces.service.jobs.contract import new_id
from rafsight.interfaces.service.jobs.model import (
    DeliveryEvent,
    DeliveryWish,
    NewNews,
    NewReport,
    News,
    Page,
    Paging,
    Place,
    ReportHead,
    StoredReport,
)
from rafsight.interfaces.service.jobs.sql import deliveries, images
from rafsight.interfaces.service.jobs.sql.database import Cursor
from rafsight.interfaces.service.jobs.sql.rows import (
    NEWS,
    PLACE,
    REPORT,
    SUMMARY,
    columns,
    head_of,
    like,
    marks,
    news_of,
    pack_findings,
    place_of,
    summary_values,
)

_REPORT: Final = columns(REPORT)
_SCANNED: Final = "scanned DESC, id"
_CHANGED: Final = ("database_digest", "database_built", "version", "matched", *SUMMARY, "size")


def finish(cursor: Cursor, job_id: str, ticket: str, report: NewReport) -> ReportHead | None:
    """See `JobStore.finish`."""
    report_id = new_id()
    row = cursor.row(
        "UPDATE job SET state = 'done', finished = ?, report = ?, lease = NULL, ticket = '', failure = '' "
        f"WHERE id = ? AND ticket = ? AND state = 'running' RETURNING {columns(PLACE)}, scanners",
        cursor.now,
        report_id,
        job_id,
        ticket,
    )
    if row is None:
        return None
    place = replace(place_of(row[:4]), digest=report.digest)
    cursor.run(
        f"INSERT INTO report ({_REPORT}) VALUES ({marks(REPORT)})",
        *(report_id, place.registry, place.repository, place.digest, place.tag, row[4], report.read_digest),
        *(report.database_digest, report.database_built, report.version, cursor.now, cursor.now),
        *(*summary_values(report.summary), len(report.content)),
    )
    cursor.run("INSERT INTO report_content (report, content) VALUES (?, ?)", report_id, report.content)
    for one in _places(cursor, job_id):
        images.show(cursor, replace(one, digest=report.digest))
    images.point(cursor, report.digest, report_id)
    deliveries.decide(cursor, job_id, DeliveryEvent.SCANNED, report_id)
    return head(cursor, report_id)


def report(cursor: Cursor, report_id: str) -> StoredReport | None:
    """See `JobStore.report`."""
    row = cursor.row(
        f"SELECT {columns(REPORT, 'report')}, report_content.content FROM report "
        "JOIN report_content ON report_content.report = report.id WHERE report.id = ?",
        report_id,
    )
    return None if row is None else StoredReport(head=head_of(row[:-1]), content=row[-1])


def head(cursor: Cursor, report_id: str) -> ReportHead | None:
    """See `JobStore.head`."""
    row = cursor.row(f"SELECT {_REPORT} FROM report WHERE id = ?", report_id)
    return None if row is None else head_of(row)


def latest(cursor: Cursor, digest: str, scanners: Sequence[str]) -> ReportHead | None:
    """See `JobStore.latest`."""
    wanted = " AND scanners LIKE ? ESCAPE '\\'" * len(scanners)
    values = [like(scanner) for scanner in scanners]
    found = [
        head_of(row)
        for column in ("digest", "read_digest")
        for row in cursor.rows(
            f"SELECT {_REPORT} FROM report WHERE {column} = ?{wanted} ORDER BY {_SCANNED} LIMIT 1", digest, *values
        )
    ]
    return max(found, key=lambda one: one.scanned, default=None)


def history(cursor: Cursor, registry: str, repository: str, paging: Paging, tag: str | None) -> Page[ReportHead]:
    """See `JobStore.history`."""
    condition, values = "registry = ? AND repository = ?", [registry, repository]
    if tag is not None:
        condition += " AND tag = ?"
        values.append(tag)
    where = f"digest IN (SELECT digest FROM image WHERE {condition})"
    total = cursor.row(f"SELECT count(*) FROM report WHERE {where}", *values)
    rows = cursor.rows(
        f"SELECT {_REPORT} FROM report WHERE {where} ORDER BY {_SCANNED} LIMIT ? OFFSET ?",
        *values,
        paging.limit,
        paging.offset,
    )
    return Page(items=tuple(map(head_of, rows)), offset=paging.offset, total=total[0] if total else 0)


def stale(cursor: Cursor, database_digest: str, limit: int, after: str) -> list[str]:
    """See `JobStore.stale_reports`."""
    rows = cursor.rows(
        "SELECT id FROM report WHERE database_digest <> ? AND id > ? AND scanners LIKE ? ESCAPE '\\' AND NOT EXISTS "
        "(SELECT 1 FROM report AS later WHERE later.digest = report.digest AND later.scanners = report.scanners AND "
        "(later.scanned > report.scanned OR (later.scanned = report.scanned AND later.id < report.id))) "
        "ORDER BY id LIMIT ?",
        database_digest,
        after,
        like("vuln"),
        limit,
    )
    return [row[0] for row in rows]


def revise(
    cursor: Cursor,
    report_id: str,
    report: NewReport,
    *,
    seen_matched: int,
    news: NewNews | None,
    wishes: Sequence[DeliveryWish],
) -> News | None:
    """See `JobStore.revise`."""
    matched = max(cursor.now, seen_matched + 1)
    row = cursor.row(
        f"UPDATE report SET {', '.join(f'{name} = ?' for name in _CHANGED)} WHERE id = ? AND matched = ? "
        f"RETURNING {columns(PLACE)}",
        *(report.database_digest, report.database_built, report.version, matched),
        *(*summary_values(report.summary), len(report.content), report_id, seen_matched),
    )
    if row is None:
        return None
    cursor.run("UPDATE report_content SET content = ? WHERE report = ?", report.content, report_id)
    if news is None:
        return None
    values = (
        *(new_id(), report_id, *row, cursor.now, report.database_digest),
        *(news.added_count, news.removed_count, pack_findings(news)),
    )
    cursor.run(f"INSERT INTO news ({columns(NEWS)}) VALUES ({marks(NEWS)})", *values)
    for wish in wishes:
        deliveries.add(cursor, wish, place_of(row), report=report_id, news=str(values[0]))
    return news_of(values)


def news_listing(cursor: Cursor, paging: Paging, report_id: str) -> Page[News]:
    """See `JobStore.news`."""
    where, values = ("report = ?", [report_id]) if report_id else ("1 = 1", [])
    total = cursor.row(f"SELECT count(*) FROM news WHERE {where}", *values)
    rows = cursor.rows(
        f"SELECT {columns(NEWS)} FROM news WHERE {where} ORDER BY made DESC, id LIMIT ? OFFSET ?",
        *values,
        paging.limit,
        paging.offset,
    )
    return Page(items=tuple(map(news_of, rows)), offset=paging.offset, total=total[0] if total else 0)


def one_news(cursor: Cursor, news_id: str) -> News | None:
    """See `JobStore.one_news`."""
    row = cursor.row(f"SELECT {columns(NEWS)} FROM news WHERE id = ?", news_id)
    return None if row is None else news_of(row)


def _places(cursor: Cursor, job_id: str) -> list[Place]:
    """Return where those who asked for a job said that the image lies, each once."""
    rows = cursor.rows(f"SELECT DISTINCT {columns(PLACE)} FROM request WHERE job = ? ORDER BY 1, 2, 3, 4", job_id)
    return list(map(place_of, rows))
