"""How old the advisories are that a scan asked.

This module alone decides what the age of a database is: the time since its newest advisory, or since it was built if
that is longer ago (the date of an advisory is its publisher's word, and may lie in the future).
"""

from datetime import UTC, datetime

from rafsight.reports.document import ScanReport


def age_of_database(report: ScanReport) -> float | None:
    """Return how old the advisories were when the scan began [s]; None if there are none, or nobody says."""
    if report.database is None:
        return None
    return age_at(report.started, built=report.database.built, newest_record=report.database.newest_record)


def age_at(moment: str, *, built: str, newest_record: str) -> float | None:
    """Return how old a database is [s], never below 0; None if nobody says.

    Args:
        moment: RFC 3339.
        built: RFC 3339, or empty.
        newest_record: likewise.
    """
    now = parse_date(moment)
    dates = [date for date in map(parse_date, (built, newest_record)) if date is not None]
    if now is None or not dates:
        return None
    return max((now - min(dates)).total_seconds(), 0.0)


def parse_date(text: str) -> datetime | None:
    """Read a date in the form of RFC 3339, one without a time zone as UTC; None if it is none."""
    try:
        date = datetime.fromisoformat(text)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
