"""Lines that never leave the sheet: facts, tables and lists whose texts are wrapped.

This module alone decides how a table looks where it does not fit: its last column goes below, then all of it does.
"""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final

from rafsight.reports.inspection.renderer import Sheet
from rafsight.reports.paint import Line, Span, Style, cells, clip, right, wrap

_GAP: Final = 2
_LEAST_WIDTH: Final = 16
"""[columns] that a wrapped text needs beside something else."""
_INDENT: Final = 2

Fact = tuple[str, str]
"""A label and its value, printable; one without a value is left out."""


def wrapped(text: str, sheet: Sheet, *, style: Style = Style.PLAIN, first: str = "", rest: str = "") -> Iterator[Line]:
    """Write a text over as many lines as it takes.

    Args:
        text: printable.
        sheet: what it is written on.
        style: of the text.
        first: before its first line.
        rest: before the others.
    """
    width = max(sheet.width - max(cells(first), cells(rest)), 1)
    for number, part in enumerate(wrap(text, width)):
        yield (Span(rest if number else first), Span(part, style))


def facts(rows: Sequence[Fact], sheet: Sheet, *, indent: int = _INDENT, most_lines: int = 6) -> Iterator[Line]:
    """Write labels with their values beside them, or below where the sheet is narrow.

    Args:
        rows: the facts.
        sheet: what they are written on.
        indent: [columns] before the labels.
        most_lines: a value that takes more is cut.
    """
    rows = [(label, value) for label, value in rows if value]
    label_width = max((cells(label) for label, _ in rows), default=0) + _GAP
    room = sheet.width - indent - label_width
    for label, value in rows:
        if room < _LEAST_WIDTH:
            yield from wrapped(f"{label}: {value}", sheet, first=" " * indent, rest=" " * (indent + 1))
            continue
        lines = clip(wrap(value, room), most_lines, room, sheet.painter.ellipsis)
        for shown, line in zip_longest([label], lines, fillvalue=""):
            yield (Span(" " * indent), Span(shown, Style.DIM), Span(" " * (label_width - cells(shown)) + line))


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], sheet: Sheet) -> Iterator[Line]:
    """Write columns of numbers, aligned to the right, and a last one of names, which are wrapped.

    Args:
        headings: one for each column.
        rows: printable texts.
        sheet: what they are written on.
    """
    widths = [max(map(cells, column)) for column in zip(headings, *rows, strict=True)][:-1]
    taken = sum(widths) + _GAP * len(widths)
    if taken > sheet.width:
        for row in rows:
            text = ", ".join(f"{heading} {value}" for heading, value in zip(headings[:-1], row[:-1], strict=True))
            yield from wrapped(row[-1], sheet)
            yield from wrapped(text, sheet, style=Style.DIM, first=" ", rest=" ")
        return
    beside = sheet.width - taken >= _LEAST_WIDTH
    for style, row in ((Style.DIM, headings), *((Style.PLAIN, row) for row in rows)):
        numbers = "".join(right(value, width) + " " * _GAP for value, width in zip(row[:-1], widths, strict=True))
        if beside:
            yield from wrapped(row[-1], sheet, style=style, first=numbers, rest=" " * taken)
        else:
            yield (Span(numbers.rstrip(), style),)
            yield from wrapped(row[-1], sheet, style=style, first=" " * _INDENT, rest=" " * _INDENT)


def heading(text: str, sheet: Sheet) -> Iterator[Line]:
    """Write what the following is about, after an empty line."""
    yield ()
    yield from wrapped(text, sheet, style=Style.BOLD)
