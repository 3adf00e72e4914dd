"""The document that a webhook gets. `docs/service-webhooks.md` describes it.

This module alone decides its members; members stay, and new ones may come. What it tells is bounded: lists are cut, and
their counts say so.
"""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from rafsight import __version__
from rafsight.base.units import MiB
from rafsight.interfaces.service.jobs.model import Delivery, Failure, NewFinding, Place, ReportHead

SCHEMA_VERSION: Final = 1
_SHOWN: Final = 100
"""Vulnerabilities that are named each way."""
_LONGEST: Final = 255
"""[characters] of a name or a version out of an image."""
_LARGEST_REPORT: Final = 8 * MiB
"""[bytes] of a report that is sent along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatsNew:
    """How a report differs from an earlier one."""

    since: ReportHead | None
    """The earlier one; None: the same one, with an older database."""
    added: tuple[NewFinding, ...]
    removed: tuple[NewFinding, ...]
    added_count: int
    removed_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """A report that is sent along."""

    format: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidings:
    """All that a notification tells."""

    delivery: Delivery
    head: ReportHead | None = None
    """The report; None: the scan failed."""
    new: WhatsNew | None = None
    """None: there is nothing to compare with."""
    failure: Failure | None = None
    """Why the scan failed."""
    enclosure: Enclosure | None = None


def write_notification(tidings: Tidings) -> bytes:
    """Write a notification: JSON in ASCII. The same tidings give the same bytes."""
    delivery, head = tidings.delivery, tidings.head
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "rafsight_version": __version__,
        "delivery": delivery.id,
        "event": delivery.event.value,
        "time": _time(delivery.created),
        "image": _image(delivery.place, head),
    }
    if head is not None:
        document["report"] = {
            "id": head.id,
            "scanned": _time(head.scanned),
            "matched": _time(head.matched),
            "database_built": head.database_built,
            "scanners": list(head.scanners),
            "rafsight_version": head.version,
        }
        document["summary"] = {**asdict(head.summary), "total": head.summary.total, "worst": head.summary.worst}
    if tidings.new is not None:
        document["new"] = _new(tidings.new)
    if tidings.failure is not None:
        failure = tidings.failure
        document["failure"] = {"code": failure.code, "message": failure.message, "remedy": failure.remedy}
    if tidings.enclosure is not None:
        document["enclosed"] = _enclosed(tidings.enclosure)
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")


def _image(place: Place, head: ReportHead | None) -> dict[str, str]:
    found = head.place.digest if head is not None else ""
    digest = place.digest or found
    return {
        "reference": f"{place.registry}/{place.repository}" + (f"@{digest}" if digest else f":{place.tag}"),
        "registry": place.registry,
        "repository": place.repository,
        "tag": place.tag,
        "digest": digest,
        "read_digest": head.read_digest if head is not None else "",
    }


def _new(new: WhatsNew) -> dict[str, Any]:
    since = None
    if new.since is not None:
        since = {
            "report": new.since.id,
            "digest": new.since.place.digest,
            "scanned": _time(new.since.scanned),
            "matched": _time(new.since.matched),
        }
    return {
        "since": since,
        "added_count": new.added_count,
        "removed_count": new.removed_count,
        "added": [_finding(one) for one in new.added[:_SHOWN]],
        "removed": [_finding(one) for one in new.removed[:_SHOWN]],
    }


def _finding(finding: NewFinding) -> dict[str, Any]:
    return {
        "id": finding.id[:_LONGEST],
        "component": finding.component[:_LONGEST],
        "version": finding.version[:_LONGEST],
        "severity": finding.severity,
        "fixed_version": finding.fixed_version[:_LONGEST],
        "is_exploited": finding.is_exploited,
    }


def _enclosed(enclosure: Enclosure) -> dict[str, Any]:
    """Send a report along, as JSON if it is that; one that is too large only by its size."""
    size = len(enclosure.content.encode("utf-8", "surrogatepass"))
    if size > _LARGEST_REPORT:
        return {"format": enclosure.format, "size": size, "content": None}
    try:
        content: Any = json.loads(enclosure.content) if enclosure.content.startswith("{") else enclosure.content
    except (ValueError, RecursionError):
        content = enclosure.content
    return {"format": enclosure.format, "size": size, "content": content}


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
