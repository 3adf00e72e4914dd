"""The findings of the page: a row for each, with all that is known about it below its line.

This module alone decides what a row says, and by which values rows are sorted and chosen.
"""

from collections.abc import Sequence
from typing import Final

from rafsight.reports.document import ScanReport, Suppressed
from rafsight.reports.issues import Issue
from rafsight.reports.other_findings import describe_suppressed
from rafsight.reports.page.markup import NOTHING, Html, element, link, paragraphs
from rafsight.reports.ranking import describe_epss

_TEXT: Final = 6000
_PLACES: Final = 200
_SHOWN: Final = 3
"""Places that stand in the line itself."""
_SCANNERS: Final = {"vuln": "vulnerability", "secret": "secret", "misconfig": "misconfiguration"}


def findings_table(issues: Sequence[Issue]) -> Html:
    """Make the table of all findings, in the order of their risk."""
    columns = [("Severity", "rank"), ("Finding", "id"), ("Where", "where"), ("To do", "fix")]
    is_rated = any(issue.epss is not None for issue in issues)
    columns += [("EPSS", "epss")] if is_rated else []
    row = element(
        "tr",
        [
            element("th", element("button", head, type="button", data_key=key), scope="col", class_=f"column-{key}")
            for head, key in columns
        ],
    )
    body = element("tbody", [_row(issue, number, is_rated=is_rated) for number, issue in enumerate(issues)])
    caption = element(
        "caption", "Findings, the riskiest first. Packages of one source with the same flaw are one entry."
    )
    return element("table", caption, element("thead", row), body, id="table")


def _row(issue: Issue, number: int, *, is_rated: bool) -> Html:
    severity = issue.severity.name
    where = issue.subject or (issue.places[0] if issue.places else "")
    return element(
        "tr",
        element("td", element("span", severity, class_=f"badge {severity.lower()}")),
        element("td", _finding(issue), class_="finding"),
        element("td", _where(issue), class_="where"),
        element("td", _to_do(issue)),
        element("td", describe_epss(issue.epss), class_="number") if is_rated else NOTHING,
        data_rank=f"{9 - issue.severity}{number:09}",
        data_severity=severity,
        data_scanner=issue.scanner,
        data_id=issue.id,
        data_where=where,
        data_fix=issue.remedy or "\uffff",
        data_epss=f"{1 - issue.epss:.6f}" if issue.epss is not None else "2",
        data_fixable="yes" if issue.scanner != "vuln" or issue.remedy else "no",
    )


def _finding(issue: Issue) -> list[Html]:
    title = issue.title or (issue.description.splitlines() or [""])[0][:200]
    marks = [element("span", mark, class_="mark alarm") for mark in issue.alarms]
    marks += [element("span", note, class_="mark") for note in (_SCANNERS[issue.scanner], *issue.notes)]
    return [
        element("div", element("strong", link(issue.id, issue.url)), " ", _spaced(marks)),
        element("div", title) if title else NOTHING,
        _details(issue),
    ]


def _spaced(parts: Sequence[Html]) -> list[Html | str]:
    return [piece for part in parts for piece in (part, " ")]


def _details(issue: Issue) -> Html:
    facts: list[Html] = []
    if issue.description:
        facts.append(element("div", paragraphs(issue.description, _TEXT), class_="prose"))
    if issue.lines:
        lines = [
            [element("span", f"{number:>5}  {text}", class_="cause" if is_cause else None), Html("\n")]
            for number, text, is_cause in issue.lines
        ]
        facts.append(element("pre", lines))
    if issue.aliases:
        facts.append(element("p", element("b", "Also known as: "), ", ".join(issue.aliases)))
    if issue.status:
        facts.append(element("p", element("b", "Status: "), issue.status))
    if len(issue.places) > _SHOWN:
        shown = [element("li", place) for place in issue.places[:_PLACES]]
        facts.append(element("div", element("b", "All places"), element("ul", shown)))
    addresses = [link(address, address) for address in issue.references]
    if addresses:
        facts.append(
            element("div", element("b", "References"), element("ul", [element("li", one) for one in addresses]))
        )
    return element("details", element("summary", "Details"), facts) if facts else NOTHING


def _where(issue: Issue) -> list[Html]:
    lines = [element("div", issue.subject)] if issue.subject else []
    lines += [element("div", place, class_="path") for place in issue.places[:_SHOWN]]
    more = issue.count - min(len(issue.places), _SHOWN)
    return [*lines, element("div", f"and {more:,} more", class_="quiet")] if more > 0 else lines


def _to_do(issue: Issue) -> Html:
    if issue.scanner != "vuln":
        return element("span", issue.remedy)
    return element("span", f"Update to {issue.remedy}") if issue.remedy else element("span", "no fix", class_="quiet")


def suppressed_table(report: ScanReport) -> Html:
    """Make the table of what ignore files and VEX documents took out."""
    heads = [element("th", head, scope="col") for head in ("Severity", "Finding", "Status", "Reason", "Said by")]
    rows = [_suppressed(one) for one in report.suppressed]
    return element("table", element("thead", element("tr", heads)), element("tbody", rows), class_="plain")


def _suppressed(one: Suppressed) -> Html:
    severity = one.finding.severity.name
    cells = (describe_suppressed(one), one.status.replace("_", " "), one.statement or "none given", one.source)
    badge = element("td", element("span", severity, class_=f"badge {severity.lower()}"))
    return element("tr", badge, [element("td", cell) for cell in cells])
