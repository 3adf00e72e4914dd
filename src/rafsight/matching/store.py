"""The advisory database, for reading: one SQLite file that is never written in place.

A look-up is one indexed query over intervals of version keys. The file is opened as immutable: a build replaces it by a
rename, and a reader keeps the file that it opened. One database object serves one thread at a time.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

import msgspec

from rafsight.matching.advisory import Advisory, Facts
from rafsight.matching.schema import (
    APPLICATION_ID,
    BODY_SIZE,
    SCHEMA_VERSION,
    DatabaseDamaged,
    DatabaseTooNew,
    DatabaseTooOld,
    NoDatabase,
    SourceFacts,
    decode_body,
)

if TYPE_CHECKING:
    import zstandard

Answer = TypeVar("Answer")
Item = TypeVar("Item")

_BATCH: Final = 60
_CACHE_SIZE_KIB: Final = 8192
_LOOKUP: Final = """
WITH wanted (number, ecosystem, release, name, version) AS (VALUES {values})
SELECT wanted.number, affected.record, affected.facts, affected.fixed
FROM wanted CROSS JOIN affected
WHERE affected.ecosystem = wanted.ecosystem AND affected.name = wanted.name AND affected.release = wanted.release
  AND affected.high > wanted.version AND affected.low <= wanted.version
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """One question: which advisories affect this version of this package?"""

    base: str
    """Ecosystem without release."""
    release: str
    name: str
    """In the ecosystem's normal form."""
    key: bytes
    """The version, as the ecosystem's scheme lays it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One answer."""

    lookup: int
    """Index of the question."""
    advisory: Advisory
    facts: Facts
    fixed: str
    """The version that ends the interval in which the asked one lies; empty if none is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """A record that says how bad a CVE is, about whatever package."""

    cve: str
    base: str
    """Ecosystem in which the record was found."""
    advisory: Advisory
    facts: tuple[Facts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How much a database knows about a release of an ecosystem."""

    base: str
    release: str
    record_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStatus:
    """What a database is made of."""

    path: str
    size: int
    """[bytes]"""
    built: str
    """RFC 3339."""
    newest_record: str
    """RFC 3339: the latest `modified`."""
    record_count: int
    """Of ids: a record about several ecosystems counts once."""
    exploited_count: int
    likelihood_count: int
    """CVEs with a score of EPSS."""
    digest: str
    """Changes whenever the content does: hash of the sources' hashes."""
    sources: tuple[SourceFacts, ...]
    coverage: tuple[Coverage, ...]


class AdvisoryDatabase:
    """An open database."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        """Wrap a connection that was checked; see `open_database`."""
        self._path = path
        self._connection = connection
        self._decompressors: dict[int, zstandard.ZstdDecompressor] = {}
        self._ecosystems = {base: number for number, base in self._query("SELECT number, base FROM ecosystem")}

    def __enter__(self) -> Self:
        """Return the database; leaving closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the database."""
        self.close()

    def close(self) -> None:
        """Give up the file."""
        self._connection.close()

    def find(self, lookups: Sequence[Lookup]) -> tuple[Hit, ...]:
        """Answer many questions at once, ordered by question, then by id of the record.

        Raises: DatabaseDamaged.
        Cost: One index range a question, and one body for each record that is found.
        """
        rows = sorted(
            row
            for batch in _batches(
                [(index, item) for index, item in enumerate(lookups) if item.base in self._ecosystems]
            )
            for row in self._query(*self._statement(batch))
        )
        bodies = dict(self._bodies(sorted({record for _, record, _, _ in rows})))
        hits: list[Hit] = []
        for index, record, facts, fixed in rows:
            advisory, said = bodies.get(record, (None, ()))
            if advisory is None or not 0 <= facts < len(said):
                raise DatabaseDamaged(path=str(self._path), reason=f"record {record} is incomplete")
            hits.append(Hit(lookup=index, advisory=advisory, facts=said[facts], fixed=fixed))
        return tuple(hits)

    def coverage(self) -> tuple[Coverage, ...]:
        """Tell how many records there are for each release of each ecosystem.

        Raises: DatabaseDamaged.
        """
        bases = {number: base for base, number in self._ecosystems.items()}
        return tuple(
            Coverage(base=bases[ecosystem], release=release, record_count=count)
            for ecosystem, release, count in self._query(
                "SELECT ecosystem, release, record_count FROM coverage ORDER BY ecosystem, release"
            )
        )

    def known_exploited(self) -> frozenset[str]:
        """Return the ids of CISA's catalogue.

        Raises: DatabaseDamaged.
        """
        return frozenset(name for (name,) in self._query("SELECT id FROM exploited"))

    def likelihoods(self, cves: Sequence[str]) -> dict[str, tuple[float, float]]:
        """Return EPSS's score and percentile of those CVEs that have them.

        Raises: DatabaseDamaged.
        """
        found: dict[str, tuple[float, float]] = {}
        for batch in _batches(sorted(set(cves))):
            marks = ", ".join("?" * len(batch))
            statement = f"SELECT cve, epss, percentile FROM likelihood WHERE cve IN ({marks})"  # noqa: S608
            found |= {cve: (epss, percentile) for cve, epss, percentile in self._query(statement, batch)}
        return found

    def ratings(self, cves: Sequence[str]) -> tuple[Rating, ...]:
        """Return all records that say how bad some CVEs are, ordered by CVE, then by record.

        Raises: DatabaseDamaged.
        Cost: One index range a CVE, and one body for each record that is found.
        """
        bases = {number: base for base, number in self._ecosystems.items()}
        rows: list[tuple[str, int, int]] = []
        for batch in _batches(sorted(set(cves))):
            marks = ", ".join("?" * len(batch))
            rows += self._query(
                "SELECT rating.cve, rating.record, record.ecosystem FROM rating "  # noqa: S608
                f"JOIN record ON record.number = rating.record WHERE rating.cve IN ({marks})",
                batch,
            )
        bodies = dict(self._bodies(sorted({record for _, record, _ in rows})))
        return tuple(
            Rating(cve=cve, base=bases.get(ecosystem, ""), advisory=bodies[record][0], facts=bodies[record][1])
            for cve, record, ecosystem in sorted(rows)
        )

    def advisories(self, base: str, names: Sequence[str]) -> tuple[Advisory, ...]:
        """Return the records of an ecosystem that have one of some ids.

        Raises: DatabaseDamaged.
        """
        ecosystem = self._ecosystems.get(base, -1)
        numbers: list[int] = []
        for batch in _batches(sorted(set(names))):
            marks = ", ".join("?" * len(batch))
            rows = self._query(
                f"SELECT number FROM record WHERE ecosystem = ? AND id IN ({marks})",  # noqa: S608
                (ecosystem, *batch),
            )
            numbers += [number for (number,) in rows]
        return tuple(advisory for _, (advisory, _) in self._bodies(sorted(numbers)))

    def advisory(self, base: str, name: str) -> Advisory | None:
        """Return one record of an ecosystem by its id.

        Raises: DatabaseDamaged.
        """
        return next(iter(self.advisories(base, (name,))), None)

    def status(self) -> DatabaseStatus:
        """Tell what the database is made of.

        Raises: DatabaseDamaged.
        """
        metadata = dict(self._query("SELECT name, value FROM metadata"))
        names = [item.name for item in fields(SourceFacts)]
        sources = self._query(f"SELECT {', '.join(names)} FROM source ORDER BY kind, name")  # noqa: S608
        return DatabaseStatus(
            path=str(self._path),
            size=self._query("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")[0][0],
            built=metadata.get("built", ""),
            newest_record=metadata.get("newest", ""),
            record_count=self._count(metadata, "records"),
            exploited_count=self._count(metadata, "exploited"),
            likelihood_count=self._count(metadata, "likelihoods"),
            digest=metadata.get("digest", ""),
            sources=tuple(SourceFacts(**dict(zip(names, row, strict=True))) for row in sources),
            coverage=self.coverage(),
        )

    def _count(self, metadata: Mapping[str, str], name: str) -> int:
        try:
            return int(metadata[name])
        except (KeyError, ValueError) as error:
            raise DatabaseDamaged(path=str(self._path), reason=f"it does not say how many {name} it has") from error

    def _statement(self, batch: Sequence[tuple[int, Lookup]]) -> tuple[str, list[object]]:
        values: list[object] = []
        for index, item in batch:
            values += (index, self._ecosystems[item.base], item.release, item.name, item.key)
        return _LOOKUP.format(values=", ".join(["(?, ?, ?, ?, ?)"] * len(batch))), values

    def _bodies(self, numbers: Sequence[int]) -> Iterator[tuple[int, tuple[Advisory, tuple[Facts, ...]]]]:
        for batch in _batches(numbers):
            marks = ", ".join("?" * len(batch))
            rows = self._query(f"SELECT number, dictionary, body FROM record WHERE number IN ({marks})", batch)  # noqa: S608
            for number, dictionary, body in rows:
                yield number, self._decode(number, dictionary, body)

    def _decode(self, number: int, dictionary: int, body: bytes) -> tuple[Advisory, tuple[Facts, ...]]:
        import zstandard

        try:
            if not 0 < zstandard.frame_content_size(body) <= BODY_SIZE:
                raise DatabaseDamaged(path=str(self._path), reason=f"the body of record {number} has no legal size")
            content = self._decompressor(dictionary).decompress(body)
            return decode_body(content)
        except (zstandard.ZstdError, msgspec.MsgspecError, TypeError) as error:
            raise DatabaseDamaged(path=str(self._path), reason=f"record {number}: {error}") from error

    def _decompressor(self, dictionary: int) -> "zstandard.ZstdDecompressor":
        import zstandard

        if dictionary not in self._decompressors:
            rows = self._query("SELECT content FROM dictionary WHERE number = ?", (dictionary,))
            content = zstandard.ZstdCompressionDict(rows[0][0]) if rows else None
            self._decompressors[dictionary] = zstandard.ZstdDecompressor(dict_data=content)
        return self._decompressors[dictionary]

    def _query(self, statement: str, values: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]
        return guarded(self._path, lambda: self._connection.execute(statement, values).fetchall())


def open_database(path: Path) -> AdvisoryDatabase:
    """Open a database for reading.

    Raises: NoDatabase, DatabaseDamaged, DatabaseTooOld, DatabaseTooNew.
    """
    if not path.is_file():
        raise NoDatabase(path=str(path))
    connection = guarded(path, lambda: _connect(path))
    try:
        check_layout(path, connection)
        return AdvisoryDatabase(path, connection)
    except BaseException:
        connection.close()
        raise


def check_layout(path: Path, connection: sqlite3.Connection, schema: str = "main") -> None:
    """Make sure that a file is a database of the layout that this release reads.

    Raises: DatabaseDamaged, DatabaseTooOld, DatabaseTooNew.
    """
    _check_size(path)
    application = guarded(path, lambda: connection.execute(f"PRAGMA {schema}.application_id").fetchone()[0])
    found = guarded(path, lambda: connection.execute(f"PRAGMA {schema}.user_version").fetchone()[0])
    if application != APPLICATION_ID:
        raise DatabaseDamaged(path=str(path), reason="it was not made by rafsight")
    if found != SCHEMA_VERSION:
        error = DatabaseTooOld if found < SCHEMA_VERSION else DatabaseTooNew
        raise error(path=str(path), found=found, wanted=SCHEMA_VERSION)


def _check_size(path: Path) -> None:
    """Compare a file with the size in its header: SQLite itself finds a cut-off end only when it reads there."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise DatabaseDamaged(path=str(path), reason=str(error)) from error
    page_size = int.from_bytes(header[16:18])
    if size < 100 or size != int.from_bytes(header[28:32]) * (0x10000 if page_size == 1 else page_size):
        raise DatabaseDamaged(path=str(path), reason="it is not as long as it says")


def guarded(path: Path, action: Callable[[], Answer]) -> Answer:
    """Do something with a database, and turn SQLite's complaints into ours.

    Raises: DatabaseDamaged.
    """
    try:
        return action()
    except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
        raise DatabaseDamaged(path=str(path), reason=str(error)) from error


def _connect(path: Path) -> sqlite3.Connection:
    address = f"{Path(os.path.realpath(path)).as_uri()}?mode=ro&immutable=1"
    connection = sqlite3.connect(address, uri=True, check_same_thread=False, isolation_level=None)
    try:
        connection.execute(f"PRAGMA cache_size = -{_CACHE_SIZE_KIB}")
        connection.execute("PRAGMA trusted_schema = OFF")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _batches(items: Sequence[Item]) -> Iterator[list[Item]]:
    remaining = iter(items)
    while batch := list(islice(remaining, _BATCH)):
        yield batch
