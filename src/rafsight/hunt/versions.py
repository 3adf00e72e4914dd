"""Ranges of versions as people write them: `>=5.6.0,<5.6.2` or `1.2.3 || >=2.0,<2.17`.

This module alone decides how a range is written. A comma means that both have to hold, `||` that one is enough; the
order of versions is that of the kind of package (`matching/versions`).
"""

import re
from dataclasses import dataclass
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.matching.distributions import LANGUAGES
from rafsight.matching.ecosystems import package_version
from rafsight.matching.versions import HIGHEST, LOWEST, Scheme, UncomparableVersion, scheme_for

_OS_BASES: Final = {"apk": "Alpine", "deb": "Debian", "rpm": "Red Hat"}
_BOUND: Final = re.compile(r"(>=|<=|==|=|>|<)?\s*([A-Za-z0-9][^\s<>=|,]*)\Z")
_LONGEST: Final = 4096


class MalformedRange(CallerError):
    """A range of versions cannot be read."""

    code = "malformed-range"
    template = "--version '{text}': {why}"
    remedy = (
        "Write bounds as in '>=5.6.0,<5.6.2', alternatives as in '1.2.3 || >=2.0,<2.17'; quote them for your shell."
    )
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRange:
    """A range of versions of one kind of package."""

    text: str
    base: str
    """Ecosystem whose order counts."""
    spans: tuple[tuple[bytes, bytes], ...]
    """Half-open intervals of keys, one of which a version has to lie in."""

    def holds(self, version: str) -> bool:
        """Tell whether a version lies in the range.

        Raises: UncomparableVersion.
        """
        scheme = scheme_for(self.base)
        assert scheme is not None  # or the range could not have been read
        key = scheme.key(package_version(self.base, version))
        return any(low <= key < high for low, high in self.spans)


def parse_version_range(text: str, kind: str) -> VersionRange:
    """Read a range.

    Args:
        text: as people write it.
        kind: the type of a package URL.
    Raises: MalformedRange.
    """
    base = _OS_BASES.get(kind) or LANGUAGES.get(kind, "")
    scheme = scheme_for(base)
    if scheme is None:
        raise MalformedRange(text=text, why=f"versions of pkg:{kind} have no order that is known here")
    if len(text) > _LONGEST:
        raise MalformedRange(text=text, why="it is too long")
    spans = tuple(_span(text, part, scheme) for part in text.split("||"))
    return VersionRange(text=text, base=base, spans=spans)


def _span(text: str, part: str, scheme: Scheme) -> tuple[bytes, bytes]:
    """Read bounds that have to hold together."""
    low, high = LOWEST, HIGHEST
    for bound in part.split(","):
        found = _BOUND.match(bound.strip())
        if found is None:
            raise MalformedRange(text=text, why=f"'{bound.strip()}' is no bound")
        sign, version = found[1] or "=", found[2]
        try:
            key, after = scheme.key(version), scheme.after(version)
        except UncomparableVersion as error:
            raise MalformedRange(text=text, why=str(error)) from error
        if sign in (">=", "=", "=="):
            low = max(low, key)
        if sign == ">":
            low = max(low, after)
        if sign == "<":
            high = min(high, key)
        if sign in ("<=", "=", "=="):
            high = min(high, after)
    return low, high
