"""OSV records (schema 1.x): JSON to our own values.

This module alone knows the shape of a record. Entries are filed by the ecosystem that each one names itself, never by
where the record was found; ranges over commits and entries without a package are passed over.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeVar

import msgspec

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.matching.advisory import Advisory, Affected, Facts, Interval, NamedFlaw, ParsedRecord, Vector
from rafsight.matching.ecosystems import package_name, split_ecosystem
from rafsight.matching.ranges import (
    FIXED,
    INTRODUCED,
    LAST_AFFECTED,
    RangeEvent,
    intervals_of_events,
    intervals_of_versions,
)
from rafsight.matching.versions import SCHEMES, Scheme, UncomparableVersion

ID_LENGTH: Final = 256
"""[characters] the longest id, package name or release."""
DETAILS_LENGTH: Final = 16_384
"""[characters] longer descriptions are cut."""

_CACHED_KEYS: Final = 1 << 15
_BINARY_FAMILIES: Final = ("SUSE", "openSUSE")

Shape = TypeVar("Shape")


class MalformedRecord(CallerError):
    """A file that should be an OSV record is none."""

    code = "malformed-advisory"
    template = "{name} is no OSV record: {reason}"
    remedy = "The other records are not touched; report the record to the database that published it."
    exit_status = ExitStatus.DATABASE


class _Event(msgspec.Struct):
    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None


class _Range(msgspec.Struct):
    type: str
    events: list[_Event] | None = None


class _Package(msgspec.Struct):
    ecosystem: str
    name: str


class _Severity(msgspec.Struct):
    type: str
    score: str


class _Reference(msgspec.Struct):
    url: str


class _Affected(msgspec.Struct):
    package: _Package | None = None
    ranges: list[_Range] | None = None
    versions: list[str] | None = None
    severity: list[_Severity] | None = None
    ecosystem_specific: msgspec.Raw = msgspec.Raw()
    database_specific: msgspec.Raw = msgspec.Raw()


class _Record(msgspec.Struct):
    id: str
    modified: str
    published: str | None = None
    withdrawn: str | None = None
    aliases: list[str] | None = None
    upstream: list[str] | None = None
    related: list[str] | None = None
    summary: str | None = None
    details: str | None = None
    severity: list[_Severity] | None = None
    affected: list[_Affected] | None = None
    references: list[_Reference] | None = None
    database_specific: msgspec.Raw = msgspec.Raw()


class _Marks(msgspec.Struct):
    id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    modified: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    affected: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _RecordSpecifics(msgspec.Struct):
    severity: str | None = None
    cwe_ids: list[str] | None = None


class _RangeHint(msgspec.Struct):
    last_known_affected_version_range: str | None = None


class _Urgency(msgspec.Struct):
    urgency: str | None = None


class _FlawEntry(msgspec.Struct):
    id: str
    severity: list[_Severity] | None = None


class _FlawMap(msgspec.Struct):
    cves: list[_FlawEntry] | None = None


class _Flaws(msgspec.Struct):
    cves_map: _FlawMap | None = None


class _Binaries(msgspec.Struct):
    binaries: list[dict[str, str]] | None = None


class RecordParser:
    """Parses records; keeps the keys of versions that occur again and again."""

    def __init__(self, *, now: datetime) -> None:
        """Prepare to parse.

        Args:
            now: aware; a record withdrawn later than this still counts.
        """
        self._now = now
        self._decoder = msgspec.json.Decoder(_Record)
        self._schemes = {base: _remembering(scheme) for base, scheme in SCHEMES.items()}

    def parse(self, content: bytes, name: str) -> ParsedRecord:
        """Parse one record.

        Args:
            content: JSON.
            name: what to call it in an error.
        Raises: MalformedRecord.
        """
        try:
            record = self._decoder.decode(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise MalformedRecord(name=name, reason=str(error)) from error
        if not 0 < len(record.id) <= ID_LENGTH:
            raise MalformedRecord(name=name, reason="its id is empty or too long")
        advisory = _advisory(record)
        if record.withdrawn and self._is_past(record.withdrawn):
            bases = {split_ecosystem(entry.package.ecosystem)[0] for entry in record.affected or () if entry.package}
            return ParsedRecord(advisory=advisory, affected=(), withdrawn_from=tuple(sorted(bases)))
        affected: list[tuple[str, Affected]] = []
        unread = 0
        for entry in record.affected or ():
            filed, refused = self._affected(entry)
            unread += refused
            if filed is not None:
                affected.append(filed)
        return ParsedRecord(advisory=advisory, affected=tuple(affected), unread_ranges=unread)

    def _is_past(self, moment: str) -> bool:
        try:
            withdrawn = datetime.fromisoformat(moment)
        except ValueError:
            return True
        return withdrawn.tzinfo is None or withdrawn <= self._now

    def _affected(self, entry: _Affected) -> tuple[tuple[str, Affected] | None, int]:
        """File one entry; None if it says nothing that could be matched. The number counts refused bounds."""
        if entry.package is None:
            return None, 0
        base, release = split_ecosystem(entry.package.ecosystem)
        scheme = self._schemes.get(base)
        if scheme is None or not entry.package.name or max(len(release), len(entry.package.name)) > ID_LENGTH:
            return None, 0
        intervals: list[Interval] = []
        refused = 0
        for events in _event_lists(entry):
            try:
                intervals += intervals_of_events(events, scheme)
            except UncomparableVersion:
                refused += 1
        fixes = [interval.fixed for interval in intervals if interval.fixed]
        listed, refused_versions = intervals_of_versions(entry.versions or (), intervals, fixes, scheme)
        refused += refused_versions
        intervals += listed
        if not intervals:
            return None, refused
        affected = Affected(
            release=release,
            name=package_name(base, entry.package.name),
            intervals=tuple(dict.fromkeys(intervals)),
            facts=_facts(entry, base),
        )
        return (base, affected), refused


def is_foreign(content: bytes) -> bool:
    """Tell whether content is a JSON object that nobody means as an OSV record: without id, or with nothing else."""
    try:
        marks = msgspec.json.decode(content, type=_Marks)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return marks.id is msgspec.UNSET or (marks.modified is msgspec.UNSET and marks.affected is msgspec.UNSET)


def _remembering(scheme: Scheme) -> Scheme:
    return replace(scheme, key=lru_cache(_CACHED_KEYS)(scheme.key), after=lru_cache(_CACHED_KEYS)(scheme.after))


def _event_lists(entry: _Affected) -> Iterator[list[RangeEvent]]:
    """Yield the events of each range of versions."""
    for span in entry.ranges or ():
        if span.type not in ("SEMVER", "ECOSYSTEM"):
            continue
        events: list[RangeEvent] = []
        for event in span.events or ():
            if event.introduced is not None:
                events.append(RangeEvent(kind=INTRODUCED, version=event.introduced))
            elif event.fixed is not None:
                events.append(RangeEvent(kind=FIXED, version=event.fixed))
            elif event.last_affected is not None:
                events.append(RangeEvent(kind=LAST_AFFECTED, version=event.last_affected))
        if all(event.kind == INTRODUCED for event in events):
            events += _known_end(entry)
        yield events


def _known_end(entry: _Affected) -> list[RangeEvent]:
    """Return the end of an open range that GitHub's database notes beside it (`<= 1.2.3`, `< 1.2.3`)."""
    hint = _decode(entry.database_specific, _RangeHint)
    text = (hint.last_known_affected_version_range or "") if hint else ""
    operator, _, version = text.strip().partition(" ")
    if operator == "<=" and version:
        return [RangeEvent(kind=LAST_AFFECTED, version=version.strip())]
    if operator == "<" and version:
        return [RangeEvent(kind=FIXED, version=version.strip())]
    return []


def _facts(entry: _Affected, base: str) -> Facts:
    urgency = _decode(entry.ecosystem_specific, _Urgency) if base == "Debian" else None
    shipped = _decode(entry.ecosystem_specific, _Binaries) if base in _BINARY_FAMILIES else None
    flaws = _decode(entry.database_specific, _Flaws) if base == "Ubuntu" else None
    names = {name for binary in (shipped.binaries or () if shipped else ()) for name in binary}
    return Facts(
        vectors=_vectors(entry.severity),
        urgency=(urgency.urgency or "") if urgency else "",
        binaries=tuple(sorted(names)),
        flaws=tuple(
            NamedFlaw(id=flaw.id, vectors=_vectors(flaw.severity))
            for flaw in (flaws.cves_map.cves or () if flaws and flaws.cves_map else ())
            if 0 < len(flaw.id) <= ID_LENGTH
        ),
    )


def _advisory(record: _Record) -> Advisory:
    specifics = _decode(record.database_specific, _RecordSpecifics)
    return Advisory(
        id=record.id,
        aliases=_ids(record.aliases),
        upstream=_ids(record.upstream),
        related=_ids(record.related),
        summary=record.summary or "",
        details=(record.details or "")[:DETAILS_LENGTH],
        published=record.published or "",
        modified=record.modified,
        vectors=_vectors(record.severity),
        word=(specifics.severity or "") if specifics else "",
        cwe_ids=_ids(specifics.cwe_ids) if specifics else (),
        references=tuple(dict.fromkeys(reference.url for reference in record.references or ())),
    )


def _ids(ids: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in ids or () if 0 < len(name) <= ID_LENGTH))


def _vectors(severities: list[_Severity] | None) -> tuple[Vector, ...]:
    return tuple(dict.fromkeys(Vector(type=item.type, score=item.score[:ID_LENGTH]) for item in severities or ()))


def _decode(raw: msgspec.Raw, shape: type[Shape]) -> Shape | None:
    """Read the free part of a record; None where it has another shape than the one that we know."""
    content = bytes(raw)
    if not content:
        return None
    try:
        return msgspec.json.decode(content, type=shape)
    except msgspec.MsgspecError:
        return None
