"""The most important things of a scan in a sentence each: what people read first, and often last.

This module alone decides what the headline says: it never sounds clean where something was not looked at.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from rafsight.base.durations import DAY, format_duration
from rafsight.matching.finding import Finding
from rafsight.reports.database_age import age_of_database
from rafsight.reports.document import ScanReport
from rafsight.reports.paint import Style
from rafsight.reports.selection import has_unreadable, is_complete, listed_findings

Sentence = tuple[str, Style]

SCANNERS: Final = ("vuln", "secret", "misconfig")
"""All that can be looked for, in the order of every report."""
_STALE: Final = 7 * DAY
"""[s] after which old advisories are worth a sentence."""
_NAMES: Final = {
    "vuln": ("vulnerability", "vulnerabilities"),
    "secret": ("secret", "secrets"),
    "misconfig": ("misconfiguration", "misconfigurations"),
}


def verdict(report: ScanReport) -> list[Sentence]:
    """Say the most important things about a report, the most important one first. Foreign text is not yet escaped."""
    return [
        _headline(report),
        *_policies(report),
        *_alarms(report),
        *_mendable(report),
        *_stale(report),
        *_left_out(report),
    ]


def counted(count: int, one: str, many: str) -> str:
    """Write a number with its noun."""
    return f"{count:,} {one if count == 1 else many}"


def _headline(report: ScanReport) -> Sentence:
    found = found_in_words(report)
    if found:
        return f"{found} found.", Style.BOLD
    if "vuln" in report.scanners:
        if not report.inventory.components and has_unreadable(report.gaps):
            told = "Nothing could be looked at: what names the packages could not be read or did not verify."
            return told, Style.ALARM
        if report.database is None and report.engine is not None:
            told = f"Vulnerabilities were not looked for: {report.engine.name} lists packages only."
            return told, Style.WARNING
        if report.database is None:
            return "Vulnerabilities were not looked for: no advisory database was asked.", Style.WARNING
    return _nothing_found(report)


def _nothing_found(report: ScanReport) -> Sentence:
    one, many = _looked_for(report)
    if is_complete(report):
        if report.hidden_count:
            return f"No {one} passes the filters.", Style.BOLD
        if report.suppressed:
            return f"No {many} found but those that are suppressed.", Style.BOLD
        return f"No {many} found.", Style.GOOD
    if report.hidden_count:
        return f"No {one} in what was looked at passes the filters.", Style.WARNING
    return f"No {many} found in what was looked at.", Style.WARNING


def _looked_for(report: ScanReport) -> tuple[str, str]:
    """Name what was looked for, as one and as many."""
    names = [_NAMES[scanner] for scanner in SCANNERS if scanner in report.scanners]
    return joined([one for one, _ in names], "or"), joined([many for _, many in names], "or")


def found_in_words(report: ScanReport) -> str:
    """Write how much of each kind was found: `2 vulnerabilities and 1 secret`; empty if nothing was."""
    counts = (len(report.findings), len(report.secrets), len(report.misconfigurations))
    return joined([counted(count, *_NAMES[name]) for name, count in zip(SCANNERS, counts, strict=True) if count], "and")


def joined(words: Sequence[str], last: str) -> str:
    """Write a list as a sentence has it: `a, b and c`."""
    return f" {last} ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _alarms(report: ScanReport) -> list[Sentence]:
    listed = listed_findings(report)
    told = []
    exploited = sorted({finding.id for finding in listed if finding.known_exploited})
    if exploited:
        told.append((f"Known to be exploited (CISA KEV): {', '.join(exploited)}.", Style.ALARM))
    if report.hidden_exploited:
        ids = ", ".join(report.hidden_exploited)
        told.append((f"Known to be exploited, but left out by filters: {ids}.", Style.ALARM))
    excused = sorted(
        {
            one.finding.id
            for one in report.suppressed
            if isinstance(one.finding, Finding) and one.finding.known_exploited
        }
    )
    if excused:
        told.append((f"Known to be exploited, but suppressed: {', '.join(excused)}.", Style.ALARM))
    malicious = sorted({finding.component.name for finding in listed if finding.malware})
    if malicious:
        told.append((f"Malicious packages: {', '.join(malicious)}.", Style.ALARM))
    return told


def _mendable(report: ScanReport) -> list[Sentence]:
    """Say how many of the vulnerabilities go away with updates: what there is to do."""
    found = len(report.findings)
    mended = sum(bool(finding.fixed_versions) for finding in report.findings)
    if not found:
        return []
    if not mended:
        return [(f"No update mends the {'vulnerability' if found == 1 else 'vulnerabilities'} yet.", Style.PLAIN)]
    if mended == found:
        which = "the vulnerability" if found == 1 else f"all {found:,} vulnerabilities"
        return [(f"{'An update mends' if found == 1 else 'Updates mend'} {which}.", Style.PLAIN)]
    return [(f"Updates mend {mended:,} of the {found:,} vulnerabilities.", Style.PLAIN)]


def _policies(report: ScanReport) -> list[Sentence]:
    """Say which policies the image fails, and which have no answer."""
    told = []
    for answer in report.policies:
        why = "; ".join(answer.reasons)
        if answer.holds:
            told.append((f"Fails the policy '{answer.expression}': {why}.", Style.ALARM))
        elif answer.holds is None:
            told.append((f"The policy '{answer.expression}' has no answer: {why}.", Style.WARNING))
    return told


def _stale(report: ScanReport) -> list[Sentence]:
    """Warn of advisories that are old."""
    age = age_of_database(report)
    if age is None or age <= _STALE:
        return []
    return [
        (f"The advisories are {format_duration(age)} old: what was published since then is not found.", Style.WARNING)
    ]


def _suppressed(report: ScanReport) -> str:
    """Say how much is suppressed, by what, and as what."""
    statuses = Counter(one.status for one in report.suppressed)
    how = ", ".join(f"{count:,} {status.replace('_', ' ')}" for status, count in sorted(statuses.items()))
    sources = joined(sorted({one.source for one in report.suppressed}), "and")
    return f"{counted(len(report.suppressed), 'more is', 'more are')} suppressed by {sources} ({how})"


def _left_out(report: ScanReport) -> list[Sentence]:
    told = []
    if report.hidden_count:
        told.append((f"{counted(report.hidden_count, 'more was', 'more were')} left out by filters.", Style.WARNING))
    if report.suppressed:
        told.append((f"{_suppressed(report)}.", Style.WARNING))
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
