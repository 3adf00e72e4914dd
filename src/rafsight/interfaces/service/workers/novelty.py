"""A stored report against a newer database, and what is new in it. Runs in a worker process.

This module alone decides how much of what is new is kept.
"""

import rafsight
from rafsight.interfaces.service.jobs.model import NEWS_SHOWN, NewFinding, NewNews, NewReport
from rafsight.interfaces.service.jobs.reports_kept import pack_report, unpack_report
from rafsight.interfaces.service.workers.terms import ScanSettings
from rafsight.reports.changes import compare_reports


def match_kept(content: bytes, settings: ScanSettings) -> tuple[NewReport, NewNews | None]:
    """Match a stored report again.

    Args:
        content: as it is stored.
        settings: name the database.
    Returns: What is to be stored, and what is new in it; None: nothing is.
    Raises: ReportUnreadable, NotMatchable, NoDatabase, DatabaseDamaged.
    """
    before = unpack_report(content)
    after = rafsight.Scanner(database=settings.database).match_again(before)
    return pack_report(after, version=rafsight.__version__), news_between(before, after)


def news_between(before: rafsight.ScanReport, after: rafsight.ScanReport) -> NewNews | None:
    """Say what came and went between two reports about the same image; None: nothing did."""
    changes = compare_reports(before, after)
    added, removed = (
        tuple(
            NewFinding(
                id=one.id,
                component=one.component.name,
                version=one.component.version,
                severity=one.severity.name.lower(),
                fixed_version=one.fixed_versions[0] if one.fixed_versions else "",
                is_exploited=one.known_exploited,
            )
            for one in findings[:NEWS_SHOWN]
        )
        for findings in (changes.added, changes.removed)
    )
    if not added and not removed:
        return None
    return NewNews(
        added=added,
        removed=removed,
        added_count=len(changes.added),
        removed_count=len(changes.removed),
    )
