"""Events and lists of versions to intervals of keys.

This module alone decides what an OSV range means. Events are sorted by version, with those of one version left in the
record's order; `introduced: 0` is below every version; `limit` bounds the enumeration of commits only and says nothing
here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rafsight.matching.advisory import Interval
from rafsight.matching.versions.scheme import HIGHEST, LOWEST, Scheme, UncomparableVersion

INTRODUCED: Final = 0
FIXED: Final = 1
LAST_AFFECTED: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeEvent:
    """Something that happens at a version."""

    kind: int
    """INTRODUCED, FIXED or LAST_AFFECTED."""
    version: str


def intervals_of_events(events: Iterable[RangeEvent], scheme: Scheme) -> list[Interval]:
    """Return the intervals in which a version is affected.

    Raises: UncomparableVersion: a bound that the scheme refuses; nothing can be said about such a range.
    """
    keyed = [(_place(event, scheme), event) for event in events]
    keyed.sort(key=lambda pair: pair[0])
    intervals: list[Interval] = []
    low: bytes | None = None
    for place, event in keyed:
        if event.kind == INTRODUCED:
            low = place if low is None else low
            continue
        if low is None:
            continue
        fixed = event.kind == FIXED
        high = place if fixed else scheme.after(event.version)
        if low < high:
            intervals.append(Interval(low=low, high=high, fixed=event.version if fixed else ""))
        low = None
    if low is not None:
        intervals.append(Interval(low=low, high=HIGHEST))
    return intervals


def intervals_of_versions(
    versions: Sequence[str], covered: Sequence[Interval], fixes: Sequence[str], scheme: Scheme
) -> tuple[list[Interval], int]:
    """Return the intervals of listed versions that no range covers already, and how many versions were refused.

    Args:
        versions: as the record lists them.
        covered: what the ranges of the same package say already.
        fixes: versions that end those ranges: the lowest one above a listed version counts as its fix.
        scheme: the order of the ecosystem's versions.
    """
    intervals: list[Interval] = []
    refused = 0
    keyed_fixes: list[tuple[bytes, str]] | None = None
    for version in versions:
        try:
            low, high = scheme.key(version), scheme.after(version)
        except UncomparableVersion:
            refused += 1
            continue
        if any(interval.low <= low and high <= interval.high for interval in covered):
            continue
        if keyed_fixes is None:
            keyed_fixes = sorted((scheme.key(fix), fix) for fix in fixes)
        fixed = next((fix for place, fix in keyed_fixes if place >= high), "")
        intervals.append(Interval(low=low, high=high, fixed=fixed))
    return intervals, refused


def _place(event: RangeEvent, scheme: Scheme) -> bytes:
    return LOWEST if event.version == "0" and event.kind != LAST_AFFECTED else scheme.key(event.version)
