"""Rules of SARIF: what a flaw, a kind of secret or a check is, whatever has it.

This module alone decides what stands in a rule, and which level a severity has.
"""

from collections.abc import Sequence
from typing import Any, Final

from rafsight.analysis.inventory import OS_ECOSYSTEMS
from rafsight.analysis.misconfig.finding import Misconfiguration
from rafsight.analysis.secrets.finding import Secret
from rafsight.base.severity import Severity
from rafsight.matching.finding import CvssRating, Finding
from rafsight.reports.text import cut, line_of, web_address, whole

Json = dict[str, Any]

LEVELS: Final = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.UNKNOWN: "note",
}
_STAND_INS: Final = {Severity.CRITICAL: "9.5", Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "2.0"}
"""Scores of what has none: within the class that code hosts make of them."""
_TEXT: Final = 4000


def rule_of(subject: Finding | Secret | Misconfiguration) -> Json:
    """Write the rule of a finding."""
    match subject:
        case Finding():
            return _flaw(subject)
        case Secret():
            return _secret(subject)
        case Misconfiguration():
            return _check(subject)


def base_score(ratings: Sequence[CvssRating], source: str) -> CvssRating | None:
    """Choose the rating that speaks for a finding: of the source of its severity if it has one, the newest version."""
    own = [rating for rating in ratings if rating.source == source]
    return max(own or ratings, key=lambda rating: (rating.version, rating.score), default=None)


def _flaw(finding: Finding) -> Json:
    is_os = finding.component.ecosystem in OS_ECOSYSTEMS
    rating = base_score(finding.ratings, finding.severity_source)
    title = line_of(finding.title or finding.id)
    return _rule(
        identity=finding.id,
        name="OsPackageVulnerability" if is_os else "LanguageSpecificPackageVulnerability",
        short=title,
        full=finding.description or title,
        remedy="",
        address=finding.primary_url,
        severity=finding.severity,
        score=f"{rating.score:.1f}" if rating and rating.score > 0 else "",
        tags=("vulnerability", *finding.cwe_ids[:8], *(("known-exploited",) if finding.known_exploited else ())),
    )


def _secret(secret: Secret) -> Json:
    return _rule(
        identity=secret.rule_id,
        name="Secret",
        short=secret.title,
        full=f"{secret.title}: a value that should not be in an image ({secret.category}).",
        remedy=secret.remedy,
        address="",
        severity=secret.severity,
        score="",
        tags=("secret",),
    )


def _check(check: Misconfiguration) -> Json:
    return _rule(
        identity=check.id,
        name="Misconfiguration",
        short=check.title,
        full=check.description or check.title,
        remedy=check.resolution,
        address=check.references[0] if check.references else "",
        severity=check.severity,
        score="",
        tags=("misconfiguration", *check.aliases[:8]),
    )


def _rule(
    *,
    identity: str,
    name: str,
    short: str,
    full: str,
    remedy: str,
    address: str,
    severity: Severity,
    score: str,
    tags: tuple[str, ...],
) -> Json:
    address = web_address(address)
    score = score or _STAND_INS.get(severity, "")
    text = "\n".join(filter(None, (cut(full, _TEXT), cut(remedy, _TEXT), address)))
    properties: Json = {
        "precision": "very-high",
        **({"security-severity": score} if score else {}),
        "tags": [line_of(tag, 100) for tag in (*tags, "security", severity.name)],
    }
    return {
        "id": whole(identity),
        "name": name,
        "shortDescription": {"text": line_of(short) or whole(identity)},
        "fullDescription": {"text": cut(full, _TEXT) or whole(identity)},
        "defaultConfiguration": {"level": LEVELS[severity]},
        **({"helpUri": address} if address else {}),
        "help": {"text": text or whole(identity)},
        "properties": properties,
    }
