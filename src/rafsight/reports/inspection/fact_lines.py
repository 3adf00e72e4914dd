"""Labels with values, tables and names, as lines: what all texts of `inspect` are made of.

This module alone decides how a name from an image stands in such a text: on one line, and no two names look alike.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from rafsight.base.text import escape
from rafsight.base.units import format_size
from rafsight.reports.inspection.renderer import Sheet
from rafsight.reports.paint import Line, Painter, Span, Style, cells, right, wrap

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GAP: Final = "  "
_LEAST_WIDTH: Final = 24
"""[columns] that a wrapped value gets, however narrow the sheet is."""
_SPECIAL: Final = frozenset(' "\\')
_QUOTED: Final = {ord("\\"): r"\\", ord('"'): r"\""} | {number: rf"\u{number:04x}" for number in range(0x80, 0xA0)}

Fact = tuple[str, str]
"""A label and its value."""


def shown(value: bytes, painter: Painter) -> str:
    r"""Write bytes from an image: as they are where that is plain, else between quotes, with escapes.

    Between quotes `\xNN` is a byte that is no text, or an ASCII control character; `\uNNNN` is any other character.
    """
    text = value.decode("utf-8", "surrogateescape")
    if text and text == escape(text) and _SPECIAL.isdisjoint(text) and (painter.unicode or text.isascii()):
        return text
    inner = escape(text.translate(_QUOTED))
    return f'"{inner}"' if painter.unicode else f'"{"".join(map(_ascii, inner))}"'


def _ascii(character: str) -> str:
    number = ord(character)
    return character if number < 0x80 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def shown_path(path: bytes, painter: Painter) -> str:
    """Write a path, with a leading slash."""
    return shown(b"/" + path, painter)


def sized(size: int, unit: str = "") -> str:
    """Write a number of bytes exactly, and as people say it where that is shorter."""
    return f"{size}{unit} ({format_size(size)})" if size >= 1000 else f"{size}{unit}"


def moment(seconds: int) -> str:
    """Say a time in UTC, between parentheses after a blank; nothing about times that no calendar has."""
    try:
        found = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return ""
    return f" ({found:%Y-%m-%d %H:%M:%S} UTC)"


def fact_lines(facts: Iterable[Fact], *, indent: int = 0, room: int = 0) -> Iterator[Line]:
    """Write labels with their values beside them; values are never broken.

    Args:
        facts: labels and values.
        indent: [columns] before the labels.
        room: [columns] that labels take at least, so that several blocks are aligned.
    """
    rows = list(facts)
    width = max((cells(label) for label, _ in rows), default=0)
    width = max(width, room)
    for label, value in rows:
        yield (Span(" " * indent), Span(label, Style.DIM), Span(" " * (width - cells(label)) + _GAP + value))


def word_lines(words: Sequence[str], sheet: Sheet, room: int) -> list[str]:
    """Write words of ours with `|` between them, broken into lines.

    Args:
        words: flags, features.
        sheet: what they are written on.
        room: [columns] that labels take.
    """
    return wrap(" | ".join(words) or "none", max(sheet.width - room, _LEAST_WIDTH))


def table_lines(headings: Sequence[str], rows: Sequence[Sequence[str]], *, indent: int = 0) -> Iterator[Line]:
    """Write columns of numbers, aligned to the right, under headings; a last column stands to the left."""
    widths = [max(map(cells, column)) for column in zip(headings, *rows, strict=True)]
    for style, row in ((Style.DIM, headings), *((Style.PLAIN, row) for row in rows)):
        parts = [right(text, width) for text, width in zip(row[:-1], widths, strict=False)]
        yield (Span(" " * indent), Span(_GAP.join([*parts, row[-1]]), style))
