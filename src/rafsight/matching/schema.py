"""The tables of the advisory database, what a body holds, and how a database can be unusable.

    ecosystem 1---n record 1---n affected        one row of `affected` is one interval of versions of one package
    source    1---n record n---1 dictionary      bodies are compressed with the dictionary of their source
    rating                                       which records say how bad a CVE is, wherever it is found
    coverage                                     how many records there are for each release
    exploited                                    CISA's catalogue
    likelihood                                   EPSS

This module alone decides the layout. Any change of it raises SCHEMA_VERSION; databases of other versions are refused,
since building one again is cheap.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.units import MiB
from rafsight.matching.advisory import Advisory, Facts, NamedFlaw, Vector

APPLICATION_ID: Final = 0x72667361
"""`rfsa` in the header of the file."""
SCHEMA_VERSION: Final = 3
PAGE_SIZE: Final = 8192
BODY_SIZE: Final = 4 * MiB
"""[bytes] the largest body before compression."""

TABLES: Final = """
CREATE TABLE metadata (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE source (
    number INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, location TEXT NOT NULL, sha256 TEXT NOT NULL,
    imported TEXT NOT NULL, newest TEXT NOT NULL, record_count INTEGER NOT NULL, withdrawn_count INTEGER NOT NULL,
    malformed_count INTEGER NOT NULL, unread_count INTEGER NOT NULL, etag TEXT NOT NULL, last_modified TEXT NOT NULL,
    UNIQUE (kind, name));
CREATE TABLE dictionary (number INTEGER PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE ecosystem (number INTEGER PRIMARY KEY, base TEXT NOT NULL UNIQUE);
CREATE TABLE coverage (
    ecosystem INTEGER NOT NULL, release TEXT NOT NULL, record_count INTEGER NOT NULL,
    PRIMARY KEY (ecosystem, release)) WITHOUT ROWID;
CREATE TABLE record (
    number INTEGER PRIMARY KEY, ecosystem INTEGER NOT NULL, id TEXT NOT NULL, source INTEGER NOT NULL,
    dictionary INTEGER NOT NULL, modified INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE affected (
    ecosystem INTEGER NOT NULL, name TEXT NOT NULL, release TEXT NOT NULL, high BLOB NOT NULL, low BLOB NOT NULL,
    record INTEGER NOT NULL, facts INTEGER NOT NULL, fixed TEXT NOT NULL,
    PRIMARY KEY (ecosystem, name, release, high, low, record, facts)) WITHOUT ROWID;
CREATE TABLE rating (cve TEXT NOT NULL, record INTEGER NOT NULL, PRIMARY KEY (cve, record)) WITHOUT ROWID;
CREATE TABLE exploited (
    id TEXT PRIMARY KEY, date_added TEXT NOT NULL, due_date TEXT NOT NULL, ransomware INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE likelihood (cve TEXT PRIMARY KEY, epss REAL NOT NULL, percentile REAL NOT NULL) WITHOUT ROWID;
"""

COUNTS: Final = {
    "records": "SELECT count(DISTINCT id) FROM main.record",
    "exploited": "SELECT count(*) FROM main.exploited",
    "likelihoods": "SELECT count(*) FROM main.likelihood",
}
"""What is counted once, when a database is made: every scan tells of it. Names in `metadata`."""

INDEX: Final = "CREATE UNIQUE INDEX record_by_id ON record (ecosystem, id)"


class NoDatabase(CallerError):
    """There is no advisory database where one should be."""

    code = "no-database"
    template = "there is no advisory database at {path}"
    remedy = "Run `rafsight db update`, or `rafsight db import PATH` with advisories that you have."
    exit_status = ExitStatus.DATABASE


class DatabaseDamaged(CallerError):
    """A file is no advisory database, or not whole."""

    code = "database-damaged"
    template = "{path} is no intact advisory database: {reason}"
    remedy = "Remove the file and run `rafsight db update` or `rafsight db import PATH`."
    exit_status = ExitStatus.DATABASE


class DatabaseTooOld(CallerError):
    """A database was made by an older release."""

    code = "database-too-old"
    template = "{path} has layout {found}, this release reads layout {wanted}"
    remedy = "Run `rafsight db update` or `rafsight db import PATH`: the database is built anew."
    exit_status = ExitStatus.DATABASE


class DatabaseTooNew(CallerError):
    """A database was made by a newer release."""

    code = "database-too-new"
    template = "{path} has layout {found}, this release reads layout {wanted}"
    remedy = "Use the release of rafsight that made the database, or a newer one."
    exit_status = ExitStatus.DATABASE


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """One place that advisories in a database came from."""

    kind: str
    """`dump`: a whole ecosystem; `records`: single ones; `kev`: CISA's catalogue; `epss`: FIRST's scores."""
    name: str
    """Ecosystem of a dump; place of single records; `cisa`; `first`."""
    location: str
    """Path or URL."""
    sha256: str
    imported: str
    """RFC 3339."""
    newest: str
    """RFC 3339: the latest `modified` of its records, or the release of the catalogue."""
    record_count: int
    withdrawn_count: int = 0
    malformed_count: int = 0
    unread_count: int = 0
    """Ranges with bounds that cannot be compared."""
    etag: str = ""
    last_modified: str = ""
    """What the server said about the version, for the next conditional request."""


class _StoredFacts(msgspec.Struct, array_like=True):
    vectors: list[tuple[str, str]]
    urgency: str
    binaries: tuple[str, ...]
    flaws: list[tuple[str, list[tuple[str, str]]]]


class _Body(msgspec.Struct, array_like=True):
    id: str
    aliases: tuple[str, ...]
    upstream: tuple[str, ...]
    related: tuple[str, ...]
    summary: str
    details: str
    published: str
    modified: str
    vectors: list[tuple[str, str]]
    word: str
    cwe_ids: tuple[str, ...]
    references: tuple[str, ...]
    facts: list[_StoredFacts]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Body)


def encode_body(advisory: Advisory, facts: tuple[Facts, ...]) -> bytes:
    """Write what a record says, without its ranges."""
    body = _Body(
        id=advisory.id,
        aliases=advisory.aliases,
        upstream=advisory.upstream,
        related=advisory.related,
        summary=advisory.summary,
        details=advisory.details,
        published=advisory.published,
        modified=advisory.modified,
        vectors=_pairs(advisory.vectors),
        word=advisory.word,
        cwe_ids=advisory.cwe_ids,
        references=advisory.references,
        facts=[
            _StoredFacts(
                vectors=_pairs(item.vectors),
                urgency=item.urgency,
                binaries=item.binaries,
                flaws=[(flaw.id, _pairs(flaw.vectors)) for flaw in item.flaws],
            )
            for item in facts
        ],
    )
    return _ENCODER.encode(body)


def decode_body(content: bytes) -> tuple[Advisory, tuple[Facts, ...]]:
    """Read what `encode_body` wrote.

    Raises: msgspec.MsgspecError: something else wrote it.
    """
    body = _DECODER.decode(content)
    advisory = Advisory(
        id=body.id,
        aliases=body.aliases,
        upstream=body.upstream,
        related=body.related,
        summary=body.summary,
        details=body.details,
        published=body.published,
        modified=body.modified,
        vectors=_vectors(body.vectors),
        word=body.word,
        cwe_ids=body.cwe_ids,
        references=body.references,
    )
    return advisory, tuple(
        Facts(
            vectors=_vectors(item.vectors),
            urgency=item.urgency,
            binaries=item.binaries,
            flaws=tuple(NamedFlaw(id=name, vectors=_vectors(pairs)) for name, pairs in item.flaws),
        )
        for item in body.facts
    )


def _pairs(vectors: tuple[Vector, ...]) -> list[tuple[str, str]]:
    return [(vector.type, vector.score) for vector in vectors]


def _vectors(pairs: list[tuple[str, str]]) -> tuple[Vector, ...]:
    return tuple(Vector(type=kind, score=score) for kind, score in pairs)
