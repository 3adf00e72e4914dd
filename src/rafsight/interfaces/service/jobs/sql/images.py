"""Which images there are: what each tag names now and has named, and what was asked for by digest alone.

This module alone decides what is shown of an image: the latest report about its digest.
"""
# ruff: noqa: S608 - columns and conditions are constants of this package, values are parameters

from typing import Final

from rafsight.interfaces.service.jobs.model import ImageOrder, ImageRow, Page, Paging, Place
from rafsight.interfaces.service.jobs.sql.database import Cursor
from rafsight.interfaces.service.jobs.sql.rows import PLACE, REPORT, columns, head_of, like, place_of, search_text

_ORDERS: Final = {
    ImageOrder.WORST: "CASE WHEN report.id IS NULL THEN 1 ELSE 0 END, report.critical DESC, report.high DESC, "
    "report.medium DESC, report.low DESC, report.unknown DESC, report.negligible DESC, ",
    ImageOrder.NAME: "",
    ImageOrder.SCANNED: "CASE WHEN report.id IS NULL THEN 1 ELSE 0 END, report.scanned DESC, ",
}
_BY_NAME: Final = "image.registry, image.repository, image.tag, image.digest"


def show(cursor: Cursor, place: Place) -> None:
    """Put an image into the list; a tag that named another one names this one now."""
    names = (place.registry, place.repository, place.tag)
    cursor.run(
        "INSERT INTO image (registry, repository, tag, digest, seen, report, is_current, search) VALUES "
        "(?, ?, ?, ?, ?, "
        "coalesce((SELECT id FROM report WHERE digest = ? ORDER BY scanned DESC, id LIMIT 1), ''), 1, ?) "
        "ON CONFLICT (registry, repository, tag, digest) DO UPDATE SET seen = excluded.seen, is_current = 1",
        *names,
        place.digest,
        cursor.now,
        place.digest,
        search_text(place),
    )
    if place.tag:
        cursor.run(
            "UPDATE image SET is_current = 0 WHERE registry = ? AND repository = ? AND tag = ? AND digest <> ? "
            "AND is_current = 1",
            *names,
            place.digest,
        )


def point(cursor: Cursor, digest: str, report: str) -> None:
    """Show a new report at all images with its digest."""
    cursor.run("UPDATE image SET report = ? WHERE digest = ?", report, digest)


def listing(cursor: Cursor, paging: Paging, *, search: str, order: ImageOrder, registry: str) -> Page[ImageRow]:
    """See `JobStore.images`."""
    conditions, values = ["image.is_current = 1"], list[object]()
    if search:
        conditions.append("image.search LIKE ? ESCAPE '\\'")
        values.append(like(search))
    if registry:
        conditions.append("image.registry = ?")
        values.append(registry)
    where = " AND ".join(conditions)
    total = cursor.row(f"SELECT count(*) FROM image WHERE {where}", *values)
    rows = cursor.rows(
        f"SELECT {columns(PLACE, 'image')}, image.seen, (SELECT count(*) FROM image AS other WHERE "
        "other.registry = image.registry AND other.repository = image.repository AND other.tag = image.tag "
        f"AND (image.tag <> '' OR other.digest = image.digest)), {columns(REPORT, 'report')} "
        "FROM image LEFT JOIN report ON report.id = image.report "
        f"WHERE {where} ORDER BY {_ORDERS[order]}{_BY_NAME} LIMIT ? OFFSET ?",
        *values,
        paging.limit,
        paging.offset,
    )
    return Page(items=tuple(map(_image_of, rows)), offset=paging.offset, total=total[0] if total else 0)


def forget(cursor: Cursor, registry: str, repository: str, *, digest: str, tag: str) -> int:
    """See `JobStore.forget_image`."""
    conditions, values = "registry = ? AND repository = ?", [registry, repository]
    for name, value in (("digest", digest), ("tag", tag)):
        if value:
            conditions += f" AND {name} = ?"
            values.append(value)
    return cursor.run(f"DELETE FROM image WHERE {conditions}", *values)


def _image_of(row: tuple[object, ...]) -> ImageRow:
    seen, history_count = row[4:6]
    assert isinstance(seen, int)
    assert isinstance(history_count, int)
    report = None if row[6] is None else head_of(row[6:])
    return ImageRow(place=place_of(row[:4]), seen=seen, report=report, history_count=history_count)
