"""The page as a whole: what it says, in which order, and what a browser may do with it.

One file: style and script stand in it, and the policy allows these two by their hashes and nothing else, so that no
request can ever leave the page. Without its script everything can be read; the script sorts, searches and filters.
"""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from importlib.resources import files
from typing import Final

from rafsight._version import __version__
from rafsight.analysis.misconfig.finding import Misconfiguration
from rafsight.analysis.secrets.finding import Secret
from rafsight.base.severity import Severity
from rafsight.base.units import format_size
from rafsight.matching.finding import Finding
from rafsight.reports.document import ScanReport
from rafsight.reports.gaps import GAP_WORDS
from rafsight.reports.issues import Issue, issues_of
from rafsight.reports.page.markup import NOTHING, Html, element, join
from rafsight.reports.page.picture import draw
from rafsight.reports.page.rows import findings_table, suppressed_table
from rafsight.reports.paint import Style
from rafsight.reports.ranking import Rank, rank_of
from rafsight.reports.table import describe_cost
from rafsight.reports.targets import targets_of
from rafsight.reports.terms import Terms
from rafsight.reports.verdict import SCANNERS, counted, verdict

_WORST_FIRST: Final = tuple(sorted(Severity, reverse=True))
_WORDS: Final = {"vuln": "Vulnerabilities", "secret": "Secrets", "misconfig": "Misconfiguration"}
_TONES: Final = {Style.ALARM: "alarm", Style.WARNING: "warning", Style.GOOD: "good"}


def render_page(report: ScanReport, terms: Terms) -> str:
    """Write a report as one HTML page.

    Args:
        report: as filtered.
        terms: the date, and whether every package is named.
    Cost: linear in findings and packages.
    """
    issues = sorted(issues_of(report), key=_rank)  # sorting keeps the order of those that are equal
    style, script = _asset("page.css"), _asset("page.js")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="generator", content=f"rafsight {__version__}"),
        element("title", f"Scan of {report.image.name}"),
        Html(f"<style>{style}</style>"),
    )
    main = [
        _summary(report, terms),
        _section("picture", "Where it is", draw(report, issues)),
        _findings(report, issues),
        _section("suppressed", "Suppressed", suppressed_table(report) if report.suppressed else NOTHING),
        _section("gaps", "Not looked at", _gaps(report)),
        _section("layers", "Layers", _layers(report)),
        _section("packages", "Packages", _packages(report) if terms.list_all else NOTHING),
    ]
    body = element(
        "body",
        _header(report),
        element("main", join(main)),
        _footer(terms),
        Html(f"<script>{script}</script>"),
        class_="no-script",
    )
    return f'<!doctype html>\n<html lang="en">\n{head.text}\n{body.text}\n</html>\n'


def _rank(issue: Issue) -> Rank:
    return rank_of(issue.severity, known_exploited="known exploited" in issue.alarms, epss=issue.epss)


def _asset(name: str) -> str:
    return files("rafsight.reports.page").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    hashes = [b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _section(identity: str, heading: str, content: Html) -> Html:
    if content is NOTHING:
        return NOTHING
    title = element("h2", heading, id=f"{identity}-title")
    wide = element("div", content, class_="scroll")
    return element("section", title, wide, id=identity, aria_labelledby=f"{identity}-title")


def _header(report: ScanReport) -> Html:
    skip = element("a", "To the findings", href="#findings", class_="skip")
    switch = element("button", "Theme: automatic", id="theme", type="button", hidden=True)
    name = element("h1", element("span", "Scan of "), element("span", report.image.name, class_="name"))
    return element("header", skip, name, switch)


def _summary(report: ScanReport, terms: Terms) -> Html:
    told = [element("li", text, class_=_TONES.get(style)) for text, style in verdict(report)]
    return element(
        "section", element("ul", told, class_="verdict"), _tiles(report), _facts(report, terms), id="summary"
    )


def _tiles(report: ScanReport) -> Html:
    """Count everything by severity and by what found it."""
    found: tuple[Finding | Secret | Misconfiguration, ...] = (
        *report.findings,
        *report.secrets,
        *report.misconfigurations,
    )
    if not found:
        return NOTHING
    counts = dict.fromkeys(_WORST_FIRST, 0)
    for one in found:
        counts[one.severity] += 1
    tiles = [
        element(
            "li", element("b", f"{count:,}"), element("span", severity.name), class_=f"count {severity.name.lower()}"
        )
        for severity, count in counts.items()
    ]
    return element("ul", tiles, class_="counts")


def _package_facts(report: ScanReport) -> list[tuple[str, str]]:
    system, database = report.inventory.distribution, report.database
    packages = ", ".join(f"{len(part.components):,} {part.label}" for part in targets_of(report) if part.components)
    return [
        ("System", (system.name or f"{system.id} {system.version}") if system else "no known distribution"),
        ("Packages", packages or "none"),
        (
            "Database",
            f"{database.record_count:,} advisories, built {database.built[:10]}" if database else "none asked",
        ),
    ]


def _facts(report: ScanReport, terms: Terms) -> Html:
    image = report.image
    looked = ", ".join(_WORDS[name].lower() for name in SCANNERS if name in report.scanners)
    facts = [
        ("Digest", image.index_digest or image.manifest_digest),
        ("Format", ", ".join(filter(None, (image.format, image.platform)))),
        ("Size", format_size(image.image_size) if image.image_size else ""),
        *(_package_facts(report) if report.names_packages else ()),
        ("Looked for", looked),
        ("Engine", f"{report.engine.name} {report.engine.version}" if report.engine else ""),
        ("Cost", describe_cost(report)),
        ("Time", terms.created),
        *(("Note", note) for note in image.notes),
    ]
    pairs = [element("div", element("dt", name), element("dd", value)) for name, value in facts if value]
    return element("dl", pairs)


def _findings(report: ScanReport, issues: Sequence[Issue]) -> Html:
    title = element("h2", "Findings", id="findings-title")
    if not issues:
        return element("section", title, element("p", verdict(report)[0][0]), id="findings")
    scanners = [name for name in SCANNERS if any(issue.scanner == name for issue in issues)]
    severities = [one.name for one in _WORST_FIRST if any(issue.severity is one for issue in issues)]
    controls = element(
        "form",
        element(
            "label", "Search ", element("input", id="search", type="search", autocomplete="off", spellcheck="false")
        ),
        _choices("Severity", "severity", [(name, name.capitalize()) for name in severities]),
        _choices("Kind", "scanner", [(name, _WORDS[name]) for name in scanners]) if len(scanners) > 1 else NOTHING,
        element("label", element("input", type="checkbox", id="fixable"), " only what can be mended"),
        element("button", "Show all", type="reset"),
        id="controls",
        hidden=True,
    )
    shown = element("p", counted(len(issues), "entry", "entries"), id="shown", role="status")
    table = element("div", findings_table(issues), class_="scroll")
    return element("section", title, controls, shown, table, id="findings", aria_labelledby="findings-title")


def _choices(legend: str, name: str, values: Sequence[tuple[str, str]]) -> Html:
    boxes = [
        element("label", element("input", type="checkbox", name=name, value=value, checked=True), f" {label}")
        for value, label in values
    ]
    return element("fieldset", element("legend", legend), boxes)


def _gaps(report: ScanReport) -> Html:
    if not report.gaps:
        return NOTHING
    rows = [
        element("tr", [element("td", cell) for cell in (gap.subject, GAP_WORDS[gap.reason], gap.detail)])
        for gap in report.gaps
    ]
    return _plain_table(("What", "Why", "Detail"), rows)


def _layers(report: ScanReport) -> Html:
    if not report.image.layers:
        return NOTHING
    rows = [
        element(
            "tr",
            element("td", layer.digest, class_="path"),
            element("td", format_size(layer.size), class_="number"),
            element("td", layer.created_by or layer.media_type),
        )
        for layer in report.image.layers
    ]
    return _plain_table(("Digest", "Size", "Made by"), rows)


def _packages(report: ScanReport) -> Html:
    rows = [
        element("tr", [element("td", cell) for cell in (part.label, one.name, one.version, ", ".join(one.licenses))])
        for part in targets_of(report)
        for one in part.components
    ]
    return _plain_table(("Kind", "Name", "Version", "Licence"), rows) if rows else NOTHING


def _plain_table(heads: Sequence[str], rows: Sequence[Html]) -> Html:
    head = element("tr", [element("th", text, scope="col") for text in heads])
    return element("table", element("thead", head), element("tbody", rows), class_="plain")


def _footer(terms: Terms) -> Html:
    return element("footer", f"Made by rafsight {__version__} from the scan of {terms.created}.")
