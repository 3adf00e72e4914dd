"""Which kind of report a file holds, told by its content: SARIF, CycloneDX or SPDX.

This module alone decides that, and which media type and date such a report has. Nothing of it is built beside the few
members that name its kind. Imported late, with msgspec.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from rafsight.base.units import KiB

SARIF: Final = "application/sarif+json"
CYCLONEDX_JSON: Final = "application/vnd.cyclonedx+json"
CYCLONEDX_XML: Final = "application/vnd.cyclonedx+xml"
SPDX_JSON: Final = "application/spdx+json"
SPDX_TEXT: Final = "text/spdx"

_BOM: Final = b"\xef\xbb\xbf"
_HEAD: Final = 4 * KiB
"""[bytes] in which documents that are no JSON name their kind."""
_LONGEST: Final = 1 * KiB
"""[bytes] of a member that is a name, a version or a date."""
_CYCLONEDX_XML: Final = re.compile(rb"<(?:[A-Za-z]{1,16}:)?bom\s[^<>]{0,2048}http://cyclonedx\.org/schema/bom/")
_SPDX_TEXT: Final = re.compile(rb"(?m)^SPDXVersion:[ \t]*SPDX-")
_SPDX_3: Final = b"spdx.org/rdf/3"
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)\Z", re.ASCII)
_NOTHING: Final = msgspec.Raw(b"null")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportType:
    """What a report says about itself."""

    media_type: str
    created: str
    """RFC 3339, in UTC and whole seconds; empty if it names no date."""


class _Head(msgspec.Struct):
    schema: msgspec.Raw = msgspec.field(name="$schema", default=_NOTHING)
    version: msgspec.Raw = _NOTHING
    runs: msgspec.Raw = _NOTHING
    bom_format: msgspec.Raw = msgspec.field(name="bomFormat", default=_NOTHING)
    metadata: msgspec.Raw = _NOTHING
    spdx_version: msgspec.Raw = msgspec.field(name="spdxVersion", default=_NOTHING)
    creation: msgspec.Raw = msgspec.field(name="creationInfo", default=_NOTHING)
    context: msgspec.Raw = msgspec.field(name="@context", default=_NOTHING)


class _Invocation(msgspec.Struct):
    start: msgspec.Raw = msgspec.field(name="startTimeUtc", default=_NOTHING)
    end: msgspec.Raw = msgspec.field(name="endTimeUtc", default=_NOTHING)


class _Run(msgspec.Struct):
    invocations: list[_Invocation] = []


class _Dates(msgspec.Struct):
    timestamp: msgspec.Raw = _NOTHING
    """Of CycloneDX."""
    created: msgspec.Raw = _NOTHING
    """Of SPDX."""


def recognise_report(content: bytes) -> ReportType | None:
    """Tell what kind of report this is; None if it is none that is known, or damaged.

    Args:
        content: the file, as large as whoever reads it allows.
    Cost: linear: JSON is read once, and nothing of it kept.
    """
    try:
        head = msgspec.json.decode(content.removeprefix(_BOM), type=_Head)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _recognise_text(content[:_HEAD])
    if _text(head.bom_format) == "CycloneDX":
        return ReportType(media_type=CYCLONEDX_JSON, created=_date_in(head.metadata))
    if _text(head.spdx_version).startswith("SPDX-"):
        return ReportType(media_type=SPDX_JSON, created=_date_in(head.creation))
    if _SPDX_3 in _start(head.context, _LONGEST):
        return ReportType(media_type=SPDX_JSON, created="")
    is_sarif = _text(head.version).startswith("2.") or "sarif" in _text(head.schema)
    if is_sarif and _start(head.runs, 1) == b"[":
        return ReportType(media_type=SARIF, created=_date_of_runs(head.runs))
    return None


def _recognise_text(head: bytes) -> ReportType | None:
    if _CYCLONEDX_XML.search(head):
        return ReportType(media_type=CYCLONEDX_XML, created="")
    return ReportType(media_type=SPDX_TEXT, created="") if _SPDX_TEXT.search(head) else None


def _date_of_runs(runs: msgspec.Raw) -> str:
    """Return when the last of all runs ended, or began if none says when it ended."""
    try:
        decoded = msgspec.json.decode(runs, type=list[_Run])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""
    made = [one for run in decoded for one in run.invocations]
    ends = max((_date(_text(one.end)) for one in made), default="")
    return ends or max((_date(_text(one.start)) for one in made), default="")


def _date_in(part: msgspec.Raw) -> str:
    """Return the date that the metadata of a bill of materials has."""
    try:
        decoded = msgspec.json.decode(part, type=_Dates)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""
    return _date(_text(decoded.timestamp)) or _date(_text(decoded.created))


def _text(part: msgspec.Raw) -> str:
    """Return a short text; empty if it is another thing, or long."""
    raw = _start(part, _LONGEST + 1)
    if len(raw) > _LONGEST or not raw.startswith(b'"'):
        return ""
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def _start(part: msgspec.Raw, size: int) -> bytes:
    """Return the first bytes of a member, however large it is."""
    return bytes(memoryview(part)[:size])


def _date(text: str) -> str:
    """Bring a date to UTC and whole seconds; empty if it is none."""
    if not _DATE.match(text):
        return ""
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"
