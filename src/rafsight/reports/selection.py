"""Which part of a report is shown, and what its numbers are.

This module alone decides how filters and totals count.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from rafsight.analysis.inventory import LASTING_REASONS, Gap, GapReason
from rafsight.analysis.misconfig.finding import Misconfiguration
from rafsight.analysis.secrets.finding import Secret
from rafsight.base.severity import Severity
from rafsight.matching.finding import Finding
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


def count_severities(findings: Iterable[Finding | Secret | Misconfiguration]) -> Totals:
    """Count findings of any kind by severity."""
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
    report: ScanReport,
    *,
    severities: AbstractSet[Severity] = ALL_SEVERITIES,
    ignore_unfixed: bool = False,
    show_unimportant: bool = False,
) -> ScanReport:
    """Leave out findings that are not asked for; gaps stay, and what is left out is kept count of.

    Args:
        report: stays as it is.
        severities: the ones to keep.
        ignore_unfixed: of the vulnerabilities, keep only what an update can mend.
        show_unimportant: list what the distribution calls unimportant, too, as far as it passes the filters.
    """

    def passes(finding: Finding) -> bool:
        return finding.severity in severities and bool(finding.fixed_versions or not ignore_unfixed)

    hidden = [finding for finding in report.findings if not passes(finding)]
    unimportant = report.unimportant
    if show_unimportant:
        hidden += [finding for finding in unimportant if not passes(finding)]
        unimportant = tuple(filter(passes, unimportant))
    secrets = tuple(secret for secret in report.secrets if secret.severity in severities)
    checks = tuple(check for check in report.misconfigurations if check.severity in severities)
    others = len(report.secrets) - len(secrets) + len(report.misconfigurations) - len(checks)
    exploited = {*report.hidden_exploited, *(finding.id for finding in hidden if finding.known_exploited)}
    return replace(
        report,
        findings=tuple(filter(passes, report.findings)),
        unimportant=unimportant,
        lists_unimportant=report.lists_unimportant or show_unimportant,
        secrets=secrets,
        misconfigurations=checks,
        hidden_count=report.hidden_count + len(hidden) + others,
        hidden_exploited=tuple(sorted(exploited)),
    )


def listed_findings(report: ScanReport) -> tuple[Finding, ...]:
    """Return all findings that a report names: those that count, then the unimportant ones if they are listed."""
    return report.findings + report.unimportant if report.lists_unimportant else report.findings


def has_unreadable(gaps: Iterable[Gap]) -> bool:
    """Tell whether bytes could not be had or did not verify: nobody can have meant to do without those."""
    return any(gap.reason is GapReason.UNREADABLE for gap in gaps)


def is_complete(report: ScanReport) -> bool:
    """Tell whether the absence of findings means something: all was looked at, with a database where one is needed."""
    is_whole = all(gap.reason in LASTING_REASONS for gap in report.gaps)
    return is_whole and (report.database is not None or "vuln" not in report.scanners)


def is_empty(report: ScanReport) -> bool:
    """Tell whether there was nothing to look at: packages alone were looked for, and the image has none.

    What could not be read may have had some, so that the report is incomplete then.
    """
    if report.inventory.components or report.scanners != ("vuln",):
        return False
    return {gap.reason for gap in report.gaps} == {GapReason.NO_PACKAGES}


def counts_for_exit(report: ScanReport) -> bool:
    """Tell whether anything was found that whoever waits for the exit status should act on."""
    return bool(
        report.secrets or report.misconfigurations or any(not finding.kernel_headers for finding in report.findings)
    )
