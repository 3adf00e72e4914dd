"""Building a database: records are staged, merged with what an older database keeps, and renamed into place.

This module alone decides what an import replaces. A *dump* is all that a database publishes about one ecosystem: it
replaces the ecosystem's last dump. *Records* come one by one: they replace what the same place gave before. Everything
else is kept; which of two records with the same id stays is decided by `merge`. Whatever ends a build before its last
step leaves the old database and nothing else.
"""

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from glob import escape
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rafsight.base.errors import HostLimit
from rafsight.matching.advisory import Advisory, Facts, ParsedRecord
from rafsight.matching.feeds.epss import ScoreReader
from rafsight.matching.feeds.kev import Catalogue
from rafsight.matching.grouping import cves_of
from rafsight.matching.merge import STAGING, Replacement, merge
from rafsight.matching.schema import (
    APPLICATION_ID,
    BODY_SIZE,
    PAGE_SIZE,
    SCHEMA_VERSION,
    TABLES,
    DatabaseDamaged,
    DatabaseTooOld,
    SourceFacts,
    encode_body,
)
from rafsight.matching.severity import is_rated
from rafsight.matching.store import check_layout, guarded
from rafsight.matching.versions import SCHEMES

DUMP: Final = "dump"
RECORDS: Final = "records"
KEV: Final = "kev"
EPSS: Final = "epss"

_DUMP_SHARE: Final = 0.9
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS: Final = {base: number for number, base in enumerate(sorted(SCHEMES), 1)}


class DatabaseBusy(HostLimit):
    """Somebody else builds a database in the same place."""

    code = "database-busy"
    template = "another process is building an advisory database in {directory}"
    remedy = "Wait until it is done, then try again."
    permanent = False


class DatabaseNotWritten(HostLimit):
    """The place for a database does not take it."""

    code = "database-not-written"
    template = "the advisory database {path} cannot be written: {reason}"
    remedy = "Choose another place, or make room and give yourself permission to write there."


@dataclass(slots=True, kw_only=True)
class SourceTally:
    """What came out of one source so far."""

    withdrawn_count: int = 0
    malformed_count: int = 0
    unread_count: int = 0
    newest: str = ""
    by_base: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """The first few of what was wrong, one sentence each."""


class SourceWriter:
    """Takes the records of one source."""

    def __init__(self, connection: sqlite3.Connection, number: int) -> None:
        """Write into the staging tables; see `DatabaseBuilder.source`."""
        self._connection = connection
        self._number = number
        self.tally = SourceTally()
        self.settled: SourceFacts | None = None
        """What the source is in the database; known when the source is done."""

    def add(self, record: ParsedRecord) -> bool:
        """Stage a record; False if it is too large to keep."""
        tally = self.tally
        tally.unread_count += record.unread_ranges
        advisory = record.advisory
        for base in record.withdrawn_from:
            if base in _NUMBERS:
                self._stage(base, advisory, None)
                tally.by_base[base] = tally.by_base.get(base, 0) + 1
        tally.withdrawn_count += bool(record.withdrawn_from)
        bases = sorted({base for base, _ in record.affected})
        if not bases:
            return True
        entries = [(base, affected) for base, affected in record.affected]
        for base in bases:
            facts = tuple(dict.fromkeys(affected.facts for owner, affected in entries if owner == base))
            body = encode_body(advisory, facts)
            if len(body) > BODY_SIZE:
                return False
            staged = self._stage(base, advisory, body)
            if is_rated(advisory, facts):
                self._connection.executemany(
                    "INSERT INTO temp.staged_rating VALUES (?, ?)", ((staged, name) for name in cves_of(advisory))
                )
            numbers: dict[Facts, int] = {item: index for index, item in enumerate(facts)}
            self._connection.executemany(
                "INSERT INTO temp.staged_affected VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (staged, affected.release, affected.name, part.low, part.high, numbers[affected.facts], part.fixed)
                    for owner, affected in entries
                    if owner == base
                    for part in affected.intervals
                ),
            )
            tally.by_base[base] = tally.by_base.get(base, 0) + 1
        tally.newest = max(tally.newest, advisory.modified)
        return True

    def _stage(self, base: str, advisory: Advisory, body: bytes | None) -> int:
        cursor = self._connection.execute(
            "INSERT INTO temp.staged_record (source, ecosystem, id, modified, body) VALUES (?, ?, ?, ?, ?)",
            (self._number, _NUMBERS[base], advisory.id, _microseconds(advisory.modified), body),
        )
        return cursor.lastrowid or 0


class DatabaseBuilder:
    """Builds the next state of a database beside the present one."""

    def __init__(self, path: Path, *, now: str) -> None:
        """Prepare a build.

        Args:
            path: where the database is, or will be.
            now: RFC 3339, the date of the build.
        """
        self._path = path = Path(os.path.realpath(path))
        self._now = now
        self._sources: dict[int, SourceFacts] = {}
        self._lock = -1
        self._part = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        """Take the lock and open the staging area.

        Raises: DatabaseBusy, DatabaseNotWritten.
        """
        try:
            self._open()
        except BaseException:
            self._abandon()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove whatever was not finished."""
        self._abandon()

    @contextmanager
    def source(self, source: SourceFacts) -> Iterator[SourceWriter]:
        """Stage the records of one source; an exception takes all of them back.

        Raises: DatabaseNotWritten; whatever the caller's block raises.

        Args:
            source: kind, name and location; counts and dates are filled in. A dump that is mostly about other
                ecosystems than its name says is taken as single records.
        """
        connection = self._open_connection()
        number = max(self._sources, default=0) + 1
        writer = SourceWriter(connection, number)
        try:
            with self._storing():
                connection.execute("SAVEPOINT source")
                yield writer
                writer.settled = self._settle(source, number, writer.tally)
            self._sources[number] = writer.settled
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK TO source")
            raise
        finally:
            with suppress(sqlite3.Error):
                connection.execute("RELEASE source")

    def set_catalogue(self, catalogue: Catalogue, source: SourceFacts) -> SourceFacts:
        """Replace CISA's catalogue, and return its source with count and dates filled in.

        Raises: DatabaseNotWritten.
        """
        connection = self._open_connection()
        with self._storing():
            connection.execute("DELETE FROM temp.staged_exploited")
            connection.executemany(
                "INSERT INTO temp.staged_exploited VALUES (?, ?, ?, ?)",
                ((entry.id, entry.date_added, entry.due_date, entry.ransomware) for entry in catalogue.entries),
            )
        settled = replace(source, newest=catalogue.released, record_count=len(catalogue.entries), imported=self._now)
        return self._settle_list(settled)

    def set_likelihoods(self, scores: ScoreReader, source: SourceFacts) -> SourceFacts:
        """Replace EPSS's scores, and return their source with counts and date filled in.

        Raises: DatabaseNotWritten; MalformedScores: the scores that were there before stay.
        """
        connection = self._open_connection()
        with self._storing():
            try:
                connection.execute("SAVEPOINT scores")
                connection.execute("DELETE FROM temp.staged_likelihood")
                connection.executemany("INSERT INTO temp.staged_likelihood VALUES (?, ?, ?)", scores)
                count = connection.execute("SELECT count(DISTINCT cve) FROM temp.staged_likelihood").fetchone()[0]
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK TO scores")
                raise
            finally:
                with suppress(sqlite3.Error):
                    connection.execute("RELEASE scores")
        counts = {"record_count": count, "malformed_count": scores.malformed_count}
        return self._settle_list(replace(source, newest=scores.released, imported=self._now, **counts))

    def _settle_list(self, settled: SourceFacts) -> SourceFacts:
        """Put a source in the place of the one of its kind, of which there is one."""
        self._sources = {number: facts for number, facts in self._sources.items() if facts.kind != settled.kind}
        self._sources[max(self._sources, default=0) + 1] = settled
        return settled

    def finish(self) -> None:
        """Merge with what is kept of the present database, and take its place.

        Raises: DatabaseNotWritten, DatabaseDamaged, DatabaseTooNew: the present database is no database; it stays.
        """
        connection = self._open_connection()
        try:
            kept = self._attach_present(connection)
            merge(connection, Replacement(sources=self._sources, ecosystems=_NUMBERS, kept=kept, now=self._now))
            connection.execute("COMMIT")
            connection.close()
            self._connection = None
            _synchronise(self._part)
            self._part.replace(self._path)
            _synchronise(self._path.parent)
        except (sqlite3.OperationalError, OSError) as error:
            raise DatabaseNotWritten(path=str(self._path), reason=str(error)) from error
        except sqlite3.DatabaseError as error:
            raise DatabaseDamaged(path=str(self._path), reason=str(error)) from error

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for stale in self._path.parent.glob(f".{escape(self._path.name)}.*.part"):  # of a build that was killed
                stale.unlink(missing_ok=True)
            os.close(os.open(self._part, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644))
        except BlockingIOError as error:
            raise DatabaseBusy(directory=str(self._path.parent)) from error
        except OSError as error:
            raise DatabaseNotWritten(path=str(self._path), reason=str(error)) from error
        with self._storing():
            self._prepare()

    def _prepare(self) -> None:
        connection = sqlite3.connect(f"{self._part.resolve().as_uri()}?mode=rw", uri=True, isolation_level=None)
        self._connection = connection
        connection.executescript(
            f"PRAGMA page_size = {PAGE_SIZE}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            f"PRAGMA temp_store = FILE; PRAGMA cache_size = -32768; PRAGMA application_id = {APPLICATION_ID};"
            f"PRAGMA user_version = {SCHEMA_VERSION};" + TABLES + STAGING
        )
        connection.execute("BEGIN")

    @contextmanager
    def _storing(self) -> Iterator[None]:
        """Turn SQLite's complaints about the place into ours: nothing is read yet that others wrote.

        Raises: DatabaseNotWritten.
        """
        try:
            yield
        except (sqlite3.OperationalError, sqlite3.InternalError) as error:
            raise DatabaseNotWritten(path=str(self._path), reason=str(error)) from error
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:  # the others are our own mistakes
                raise
            raise DatabaseNotWritten(path=str(self._path), reason=str(error)) from error

    def _open_connection(self) -> sqlite3.Connection:
        assert self._connection is not None, "a builder is used inside its with block, until finish"
        return self._connection

    def _settle(self, source: SourceFacts, number: int, tally: SourceTally) -> SourceFacts:
        kind = source.kind
        if kind == DUMP:
            if tally.by_base.get(source.name, 0) >= _DUMP_SHARE * max(tally.by_base.values(), default=0) > 0:
                self._drop_foreign(number, source.name)
            else:
                kind = RECORDS
        return replace(
            source,
            kind=kind,
            name=source.name if kind == DUMP else source.location,
            imported=self._now,
            newest=tally.newest,
            record_count=self._count(number),
            withdrawn_count=tally.withdrawn_count,
            malformed_count=tally.malformed_count,
            unread_count=tally.unread_count,
        )

    def _count(self, number: int) -> int:
        count: int = (
            self._open_connection()
            .execute(
                "SELECT count(DISTINCT id) FROM temp.staged_record WHERE source = ? AND body IS NOT NULL", (number,)
            )
            .fetchone()[0]
        )
        return count

    def _drop_foreign(self, number: int, base: str) -> None:
        """Leave to other dumps what is theirs: a record about several ecosystems comes with the dump of each."""
        self._open_connection().execute(
            "DELETE FROM temp.staged_record WHERE source = ? AND ecosystem <> ?", (number, _NUMBERS[base])
        )

    def _attach_present(self, connection: sqlite3.Connection) -> bool:
        if not self._path.is_file():
            return False
        connection.execute("COMMIT")
        address = f"{self._path.resolve().as_uri()}?mode=ro&immutable=1"
        guarded(self._path, lambda: connection.execute("ATTACH ? AS kept", (address,)))
        try:
            check_layout(self._path, connection, "kept")
        except DatabaseTooOld:
            connection.execute("DETACH kept")
            return False
        finally:
            connection.execute("BEGIN")
        return True

    def _abandon(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        with suppress(OSError):  # what cannot be removed was never made, or the error at hand says more
            self._part.unlink()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _microseconds(moment: str) -> int:
    """Return a date in RFC 3339 as [µs] since 1970; what is none is older than everything."""
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return 0
    return ((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


def _synchronise(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
