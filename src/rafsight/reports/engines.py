"""The foreign engines of a machine, for people and for programs.

This module alone decides how one that cannot be used is shown: with why, and with what helps.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from rafsight.reports.paint import Line, Painter, Span, Style, beside, styled, wrap

_LEAST_WIDTH: Final = 40
_KEY_WIDTH: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEngine:
    """A foreign engine, as it is on this machine."""

    name: str
    """As `--engine` takes it."""
    path: str
    """Of the program; empty if there is none."""
    version: str
    """Empty if it is not usable."""
    usable: bool
    problem: str
    """Why it cannot be used; empty if it can."""
    remedy: str
    """What to do then."""
    covers: str
    """What it looks at and for."""
    needs: str
    """What it needs beside its program."""
    oldest: str
    """The oldest version that can be used."""
    views: tuple[str, ...]
    """What `--via` takes for it."""


def render_engines(engines: Sequence[FoundEngine], *, width: int, colour: bool, unicode: bool) -> str:
    """Write the engines for people.

    Args:
        engines: in their order.
        width: [columns] of the terminal.
        colour: use the terminal's colours.
        unicode: False keeps everything within ASCII.
    """
    painter = Painter(colour=colour, unicode=unicode)
    width = max(width, _LEAST_WIDTH)
    lines: list[Line] = []
    for engine in engines:
        if lines:
            lines.append(())
        lines += _block(engine, width, painter)
    return painter.paint(lines)


def _block(engine: FoundEngine, width: int, painter: Painter) -> list[Line]:
    state = Span("usable", Style.GOOD) if engine.usable else Span("not usable", Style.WARNING)
    title = painter.safe(f"{engine.name} {engine.version}".rstrip())
    lines: list[Line] = [(Span(title, Style.BOLD), Span("  "), state)]
    facts = (
        ("Program", engine.path),
        ("Problem", engine.problem),
        ("Remedy", engine.remedy),
        ("Covers", engine.covers),
        ("Needs", engine.needs),
        ("Views", ", ".join(engine.views)),
        ("Oldest", engine.oldest),
    )
    for key, value in facts:
        if value:
            block = styled(wrap(painter.safe(value, 2000), width - _KEY_WIDTH - 2))
            lines += beside([(2, []), (_KEY_WIDTH, styled([key], Style.DIM)), (width - _KEY_WIDTH - 2, block)], 0)
    return lines


def render_engines_json(engines: Sequence[FoundEngine]) -> str:
    """Write the engines for programs."""
    return json.dumps({"engines": msgspec.to_builtins(tuple(engines))}, indent=2) + "\n"
