"""Ranges of versions as `package.json` has them: `^1.2`, `~1.2.3`, `1.x`, `>=1 <3 || 5.0.0 - 5.4`.

This module alone decides what such a range means: as node-semver does, prereleases included, which only satisfy a range
that names one of the same three numbers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rafsight.matching.versions.semver import SEMVER

RANGE_LENGTH: Final = 512
"""[characters] of the longest range that is read."""
_PARTIAL: Final = (
    r"[v=\s]*(?P<numbers>(?:[0-9]+|[xX*])(?:\.(?:[0-9]+|[xX*])){0,2})"
    r"(?:-?(?P<pre>[0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]*)?"
)
_SIMPLE: Final = re.compile(r"(?P<operator>\^|~>?|[<>]=?|=)?\s*" + _PARTIAL)
_HYPHEN: Final = re.compile(r"(\S+)\s+-\s+(\S+)")
_GAP: Final = re.compile(r"(?<=[\^~<>=])\s+")

Numbers = tuple[int | None, int | None, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bound:
    operator: str
    """`<`, `<=`, `>`, `>=`, `=`."""
    core: tuple[int, int, int]
    pre: str

    def admits(self, key: bytes) -> bool:
        own = SEMVER.key(".".join(map(str, self.core)) + (f"-{self.pre}" if self.pre else ""))
        compared = {"<": key < own, "<=": key <= own, ">": key > own, ">=": key >= own, "=": key == own}
        return compared[self.operator]


def satisfies(version: str, text: str) -> bool | None:
    """Tell whether a version lies in a range.

    Returns: None if the text is no range of versions (a URL, a tag, an alias).
    Raises: UncomparableVersion: the version is none.
    """
    if len(text) > RANGE_LENGTH:
        return None
    key = SEMVER.key(version)
    found = _SIMPLE.fullmatch(version.strip())
    core, pre = (_numbers(found), found["pre"] or "") if found is not None else ((None, None, None), "")
    answers = []
    for alternative in text.split("||"):
        bounds = _bounds(alternative.strip())
        if bounds is None:
            return None
        named = not pre or any(bound.pre and bound.core == core for bound in bounds)
        answers.append(named and all(bound.admits(key) for bound in bounds))
    return any(answers)


def _bounds(text: str) -> list[_Bound] | None:
    """Take one alternative apart; None if it is no range."""
    hyphen = _HYPHEN.fullmatch(text)
    if hyphen is not None:
        low, high = _SIMPLE.fullmatch(hyphen[1]), _SIMPLE.fullmatch(hyphen[2])
        if low is None or high is None:
            return None
        return [*_simple(">=", low), *_simple("<=", high)]
    bounds: list[_Bound] = []
    for word in _GAP.sub("", text).split():
        found = _SIMPLE.fullmatch(word)
        if found is None:
            return None
        bounds += _simple(found["operator"] or "=", found)
    return bounds


def _numbers(found: re.Match[str]) -> Numbers:
    parts = [None if part in "xX*" else int(part[:16]) for part in found["numbers"].split(".")]
    parts += [None] * (3 - len(parts))
    if parts[0] is None:
        return None, None, None
    return parts[0], parts[1], parts[2] if parts[1] is not None else None


def _simple(operator: str, found: re.Match[str]) -> Iterator[_Bound]:
    """Turn one comparison with a version that may be partial into bounds by whole versions."""
    major, minor, patch = _numbers(found)
    pre = found["pre"] or "" if patch is not None else ""
    if major is None:
        if operator in ("<", ">"):
            yield _Bound(operator="<", core=(0, 0, 0), pre="0")  # nothing lies there
        return
    low = (major, minor or 0, patch or 0)
    if operator in ("^", "~", "~>", "=") and (operator != "=" or patch is None):
        yield _Bound(operator=">=", core=low, pre=pre)
        yield _Bound(operator="<", core=_above(operator, major, minor, patch), pre="0")
    elif patch is not None or operator in (">=", "<"):
        yield _Bound(operator=operator, core=low, pre=pre or ("0" if patch is None and operator == "<" else ""))
    elif operator == ">":
        yield _Bound(operator=">=", core=_next(major, minor), pre="")
    else:
        yield _Bound(operator="<", core=_next(major, minor), pre="0")


def _above(operator: str, major: int, minor: int | None, patch: int | None) -> tuple[int, int, int]:
    """Return the first version that a caret, a tilde or a partial version does not reach."""
    if operator == "^":
        if major or minor is None:
            return major + 1, 0, 0
        if minor or patch is None:
            return 0, minor + 1, 0
        return 0, 0, patch + 1
    return _next(major, minor)


def _next(major: int, minor: int | None) -> tuple[int, int, int]:
    return (major + 1, 0, 0) if minor is None else (major, minor + 1, 0)
