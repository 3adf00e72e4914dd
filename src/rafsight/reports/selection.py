"""Which part of a report is shown, and what its numbers are.

This module alone decides how filters and totals count.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from rafsight.matching.finding import Finding, Severity
from rafsight.reports.document import ScanReport

ALL_SEVERITIES = frozenset(Severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """How many findings there are of each severity."""

    critical: int
    high: int
    medium: int
    low: int
    unknown: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.critical + self.high + self.medium + self.low + self.unknown

    def of(self, severity: Severity) -> int:
        """Return the number of one severity."""
        return {
            Severity.CRITICAL: self.critical,
            Severity.HIGH: self.high,
            Severity.MEDIUM: self.medium,
            Severity.LOW: self.low,
            Severity.UNKNOWN: self.unknown,
        }[severity]


def count_severities(findings: Iterable[Finding]) -> Totals:
    """Count findings by severity."""
    counts = dict.fromkeys(Severity, 0)
    for finding in findings:
        counts[finding.severity] += 1
    return Totals(
        critical=counts[Severity.CRITICAL],
        high=counts[Severity.HIGH],
        medium=counts[Severity.MEDIUM],
        low=counts[Severity.LOW],
        unknown=counts[Severity.UNKNOWN],
    )


def filter_findings(
    report: ScanReport, *, severities: AbstractSet[Severity] = ALL_SEVERITIES, ignore_unfixed: bool = False
) -> ScanReport:
    """Leave out findings that are not asked for; gaps stay, and the number left out is kept in `hidden_count`.

    Args:
        report: stays as it is.
        severities: the ones to keep.
        ignore_unfixed: keep only what an update can mend.
    """
    kept = tuple(
        finding
        for finding in report.findings
        if finding.severity in severities and (finding.fixed_versions or not ignore_unfixed)
    )
    hidden_count = report.hidden_count + len(report.findings) - len(kept)
    return replace(report, findings=kept, hidden_count=hidden_count)


def is_complete(report: ScanReport) -> bool:
    """Tell whether the absence of findings means something: everything was looked at, against a database."""
    return not report.gaps and report.database is not None
