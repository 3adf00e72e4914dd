"""An earlier report against a newer advisory database: what is in the image is known, and its registry is not asked.

This module alone decides what of a report stays: all but what advisories say.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

from rafsight.analysis.inventory import GapReason
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.matching.matcher import match
from rafsight.matching.store import AdvisoryDatabase, open_database
from rafsight.reports.document import ScanReport
from rafsight.verbs.scan.report import database_facts
from rafsight.verbs.scan.terms import VULNERABILITIES

_OF_MATCHING: Final = frozenset(
    {GapReason.UNKNOWN_DISTRIBUTION, GapReason.NO_ADVISORIES, GapReason.UNCOMPARABLE_VERSION, GapReason.NO_FEED}
)
"""Gaps that a database's answer has, and another database's need not have."""


class NotMatchable(CallerError):
    """A report was to be matched again that was not matched here."""

    code = "not-matchable"
    template = "the report about {image} cannot be matched again: {why}"
    remedy = "Scan the image again."
    exit_status = ExitStatus.USAGE


def match_again(report: ScanReport, *, database: Path) -> ScanReport:
    """Ask a database about what an earlier report lists.

    Args:
        report: of a scan for vulnerabilities, unfiltered.
        database: the newer one.
    Raises: NotMatchable, NoDatabase, DatabaseDamaged.
    Cost: no request; some 10 ms and more, by the number of packages.
    """
    with open_database(database) as advisories:
        return match_report(report, advisories)


def match_report(report: ScanReport, advisories: AdvisoryDatabase) -> ScanReport:
    """Ask an open database; see `match_again`.

    Raises: NotMatchable, DatabaseDamaged.
    """
    if report.engine is not None:
        raise NotMatchable(image=report.image.name, why=f"{report.engine.name} did that")
    if VULNERABILITIES not in report.scanners:
        raise NotMatchable(image=report.image.name, why="vulnerabilities were not looked for")
    matched = match(report.inventory, advisories)
    return replace(
        report,
        findings=matched.findings,
        unimportant=matched.hidden,
        gaps=(*(gap for gap in report.gaps if gap.reason not in _OF_MATCHING), *matched.gaps),
        database=database_facts(advisories),
    )
