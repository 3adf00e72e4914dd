"""What came and what went between two reports: two scans of an image, or the same image and newer advisories.

This module alone decides what counts as new: a flaw under another of its names does not, one that is known to be
exploited now does.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rafsight.matching.finding import Finding
from rafsight.reports.document import ScanReport

_Package = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Findings of one report that the other does not have; the worst first."""

    added: tuple[Finding, ...]
    """New, or known to be exploited since."""
    removed: tuple[Finding, ...]


def compare_reports(before: ScanReport, after: ScanReport) -> Changes:
    """Say what came and went. Cost: linear in the findings."""
    return Changes(
        added=_missing(after.findings, before.findings, exploited_too=True),
        removed=_missing(before.findings, after.findings, exploited_too=False),
    )


def _missing(findings: Iterable[Finding], others: Iterable[Finding], *, exploited_too: bool) -> tuple[Finding, ...]:
    """Return the findings that are not among others, by any of their names."""
    known: dict[_Package, dict[str, bool]] = {}
    for other in others:
        names = known.setdefault(_package(other), {})
        for name in (other.id, *other.aliases):
            names[name] = names.get(name, False) or other.known_exploited
    missing = [one for one in findings if _is_new(one, known.get(_package(one), {}), exploited_too=exploited_too)]
    return tuple(sorted(missing, key=lambda one: (not one.known_exploited, -one.severity, one.id, one.component.name)))


def _is_new(finding: Finding, known: dict[str, bool], *, exploited_too: bool) -> bool:
    found = [known[name] for name in (finding.id, *finding.aliases) if name in known]
    return not found or (exploited_too and finding.known_exploited and not any(found))


def _package(finding: Finding) -> _Package:
    return finding.component.ecosystem, finding.component.name, finding.component.version
