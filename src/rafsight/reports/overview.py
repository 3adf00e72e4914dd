"""Many scanned images, a line for each: for people while the scans go on, for programs beside the reports.

    {"type": "image", "digest": ..., "names": [...], "status": 0, "critical": 0, ..., "report": ...}

This module alone decides what that looks like. Numbers stand in front, so that columns keep their places whatever the
names are, which are text from strangers and are escaped.
"""

import json
from dataclasses import asdict
from typing import Final

from rafsight.base.text import escape
from rafsight.base.units import format_size
from rafsight.reports.document import ScanReport
from rafsight.reports.hunting import HuntTally
from rafsight.reports.scanned import ScannedImage
from rafsight.reports.selection import Totals, count_severities, has_unreadable, is_complete

_HEADINGS: Final = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN", "PACKAGES")
_NAMES_SHOWN: Final = 6


def overview_heading() -> str:
    """Write what the columns are."""
    return "  ".join((*_HEADINGS, "IMAGE")) + "\n"


def overview_line(image: ScannedImage, shown: ScanReport) -> str:
    """Write the line of an image.

    Args:
        image: with its names.
        shown: its report, as filtered, with what the policies say.
    """
    totals = _totals(shown)
    numbers = (totals.critical, totals.high, totals.medium, totals.low, totals.unknown, len(shown.inventory.components))
    cells = "  ".join(f"{number:{len(heading)}}" for number, heading in zip(numbers, _HEADINGS, strict=True))
    name, *others = map(escape, image.names)
    more = f" and {len(others) - _NAMES_SHOWN} more" if len(others) > _NAMES_SHOWN else ""
    also = f"  (also {', '.join(others[:_NAMES_SHOWN])}{more})" if others else ""
    return f"{cells}  {name}{also}{_remarks(shown)}\n"


def overview_record(image: ScannedImage, shown: ScanReport, *, status: int, report: str) -> str:
    """Write the line of an image as JSON.

    Args:
        image: with its names.
        shown: its report, as filtered, with what the policies say.
        status: which a scan of this image alone would exit with.
        report: name of the file that has the report.
    """
    members = {
        "type": "image",
        "digest": shown.image.manifest_digest,
        "names": image.names,
        "platform": shown.image.platform,
        "status": status,
        **asdict(_totals(shown)),
        "packages": len(shown.inventory.components),
        "is_complete": is_complete(shown),
        "fails": [answer.expression for answer in shown.policies if answer.holds],
        "report": report,
    }
    return json.dumps(members) + "\n"


def overview_summary(tally: HuntTally) -> str:
    """Say in a sentence what was done."""
    parts = [
        f"{_count(tally.images, 'image')} of {_count(tally.names, 'name')} scanned",
        f"{_count(tally.passed_over, 'name')} of no image" if tally.passed_over else "",
        f"{tally.unseen:,} not looked at as a whole" if tally.unseen else "",
    ]
    done = ", ".join(part for part in parts if part)
    return f"{done}; {_count(tally.requests, 'request')}, {format_size(tally.bytes_fetched)}, {tally.seconds:.1f} s"


def _totals(shown: ScanReport) -> Totals:
    return count_severities((*shown.findings, *shown.secrets, *shown.misconfigurations))


def _remarks(shown: ScanReport) -> str:
    """Say what numbers do not: a policy that holds, and what was not looked at."""
    remarks = [f"fails '{escape(answer.expression)}'" for answer in shown.policies if answer.holds]
    if has_unreadable(shown.gaps):
        remarks.append("bytes could not be had")
    elif not is_complete(shown):
        remarks.append("not looked at as a whole")
    return f"  [{', '.join(remarks)}]" if remarks else ""


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"
