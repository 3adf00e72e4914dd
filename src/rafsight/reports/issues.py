"""All findings of a scan as one list, whatever looked for them: what a page or a comment shows.

This module alone decides which vulnerabilities are one line there: those of binary packages of one source, with the
same flaw, version and fix.
"""

from dataclasses import dataclass
from itertools import chain

from rafsight.analysis.inventory import OS_ECOSYSTEMS
from rafsight.analysis.misconfig.finding import Misconfiguration
from rafsight.analysis.secrets.finding import Secret
from rafsight.base.severity import Severity
from rafsight.base.text import escape
from rafsight.matching.finding import Finding
from rafsight.reports.document import ScanReport
from rafsight.reports.places import describe_evidence, secret_places
from rafsight.reports.ranking import finding_rank


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One line of a list. Foreign text, not yet escaped but for places."""

    scanner: str
    """`vuln`, `secret`, `misconfig`."""
    id: str
    severity: Severity
    title: str
    subject: str
    """What has it: packages with their version; empty for others."""
    places: tuple[str, ...]
    """Where it is, printable; empty for packages of the distribution."""
    paths: tuple[bytes, ...]
    """Files where it is."""
    count: int
    """Places altogether."""
    status: str
    remedy: str
    """What to do; of a vulnerability the versions that mend it."""
    description: str
    url: str
    references: tuple[str, ...]
    aliases: tuple[str, ...]
    alarms: tuple[str, ...] = ()
    """`known exploited`, `malware`."""
    notes: tuple[str, ...] = ()
    """`kernel headers`, `unimportant`, `medium confidence`."""
    epss: float | None = None
    lines: tuple[tuple[int, str, bool], ...] = ()
    """Lines around it: number, text (secrets are masked), and whether it is the cause."""
    is_system: bool = False
    """It is about packages of the distribution."""


def issues_of(report: ScanReport) -> tuple[Issue, ...]:
    """List all findings: vulnerabilities by risk, then secrets, then checks that failed.

    Cost: linear in the findings, but for sorting.
    """
    grouped: dict[tuple[object, ...], list[Finding]] = {}
    unimportant = report.unimportant if report.lists_unimportant else ()
    marked = chain(
        ((finding, False) for finding in sorted(report.findings, key=finding_rank)),
        ((finding, True) for finding in sorted(unimportant, key=finding_rank)),
    )
    for finding, mark in marked:
        component = finding.component
        origin = (component.ecosystem, component.source_name or component.name, component.version)
        key = (mark, *origin, finding.id, finding.severity, finding.status, finding.fixed_versions)
        grouped.setdefault(key, []).append(finding)
    flaws = (_vulnerability(group, unimportant=bool(key[0])) for key, group in grouped.items())
    return (*flaws, *map(_secret, report.secrets), *map(_check, report.misconfigurations))


def _vulnerability(group: list[Finding], *, unimportant: bool) -> Issue:
    first = group[0]
    is_system = first.component.ecosystem in OS_ECOSYSTEMS
    names = sorted({one.component.name for one in group})
    paths = () if is_system else tuple(dict.fromkeys(path for one in group for path in one.component.locations))
    fixed = " or ".join(first.fixed_versions)
    return Issue(
        scanner="vuln",
        id=first.id,
        severity=first.severity,
        title=first.title,
        subject=f"{', '.join(names)} {first.component.version}".rstrip(),
        places=tuple(f"/{escape(path)}" for path in paths),
        paths=paths,
        count=len(paths),
        status=first.status.value.replace("_", " "),
        remedy=f"{fixed} ({first.fix_channel})" if fixed and first.fix_channel else fixed,
        description=first.description,
        url=first.primary_url,
        references=first.references,
        aliases=tuple(name for name in dict.fromkeys((*first.aliases, *first.advisories)) if name != first.id),
        alarms=("known exploited",) * first.known_exploited + ("malware",) * first.malware,
        notes=("kernel headers",) * first.kernel_headers + ("unimportant",) * unimportant,
        epss=first.epss,
        is_system=is_system,
    )


def _secret(secret: Secret) -> Issue:
    sure = secret.confidence.value
    return Issue(
        scanner="secret",
        id=secret.rule_id,
        severity=secret.severity,
        title=secret.title,
        subject="",
        places=secret_places(secret),
        paths=tuple(place.path for place in secret.places if place.path),
        count=len(secret.places),
        status="",
        remedy=secret.remedy,
        description="",
        url="",
        references=(),
        aliases=(),
        notes=(secret.category, *((f"{sure} confidence",) if sure != "high" else ())),
        lines=tuple((line.number, line.content, line.is_cause) for line in secret.lines)
        or (((secret.places[0].start_line, secret.match, True),) if secret.match else ()),
    )


def _check(check: Misconfiguration) -> Issue:
    return Issue(
        scanner="misconfig",
        id=check.id,
        severity=check.severity,
        title=check.title,
        subject="",
        places=tuple(map(describe_evidence, check.evidence)),
        paths=tuple(evidence.path for evidence in check.evidence if evidence.path),
        count=check.count,
        status="",
        remedy=check.resolution,
        description="\n".join(filter(None, (check.message, check.description))),
        url=check.references[0] if check.references else "",
        references=check.references,
        aliases=check.aliases,
        notes=(check.category,),
    )
