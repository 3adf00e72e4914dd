"""The words of policies: what each counts, among what is found.

This module alone decides which words there are and what they mean; `docs/pipelines.md` lists them (a test compares).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rafsight.analysis.inventory import Gap, GapReason
from rafsight.analysis.misconfig.finding import Misconfiguration
from rafsight.analysis.secrets.finding import Secret
from rafsight.base.severity import Severity
from rafsight.matching.finding import Finding, Status
from rafsight.reports.document import ScanReport

Item = Finding | Secret | Misconfiguration | Gap

FOUND: Final = frozenset({"vuln", "secret", "misconfig"})
"""Kinds of findings, named as the scanners that find them."""
ALL_KINDS: Final = FOUND | {"gap"}
_VULN: Final = frozenset({"vuln"})
_GAP: Final = frozenset({"gap"})
END_OF_LIFE_CHECK: Final = "RS-OS-001"
"""The check that says that nobody supports a release any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word: which items it lets through."""

    kinds: frozenset[str]
    """Of what it can be said."""
    passes: Callable[[Item], bool]
    meaning: str
    """For people: what it counts."""


def _of_kind(kind: str, meaning: str) -> Word:
    return Word(kinds=frozenset({kind}), passes=lambda _: True, meaning=meaning)


def _severity(least: Severity) -> Word:
    name = least.name.lower()
    if least is Severity.UNKNOWN:
        meaning = "findings whose severity nobody knows"
        return Word(kinds=FOUND, passes=lambda item: _severity_of(item) is Severity.UNKNOWN, meaning=meaning)
    worse = "" if least is Severity.CRITICAL else " or worse"
    return Word(
        kinds=FOUND, passes=lambda item: _severity_of(item) >= least, meaning=f"findings of severity {name}{worse}"
    )


def _flaw(passes: Callable[[Finding], bool], meaning: str) -> Word:
    return Word(kinds=_VULN, passes=lambda item: isinstance(item, Finding) and passes(item), meaning=meaning)


def _gap(reason: GapReason, meaning: str) -> Word:
    return Word(kinds=_GAP, passes=lambda item: isinstance(item, Gap) and item.reason is reason, meaning=meaning)


def _severity_of(item: Item) -> Severity:
    return Severity.UNKNOWN if isinstance(item, Gap) else item.severity


def _is_past_support(item: Item) -> bool:
    if isinstance(item, Finding):
        return item.status is Status.END_OF_LIFE
    return isinstance(item, Misconfiguration) and item.id == END_OF_LIFE_CHECK


WORDS: Final[dict[str, Word]] = {
    "any": Word(kinds=FOUND, passes=lambda _: True, meaning="all findings"),
    "vuln": _of_kind("vuln", "vulnerabilities"),
    "secret": _of_kind("secret", "secrets"),
    "misconfig": _of_kind("misconfig", "misconfigurations"),
    "critical": _severity(Severity.CRITICAL),
    "high": _severity(Severity.HIGH),
    "medium": _severity(Severity.MEDIUM),
    "low": _severity(Severity.LOW),
    "unknown": _severity(Severity.UNKNOWN),
    "fixable": _flaw(lambda flaw: bool(flaw.fixed_versions), "vulnerabilities that an update mends"),
    "unfixed": _flaw(lambda flaw: not flaw.fixed_versions, "vulnerabilities that no update mends yet"),
    "kev": _flaw(lambda flaw: flaw.known_exploited, "vulnerabilities known to be exploited (CISA KEV)"),
    "malware": _flaw(lambda flaw: flaw.malware, "packages that are malicious themselves"),
    "eol": Word(
        kinds=frozenset({"vuln", "misconfig"}),
        passes=_is_past_support,
        meaning="what is past its end of life: vulnerabilities that will stay for that, and distributions",
    ),
    "gap": _of_kind("gap", "things that were not looked at"),
    "unreadable": _gap(GapReason.UNREADABLE, "gaps whose bytes could not be had or did not verify"),
    "malformed": _gap(GapReason.MALFORMED, "gaps that are damaged files"),
    "too-large": _gap(GapReason.TOO_LARGE, "gaps that are too large files"),
    "no-advisories": _gap(GapReason.NO_ADVISORIES, "gaps that the database has no advisories for"),
}
"""The words that may be joined by dots, each of which narrows what is counted."""

MEASURES: Final = {
    "epss": "the highest EPSS probability, from 0 to 1 (or in %)",
    "cvss": "the highest CVSS score, from 0 to 10",
}
"""Words that may stand last, after a dot or alone: a number instead of a count."""

AGE: Final = "database-age"

FUNCTIONS: Final = {
    "package": "installed packages of that name; `*` and `?` stand for anything, a version may follow an `@`",
    "license": "installed packages under that licence; `*` and `?` as above",
    "id": "findings of that id, by any of its names; `*` and `?` as above",
}


def items_of(report: ScanReport, kinds: frozenset[str]) -> list[Item]:
    """Return what is found of some kinds, as far as it counts: no flaws of headers of a kernel that does not run."""
    found: list[Item] = []
    if "vuln" in kinds:
        found += (flaw for flaw in report.findings if not flaw.kernel_headers)
    if "secret" in kinds:
        found += report.secrets
    if "misconfig" in kinds:
        found += report.misconfigurations
    if "gap" in kinds:
        found += report.gaps
    return found


def looked_for(report: ScanReport) -> frozenset[str]:
    """Return the kinds about which the report has an answer."""
    scanners = set(report.scanners) - ({"vuln"} if report.database is None else set())
    return ALL_KINDS & (scanners | _GAP)
