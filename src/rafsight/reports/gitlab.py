"""GitLab's report of container scanning, schema 15.

This module alone decides how a scan is spelled there. The schema has vulnerabilities of packages only; that there are
other findings, and what was not looked at, stands in the messages of the scan, so that nothing is lost silently.
"""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from rafsight._version import __version__
from rafsight.base.severity import Severity
from rafsight.matching.finding import Finding
from rafsight.reports.document import ScanReport
from rafsight.reports.gaps import describe_gap
from rafsight.reports.identity import component_uid, uuid_of
from rafsight.reports.ranking import finding_rank
from rafsight.reports.terms import Terms
from rafsight.reports.text import cut, line_of, web_address
from rafsight.reports.verdict import counted

SCHEMA_VERSION: Final = "15.0.2"
"""Of the format; newer ones of the same major version add fields that are optional."""
_SEVERITIES: Final = {
    Severity.CRITICAL: "Critical",
    Severity.HIGH: "High",
    Severity.MEDIUM: "Medium",
    Severity.LOW: "Low",
    Severity.UNKNOWN: "Unknown",
}
_NAME: Final = 255
_SOLUTION: Final = 7000
_DESCRIPTION: Final = 100_000
_FAMILIES: Final = (
    ("CVE-", "cve", "https://nvd.nist.gov/vuln/detail/{}"),
    ("GHSA-", "ghsa", "https://github.com/advisories/{}"),
    ("RHSA-", "rhsa", "https://access.redhat.com/errata/{}"),
    ("USN-", "usn", "https://ubuntu.com/security/notices/{}"),
    ("ELSA-", "elsa", "https://linux.oracle.com/errata/{}.html"),
)
_PLAIN: Final = re.compile(r"[A-Za-z0-9:._-]{1,60}\Z")

Json = dict[str, Any]


def render_gitlab(report: ScanReport, terms: Terms) -> str:
    """Write a report as GitLab's `gl-container-scanning-report.json`.

    Args:
        report: as filtered.
        terms: the date.
    """
    tool = {
        "id": "rafsight",
        "name": "rafsight",
        "url": "https://pypi.org/project/rafsight/",
        "version": __version__,
        "vendor": {"name": "rafsight"},
    }
    start, end = _times(terms.created, report.seconds)
    document = {
        "version": SCHEMA_VERSION,
        "scan": {
            "analyzer": tool,
            "scanner": tool,
            "type": "container_scanning",
            "start_time": start,
            "end_time": end,
            "status": "success",
            "messages": _messages(report),
        },
        "vulnerabilities": [_vulnerability(report, one) for one in sorted(report.findings, key=finding_rank)],
        "remediations": [],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _times(created: str, seconds: float) -> tuple[str, str]:
    """Write start and end as GitLab wants them: UTC, whole seconds, no zone."""
    start = datetime.fromisoformat(created).astimezone(UTC).replace(tzinfo=None, microsecond=0)
    try:
        end = start + timedelta(seconds=int(seconds))
    except OverflowError:
        end = start
    return start.isoformat(), end.isoformat()


def _messages(report: ScanReport) -> list[Json]:
    told = [line_of(describe_gap(gap)) for gap in report.gaps]
    others = (
        (len(report.secrets), "secret was", "secrets were"),
        (len(report.misconfigurations), "misconfiguration was", "misconfigurations were"),
    )
    told += [f"{counted(*one)} found: this format has no place for them." for one in others if one[0]]
    if report.suppressed:
        told.append(f"{counted(len(report.suppressed), 'finding is', 'findings are')} suppressed.")
    if report.hidden_count:
        told.append(f"{counted(report.hidden_count, 'finding was', 'findings were')} left out by filters.")
    return [{"level": "warn", "value": text} for text in told]


def _vulnerability(report: ScanReport, finding: Finding) -> Json:
    component, image = finding.component, report.image
    distribution = report.inventory.distribution
    system = f"{distribution.id} {distribution.version}".strip() if distribution else ""
    links = dict.fromkeys(filter(None, map(web_address, (finding.primary_url, *finding.references))))
    return {
        "id": uuid_of("gitlab", image.name.partition("@")[0], finding.id, component_uid(component)),
        "name": cut(f"{finding.id} in {line_of(component.name, 120)}", _NAME),
        "description": cut(finding.description or finding.title or finding.id, _DESCRIPTION),
        "severity": _SEVERITIES[finding.severity],
        "solution": cut(_solution(finding), _SOLUTION),
        "location": {
            "dependency": {
                "package": {"name": line_of(component.name)},
                "version": line_of(component.version),
            },
            "operating_system": line_of(system) or "unknown",
            "image": line_of(image.name) or "unknown",
        },
        "identifiers": _identifiers(finding),
        "links": [{"url": address} for address in links],
    }


def _solution(finding: Finding) -> str:
    name = line_of(finding.component.name)
    if not finding.fixed_versions:
        return f"No fixed version of {name} is known ({finding.status.value})."
    channel = f" (from {finding.fix_channel})" if finding.fix_channel else ""
    return f"Update {name} to {line_of(' or '.join(finding.fixed_versions))}{channel}."


def _identifiers(finding: Finding) -> list[Json]:
    """Name the flaw, its main id first, and its weaknesses."""
    identifiers = [_identifier(name) for name in dict.fromkeys((finding.id, *finding.aliases)) if name]
    for weakness in finding.cwe_ids:
        number = weakness.removeprefix("CWE-")
        if number.isascii() and number.isdigit():
            url = f"https://cwe.mitre.org/data/definitions/{number}.html"
            identifiers.append({"type": "cwe", "name": weakness, "value": number, "url": url})
    return identifiers


def _identifier(name: str) -> Json:
    for prefix, kind, page in _FAMILIES:
        if name.startswith(prefix) and _PLAIN.match(name):
            return {"type": kind, "name": name, "value": name, "url": page.format(name)}
    shown = line_of(name, 100)
    return {"type": "osv", "name": shown, "value": shown} | (
        {"url": f"https://osv.dev/vulnerability/{name}"} if _PLAIN.match(name) else {}
    )
