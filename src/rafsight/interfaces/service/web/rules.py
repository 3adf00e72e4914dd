"""Which pushed images are scanned, for what, and who is told: the first rule that names an image decides.

This module alone decides what a pattern means: `*` and `?` stay between slashes, `**` does not.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is done with the images that it names."""

    registry: str = "**"
    """Pattern for `HOST[:PORT]`."""
    repository: str = "**"
    tag: str = "**"
    """Pattern for the tag; a push without a tag has the empty one."""
    scan: bool = True
    """False: nothing is done."""
    scanners: tuple[str, ...] = ("vuln",)
    declared: bool = False
    """Read lock files, too."""
    platform: str = ""
    priority: int = 0
    deliver: tuple[str, ...] = ()
    """Names of targets."""


_ALL: Final = "**"
_SOME: Final = "*+"
_ONE: Final = "?+"
_PIECE: Final = re.compile(r"(\*+)|(\?)|(.)", re.DOTALL)

EVERYTHING: Final = Rule()
"""What holds where no rules are written: every image that is pushed is scanned."""


def rule_for(rules: Sequence[Rule], *, registry: str, repository: str, tag: str) -> Rule | None:
    """Find what is to be done with an image.

    Args:
        rules: in their order; none at all means `EVERYTHING`.
        registry: HOST[:PORT].
        repository: its name.
        tag: empty if there is none.
    Returns: None: nothing is.
    """
    for rule in rules or (EVERYTHING,):
        if matches(rule.registry, registry) and matches(rule.repository, repository) and matches(rule.tag, tag):
            return rule if rule.scan else None
    return None


def matches(pattern: str, text: str) -> bool:
    """Tell whether a pattern names a text as a whole.

    Cost: the product of their lengths at most, whatever the stars.
    """
    pieces = _pieces(pattern)
    places = _past_stars(pieces, {0})
    for character in text:
        places = _past_stars(pieces, _step(pieces, places, character))
        if not places:
            return False
    return len(pieces) in places


def _step(pieces: tuple[str, ...], places: set[int], character: str) -> set[int]:
    """Return where in a pattern one may be after one more character."""
    after = set()
    for place in places:
        piece = pieces[place] if place < len(pieces) else ""
        if piece == _ALL or (piece == _SOME and character != "/"):
            after.add(place)
        elif piece == character or (piece == _ONE and character != "/"):
            after.add(place + 1)
    return after


def _past_stars(pieces: tuple[str, ...], places: set[int]) -> set[int]:
    """Add the places behind stars, which may stand for nothing."""
    reached = set(places)
    for place in places:
        while place < len(pieces) and pieces[place] in (_ALL, _SOME):
            place += 1  # noqa: PLW2901 - from here on
            reached.add(place)
    return reached


@lru_cache(maxsize=1024)
def _pieces(pattern: str) -> tuple[str, ...]:
    """Take a pattern apart: into single characters, and stars and question marks by names that no character has."""
    found: list[str] = []
    for stars, one, character in _PIECE.findall(pattern):
        found.append((_ALL if len(stars) > 1 else _SOME) if stars else _ONE if one else character)
    return tuple(found)
