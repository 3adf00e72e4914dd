"""Two reports of an image taken apart into three: what came, what went, what stayed.

This module alone decides what is compared: what both looked for, and packages if both name them.
"""

from dataclasses import dataclass, replace

from rafsight.reports.changes import compare_reports
from rafsight.reports.document import ScanReport
from rafsight.reports.other_changes import PackageChange, compare_packages, missing_checks, missing_secrets
from rafsight.reports.verdict import SCANNERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Both reports, taken apart. Each part has findings of the kinds `scanners` alone."""

    scanners: tuple[str, ...]
    """What both looked for."""
    added: ScanReport
    """The later one with what is new, or known to be exploited since."""
    removed: ScanReport
    """The earlier one with what is gone."""
    kept: ScanReport
    """The later one with what was there before."""
    packages: tuple[PackageChange, ...] | None
    """None: not both say which packages there are."""


def take_apart(before: ScanReport, after: ScanReport) -> Parts:
    """Compare two reports. Cost: linear in their findings and packages, but for sorting."""
    before, after = _common(before, after), _common(after, before)
    changes = compare_reports(before, after)
    new_secrets = missing_secrets(after.secrets, before.secrets)
    new = {id(one) for one in (*changes.added, *new_secrets)}
    known = {check.id for check in before.misconfigurations}
    return Parts(
        scanners=after.scanners,
        added=replace(
            after,
            findings=changes.added,
            secrets=new_secrets,
            misconfigurations=missing_checks(after.misconfigurations, before.misconfigurations),
        ),
        removed=replace(
            before,
            findings=changes.removed,
            secrets=missing_secrets(before.secrets, after.secrets),
            misconfigurations=missing_checks(before.misconfigurations, after.misconfigurations),
        ),
        kept=replace(
            after,
            findings=tuple(one for one in after.findings if id(one) not in new),
            secrets=tuple(one for one in after.secrets if id(one) not in new),
            misconfigurations=tuple(one for one in after.misconfigurations if one.id in known),
        ),
        packages=compare_packages(before.inventory.components, after.inventory.components)
        if before.names_packages and after.names_packages
        else None,
    )


def _common(report: ScanReport, other: ScanReport) -> ScanReport:
    """Leave out of a report what the other one did not look for: it would seem to have come or gone."""
    scanners = tuple(name for name in SCANNERS if name in report.scanners and name in other.scanners)
    return replace(
        report,
        scanners=scanners,
        findings=report.findings if "vuln" in scanners else (),
        unimportant=(),
        secrets=report.secrets if "secret" in scanners else (),
        misconfigurations=report.misconfigurations if "misconfig" in scanners else (),
    )
