"""Two reports of an image beside each other: what is new, what is gone, what is still there.

This module alone decides which report came before another one, and how much of a comparison a page shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rafsight.interfaces.service.jobs.model import ReportHead
from rafsight.reports.changes import compare_reports
from rafsight.reports.issues import Issue, issues_of
from rafsight.reports.ranking import Rank, rank_of

if TYPE_CHECKING:
    from rafsight.reports.document import ScanReport

_VULNERABILITIES: Final = "vuln"


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
class Comparison:
    """Vulnerabilities of two reports. Packages of one source with the same flaw are one row."""

    added: Rows
    """New, or known to be exploited since."""
    removed: Rows
    kept: Rows


def compare(before: "ScanReport", after: "ScanReport", *, most: int) -> Comparison:
    """Compare two reports.

    Args:
        before: the earlier one.
        after: the later one.
        most: rows of each list.
    Cost: linear in their findings, but for sorting.
    """
    changes = compare_reports(before, after)
    added = {id(finding) for finding in changes.added}
    kept = tuple(finding for finding in after.findings if id(finding) not in added)
    return Comparison(
        added=_rows(replace(after, findings=changes.added), most),
        removed=_rows(replace(before, findings=changes.removed), most),
        kept=_rows(replace(after, findings=kept), most),
    )


def worst_of(report: "ScanReport", most: int) -> Rows:
    """Return the riskiest findings of all kinds.

    Args:
        report: as it was kept.
        most: rows.
    """
    return _ranked(issues_of(report), most)


def earlier_of(head: ReportHead, history: Sequence[ReportHead]) -> ReportHead | None:
    """Return the scan before one that looked for vulnerabilities, too.

    Args:
        head: of a report.
        history: of its image, the latest first.
    """
    if _VULNERABILITIES not in head.scanners:
        return None
    return next((other for other in earlier_ones(head, history) if _VULNERABILITIES in other.scanners), None)


def earlier_ones(head: ReportHead, history: Sequence[ReportHead]) -> tuple[ReportHead, ...]:
    """Return all scans before one, the latest first."""
    place = next((place for place, other in enumerate(history) if other.id == head.id), None)
    return () if place is None else tuple(history[place + 1 :])


def _rows(report: "ScanReport", most: int) -> Rows:
    return _ranked(issues_of(replace(report, secrets=(), misconfigurations=(), unimportant=())), most)


def _ranked(issues: Sequence[Issue], most: int) -> Rows:
    ranked = sorted(issues, key=_rank)
    return Rows(items=tuple(ranked[:most]), total=len(ranked))


def _rank(issue: Issue) -> Rank:
    return rank_of(issue.severity, known_exploited="known exploited" in issue.alarms, epss=issue.epss)
