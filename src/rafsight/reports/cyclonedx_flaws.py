"""The vulnerabilities of a CycloneDX document: one entry for a flaw, with all components that have it.

This module alone decides which findings share an entry, and how the words of VEX become CycloneDX's.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rafsight.base.severity import Severity
from rafsight.matching.finding import CvssRating, Finding
from rafsight.reports.bom import Listing
from rafsight.reports.document import ScanReport, Suppressed
from rafsight.reports.identity import hash_of
from rafsight.reports.ranking import finding_rank
from rafsight.reports.text import cut, line_of, web_address, whole
from rafsight.reports.trivy_packages import present

Json = dict[str, Any]

_METHODS: Final = {"2": "CVSSv2", "3": "CVSSv3", "3.0": "CVSSv3", "3.1": "CVSSv31", "4.0": "CVSSv4"}
_STATES: Final = {"not_affected": "not_affected", "fixed": "resolved", "under_investigation": "in_triage"}
_JUSTIFICATIONS: Final = {
    "component_not_present": "code_not_present",
    "vulnerable_code_not_present": "code_not_present",
    "vulnerable_code_not_in_execute_path": "code_not_reachable",
    "vulnerable_code_cannot_be_controlled_by_adversary": "requires_environment",
    "inline_mitigations_already_exist": "protected_by_mitigating_control",
}
_DATE: Final = re.compile(
    r"\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|[+-][0-2]\d:[0-5]\d)\Z", re.ASCII
)
_TEXT: Final = 8000


def spell_flaws(report: ScanReport, listing: Listing) -> list[Json]:
    """Spell all vulnerabilities, the worst first, then those that are suppressed."""
    entries: dict[tuple[str, ...], list[Finding]] = {}
    reasons: dict[tuple[str, ...], Suppressed] = {}
    for finding in sorted(report.findings, key=finding_rank):
        entries.setdefault(_key(finding), []).append(finding)
    for one in report.suppressed:
        if isinstance(one.finding, Finding):
            key = _key(one.finding, one.status, one.statement, one.source)
            entries.setdefault(key, []).append(one.finding)
            reasons[key] = one
    return [_flaw(key, findings, reasons.get(key), listing) for key, findings in entries.items()]


def _key(finding: Finding, *suppressed: str) -> tuple[str, ...]:
    return finding.id, finding.severity.name, finding.severity_source, *suppressed


def _flaw(key: tuple[str, ...], findings: Sequence[Finding], reason: Suppressed | None, listing: Listing) -> Json:
    first = findings[0]
    source = first.data_source
    ratings = _ratings(first)
    return {
        "bom-ref": f"vulnerability:{hash_of(*key)[:16]}",
        "id": whole(first.id),
        **present(
            {
                "source": present({"name": source.name or source.id, "url": web_address(source.url)}),
                "references": _references(first),
                "ratings": ratings,
                "cwes": _weaknesses(first.cwe_ids),
                "description": cut(first.description or first.title, _TEXT),
                "recommendation": _recommendation(findings),
                "advisories": [
                    {"url": address} for address in dict.fromkeys(map(web_address, first.references)) if address
                ],
                "published": first.published if _DATE.match(first.published) else "",
                "updated": first.modified if _DATE.match(first.modified) else "",
                "analysis": _analysis(reason),
            }
        ),
        "affects": [_affected(finding, listing, reason) for finding in findings],
        **present({"properties": _properties(first)}),
    }


def _references(finding: Finding) -> list[Json]:
    names = dict.fromkeys((*finding.aliases, *finding.advisories))
    source = finding.data_source
    return [
        {"id": whole(name), "source": {"name": line_of(source.name or source.id) or "unknown"}}
        for name in names
        if name != finding.id
    ]


def _ratings(finding: Finding) -> list[Json]:
    """Spell the finding's own severity first, then every score, then every word."""
    words = dict(finding.vendor_severities)
    own: Json = {"severity": _severity(finding.severity), "method": "other"}
    own |= present({"source": present({"name": line_of(finding.severity_source)})})
    scores = [_score(rating) for rating in finding.ratings]
    others = [
        {"source": {"name": line_of(vendor)}, "severity": _severity(severity), "method": "other"}
        for vendor, severity in words.items()
        if vendor and vendor != finding.severity_source
    ]
    return [own, *scores, *others]


def _score(rating: CvssRating) -> Json:
    return {
        **present({"source": present({"name": line_of(rating.source)})}),
        "score": rating.score,
        "method": _METHODS.get(rating.version, "other"),
        **present({"vector": line_of(rating.vector)}),
    }


def _severity(severity: Severity) -> str:
    return severity.name.lower()


def _weaknesses(names: Iterable[str]) -> list[int]:
    numbers = [name.removeprefix("CWE-") for name in names]
    return [
        int(number)
        for number in numbers
        if number.isascii() and number.isdigit() and 0 < int(number[:9]) == int(number)
    ]


def _recommendation(findings: Sequence[Finding]) -> str:
    lines = {
        f"Update {line_of(one.component.name)} to {line_of(' or '.join(one.fixed_versions))}."
        + (f" It is to be had from {one.fix_channel}." if one.fix_channel else "")
        for one in findings
        if one.fixed_versions
    }
    return "\n".join(sorted(lines))


def _analysis(reason: Suppressed | None) -> Json | None:
    if reason is None:
        return None
    detail = f"{reason.status}, says {reason.source}"
    detail += f": {reason.statement}" if reason.statement else ""
    return present(
        {
            "state": _STATES.get(reason.status),
            "justification": _JUSTIFICATIONS.get(reason.statement) if reason.status == "not_affected" else None,
            "response": ["will_not_fix"] if reason.status == "ignored" else None,
            "detail": line_of(detail),
        }
    )


def _affected(finding: Finding, listing: Listing, reason: Suppressed | None) -> Json:
    status = "affected" if reason is None or reason.status not in _STATES else "unaffected"
    version = line_of(finding.component.version)
    return {
        "ref": whole(listing.references[finding.component]),
        **present({"versions": [{"version": version, "status": status}] if version else None}),
    }


def _properties(finding: Finding) -> list[Json]:
    likely = "" if finding.epss is None else f"{finding.epss:.5f}"
    facts = {
        "rafsight:status": finding.status.value,
        "rafsight:knownExploited": "true" if finding.known_exploited else "",
        "rafsight:epss": likely,
        "rafsight:malware": "true" if finding.malware else "",
        "rafsight:kernelHeaders": "true" if finding.kernel_headers else "",
    }
    return [{"name": name, "value": value} for name, value in facts.items() if value]
