"""What to look at first: findings by risk.

This module alone decides the order: severity, then whether it is known to be exploited, then how likely that is (EPSS),
then whether an update mends it; names decide the rest, so that the order is always the same.
"""

from typing import TypeAlias

from rafsight.base.severity import Severity
from rafsight.matching.finding import Finding

Rank: TypeAlias = tuple[int, int, float]


def rank_of(severity: Severity, *, known_exploited: bool = False, epss: float | None = None) -> Rank:
    """Return what to sort by, worst first."""
    return -int(severity), -int(known_exploited), -(epss or 0.0)


def finding_rank(finding: Finding) -> tuple[object, ...]:
    """Return what to sort findings by, worst first; equal only for the same flaw of the same package and place."""
    component = finding.component
    return (
        *rank_of(finding.severity, known_exploited=finding.known_exploited, epss=finding.epss),
        not finding.fixed_versions,
        finding.id,
        component.name.casefold(),
        component.name,
        component.version,
        component.locations,
    )


def describe_epss(epss: float | None) -> str:
    """Write a probability for people: `94.2 %`; empty where nothing is known."""
    if epss is None:
        return ""
    percent = 100 * epss
    return "< 0.1 %" if 0 < percent < 0.05 else f"{percent:.1f} %"
