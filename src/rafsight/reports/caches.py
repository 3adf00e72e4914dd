"""What lies in the cache folder, for people and for programs.

This module alone decides the words and keys of it; keys stay.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from rafsight.access.upkeep.contract import PartFacts, Verified
from rafsight.base.text import printable
from rafsight.base.units import format_size


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatus:
    """How much lies in a cache folder."""

    folder: str
    parts: tuple[PartFacts, ...]
    size: int
    """[bytes] of all parts."""
    other_size: int
    """[bytes] of what lies beside them and is no cache: the advisory database, running views."""


def render_status(status: CacheStatus) -> str:
    """Write how much there is, for people."""
    lines = [f"Cache: {printable(status.folder, 1000)}"]
    for part in status.parts:
        counts = ", ".join(f"{count:,} {_noun(unit, count)}" for unit, count in part.counts)
        lines.append(f"{part.name:11} {format_size(part.size):>9}  {part.title}: {counts}")
    lines.append(f"{'all':11} {format_size(status.size):>9}")
    if status.other_size:
        lines.append(f"{'beside it':11} {format_size(status.other_size):>9}  advisories, views: no cache, left alone")
    return "\n".join(lines) + "\n"


def _noun(unit: str, count: int) -> str:
    words = unit.replace("_", " ")
    return words.removesuffix("s") if count == 1 else words


def render_status_json(status: CacheStatus) -> str:
    """Write how much there is, for programs."""
    parts = [
        {"name": part.name, "title": part.title, "size": part.size, "counts": dict(part.counts)}
        for part in status.parts
    ]
    return _json({"folder": status.folder, "size": status.size, "other_size": status.other_size, "parts": parts})


def render_verified(found: Sequence[Verified]) -> str:
    """Write what was compared, for people."""
    lines = []
    for one in found:
        unchecked = f", {one.unchecked:,} not checked" if one.unchecked else ""
        lines.append(f"{one.name:11} {one.checked:,} checked, {one.damaged:,} damaged{unchecked}\n")
    return "".join(lines)


def render_verified_json(found: Sequence[Verified]) -> str:
    """Write what was compared, for programs."""
    parts = [
        {"name": one.name, "checked": one.checked, "damaged": one.damaged, "unchecked": one.unchecked} for one in found
    ]
    return _json({"damaged": sum(one.damaged for one in found), "parts": parts})


def render_freed(size: int) -> str:
    """Write how much went [bytes], for people."""
    return f"{format_size(size)} removed\n"


def render_freed_json(size: int) -> str:
    """Write how much went [bytes], for programs."""
    return _json({"freed": size})


def _json(document: dict[str, object]) -> str:
    return json.dumps(document, indent=2) + "\n"
