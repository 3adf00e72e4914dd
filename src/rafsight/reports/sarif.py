"""SARIF 2.1.0: what code hosts show beside the code.

One run; a rule for each flaw, secret rule and check; a result for each place. This module alone decides how a scan is
spelled there. What was suppressed is a result with its suppression, what was not looked at a notification, so that
nothing looks clean that is not.
"""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from rafsight._version import __version__
from rafsight.analysis.inventory import LASTING_REASONS
from rafsight.analysis.misconfig.finding import Misconfiguration
from rafsight.analysis.secrets.finding import Secret
from rafsight.base.text import escape
from rafsight.matching.finding import Finding
from rafsight.reports.document import ScanReport, Suppressed
from rafsight.reports.gaps import describe_gap
from rafsight.reports.identity import component_path, hash_of, report_uuid
from rafsight.reports.places import CONFIG_FILE, relative_uri, secret_places
from rafsight.reports.ranking import finding_rank
from rafsight.reports.sarif_rules import LEVELS, rule_of
from rafsight.reports.terms import Terms
from rafsight.reports.text import line_of, whole

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
PROJECT: Final = "https://pypi.org/project/rafsight/"
_LOCATIONS: Final = 100
"""Places of one result: more are not shown anywhere."""

Json = dict[str, Any]
Subject = Finding | Secret | Misconfiguration


def render_sarif(report: ScanReport, terms: Terms) -> str:
    """Write a report as SARIF.

    Args:
        report: as filtered.
        terms: the date.
    Cost: linear in the findings, but for sorting.
    """
    rules: dict[str, Json] = {}
    indexes: dict[str, int] = {}
    results = []
    for subject, suppressed in _subjects(report):
        rule = rule_of(subject)
        index = indexes.setdefault(rule["id"], len(indexes))
        rules.setdefault(rule["id"], rule)  # the worst comes first and speaks for all
        results.append(_result(subject, suppressed, rule["id"], index))
    run = {
        "tool": {
            "driver": {
                "name": "rafsight",
                "fullName": "rafsight: what is inside Nydus images",
                "version": __version__,
                "informationUri": PROJECT,
                "rules": list(rules.values()),
            }
        },
        "automationDetails": {
            "id": f"container-image/{relative_uri(report.image.name.encode('utf-8', 'replace'))}/",
            "guid": report_uuid(report, terms.created, "sarif"),
        },
        "invocations": [_invocation(report, terms)],
        "originalUriBaseIds": {"ROOTPATH": {"uri": "file:///", "description": {"text": "the root of the image"}}},
        "columnKind": "utf16CodeUnits",
        "results": results,
        "properties": _properties(report),
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, allow_nan=False) + "\n"


def _subjects(report: ScanReport) -> Iterator[tuple[Subject, Suppressed | None]]:
    """Yield all findings, the worst of each kind first, then what was suppressed."""
    yield from ((finding, None) for finding in sorted(report.findings, key=finding_rank))
    yield from ((secret, None) for secret in report.secrets)
    yield from ((check, None) for check in report.misconfigurations)
    yield from ((one.finding, one) for one in report.suppressed)


def _result(subject: Subject, suppressed: Suppressed | None, rule: str, index: int) -> Json:
    match subject:
        case Finding():
            described = _vulnerability(subject)
        case Secret():
            described = _secret(subject)
        case Misconfiguration():
            described = _check(subject)
    result = {"ruleId": rule, "ruleIndex": index, "level": LEVELS[subject.severity], **described}
    if suppressed is not None:
        why = f"{suppressed.status}, says {suppressed.source}"
        why += f": {suppressed.statement}" if suppressed.statement else ""
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": _message(why)}]
    return result


def _vulnerability(finding: Finding) -> Json:
    component = finding.component
    fixed = ", ".join(finding.fixed_versions)
    lines = [
        f"{component.name} {component.version} has {finding.id} ({finding.severity.name}).",
        f"Fixed in {fixed}." if fixed else f"No fixed version is known ({finding.status.value}).",
        "It is known to be exploited." if finding.known_exploited else "",
        finding.title,
    ]
    return {
        "message": {"text": _message(" ".join(filter(None, lines)))},
        "locations": [
            _location(path, f"{component.name}@{component.version}")
            for path in component.locations[:_LOCATIONS] or (b"",)
        ],
        "partialFingerprints": _fingerprint("vulnerability", finding.id, component.name, component_path(component)),
        "properties": {
            "package": whole(component.name),
            "installedVersion": whole(component.version),
            **({"fixedVersion": whole(fixed)} if fixed else {}),
            **({"purl": whole(component.purl)} if component.purl else {}),
            "knownExploited": finding.known_exploited,
            **({"epss": finding.epss} if finding.epss is not None else {}),
        },
    }


def _secret(secret: Secret) -> Json:
    first = secret.places[0]
    where = secret_places(secret)
    locations = []
    for place, text in islice(zip(secret.places, where, strict=True), _LOCATIONS):
        location = _location(place.path, text, line=place.start_line, end=place.end_line)
        locations.append(location if place.path else _outside(location, place.place))
    return {
        "message": {"text": _message(f"{secret.title} in {', '.join(where[:3])}. {secret.match} {secret.remedy}")},
        "locations": locations,
        "partialFingerprints": _fingerprint(
            "secret", secret.rule_id, secret.fingerprint or f"{escape(first.path)}:{first.place}"
        ),
    }


def _check(check: Misconfiguration) -> Json:
    locations = []
    for evidence in check.evidence[:_LOCATIONS]:
        location = _location(evidence.path, evidence.detail or check.title, line=evidence.line)
        locations.append(location if evidence.path else _outside(location, evidence.place))
    return {
        "message": {"text": _message(f"{check.message or check.title} {check.resolution}")},
        "locations": locations or [_outside(_location(b"", check.title), "config")],
        "partialFingerprints": _fingerprint("misconfiguration", check.id),
    }


def _location(path: bytes, message: str, *, line: int = 1, end: int = 0) -> Json:
    line = max(line, 1)
    return {
        "physicalLocation": {
            "artifactLocation": {
                "uri": relative_uri(path) if path else CONFIG_FILE,
                "uriBaseId": "ROOTPATH",
            },
            "region": {"startLine": line, "endLine": max(end, line)},
        },
        "message": {"text": _message(message) or "here"},
    }


def _outside(location: Json, place: str) -> Json:
    """Say that a finding lies in the config: the file that stands for it is made up."""
    return {**location, "logicalLocations": [{"fullyQualifiedName": _message(place) or "config", "kind": "member"}]}


def _message(text: str) -> str:
    """Make a text a message: SARIF would read an address in brackets as a link."""
    return line_of(text).replace("](", "] (")


def _fingerprint(*parts: str) -> Json:
    return {"findingIdentity/v1": hash_of(*parts)}


def _invocation(report: ScanReport, terms: Terms) -> Json:
    notifications = [
        {
            "descriptor": {"id": gap.reason.value},
            "level": "note" if gap.reason in LASTING_REASONS else "warning",
            "message": {"text": _message(describe_gap(gap))},
        }
        for gap in report.gaps
    ]
    if report.hidden_count:
        text = f"{report.hidden_count:,} findings were left out by filters."
        notifications.append({"descriptor": {"id": "filtered"}, "level": "note", "message": {"text": text}})
    return {
        "executionSuccessful": True,
        "startTimeUtc": terms.created,
        **({"toolExecutionNotifications": notifications} if notifications else {}),
    }


def _properties(report: ScanReport) -> Json:
    image = report.image
    facts = {
        "imageName": image.name,
        "imageID": image.config_digest,
        "repoTags": list(image.repo_tags),
        "repoDigests": list(image.repo_digests),
        "scanners": list(report.scanners),
    }
    return {key: whole(value) if isinstance(value, str) else value for key, value in facts.items() if value}
