"""What has to reach somebody: held until its job ends, then due until it arrived or was given up.

This module alone moves deliveries from state to state. A delivery that is claimed is due again later, so nothing has to
be done for those whose sender died.
"""
# ruff: noqa: S608 - columns and conditions are constants of this package, values are parameters

import hashlib
from typing import Final

from rafsight.interfaces.service.jobs.contract import new_id
from rafsight.interfaces.service.jobs.model import (
    Delivery,
    DeliveryEvent,
    DeliveryState,
    DeliveryWish,
    Failure,
    Page,
    Paging,
    Place,
)
from rafsight.interfaces.service.jobs.sql.database import Cursor
from rafsight.interfaces.service.jobs.sql.rows import DELIVERY, columns, delivery_of, failure_text, marks

_DELIVERY: Final = columns(DELIVERY)
_COLUMNS: Final = (*DELIVERY, "same", "tells_failures")


def add(cursor: Cursor, wish: DeliveryWish, place: Place, *, job: str = "", report: str = "", news: str = "") -> None:
    """Keep a wish, once for a job (or news), a target and a place.

    Args:
        cursor: of the transaction that takes the order.
        wish: who is to be told.
        place: of what.
        job: whose end is waited for, unless there is a report.
        report: that is there already.
        news: that it is about.
    """
    event = DeliveryEvent.NEWS if news else DeliveryEvent.SCANNED
    state = DeliveryState.DUE if report else DeliveryState.HELD
    cursor.run(
        f"INSERT INTO delivery ({columns(_COLUMNS)}) VALUES ({marks(_COLUMNS)}) ON CONFLICT (same) DO NOTHING",
        *(new_id(), wish.kind.value, event.value, state.value, wish.target, wish.note),
        *(place.registry, place.repository, place.digest, place.tag, job, report, news),
        *(cursor.now, cursor.now, 0, None, "", ""),
        *(_same(wish, place, news or job), int(wish.tells_failures)),
    )


def decide(cursor: Cursor, job_id: str, event: DeliveryEvent, report: str = "") -> None:
    """Say what the deliveries of a job that ended tell of; those that have nothing to tell are dropped."""
    tells = "" if event is DeliveryEvent.SCANNED else " AND tells_failures = 1"
    cursor.run(
        f"UPDATE delivery SET state = 'due', due = ?, event = ?, report = ? WHERE job = ? AND state = 'held'{tells}",
        cursor.now,
        event.value,
        report,
        job_id,
    )
    drop(cursor, job_id)


def drop(cursor: Cursor, job_id: str) -> None:
    """Say that the deliveries of a job that were not decided have nothing to tell."""
    cursor.run(
        "UPDATE delivery SET state = 'dropped', finished = ? WHERE job = ? AND state = 'held'", cursor.now, job_id
    )


def is_any_due(cursor: Cursor) -> bool:
    """Tell whether there may be something for a claim; to look costs no write."""
    return cursor.row("SELECT 1 FROM delivery WHERE state = 'due' AND due <= ? LIMIT 1", cursor.now) is not None


def claim(cursor: Cursor, *, lease: int) -> Delivery | None:
    """See `JobStore.claim_delivery`."""
    found = cursor.row(
        f"SELECT id FROM delivery WHERE state = 'due' AND due <= ? ORDER BY due, id LIMIT 1 {cursor.skip_locked}",
        cursor.now,
    )
    if found is None:
        return None
    row = cursor.row(
        f"UPDATE delivery SET ticket = ?, due = ?, attempts = attempts + 1 WHERE id = ? RETURNING {_DELIVERY}",
        new_id(),
        cursor.now + lease,
        found[0],
    )
    return None if row is None else delivery_of(row)


def delivered(cursor: Cursor, delivery_id: str, ticket: str) -> bool:
    """See `JobStore.delivered`."""
    return _change(cursor, "state = 'done', finished = ?, ticket = ''", (cursor.now,), delivery_id, ticket)


def failed(cursor: Cursor, delivery_id: str, ticket: str, failure: Failure, *, retry_in: int | None) -> bool:
    """See `JobStore.delivery_failed`."""
    why = failure_text(failure)
    if retry_in is None:
        change = "state = 'failed', finished = ?, failure = ?, ticket = ''"
        return _change(cursor, change, (cursor.now, why), delivery_id, ticket)
    change = "due = ?, failure = ?, ticket = ''"
    return _change(cursor, change, (cursor.now + retry_in, why), delivery_id, ticket)


def listing(cursor: Cursor, paging: Paging, states: tuple[DeliveryState, ...], job_id: str) -> Page[Delivery]:
    """See `JobStore.deliveries`."""
    conditions, values = ["1 = 1"], list[object]()
    if states:
        conditions.append(f"state IN ({marks(states)})")
        values += [state.value for state in states]
    if job_id:
        conditions.append("job = ?")
        values.append(job_id)
    where = " AND ".join(conditions)
    total = cursor.row(f"SELECT count(*) FROM delivery WHERE {where}", *values)
    shown = columns(DELIVERY[:-1])
    rows = cursor.rows(
        f"SELECT {shown}, '' FROM delivery WHERE {where} ORDER BY created DESC, id LIMIT ? OFFSET ?",
        *values,
        paging.limit,
        paging.offset,
    )
    return Page(items=tuple(map(delivery_of, rows)), offset=paging.offset, total=total[0] if total else 0)


def _change(cursor: Cursor, change: str, values: tuple[object, ...], delivery_id: str, ticket: str) -> bool:
    condition = "id = ? AND ticket = ? AND ticket <> '' AND state = 'due'"
    return cursor.run(f"UPDATE delivery SET {change} WHERE {condition}", *values, delivery_id, ticket) > 0


def _same(wish: DeliveryWish, place: Place, about: str) -> str:
    """Return what two wishes have in common that are one."""
    parts = (about, wish.kind.value, wish.target, place.registry, place.repository, place.tag, place.digest)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
