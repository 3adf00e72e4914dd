"""Semantic Versioning's order, as npm, Go, crates.io, Hex, Swift, Conan, Bitnami and (caseless) NuGet use it.

A leading `v` or `=` and everything from `+` do not count. The core may have any count of numbers; missing ones are 0.
A prerelease is lower than its core alone; its identifiers compare one by one, numbers below text, a shorter list below.
For Pub and Julia what follows `+` counts as well: as identifiers, above its absence.
"""

import re
from typing import Final

from rafsight.matching.versions.scheme import UncomparableVersion, number, plain, scheme_of, text

_FORM: Final = re.compile(r"[v=]*\s*([0-9]+(?:\.[0-9]+)*)(?:-?([^+\s]*))?(?:\+.*)?")
_PRERELEASE: Final = b"\x01"
_RELEASE: Final = b"\x02"


def key(version: str) -> bytes:
    """Encode a version so that bytes order as Semantic Versioning orders versions.

    Raises: UncomparableVersion: it does not begin with numbers.
    """
    match = _FORM.fullmatch(plain(version, "semver"))
    if match is None:
        raise UncomparableVersion(version=version, scheme="semver")
    core, prerelease = match.groups()
    pieces = [b"\x01" + number(part) for part in _without_last_zeros(core.split("."))]
    pieces.append(b"\x00")
    if not prerelease:
        return b"".join((*pieces, _RELEASE))
    pieces.append(_PRERELEASE)
    pieces += [_identifier(part) for part in prerelease.split(".")]
    return b"".join((*pieces, b"\x00"))


def caseless_key(version: str) -> bytes:
    """Encode a version so that bytes order as NuGet orders versions: letters count in one case only.

    Raises: UncomparableVersion.
    """
    return key(version.lower())


def built_key(version: str) -> bytes:
    """Encode a version so that bytes order as Pub and Julia order versions: two builds of one version differ.

    Raises: UncomparableVersion.
    """
    core, plus, build = plain(version, "semver").partition("+")
    tail = [_identifier(part) for part in build.split(".")] if plus else []
    return b"".join((key(core), *tail, b"\x00"))


def _identifier(part: str) -> bytes:
    return b"\x01" + number(part) if part.isdigit() else b"\x02" + text(part)


def _without_last_zeros(parts: list[str]) -> list[str]:
    count = len(parts)
    while count and not parts[count - 1].strip("0"):
        count -= 1
    return parts[:count]


SEMVER: Final = scheme_of("semver", key)
NUGET: Final = scheme_of("nuget", caseless_key)
BUILT: Final = scheme_of("semver-build", built_key)
