"""Rows of any query: a table for people, JSON with one object a line, or CSV, written while rows come.

This module alone decides these forms. Text in rows comes from images: it is escaped wherever a terminal may show it,
and a cell of CSV that a spreadsheet would take for a formula begins with `'`.
"""

import base64
import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import chain, islice
from typing import Any, Final

from rafsight.base.text import escape
from rafsight.reports.paint import cells

_LOOKED_AT: Final = 500
"""Rows that decide how wide the columns of a table are; a wider cell in a later one stands out."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def table_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Write a table: a line of names, then a line for each row; numbers stand at the right."""
    coming = iter(rows)
    first = [list(map(_shown, row)) for row in islice(coming, _LOOKED_AT)]
    heads = [escape(name) for name in columns]
    widths = [max(map(cells, column)) for column in zip(heads, *(map(_text, row) for row in first), strict=True)]
    for row in chain([heads], first, (list(map(_shown, row)) for row in coming)):
        yield "  ".join(_padded(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n"


def json_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Write an object for each row; bytes stand in base64 under NAME_b64, and escaped under NAME."""
    for row in rows:
        members: dict[str, Any] = {}
        for name, value in zip(columns, row, strict=True):
            members[name] = plain(value)
            if isinstance(value, bytes):
                members[f"{name}_b64"] = base64.b64encode(value).decode()
        yield json.dumps(members) + "\n"


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Write the names of the columns, and a row for each row."""
    yield _csv_row(columns)
    for row in rows:
        yield _csv_row([_safe(_text(_shown(value))) if _is_text(value) else _shown(value) for value in row])


def plain(value: Any) -> Any:
    """Return a value as JSON has them."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return escape(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one) for one in value]
    return str(value)


def _is_text(value: Any) -> bool:
    return not isinstance(value, (bool, int, float))


def _shown(value: Any) -> Any:
    """Return what stands in a cell: a number as it is, anything else as text that is safe to print."""
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    simple = plain(value)
    return escape(simple if isinstance(simple, str) else json.dumps(simple))


def _text(cell: Any) -> str:
    return cell if isinstance(cell, str) else str(cell)


def _padded(cell: Any, width: int) -> str:
    text = _text(cell)
    room = " " * (width - cells(text))
    return text + room if isinstance(cell, str) else room + text


def _safe(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA) else text


def _csv_row(row: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue()
