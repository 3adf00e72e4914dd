"""Secrets, misconfiguration and what was suppressed, in Trivy's fields.

This module alone decides which result each of them belongs to: secrets to one of their file, misconfiguration to one of
the image. Trivy has one place for each; what has several is told once for each secret's place, and once for a check,
with the places in its message.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from rafsight.analysis.misconfig.finding import Misconfiguration
from rafsight.analysis.secrets.finding import CodeLine, Secret, SecretPlace
from rafsight.base.text import escape
from rafsight.matching.finding import Finding
from rafsight.reports.document import ScanReport, Suppressed
from rafsight.reports.places import CONFIG_FILE, describe_evidence
from rafsight.reports.trivy_packages import present, spell_vulnerability

Json = dict[str, Any]

_PLACES: Final = 20
"""Places of one check that its message names."""


def secret_results(report: ScanReport) -> list[Json]:
    """Spell the results of secrets: one a file, ordered by its path."""
    found: dict[str, list[Json]] = {}
    modified: dict[str, list[Json]] = {}
    for secret in report.secrets:
        for number, place in enumerate(secret.places):
            found.setdefault(_target_of(place), []).append(_secret(secret, place, first=number == 0))
    for one in report.suppressed:
        if isinstance(one.finding, Secret):
            for number, place in enumerate(one.finding.places):
                spelled = _modified(one, "secret", _secret(one.finding, place, first=number == 0))
                modified.setdefault(_target_of(place), []).append(spelled)
    return [
        present(
            {
                "Target": target,
                "Class": "secret",
                "Secrets": found.get(target),
                "ExperimentalModifiedFindings": modified.get(target),
            }
        )
        for target in sorted({*found, *modified})
    ]


def misconfiguration_results(report: ScanReport) -> list[Json]:
    """Spell the result of the checks: none if none were made."""
    suppressed = [one for one in report.suppressed if isinstance(one.finding, Misconfiguration)]
    failures = len(report.misconfigurations)
    if not (report.check_count or failures or suppressed):
        return []
    failed = {check.id for check in report.misconfigurations}
    failed |= {one.finding.id for one in suppressed if isinstance(one.finding, Misconfiguration)}
    result = {
        "Target": f"{report.image.name} (dockerfile)",
        "Class": "config",
        "Type": "dockerfile",
        "MisconfSummary": {"Successes": max(report.check_count - len(failed), 0), "Failures": failures},
        "Misconfigurations": [_misconfiguration(check) for check in report.misconfigurations],
        "ExperimentalModifiedFindings": [
            _modified(one, "misconfiguration", _misconfiguration(one.finding))
            for one in suppressed
            if isinstance(one.finding, Misconfiguration)
        ],
    }
    return [present(result)]


def modified_vulnerabilities(suppressed: Iterable[Suppressed]) -> list[Json]:
    """Spell those of the suppressed that are vulnerabilities."""
    return [
        _modified(one, "vulnerability", spell_vulnerability(one.finding))
        for one in suppressed
        if isinstance(one.finding, Finding)
    ]


def _modified(one: Suppressed, kind: str, finding: Json) -> Json:
    return present(
        {"Type": kind, "Status": one.status, "Statement": one.statement, "Source": one.source, "Finding": finding}
    )


def _target_of(place: SecretPlace) -> str:
    return f"/{escape(place.path)}" if place.path else CONFIG_FILE


def _secret(secret: Secret, place: SecretPlace, *, first: bool) -> Json:
    return present(
        {
            "RuleID": secret.rule_id,
            "Category": secret.category,
            "Severity": secret.severity.name,
            "Title": secret.title if place.path else f"{secret.title} in {place.place or 'the config'}",
            "StartLine": place.start_line,
            "EndLine": place.end_line,
            "Code": {"Lines": _lines(secret.lines)} if first and secret.lines else None,
            "Match": secret.match,
            "Layer": present({"Digest": place.layer}),
            "Offset": place.offset,
        }
    )


def _lines(lines: Sequence[CodeLine]) -> list[Json]:
    causes = [line.number for line in lines if line.is_cause]
    return [
        {
            "Number": line.number,
            "Content": line.content,
            "IsCause": line.is_cause,
            "Annotation": "",
            "Truncated": False,
            "Highlighted": line.content,
            "FirstCause": bool(causes) and line.number == causes[0],
            "LastCause": bool(causes) and line.number == causes[-1],
        }
        for line in lines
    ]


def _misconfiguration(check: Misconfiguration) -> Json:
    line = check.evidence[0].line if len(check.evidence) == 1 else 0
    return present(
        {
            "Type": "Image Security Check",
            "ID": check.id,
            "AVDID": next((alias for alias in check.aliases if alias.startswith("AVD-")), ""),
            "Title": check.title,
            "Description": check.description,
            "Message": message_of(check),
            "Namespace": f"rafsight.{check.category.replace(' ', '-')}",
            "Resolution": check.resolution,
            "Severity": check.severity.name,
            "PrimaryURL": check.references[0] if check.references else "",
            "References": list(check.references),
            "Status": "FAIL",
            "CauseMetadata": present(
                {"Provider": "Dockerfile", "Service": check.category, "StartLine": line, "EndLine": line}
            ),
        }
    )


def message_of(check: Misconfiguration) -> str:
    """Write what is wrong with the first places where it is, for formats with one text for both."""
    shown = [describe_evidence(evidence) for evidence in check.evidence[:_PLACES]]
    more = check.count - len(shown)
    shown += [f"and {more:,} more"] if shown and more > 0 else []
    return f"{check.message} In: {'; '.join(shown)}" if shown else check.message
