"""WWW-Authenticate: what a registry wants to see.

This module alone reads the header (RFC 9110, section 11.6.1). It is written by strangers: the length, the number of
challenges and of parameters are bounded, and what cannot be parsed ends the list instead of the program.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_LONGEST_HEADER: Final = 8192
_MOST_CHALLENGES: Final = 8
_MOST_PARAMETERS: Final = 32

_NAME: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PIECE: Final = re.compile(
    rf"""[\s,]*(?:
        (?P<name>{_NAME})[ \t]*=[ \t]*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"=]+))(?=[\s,]|\Z)
      | (?P<scheme>{_NAME})(?=[\s,]|\Z)
      | (?P<blob>[A-Za-z0-9._~+/-]+=*)(?=[\s,]|\Z)
    )""",
    re.VERBOSE,
)
_ESCAPED: Final = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """One way to authenticate that a registry offers."""

    scheme: str
    """In lower case: `basic`, `bearer`."""
    realm: str = ""
    service: str = ""
    scope: str = ""
    error: str = ""


def parse_challenges(values: Iterable[str]) -> tuple[Challenge, ...]:
    """Parse the WWW-Authenticate headers of one answer; what is not understood is left out.

    Cost: Linear in the bounded length of the headers.
    """
    found: list[Challenge] = []
    for value in values:
        for scheme, parameters in _split(value[:_LONGEST_HEADER]):
            if len(found) == _MOST_CHALLENGES:
                return tuple(found)
            known = {name: parameters.get(name, "") for name in ("realm", "service", "scope", "error")}
            found.append(Challenge(scheme=scheme, **known))
    return tuple(found)


def _split(value: str) -> list[tuple[str, dict[str, str]]]:
    challenges: list[tuple[str, dict[str, str]]] = []
    position = 0
    while position < len(value) and (piece := _PIECE.match(value, position)):
        position = piece.end()
        if piece["scheme"]:
            challenges.append((piece["scheme"].lower(), {}))
        elif piece["name"] and challenges and len(challenges[-1][1]) < _MOST_PARAMETERS:
            text = piece["plain"] if piece["quoted"] is None else _ESCAPED.sub(r"\1", piece["quoted"])
            challenges[-1][1].setdefault(piece["name"].lower(), text)
    return challenges
