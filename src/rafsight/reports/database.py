"""What the advisory database is made of, for people and for programs."""

import json
from typing import Final

import msgspec

from rafsight.base.units import format_size
from rafsight.matching.schema import SourceFacts
from rafsight.matching.store import DatabaseStatus
from rafsight.reports.paint import Line, Painter, Style, beside, cells, right, styled, wrap

__all__ = ["DatabaseStatus", "SourceFacts", "render_status", "render_status_json"]

_KEY_WIDTH: Final = 10
_HEADINGS: Final = ("Source", "Records", "Withdrawn", "Malformed", "Newest", "Imported", "From")
_NUMBERS: Final = frozenset({"Records", "Withdrawn", "Malformed"})
_LEAST_PLACE: Final = 24
"""[columns] that a source's place needs to stand beside its numbers; else it stands below."""


def render_status(status: DatabaseStatus, *, width: int, colour: bool, unicode: bool) -> str:
    """Write what a database is made of, for people.

    Args:
        status: of an open database.
        width: [columns] of the terminal.
        colour: use the terminal's colours.
        unicode: False keeps everything within ASCII.
    """
    painter = Painter(colour=colour, unicode=unicode)
    width = max(width, 40)
    facts = [
        ("Database", f"{status.path}, {format_size(status.size)}"),
        ("Built", status.built),
        ("Records", f"{status.record_count:,}, newest of {status.newest_record[:10] or 'an unknown day'}"),
        ("Exploited", f"{status.exploited_count:,} ids in CISA's catalogue (KEV)"),
        *(("Likely", text) for text in (_likelihoods(status),) if text),
        ("Digest", status.digest),
    ]
    lines: list[Line] = []
    for key, value in facts:
        block = styled(wrap(painter.safe(value, 1000), width - _KEY_WIDTH))
        lines += beside([(_KEY_WIDTH, styled([key], Style.DIM)), (width - _KEY_WIDTH, block)], 0)
    if status.sources:
        lines += [(), *_sources(status.sources, width, painter)]
    return painter.paint(lines)


def _likelihoods(status: DatabaseStatus) -> str:
    dates = [source.newest[:10] for source in status.sources if source.kind == "epss"]
    of = f", of {dates[0]}" if dates and dates[0] else ""
    return f"{status.likelihood_count:,} probabilities of exploitation (EPSS){of}" if status.likelihood_count else ""


def _sources(sources: tuple[SourceFacts, ...], width: int, painter: Painter) -> list[Line]:
    rows = [tuple(painter.safe(text) for text in _cells(source)) for source in sources]
    widths = [max(cells(text) for text in column) for column in zip(_HEADINGS, *rows, strict=True)]
    if sum(widths[:-1]) + 2 * (len(widths) - 2) > width:
        return _stacked(rows, width)
    place_width = width - sum(widths[:-1]) - 2 * (len(widths) - 1)
    below = place_width < _LEAST_PLACE
    shown = len(_HEADINGS) - below
    widths[-1] = max(place_width, _LEAST_PLACE)
    total = min(width, sum(widths[:shown]) + 2 * (shown - 1))
    lines = beside(
        [(w, styled([_aligned(h, h, w)], Style.BOLD)) for h, w in zip(_HEADINGS[:shown], widths, strict=False)]
    )
    lines.append(painter.rule(total, heavy=True))
    for row in rows:
        blocks = [
            (room, styled(wrap(text, room) if heading == "From" else [_aligned(heading, text, room)]))
            for heading, text, room in zip(_HEADINGS[:shown], row, widths, strict=False)
        ]
        lines += beside(blocks)
        if below:
            lines += [*styled([f"  {part}" for part in wrap(row[-1], width - 2)], Style.DIM)]
    return lines


def _stacked(rows: list[tuple[str, ...]], width: int) -> list[Line]:
    lines = []
    for name, records, withdrawn, malformed, newest, imported, place in rows:
        lines += styled(wrap(name, width), Style.BOLD)
        facts = f"{records} records, {withdrawn} withdrawn, {malformed} malformed, newest {newest}, imported {imported}"
        lines += [line for text in (facts, place) for line in styled([f"  {part}" for part in wrap(text, width - 2)])]
    return lines


def _cells(source: SourceFacts) -> tuple[str, ...]:
    return (
        source.name,
        f"{source.record_count:,}",
        f"{source.withdrawn_count:,}",
        f"{source.malformed_count:,}",
        source.newest[:10],
        source.imported[:10],
        source.location,
    )


def _aligned(heading: str, text: str, width: int) -> str:
    return right(text, width) if heading in _NUMBERS else text


def render_status_json(status: DatabaseStatus) -> str:
    """Write what a database is made of, for programs."""
    return json.dumps(msgspec.to_builtins(status), indent=2) + "\n"
