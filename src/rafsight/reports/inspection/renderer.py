"""How an answer of `inspect` becomes JSON or text: the contract that every kind of answer fulfils.

This module alone decides what a renderer is given.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rafsight.reports.paint import Line, Painter


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What text is written on."""

    width: int
    """[columns]"""
    painter: Painter


@dataclass(frozen=True, slots=True, kw_only=True)
class Renderer:
    """The two forms of one kind of answer."""

    to_json: Callable[[Any], Any]
    """Make what `json.dumps` takes; the same keys whatever the RAFS version."""
    to_lines: Callable[[Any, Sheet], Iterator[Line]]
    """Make the lines that a person reads."""
