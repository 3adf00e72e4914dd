"""How an answer of `inspect` becomes JSON or text: the contract that every kind of answer fulfils.

This module alone decides how bytes that are not UTF-8 stand in JSON, and what a renderer is given.
"""

import base64
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


def named(key: str, value: bytes) -> dict[str, str]:
    """Return what JSON says about bytes: text, and base64 under `KEY_b64` where they are not UTF-8."""
    try:
        return {key: value.decode()}
    except UnicodeDecodeError:
        return {key: value.decode("utf-8", "replace"), f"{key}_b64": base64.b64encode(value).decode()}
