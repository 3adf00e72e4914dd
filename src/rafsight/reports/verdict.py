"""The most important things of a scan in a sentence each: what people read first, and often last.

This module alone decides what the headline says: it never sounds clean where something was not looked at.
"""

from rafsight.reports.document import ScanReport
from rafsight.reports.paint import Style
from rafsight.reports.selection import has_unreadable, is_complete, listed_findings

Sentence = tuple[str, Style]


def verdict(report: ScanReport) -> list[Sentence]:
    """Say the most important things about a report, the most important one first. Foreign text is not yet escaped."""
    return [_headline(report), *_alarms(report), *_left_out(report)]


def counted(count: int, one: str, many: str) -> str:
    """Write a number with its noun."""
    return f"{count:,} {one if count == 1 else many}"


def _headline(report: ScanReport) -> Sentence:
    count = len(report.findings)
    if count:
        return f"{counted(count, 'vulnerability', 'vulnerabilities')} found.", Style.BOLD
    if not report.inventory.components and has_unreadable(report):
        return "Nothing could be looked at: what names the packages could not be read or did not verify.", Style.ALARM
    if report.database is None and report.engine is not None:
        return f"Vulnerabilities were not looked for: {report.engine.name} lists packages only.", Style.WARNING
    if report.database is None:
        return "Vulnerabilities were not looked for: no advisory database was asked.", Style.WARNING
    if is_complete(report):
        if report.hidden_count:
            return "No vulnerability passes the filters.", Style.BOLD
        return "No vulnerabilities found.", Style.GOOD
    if report.hidden_count:
        return "No vulnerability in what was looked at passes the filters.", Style.WARNING
    return "No vulnerabilities found in what was looked at.", Style.WARNING


def _alarms(report: ScanReport) -> list[Sentence]:
    listed = listed_findings(report)
    told = []
    exploited = sorted({finding.id for finding in listed if finding.known_exploited})
    if exploited:
        told.append((f"Known to be exploited (CISA KEV): {', '.join(exploited)}.", Style.ALARM))
    if report.hidden_exploited:
        ids = ", ".join(report.hidden_exploited)
        told.append((f"Known to be exploited, but left out by filters: {ids}.", Style.ALARM))
    malicious = sorted({finding.component.name for finding in listed if finding.malware})
    if malicious:
        told.append((f"Malicious packages: {', '.join(malicious)}.", Style.ALARM))
    return told


def _left_out(report: ScanReport) -> list[Sentence]:
    told = []
    if report.hidden_count:
        told.append((f"{counted(report.hidden_count, 'more was', 'more were')} left out by filters.", Style.WARNING))
    if report.unimportant:
        kept = counted(len(report.unimportant), "flaw is", "flaws are")
        how = "marked, and not counted" if report.lists_unimportant else "not listed"
        told.append((f"{kept} unimportant by the distribution's own word and {how}.", Style.DIM))
    headers = sum(finding.kernel_headers for finding in report.findings)
    if headers:
        what = counted(headers, "finding is", "findings are")
        text = f"{what} about headers of a kernel that does not run here: capped at LOW, left out of --exit-code."
        told.append((text, Style.DIM))
    if report.gaps:
        things = counted(len(report.gaps), "thing was", "things were")
        told.append((f"{things} not looked at: see the end.", Style.WARNING))
    return told
