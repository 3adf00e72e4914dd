"""A report of what is known about an image, and of what the advisories say today.

This module alone decides what a report is made of.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from rafsight.access.counting import Cost
from rafsight.matching.matcher import MatchResult, match
from rafsight.matching.store import AdvisoryDatabase
from rafsight.reports.document import DatabaseFacts, ScanReport
from rafsight.verbs.scan.known_images import KnownImage

_UNMATCHED: Final = MatchResult(findings=(), hidden=(), gaps=())


def make_report(known: KnownImage, advisories: AdvisoryDatabase | None, started: float, cost: Cost) -> ScanReport:
    """Ask the advisories, and put everything together.

    Args:
        known: the image.
        advisories: None: nothing is looked up.
        started: when the scan began, by `time.monotonic`.
        cost: what it took until now.
    """
    packages = known.packages
    matched = match(packages.inventory, advisories) if advisories is not None else _UNMATCHED
    seconds = time.monotonic() - started
    return ScanReport(
        image=known.facts,
        inventory=packages.inventory,
        findings=matched.findings,
        gaps=(*packages.unread, *packages.inventory.gaps, *matched.gaps),
        unimportant=matched.hidden,
        cost=cost,
        database=database_facts(advisories) if advisories is not None else None,
        started=(datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds").replace("+00:00", "Z"),
        seconds=seconds,
    )


def database_facts(advisories: AdvisoryDatabase) -> DatabaseFacts:
    """Say which database was asked."""
    status = advisories.status()
    return DatabaseFacts(
        path=str(status.path),
        built=status.built,
        newest_record=status.newest_record,
        record_count=status.record_count,
        digest=status.digest,
        knows_exploited=status.exploited_count > 0,
        knows_likelihoods=status.likelihood_count > 0,
    )
