"""The report for people: what it is, how bad it is, the findings, and what was not looked at.

This module alone decides the order of the sections and the words in them; the headline is made in `verdict`.
"""

from collections.abc import Sequence
from typing import Final

from rafsight.analysis.inventory import OS_ECOSYSTEMS, Component, Gap, GapReason
from rafsight.base.severity import Severity
from rafsight.base.units import format_size
from rafsight.reports.document import ArtifactKind, EngineFacts, ScanReport
from rafsight.reports.findings import NARROW_WIDTH, SEVERITY_STYLES, render_findings
from rafsight.reports.gaps import GAP_WORDS
from rafsight.reports.other_findings import render_checks, render_secrets, render_suppressed
from rafsight.reports.paint import Line, Painter, Span, Style, beside, cells, right, styled, wrap
from rafsight.reports.rows import group_findings
from rafsight.reports.selection import Totals, count_severities
from rafsight.reports.targets import Target, targets_of
from rafsight.reports.updates import render_updates, updates_of
from rafsight.reports.verdict import counted, verdict

_LEAST_WIDTH: Final = 30
_KEY_WIDTH: Final = 9
"""[columns] so that a digest fits into 80."""
_WORST_FIRST: Final = tuple(sorted(Severity, reverse=True))

_FACT_STYLES: Final = {"Image": Style.BOLD, "Cost": Style.GOOD, "Note": Style.WARNING}


def render_table(
    report: ScanReport,
    *,
    width: int,
    colour: bool,
    unicode: bool,
    list_all: bool = False,
    show_suppressed: bool = False,
) -> str:
    """Write a report for people.

    Args:
        report: as filtered.
        width: [columns] of the terminal; no line is longer, except where the width is below 30.
        colour: use the terminal's colours.
        unicode: False keeps everything within ASCII.
        list_all: name every package, not only those with findings.
        show_suppressed: list what ignore files and VEX documents took out; it is counted in any case.
    """
    painter = Painter(colour=colour, unicode=unicode)
    width = max(width, _LEAST_WIDTH)
    targets = targets_of(report)
    sections = [_summary(report, targets, width, painter), _overview(report, targets, width, painter)]
    sections += [_target_section(target, width, painter) for target in targets if target.findings or target.unimportant]
    sections += _other_sections(report, width, painter)
    if show_suppressed and report.suppressed:
        sections.append(_suppressed_section(report, width, painter))
    if list_all:
        sections += [_package_section(target, width, painter) for target in targets if target.components]
    updates = updates_of(report.findings)
    if updates:
        sections.append(render_updates(updates, width=width, painter=painter))
    if report.gaps:
        sections.append(_gap_section(report.gaps, width, painter))
    lines: list[Line] = []
    for section in sections:
        lines += [(), *section] if lines else section
    return painter.paint(lines)


def _summary(report: ScanReport, targets: Sequence[Target], width: int, painter: Painter) -> list[Line]:
    image = report.image
    is_image = image.kind is ArtifactKind.IMAGE
    facts = [
        ("Image", image.name),
        *(("Digest", name) for name in (image.index_digest or image.manifest_digest,) if name or is_image),
        ("Format", ", ".join(filter(None, (image.format, image.platform, _entries(report))))),
        *(("Engine", _engine(engine)) for engine in (report.engine,) if engine is not None),
        *(_package_facts(report, targets) if report.names_packages else ()),
        ("Cost", describe_cost(report)),
        *(("Note", note) for note in image.notes),
    ]
    lines: list[Line] = []
    for key, value in facts:
        text = painter.safe(value, 1000) or "none"
        style = _FACT_STYLES.get(key, Style.PLAIN)
        block = styled(wrap(text, width - _KEY_WIDTH), style)
        lines += beside([(_KEY_WIDTH, styled([key], Style.DIM)), (width - _KEY_WIDTH, block)], 0)
    return lines


def _package_facts(report: ScanReport, targets: Sequence[Target]) -> list[tuple[str, str]]:
    return [
        ("System", _system(report)),
        ("Packages", ", ".join(_packages(part) for part in targets if part.components)),
        ("Database", _database(report)),
    ]


def _entries(report: ScanReport) -> str:
    return f"{report.image.entry_count:,} entries" if report.image.kind is ArtifactKind.IMAGE else ""


def _engine(engine: EngineFacts) -> str:
    return f"{engine.name} {engine.version}, over a {engine.view}"


def _system(report: ScanReport) -> str:
    distribution = report.inventory.distribution
    if distribution is None:
        return "no known distribution"
    release = f"{distribution.id} {distribution.version}".rstrip()
    return f"{release}, {distribution.name}" if distribution.name else release


def _packages(target: Target) -> str:
    return f"{len(target.components):,} {'OS' if target.is_os else target.label}"


def _database(report: ScanReport) -> str:
    database = report.database
    if database is None:
        return "none asked: vulnerabilities were not looked for"
    if report.engine is not None:
        day = f"built on {database.built[:10]}" if database.built else "of an unknown day"
        return f"{report.engine.name}'s own, {day}"
    newest = f"newest of {database.newest_record[:10]}" if database.newest_record else "no dates"
    return f"{database.record_count:,} advisories, {newest}, built on {database.built[:10]}"


def describe_cost(report: ScanReport) -> str:
    """Say in one line what the scan fetched, beside what pulling the image would have."""
    cost, whole = report.cost, report.image.image_size
    requests = f"{cost.requests:,} request{'' if cost.requests == 1 else 's'}"
    share = ""
    if whole > 0:
        percent = 100 * cost.bytes_fetched / whole
        exact = "0%" if not percent else "less than 0.1%" if percent < 0.1 else f"{percent:.1f}%"
        share = f" of {format_size(whole)} ({exact})" if percent <= 100 else f" of {format_size(whole)}"
    return f"{format_size(cost.bytes_fetched)}{share} fetched in {requests} and {report.seconds:.2f} s"


def _overview(report: ScanReport, targets: Sequence[Target], width: int, painter: Painter) -> list[Line]:
    told = verdict(report)
    lines = [line for text, style in told for line in styled(wrap(painter.safe(text, 1000), width), style)]
    if report.findings or report.secrets or report.misconfigurations:
        lines += [(), *_matrix(targets, report, width, painter)]
    return lines


def _other_sections(report: ScanReport, width: int, painter: Painter) -> list[list[Line]]:
    sections = []
    if report.secrets:
        totals = count_severities(report.secrets)
        heading = styled(["Secrets"], Style.BOLD)
        heading += styled(wrap(f"{counted(totals.total, 'secret', 'secrets')}: {_in_words(totals)}.", width))
        sections.append([*heading, (), *render_secrets(report.secrets, width=width, painter=painter)])
    if report.misconfigurations:
        totals = count_severities(report.misconfigurations)
        told = f"{totals.total:,} of {counted(report.check_count, 'check', 'checks')} failed: {_in_words(totals)}."
        heading = styled(["Misconfiguration"], Style.BOLD) + styled(wrap(told, width))
        sections.append([*heading, (), *render_checks(report.misconfigurations, width=width, painter=painter)])
    return sections


def _suppressed_section(report: ScanReport, width: int, painter: Painter) -> list[Line]:
    heading = styled([f"Suppressed ({len(report.suppressed):,})"], Style.BOLD)
    return [*heading, *render_suppressed(report.suppressed, width=width, painter=painter)]


def _matrix(targets: Sequence[Target], report: ScanReport, width: int, painter: Painter) -> list[Line]:
    """Make the table of severities by target."""
    entries = [
        (painter.safe(part.label, 30), len(part.components), count_severities(part.findings)) for part in targets
    ]
    entries += [("Secrets", 0, count_severities(report.secrets))] if report.secrets else []
    checks = report.misconfigurations
    entries += [("Misconfiguration", 0, count_severities(checks))] if checks else []
    if len(entries) > 1:
        everything = count_severities((*report.findings, *report.secrets, *checks))
        entries.append(("Total", len(report.inventory.components), everything))
    headings = ("Packages", *(severity.name.capitalize() for severity in _WORST_FIRST), "Total")
    name_width = max(cells("Target"), *(cells(name) for name, _, _ in entries))
    total = name_width + sum(len(heading) + 2 for heading in headings)
    if width < max(total, NARROW_WIDTH):
        return [line for name, _, totals in entries for line in styled(wrap(f"{name}: {_in_words(totals)}", width))]
    lines = beside(
        [(name_width, styled(["Target"], Style.BOLD)), *((len(h), styled([h], Style.BOLD)) for h in headings)]
    )
    lines.append(painter.rule(total, heavy=True))
    for index, (name, packages, totals) in enumerate(entries):
        if index and index == len(entries) - 1:
            lines.append(painter.rule(total))
        counts = [(totals.of(severity), SEVERITY_STYLES[severity]) for severity in _WORST_FIRST]
        numbers = [(packages, Style.PLAIN), *counts, (totals.total, Style.BOLD)]
        lines.append((Span(name + " " * (name_width - cells(name))), *_numbers(numbers, headings)))
    return lines


def _numbers(numbers: Sequence[tuple[int, Style]], headings: Sequence[str]) -> list[Span]:
    spans = []
    for (number, style), heading in zip(numbers, headings, strict=True):
        text = f"{number:,}" if number else "-"
        spans.append(Span(right("", len(heading) + 2 - len(text))))
        spans.append(Span(text, style if number else Style.DIM))
    return spans


def _in_words(totals: Totals) -> str:
    counts = [f"{totals.of(severity)} {severity.name.lower()}" for severity in _WORST_FIRST if totals.of(severity)]
    return ", ".join(counts) or "none"


def _target_section(target: Target, width: int, painter: Painter) -> list[Line]:
    totals = count_severities(target.findings)
    groups = group_findings(target)
    summary = f"{counted(totals.total, 'vulnerability', 'vulnerabilities')}: {_in_words(totals)}."
    if target.unimportant:
        summary += f" {len(target.unimportant):,} unimportant."
    if any(len(group.libraries) > 1 for group in groups):
        summary += " One row per source package."
    lines = styled(wrap(painter.safe(target.title, 1000), width), Style.BOLD)
    lines += styled(wrap(summary, width))
    return [*lines, (), *render_findings(groups, width=width, painter=painter)]


def _package_section(target: Target, width: int, painter: Painter) -> list[Line]:
    """List every package with its version and where it comes from."""
    origin_heading = "Source" if target.is_os else "Found in"
    rows = [
        (painter.safe(component.name), painter.safe(component.version), painter.safe(_origin(component)))
        for component in target.components
    ]
    wanted = [max(cells(text) for text in column) for column in zip(("Package", "Installed", ""), *rows, strict=True)]
    name_width, version_width = min(wanted[0], width // 3), min(wanted[1], width // 3)
    origin_width = width - name_width - version_width - 4
    widths = (name_width, version_width, origin_width)
    title = f"{painter.safe(target.label)}: {counted(len(rows), 'package', 'packages')}"
    lines = [*styled(wrap(title, width), Style.BOLD), ()]
    headings = (
        styled(wrap(text, room), Style.BOLD)
        for text, room in zip(("Package", "Installed", origin_heading), widths, strict=True)
    )
    lines += [*beside(list(zip(widths, headings, strict=True))), painter.rule(width, heavy=True)]
    for row in rows:
        lines += beside([(room, styled(wrap(text, room))) for room, text in zip(widths, row, strict=True)])
    return lines


def _origin(component: Component) -> str | bytes:
    if component.ecosystem not in OS_ECOSYSTEMS:
        return b"/" + component.locations[0] if component.locations else ""
    return "" if component.source_name == component.name else component.source_name


def _gap_section(gaps: Sequence[Gap], width: int, painter: Painter) -> list[Line]:
    """List everything that was not looked at; what has the same reason and explanation is listed together."""
    grouped: dict[tuple[GapReason, str], list[str]] = {}
    for gap in gaps:
        grouped.setdefault((gap.reason, gap.detail), []).append(gap.subject)
    lines = styled([f"Not looked at ({len(gaps):,})"], Style.WARNING)
    lines.append(painter.rule(width))
    for (reason, detail), subjects in grouped.items():
        text = f"{GAP_WORDS[reason]}: {painter.safe(detail)}" if detail else GAP_WORDS[reason]
        lines += styled(wrap(text, width))
        for subject in subjects:
            lines += [(Span("  "), *line) for line in styled(wrap(painter.safe(subject), width - 2), Style.BOLD)]
    return lines
