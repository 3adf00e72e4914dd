"""Rows of the tables and values of the model, either way.

This module alone knows the order of columns.
"""

import zlib
from collections.abc import Callable
from dataclasses import astuple, fields
from functools import wraps
from typing import Any, Final, TypeVar

import msgspec

from rafsight.interfaces.service.jobs.faults import BrokenRow
from rafsight.interfaces.service.jobs.model import (
    Delivery,
    DeliveryEvent,
    DeliveryKind,
    DeliveryState,
    Failure,
    Job,
    JobState,
    NewFinding,
    NewNews,
    News,
    Place,
    ReportHead,
    Request,
    Summary,
    Token,
)
from rafsight.interfaces.service.jobs.sql.database import Row

Value = TypeVar("Value")

_NEWS_SIZE: Final = 4 * 1024 * 1024
"""[bytes] of the findings that news name, unpacked."""

PLACE: Final = ("registry", "repository", "digest", "tag")
JOB: Final = (
    *("id", "state", *PLACE, "scanners", "declared", "platform", "plain_http", "source", "priority", "created"),
    *("due", "started", "finished", "attempts", "worker", "replica", "lease", "failure", "report"),
)
REQUEST: Final = ("id", "job", *PLACE, "plain_http", "source", "note", "created", "lent", "replica")
SUMMARY: Final = (
    *("critical", "high", "medium", "low", "negligible", "unknown", "fixable", "exploited"),
    *("secrets", "misconfigurations", "components", "complete"),
)
REPORT: Final = (
    *("id", *PLACE, "scanners", "read_digest", "database_digest", "database_built", "version", "scanned", "matched"),
    *SUMMARY,
    "size",
)
NEWS: Final = ("id", "report", *PLACE, "made", "database_digest", "added_count", "removed_count", "content")
DELIVERY: Final = (
    *("id", "kind", "event", "state", "target", "note", *PLACE, "job", "report", "news", "created", "due"),
    *("attempts", "finished", "failure", "ticket"),
)
TOKEN: Final = ("id", "name", "scopes", "created", "expires", "used", "revoked")


def _sound(what: str) -> Callable[[Callable[[Row], Value]], Callable[[Row], Value]]:
    """Say of rows that cannot be what they should be that they are broken; nothing else comes out of a database."""

    def around(make: Callable[[Row], Value]) -> Callable[[Row], Value]:
        @wraps(make)
        def checked(row: Row) -> Value:
            try:
                return make(row)
            except (ValueError, TypeError, AttributeError) as error:
                raise BrokenRow(what=what) from error

        return checked

    return around


def columns(names: tuple[str, ...], table: str = "") -> str:
    """Return the columns for a SELECT."""
    return ", ".join(f"{table}.{name}" if table else name for name in names)


def marks(names: tuple[str, ...]) -> str:
    """Return as many question marks as there are names."""
    return ", ".join("?" * len(names))


@_sound("a place")
def place_of(row: Row) -> Place:
    """Make a place of its four columns."""
    registry, repository, digest, tag = row
    return Place(registry=registry, repository=repository, digest=digest, tag=tag)


@_sound("a job")
def job_of(row: Row) -> Job:
    """Make a job of the columns JOB."""
    state, scanners, declared, platform, plain_http, source = row[1], *row[6:11]
    priority, created, due, started, finished, attempts, worker, replica, lease, failure, report = row[11:]
    return Job(
        id=row[0],
        state=JobState(state),
        place=place_of(row[2:6]),
        scanners=words_of(scanners),
        declared=bool(declared),
        platform=platform,
        plain_http=_truth(plain_http),
        source=source,
        priority=priority,
        created=created,
        due=due,
        started=started,
        finished=finished,
        attempts=attempts,
        worker=worker,
        replica=replica,
        lease_until=lease,
        failure=failure_of(failure),
        report_id=report,
    )


@_sound("a request")
def request_of(row: Row) -> Request:
    """Make a request of the columns REQUEST."""
    plain_http, source, note, created, lent, replica = row[6:]
    return Request(
        id=row[0],
        job_id=row[1],
        place=place_of(row[2:6]),
        plain_http=_truth(plain_http),
        source=source,
        note=note,
        created=created,
        is_lent=bool(lent),
        replica=replica,
    )


@_sound("a report's head")
def head_of(row: Row) -> ReportHead:
    """Make the head of a report of the columns REPORT."""
    scanners, read_digest, database_digest, database_built, version, scanned, matched = row[5:12]
    numbers = row[12 : 12 + len(SUMMARY)]
    return ReportHead(
        id=row[0],
        place=place_of(row[1:5]),
        scanners=words_of(scanners),
        read_digest=read_digest,
        database_digest=database_digest,
        database_built=database_built,
        version=version,
        scanned=scanned,
        matched=matched,
        summary=Summary(
            **dict(zip((field.name for field in fields(Summary)), (*numbers[:-1], bool(numbers[-1])), strict=True))
        ),
        size=row[-1],
    )


def summary_values(summary: Summary) -> tuple[int, ...]:
    """Return the values of the columns SUMMARY."""
    return tuple(int(value) for value in astuple(summary))


@_sound("news")
def news_of(row: Row) -> News:
    """Make news of the columns NEWS.

    Raises: BrokenRow.
    """
    made, database_digest, added_count, removed_count, content = row[6:]
    added, removed = _unpack_findings(content)
    return News(
        id=row[0],
        report_id=row[1],
        place=place_of(row[2:6]),
        made=made,
        database_digest=database_digest,
        added=added,
        removed=removed,
        added_count=added_count,
        removed_count=removed_count,
    )


def pack_findings(news: NewNews) -> bytes:
    """Return what is kept of the findings of news."""
    return zlib.compress(msgspec.msgpack.encode((news.added, news.removed)))


def _unpack_findings(content: bytes) -> tuple[tuple[NewFinding, ...], tuple[NewFinding, ...]]:
    unpacker = zlib.decompressobj()
    try:
        plain = unpacker.decompress(content, _NEWS_SIZE)
        found = msgspec.msgpack.decode(plain, type=tuple[tuple[NewFinding, ...], tuple[NewFinding, ...]])
    except (zlib.error, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BrokenRow(what="news") from error
    return found


@_sound("a delivery")
def delivery_of(row: Row) -> Delivery:
    """Make a delivery of the columns DELIVERY."""
    job, report, news, created, due, attempts, finished, failure, ticket = row[10:]
    return Delivery(
        id=row[0],
        kind=DeliveryKind(row[1]),
        event=DeliveryEvent(row[2]),
        state=DeliveryState(row[3]),
        target=row[4],
        note=row[5],
        place=place_of(row[6:10]),
        job_id=job,
        report_id=report,
        news_id=news,
        created=created,
        due=due,
        attempts=attempts,
        finished=finished,
        failure=failure_of(failure),
        ticket=ticket,
    )


@_sound("a token")
def token_of(row: Row) -> Token:
    """Make a token of the columns TOKEN."""
    token_id, name, scopes, created, expires, used, revoked = row
    return Token(
        id=token_id, name=name, scopes=words_of(scopes), created=created, expires=expires, used=used, revoked=revoked
    )


def failure_text(failure: Failure) -> str:
    """Return what is kept of a failure: text that every database takes."""
    whole = Failure(
        code=_clean(failure.code, 200),
        message=_clean(failure.message, 4000),
        remedy=_clean(failure.remedy, 4000),
        is_permanent=failure.is_permanent,
    )
    return msgspec.json.encode(whole).decode()


def failure_of(text: str) -> Failure | None:
    """Return the failure that was kept; None if there was none.

    Raises: BrokenRow.
    """
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=Failure)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise BrokenRow(what="a failure") from error


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a list."""
    return tuple(text.split(",")) if text else ()


def text_of(words: Any) -> str:
    """Return a list as text: each word once, ordered."""
    return ",".join(sorted(set(words)))


def search_text(place: Place) -> str:
    """Return what a search looks at: the place in lower case."""
    return f"{place.registry}/{place.repository}:{place.tag}@{place.digest}".lower()


def like(part: str) -> str:
    r"""Return the pattern that finds a part of a text; for `LIKE ? ESCAPE '\'`."""
    plain = part.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("\0", "")
    return f"%{plain}%"


def _clean(text: str, length: int) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "")[:length]


def _truth(value: int | None) -> bool | None:
    return None if value is None else bool(value)
