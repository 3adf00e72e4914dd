"""What a plain image made of a Nydus image holds: what one scanner looks at, what any of them does, or everything.

This module alone decides when two images are made alike: their recipes have the same key.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Final

from rafsight.formats.oci.platform import parse_platform
from rafsight.views.slim.rules import SlimRules, rules_for

FULL: Final = "full"
"""Everything, so that a container can be started from it."""
_FORM: Final = 1
"""Of all that is made here. To be counted up whenever the same image would give other bytes than before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How images are made."""

    name: str
    """Of a scanner, `all`, or `full`."""
    rules: SlimRules | None
    """What keeps its content; None: everything."""
    platform: str = ""
    """`OS/ARCH[/VARIANT]` of the Nydus images of an index that are shown, and no others; empty: all."""
    key: str
    """Names all that the bytes depend on beside the image; fit for a file's name."""


def recipe_for(name: str, platform: str = "") -> Recipe:
    """Return the recipe of a name.

    Args:
        name: of a scanner, `all` for all of them, or `full`.
        platform: of the images of an index that are shown; empty: all.
    Raises: NoSuchRules, MalformedPlatform.
    """
    rules = None if name == FULL else rules_for(name)
    wanted = str(parse_platform(platform)) if platform else ""
    sections = sorted(rules.programs.sections) if rules else []  # a set is written in another order each time
    said = (_FORM, wanted, rules and replace(rules, programs=replace(rules.programs, sections=frozenset())), sections)
    key = f"{name}-{hashlib.sha256(repr(said).encode()).hexdigest()[:16]}"
    return Recipe(name=name, rules=rules, platform=wanted, key=key)
