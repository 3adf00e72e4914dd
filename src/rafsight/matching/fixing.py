"""Which version of a package ends its flaws.

This module alone decides that. A flaw that is mended on several branches names a fix for each: a version ends it that
reaches the fix of its own branch, or the highest one where none is of its branch.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from rafsight.analysis.inventory import Ecosystem
from rafsight.matching.distributions import LANGUAGES
from rafsight.matching.versions import SCHEMES, Scheme, UncomparableVersion

_NUMBERS: Final = re.compile(r"(?:[0-9]+!|v|=)?([0-9]+(?:\.[0-9]+)*)")
_DISTRIBUTIONS: Final[Mapping[str, Scheme]] = {
    Ecosystem.DEB: SCHEMES["Debian"],
    Ecosystem.RPM: SCHEMES["Red Hat"],
    Ecosystem.APK: SCHEMES["Alpine"],
}
_CANDIDATES: Final = 64
"""The highest fixes that are tried; more are of kernels, where the highest of all it is."""


def scheme_of_packages(ecosystem: str) -> Scheme | None:
    """Return the order of the versions of a kind of packages, None if they cannot be compared here.

    Args:
        ecosystem: a value of `Ecosystem`.
    """
    return _DISTRIBUTIONS.get(ecosystem) or SCHEMES.get(LANGUAGES.get(ecosystem, ""))


def ends_flaw(version: str, fixes: Collection[str], scheme: Scheme) -> bool:
    """Tell whether a version ends a flaw; False if that cannot be compared.

    Args:
        version: to be installed.
        fixes: the versions that mend the flaw, on one branch or several; at least one.
        scheme: the order of both.
    """
    try:
        own = scheme.key(version)
        keyed = {scheme.key(fix): fix for fix in fixes}
    except UncomparableVersion:
        return False
    if len(keyed) == 1:
        return own >= next(iter(keyed))
    shared = {key: _shared(version, fix) for key, fix in keyed.items()}
    closest = max(shared.values())
    return own >= max(key for key, count in shared.items() if count == closest)


def choose_update(installed: str, flaws: Iterable[tuple[str, ...]], scheme: Scheme) -> str:
    """Choose the version to update a package to: the lowest of those fixes that end most of its flaws.

    Args:
        installed: version.
        flaws: the fixes of each flaw that has any.
        scheme: the order of all of them.
    Returns: empty if no fix lies above what is installed, or it cannot be compared.
    """
    counts = Counter(flaws)
    try:
        lowest = scheme.key(installed)
    except UncomparableVersion:
        return ""
    keyed: dict[bytes, str] = {}
    for fix in {fix for fixes in counts for fix in fixes}:
        try:
            keyed[scheme.key(fix)] = fix
        except UncomparableVersion:
            continue
    candidates = sorted(key for key in keyed if key > lowest)[-_CANDIDATES:]
    best, most = "", 0
    for key in candidates:
        ended = sum(count for fixes, count in counts.items() if ends_flaw(keyed[key], fixes, scheme))
        if ended > most:
            best, most = keyed[key], ended
    return best


def version_numbers(version: str) -> list[str]:
    """Return the numbers that a version begins with, as they are written but for leading zeros."""
    found = _NUMBERS.match(version.strip())
    return [number.lstrip("0") for number in found[1].split(".")] if found is not None else []


def _shared(version: str, fix: str) -> int:
    """Count the numbers that a version shares with a fix from the start; the last number of a fix makes no branch."""
    count = 0
    for own, other in zip(version_numbers(version), version_numbers(fix)[:-1], strict=False):
        if own != other:
            break
        count += 1
    return count
