"""The findings of one target as lines: which columns there are and how wide they become.

This module alone decides the layouts. From wide to narrow, the first that fits is taken:

    wide      Library  Vulnerability  Severity  Status  Installed  Fixed  Title and address
    medium    Library  Vulnerability  Severity  Status  Installed  Fixed; title and address below
    compact   Library above Installed  Vulnerability  Severity  Status  Fixed; title and address below
    narrow    everything below each other
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from rafsight.base.severity import Severity
from rafsight.reports.paint import Line, Painter, Span, Style, beside, cells, clip, styled, wrap
from rafsight.reports.ranking import describe_epss
from rafsight.reports.rows import Group, Row

NARROW_WIDTH: Final = 70
"""[columns] below it everything is stacked."""
_GAP: Final = 2
_MIN_TITLE: Final = 48
"""[columns] a title that gets less stands below the row instead: addresses should stay in one piece."""
_MAX_TITLE: Final = 100
_TITLE_LINES: Final = 3
"""Beside a row; below it, where lines are long, one less."""
_PLACES: Final = 3
"""The first few places of a package stand for many."""

SEVERITY_STYLES: Final = {
    Severity.CRITICAL: Style.CRITICAL,
    Severity.HIGH: Style.HIGH,
    Severity.MEDIUM: Style.MEDIUM,
    Severity.LOW: Style.LOW,
    Severity.UNKNOWN: Style.UNKNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    heading: str
    most: int
    """[columns] wider contents are wrapped."""
    least: int
    """[columns] it may be shrunk to."""
    text: Callable[[Row, Group], str]


_LIBRARY: Final = _Column(heading="Library", most=28, least=16, text=lambda _, group: ", ".join(group.libraries))
_ID: Final = _Column(heading="Vulnerability", most=24, least=24, text=lambda row, _: row.id)
_SEVERITY: Final = _Column(heading="Severity", most=8, least=8, text=lambda row, _: row.severity.name)
_STATUS: Final = _Column(heading="Status", most=13, least=8, text=lambda row, _: row.status)
_INSTALLED: Final = _Column(heading="Installed", most=24, least=12, text=lambda _, group: group.installed)
_FIXED: Final = _Column(heading="Fixed", most=24, least=12, text=lambda row, _: row.fixed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    columns: tuple[_Column, ...]
    widths: tuple[int, ...]
    title_width: int
    """[columns] of the title beside the row; 0: below it."""
    total: int
    """[columns] of the whole table."""
    compact: bool

    @property
    def library_width(self) -> int:
        return self.widths[0]


def render_findings(groups: Sequence[Group], *, width: int, painter: Painter) -> list[Line]:
    """Lay out the findings of one target.

    Args:
        groups: at least one.
        width: [columns] that no line exceeds.
        painter: for one kind of terminal.
    """
    layout = _choose(groups, width, painter)
    if layout is None:
        return _stack(groups, width, painter)
    lines = _heading(layout)
    lines.append(painter.rule(layout.total, heavy=True))
    for index, group in enumerate(groups):
        if index:
            lines.append(painter.rule(layout.total))
        lines += _render_group(group, layout, painter)
    return lines


def _choose(groups: Sequence[Group], width: int, painter: Painter) -> _Layout | None:
    if width < NARROW_WIDTH:
        return None
    full = (_LIBRARY, _ID, _SEVERITY, _STATUS, _INSTALLED, _FIXED)
    natural = tuple(_natural(column, groups, painter) for column in full)
    rest = width - sum(natural) - _GAP * len(full)
    if rest >= _MIN_TITLE:
        title = min(rest, _MAX_TITLE)
        total = width - rest + title
        return _Layout(columns=full, widths=natural, title_width=title, total=total, compact=False)
    if rest + _GAP >= 0:
        return _Layout(columns=full, widths=natural, title_width=0, total=width, compact=False)
    fewer = (_LIBRARY, _ID, _SEVERITY, _STATUS, _FIXED)
    wanted = [max(natural[0], natural[4]), natural[1], natural[2], natural[3], natural[5]]
    shrunk = _shrink(wanted, [column.least for column in fewer], width - _GAP * (len(fewer) - 1))
    if shrunk is None:
        return None
    return _Layout(columns=fewer, widths=shrunk, title_width=0, total=width, compact=True)


def _natural(column: _Column, groups: Sequence[Group], painter: Painter) -> int:
    widest = max(cells(painter.safe(column.text(row, group))) for group in groups for row in group.rows)
    return min(max(widest, cells(column.heading)), column.most)


def _shrink(widths: list[int], least: list[int], available: int) -> tuple[int, ...] | None:
    """Take columns away from whichever has the most to give, until all fit; None if they cannot."""
    while sum(widths) > available:
        widest = max(range(len(widths)), key=lambda index: widths[index] - least[index])
        if widths[widest] <= least[widest]:
            return None
        widths[widest] -= 1
    return tuple(widths)


def _heading(layout: _Layout) -> list[Line]:
    names = [column.heading for column in layout.columns]
    if layout.title_width:
        names.append("Title")
    blocks = [styled([name], Style.BOLD) for name in names]
    return beside(list(zip((*layout.widths, layout.title_width), blocks, strict=False)), _GAP)


def _render_group(group: Group, layout: _Layout, painter: Painter) -> list[Line]:
    left = styled(wrap(painter.safe(", ".join(group.libraries), 2000), layout.library_width), Style.BOLD)
    if layout.compact:
        left += styled(wrap(painter.safe(group.installed), layout.library_width))
    width = layout.total - layout.library_width - _GAP
    lines: list[Line] = []
    for index, row in enumerate(group.rows):
        lines += _render_row(row, group, layout, painter, first=index == 0)
    lines += indent(_places(group.places, width - _GAP, painter))
    return beside([(layout.library_width, left), (width, lines)], _GAP)


def _render_row(row: Row, group: Group, layout: _Layout, painter: Painter, *, first: bool) -> list[Line]:
    blocks = []
    for column, width in zip(layout.columns[1:], layout.widths[1:], strict=True):
        text = "" if column is _INSTALLED and not first else painter.safe(column.text(row, group))
        style = SEVERITY_STYLES[row.severity] if column is _SEVERITY else Style.PLAIN
        block = styled(wrap(text, width), style)
        if column is _ID:
            block += styled(_marks(row), Style.ALARM) + styled(_excuses(row), Style.DIM)
        blocks.append((width, block))
    if layout.title_width:
        blocks.append((layout.title_width, _about(row, layout.title_width, painter, below=False)))
        return beside(blocks, _GAP)
    about = _about(row, layout.total - layout.library_width - 2 * _GAP, painter, below=True)
    return beside(blocks, _GAP) + indent(about)


def _marks(row: Row) -> list[str]:
    return ["known exploited"] * row.known_exploited + ["malware"] * row.malware


def _excuses(row: Row) -> list[str]:
    likely = [f"EPSS {describe_epss(row.epss)}"] if row.epss is not None else []
    return likely + ["kernel headers"] * row.kernel_headers + ["unimportant"] * row.unimportant


def _about(row: Row, width: int, painter: Painter, *, below: bool) -> list[Line]:
    title = painter.safe(row.title)
    url = painter.safe(row.url)
    if url and title and cells(title) + _GAP + cells(url) <= width:
        return [(Span(title), Span("  "), Span(url, Style.DIM))]
    count = _TITLE_LINES - below
    lines = styled(clip(wrap(title, width), count, width, painter.ellipsis)) if title else []
    return lines + (styled(wrap(url, width), Style.DIM) if url else [])


def _places(places: Sequence[bytes], width: int, painter: Painter) -> list[Line]:
    lines = []
    for place in places[:_PLACES]:
        first, *others = wrap("/" + painter.safe(place), width - 3)
        lines += [f"in {first}", *(f"   {other}" for other in others)]
    if len(places) > _PLACES:
        lines.append(f"and in {len(places) - _PLACES} more places")
    return styled(lines, Style.DIM)


def _stack(groups: Sequence[Group], width: int, painter: Painter) -> list[Line]:
    lines: list[Line] = []
    for index, group in enumerate(groups):
        if index:
            lines.append(painter.rule(width))
        head = f"{', '.join(group.libraries)} {group.installed}"
        lines += styled(wrap(painter.safe(head, 2000), width), Style.BOLD)
        for row in group.rows:
            lines += _stack_row(row, width, painter)
        lines += indent(_places(group.places, width - _GAP, painter))
    return lines


def _stack_row(row: Row, width: int, painter: Painter) -> list[Line]:
    severity = Span(row.severity.name, SEVERITY_STYLES[row.severity])
    room = width - _GAP - cells(severity.text) - 1
    first, *others = wrap(painter.safe(row.id), max(room, 8))
    head: Line = (Span("  "), severity, Span(" "), Span(first))
    fix = f"{row.status} in {row.fixed}" if row.fixed else row.status
    below = styled([*others]) + styled(_marks(row), Style.ALARM) + styled(_excuses(row), Style.DIM)
    below += styled(wrap(painter.safe(fix), width - 2 * _GAP)) + _about(row, width - 2 * _GAP, painter, below=False)
    return [head, *indent(indent(below))]


def indent(lines: Sequence[Line]) -> list[Line]:
    """Move lines to the right."""
    return [(Span(" " * _GAP), *line) for line in lines]
