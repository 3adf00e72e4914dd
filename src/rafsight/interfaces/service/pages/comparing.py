"""Two reports of an image beside each other: what is new, what is gone, what is still there.

This module alone decides which report came before another one, and how much of a comparison a page shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rafsight.interfaces.service.jobs.model import ReportHead
from rafsight.reports.comparison import take_apart
from rafsight.reports.issues import Issue, issues_of
from rafsight.reports.other_changes import PackageChange
from rafsight.reports.ranking import Rank, rank_of

if TYPE_CHECKING:
    from rafsight.reports.document import ScanReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Part of a list of findings, the riskiest first."""

    items: tuple[Issue, ...]
    total: int
    """Rows of the whole list."""

    @property
    def left(self) -> int:
        """Rows that are not shown."""
        return self.total - len(self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRows:
    """Part of a list of packages that changed, ordered by kind and name."""

    items: tuple[PackageChange, ...]
    came: int
    went: int
    total: int
    """Rows of the whole list: those that came, those that went, and those with other versions."""

    @property
    def left(self) -> int:
        """Rows that are not shown."""
        return self.total - len(self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Findings and packages of two reports. Packages of one source with the same flaw are one row."""

    scanners: tuple[str, ...]
    """What both looked for; nothing else is compared."""
    added: Rows
    """New, or known to be exploited since."""
    removed: Rows
    kept: Rows
    packages: PackageRows | None
    """None: not both say which packages there are."""


def compare(before: "ScanReport", after: "ScanReport", *, most: int) -> Comparison:
    """Compare two reports.

    Args:
        before: the earlier one.
        after: the later one.
        most: rows of each list.
    Cost: linear in their findings, but for sorting.
    """
    parts = take_apart(before, after)
    return Comparison(
        scanners=parts.scanners,
        added=_ranked(issues_of(parts.added), most),
        removed=_ranked(issues_of(parts.removed), most),
        kept=_ranked(issues_of(parts.kept), most),
        packages=None if parts.packages is None else _packages(parts.packages, most),
    )


def _packages(changes: Sequence[PackageChange], most: int) -> PackageRows:
    return PackageRows(
        items=tuple(changes[:most]),
        came=sum(not change.before for change in changes),
        went=sum(not change.after for change in changes),
        total=len(changes),
    )


def worst_of(report: "ScanReport", most: int) -> Rows:
    """Return the riskiest findings of all kinds.

    Args:
        report: as it was kept.
        most: rows.
    """
    return _ranked(issues_of(report), most)


def earlier_of(head: ReportHead, history: Sequence[ReportHead]) -> ReportHead | None:
    """Return the scan before one that looked for as much of the same as any did.

    Args:
        head: of a report.
        history: of its image, the latest first.
    """
    return max(comparable(head, history), key=lambda other: len(_shared(head, other)), default=None)


def comparable(head: ReportHead, history: Sequence[ReportHead]) -> tuple[ReportHead, ...]:
    """Return the scans before one that looked for something that it looked for, too, the latest first."""
    return tuple(other for other in earlier_ones(head, history) if _shared(head, other))


def _shared(head: ReportHead, other: ReportHead) -> set[str]:
    return {*head.scanners} & {*other.scanners}


def earlier_ones(head: ReportHead, history: Sequence[ReportHead]) -> tuple[ReportHead, ...]:
    """Return all scans before one, the latest first."""
    place = next((place for place, other in enumerate(history) if other.id == head.id), None)
    return () if place is None else tuple(history[place + 1 :])


def _ranked(issues: Sequence[Issue], most: int) -> Rows:
    ranked = sorted(issues, key=_rank)
    return Rows(items=tuple(ranked[:most]), total=len(ranked))


def _rank(issue: Issue) -> Rank:
    return rank_of(issue.severity, known_exploited="known exploited" in issue.alarms, epss=issue.epss)
