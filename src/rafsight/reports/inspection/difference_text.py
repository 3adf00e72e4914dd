"""How two images differ, as text for people: a bounded list, then the sums.

This module alone decides how much of a difference is listed; JSON has all of it.
"""

from collections.abc import Iterator
from itertools import dropwhile
from typing import Final

from rafsight.base.units import format_size
from rafsight.formats.tables import Rows
from rafsight.image.difference import Aspect
from rafsight.image.tree import ImageTree
from rafsight.reports.inspection.bounded import facts, heading, wrapped
from rafsight.reports.inspection.content import ImageDifference
from rafsight.reports.inspection.difference_values import (
    FIELDS,
    EntryChange,
    FieldChange,
    LonelyEntry,
    Value,
    changed_entries,
    lonely_entries,
    name_of,
    topmost,
)
from rafsight.reports.inspection.fact_lines import moment, shown, shown_path
from rafsight.reports.inspection.renderer import Sheet
from rafsight.reports.paint import Line, Style

_LISTED: Final = 40
"""Entries that a section names."""
_INDENT: Final = "      "


def difference(answer: ImageDifference, sheet: Sheet) -> Iterator[Line]:
    """Write what was removed, added and changed, some of each, then how many there are."""
    return dropwhile(lambda line: not line, _sections(answer, sheet))


def _sections(answer: ImageDifference, sheet: Sheet) -> Iterator[Line]:
    found = answer.difference
    if not found.aspects.any() and not len(found.pairs.only_left) and not len(found.pairs.only_right):
        yield from wrapped("No differences.", sheet, style=Style.BOLD)
    yield from _lonely("Removed", "-", answer.left_tree, found.pairs.only_left, sheet)
    yield from _lonely("Added", "+", answer.right_tree, found.pairs.only_right, sheet)
    changed = found.changed
    if len(changed):
        yield from heading("Changed", sheet)
        for entry in changed_entries(answer, changed[:_LISTED]):
            yield from _changed(entry, sheet)
        yield from _more(len(changed) - _LISTED, sheet)
    unknown = found.unknown
    if len(unknown):
        text = "Of equal size, but nobody can tell without the content (other chunk size or algorithm, or no digests)"
        yield from heading(text, sheet)
        for position in unknown[:_LISTED].tolist():
            path = shown_path(answer.left_tree.path(int(found.pairs.left[position])), sheet.painter)
            yield from wrapped(path, sheet, first="  ? ", rest=_INDENT)
        yield from _more(len(unknown) - _LISTED, sheet)
    yield from _sums(answer, sheet)


def _lonely(title: str, sign: str, tree: ImageTree, rows: Rows, sheet: Sheet) -> Iterator[Line]:
    """Write what one image has alone; of a directory, only itself."""
    if not len(rows):
        return
    yield from heading(title, sheet)
    top = topmost(tree, rows)
    for entry in lonely_entries(tree, top[:_LISTED]):
        text = f"{shown_path(entry.path, sheet.painter)}  ({_describe(entry)})"
        yield from wrapped(text, sheet, first=f"  {sign} ", rest=_INDENT)
    yield from _more(len(top) - _LISTED, sheet)


def _describe(entry: LonelyEntry) -> str:
    if entry.kind == "file":
        return f"file, {format_size(entry.size)}"
    if not entry.below:
        return entry.kind
    return f"{entry.kind}, {entry.below:,} {'entry' if entry.below == 1 else 'entries'} below"


def _changed(entry: EntryChange, sheet: Sheet) -> Iterator[Line]:
    text = f"{shown_path(entry.path, sheet.painter)}  ({', '.join(name_of(one.field) for one in entry.fields)})"
    yield from wrapped(text, sheet, first="  * ", rest=_INDENT)
    for change in entry.fields:
        if change.field is not Aspect.CONTENT:
            yield from wrapped(_values(change, sheet), sheet, style=Style.DIM, first=_INDENT, rest=_INDENT + "  ")


def _values(change: FieldChange, sheet: Sheet) -> str:
    left, right = (_value(change.field, value, sheet) for value in (change.left, change.right))
    return f"{name_of(change.field)}: {left} -> {right}"


def _value(field: Aspect, value: Value, sheet: Sheet) -> str:
    if not isinstance(value, bytes):
        return str(value)
    if field is Aspect.MTIME:
        return value.decode() + moment(int(value.partition(b".")[0]))
    return shown(value, sheet.painter) if value else "none"


def _more(count: int, sheet: Sheet) -> Iterator[Line]:
    if count > 0:
        yield from wrapped(f"and {count:,} more", sheet, style=Style.DIM, first="    ")


def _sums(answer: ImageDifference, sheet: Sheet) -> Iterator[Line]:
    found, safe = answer.difference, sheet.painter.safe
    fields = ", ".join(f"{name_of(field)} {found.count(field):,}" for field in FIELDS if found.count(field))
    yield from heading("Sums", sheet)
    yield from facts(
        [
            ("Left", f"{safe(answer.left)}, {len(answer.left_tree):,} entries"),
            ("Right", f"{safe(answer.right)}, {len(answer.right_tree):,} entries"),
            ("Removed", f"{len(found.pairs.only_left):,}"),
            ("Added", f"{len(found.pairs.only_right):,}"),
            ("Changed", f"{len(found.changed):,}" + (f": {fields}" if fields else "")),
            ("Content unknown", f"{len(found.unknown):,}" if len(found.unknown) else ""),
        ],
        sheet,
    )
