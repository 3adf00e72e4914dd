"""A scan in GitHub's Markdown: for comments, wikis and summaries of pipelines.

This module alone decides how foreign text is kept from being markup there: what could be one is written as a character
reference, so that nobody is mentioned, nothing is linked and no table breaks.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from rafsight.base.severity import Severity
from rafsight.base.text import escape
from rafsight.reports.document import ScanReport
from rafsight.reports.gaps import describe_gap
from rafsight.reports.issues import Issue, issues_of
from rafsight.reports.other_findings import describe_suppressed
from rafsight.reports.ranking import describe_epss
from rafsight.reports.selection import count_severities
from rafsight.reports.table import describe_cost
from rafsight.reports.targets import targets_of
from rafsight.reports.terms import Terms
from rafsight.reports.text import line_of, web_address
from rafsight.reports.verdict import verdict

_MARKUP: Final = re.compile(r"[\\`*_{}\[\]<>#+!|~@&:$^=-]|www\.", re.IGNORECASE)
_PLAIN: Final = re.compile(r"(?<=[A-Za-z0-9])[-_+:=](?=[A-Za-z0-9])|(?<=[\w)]):(?= |\Z)|(?<=\d)~(?=\w)")
_WORST_FIRST: Final = tuple(sorted(Severity, reverse=True))
_PLACES: Final = 3
_TITLE: Final = 160
_ICONS: Final = {
    Severity.CRITICAL: "\U0001f7e3",
    Severity.HIGH: "\U0001f534",
    Severity.MEDIUM: "\U0001f7e0",
    Severity.LOW: "\U0001f535",
    Severity.UNKNOWN: "\u26aa",
}


def render_markdown(report: ScanReport, terms: Terms) -> str:
    """Write a scan in Markdown.

    Args:
        report: as filtered.
        terms: the date, and whether what was suppressed is listed.
    """
    lines = [f"# Scan of {_safe(report.image.name)}", "", *_facts(report, terms), ""]
    lines += [f"> {_safe(text, 1000)}  " for text, _ in verdict(report)]
    lines += _matrix(report)
    issues = issues_of(report)
    for scanner, heading in (("vuln", "Vulnerabilities"), ("secret", "Secrets"), ("misconfig", "Misconfiguration")):
        chosen = [issue for issue in issues if issue.scanner == scanner]
        if chosen:
            lines += ["", f"## {heading}", "", *_table(chosen)]
    if terms.show_suppressed and report.suppressed:
        lines += ["", "## Suppressed", "", *_suppressed(report)]
    if report.gaps:
        lines += ["", "## Not looked at", "", *(f"- {_safe(describe_gap(gap))}" for gap in report.gaps)]
    return "\n".join(lines) + "\n"


def _facts(report: ScanReport, terms: Terms) -> list[str]:
    image = report.image
    facts = [
        ("Digest", image.index_digest or image.manifest_digest),
        ("Format", ", ".join(filter(None, (image.format, image.platform)))),
        *(_package_facts(report) if report.names_packages else ()),
        ("Cost", describe_cost(report)),
        ("Time", terms.created),
    ]
    return ["| | |", "| --- | --- |", *(f"| {name} | {_safe(value)} |" for name, value in facts if value)]


def _package_facts(report: ScanReport) -> list[tuple[str, str]]:
    system, database = report.inventory.distribution, report.database
    return [
        ("System", f"{system.id} {system.version}".strip() if system else "no known distribution"),
        ("Packages", f"{len(report.inventory.components):,}"),
        ("Database", f"built {database.built[:10]}" if database else "none asked"),
    ]


def _matrix(report: ScanReport) -> list[str]:
    rows = [(part.label, count_severities(part.findings)) for part in targets_of(report)]
    rows += [("Secrets", count_severities(report.secrets))] if report.secrets else []
    rows += [("Misconfiguration", count_severities(report.misconfigurations))] if report.misconfigurations else []
    if not any(totals.total for _, totals in rows):
        return []
    heads = " | ".join(f"{_ICONS[severity]} {severity.name.capitalize()}" for severity in _WORST_FIRST)
    lines = ["", f"| | {heads} | Total |", "| --- |" + " ---: |" * (len(_WORST_FIRST) + 1)]
    for name, totals in rows:
        counts = " | ".join(f"{totals.of(severity):,}" for severity in _WORST_FIRST)
        lines.append(f"| {_safe(name)} | {counts} | {totals.total:,} |")
    return lines


def _table(issues: Sequence[Issue]) -> list[str]:
    is_vuln = issues[0].scanner == "vuln"
    heads = (
        ("Severity", "Vulnerability", "Package", "Fixed in", "About")
        if is_vuln
        else ("Severity", "Finding", "Where", "To do")
    )
    lines = [f"| {' | '.join(heads)} |", "| " + " | ".join("---" for _ in heads) + " |"]
    return [*lines, *(f"| {' | '.join(_vulnerability(one) if is_vuln else _other(one))} |" for one in issues)]


def _vulnerability(issue: Issue) -> tuple[str, ...]:
    marks = [f"**{_safe(mark)}**" for mark in issue.alarms]
    marks += [f"EPSS {describe_epss(issue.epss)}"] if issue.epss is not None else []
    where = _some(issue.places)
    return (
        f"{_ICONS[issue.severity]} {issue.severity.name}",
        "<br>".join([_linked(issue.id, issue.url), *marks]),
        f"{_safe(issue.subject)}" + (f"<br>{where}" if where else ""),
        _safe(issue.remedy) or "no fix",
        _safe(issue.title, _TITLE),
    )


def _other(issue: Issue) -> tuple[str, ...]:
    return (
        f"{_ICONS[issue.severity]} {issue.severity.name}",
        f"{_safe(issue.title, _TITLE)}<br>{_linked(issue.id, issue.url)}",
        _some(issue.places, issue.count),
        _safe(issue.remedy),
    )


def _some(places: Sequence[str], count: int = 0) -> str:
    shown = [_safe(place) for place in places[:_PLACES]]
    more = max(count, len(places)) - len(shown)
    return "<br>".join([*shown, *([f"and {more:,} more"] if more > 0 else [])])


def _suppressed(report: ScanReport) -> Iterable[str]:
    yield from ("| Finding | Status | Reason | Said by |", "| --- | --- | --- | --- |")
    for one in report.suppressed:
        cells = (describe_suppressed(one), one.status.replace("_", " "), one.statement or "none given", one.source)
        yield f"| {' | '.join(map(_safe, cells))} |"


def _linked(text: str, url: str) -> str:
    address = web_address(url).replace("(", "%28").replace(")", "%29").replace("|", "%7C")
    return f"[{_safe(text)}]({address})" if address else _safe(text)


def _safe(text: str, limit: int = 400) -> str:
    """Make a text one line without any markup."""
    line = escape(line_of(text, limit))
    kept = {found.start() for found in _PLAIN.finditer(line)}
    return _MARKUP.sub(lambda found: found[0] if found.start() in kept else _reference(found[0]), line)


def _reference(text: str) -> str:
    return f"&#{ord(text[0])};{text[1:]}"
