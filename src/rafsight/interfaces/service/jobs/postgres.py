"""A store in PostgreSQL: for several replicas, on any number of machines.

Rows that are claimed are locked with SKIP LOCKED, so that replicas do not wait for each other. The tables lie in a
schema of their own, `rafsight`. Times are those of the server, so that the clocks of the replicas need not agree. This
module alone decides that, and which of the server's troubles is which fault. It is imported when it is meant.
"""

import threading
import time
from collections import deque
from contextlib import suppress
from functools import cache
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from rafsight.base.errors import Defect
from rafsight.interfaces.service.jobs.faults import (
    StoreBusy,
    StoreDamaged,
    StoreForeign,
    StoreFull,
    StoreUnreachable,
    UnknownStore,
)
from rafsight.interfaces.service.jobs.schema import VERSION, statements
from rafsight.interfaces.service.jobs.sql.database import Action, Answer, Row

SCHEMA: Final = "rafsight"
CONNECTIONS: Final = 8
"""That one replica has at most."""
_LOCK: Final = 0x5246534A
"""Of the server, held while tables are made."""
_TRIES: Final = 5
_DEFAULTS: Final = {
    "application_name": "rafsight",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
_SESSION: Final = (
    f"SET search_path TO {SCHEMA}; SET statement_timeout TO '60s'; SET lock_timeout TO '10s'; "
    "SET idle_in_transaction_session_timeout TO '60s'; SET default_transaction_isolation TO 'read committed'"
)
_AGAIN: Final = frozenset({"40001", "40P01"})
"""Serialization failure, deadlock."""
_BUSY: Final = frozenset({"55P03", "57014"})
_FULL: Final = frozenset({"53100", "54000", "53000"})
_BROKEN: Final = frozenset({"XX001", "XX002"})
_OURS: Final = ("22", "23", "42")
"""Classes of errors that only a wrong statement causes: data, constraints, syntax and names."""
_NOT_ALLOWED: Final = frozenset({"42501"})


class PostgresDatabase:
    """A `Database` on a server."""

    def __init__(self, url: str) -> None:
        """Connect, and make the tables if they are not there.

        Args:
            url: `postgresql://...` as libpq has it.
        Raises: UnknownStore, StoreForeign, StoreUnreachable.
        """
        try:
            known = conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            raise UnknownStore(url="postgresql://...", why="it is not written as PostgreSQL's are") from error
        self._info = make_conninfo(
            "", **{**_DEFAULTS, **{name: str(value) for name, value in known.items() if value is not None}}
        )
        self.place = _shown(known)
        self._room = _Room(CONNECTIONS)
        self._lock = threading.Lock()
        self._idle: list[_Connected] = []
        self._is_closed = False
        try:
            self._do(_make_tables, is_fresh=True)
        except BaseException:
            self.close()
            raise

    def write(self, action: Action[Answer]) -> Answer:
        """Do something as one transaction, which is on disk afterwards."""
        return self._do(action)

    def read(self, action: Action[Answer]) -> Answer:
        """Ask something as one transaction."""
        return self._do(action)

    def check(self) -> None:
        """Ask for a sign of life."""
        self.read(lambda cursor: cursor.row("SELECT 1 FROM mark LIMIT 1"))

    def size(self) -> int:
        """Return what the tables and their indexes take [bytes]."""
        row = self.read(
            lambda cursor: cursor.row(
                "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class "
                "WHERE relkind = 'r' AND relnamespace = to_regnamespace(?)",
                SCHEMA,
            )
        )
        return int(row[0]) if row else 0

    def shrink(self) -> None:
        """Leave it to the server's own vacuum."""

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for one in idle:
            one.close()

    def _do(self, action: Action[Answer], *, is_fresh: bool = False) -> Answer:
        """Do something as one transaction; again if others were in the way, or an old connection was dead."""
        tries = _TRIES
        while True:
            tries -= 1
            with self._room:
                connected = self._take(is_fresh=is_fresh)
                try:
                    answer = connected.run(action)
                except psycopg.Error as error:
                    was_used, is_lost = connected.was_used, connected.is_lost
                    self._give(connected, is_sound=not is_lost)
                    if tries and (error.sqlstate in _AGAIN or (is_lost and was_used and not connected.was_committing)):
                        is_fresh = is_lost
                        continue
                    raise self._fault(error, is_lost=is_lost) from error
                except BaseException:
                    self._give(connected, is_sound=not connected.is_lost)
                    raise
                self._give(connected, is_sound=True)
                return answer

    def _take(self, *, is_fresh: bool) -> "_Connected":
        with self._lock:
            if self._is_closed:
                raise StoreUnreachable(store=self.place, why="it is closed")
            if is_fresh:
                idle, self._idle = self._idle, []
            else:
                if self._idle:
                    return self._idle.pop()
                idle = []
        for one in idle:
            one.close()
        try:
            connection = psycopg.connect(self._info, autocommit=True)
            try:
                return _Connected(connection)
            except BaseException:
                connection.close()
                raise
        except psycopg.Error as error:
            raise self._fault(error, is_lost=True) from error

    def _give(self, connected: "_Connected", *, is_sound: bool) -> None:
        with self._lock:
            if is_sound and not self._is_closed and len(self._idle) < CONNECTIONS:
                self._idle.append(connected)
                return
        connected.close()

    def _fault(self, error: psycopg.Error, *, is_lost: bool) -> Exception:
        state = error.sqlstate or ""
        why = (error.diag.message_primary or str(error)).strip().partition("\n")[0]
        if state in _BUSY:
            return StoreBusy(store=self.place)
        if state in _FULL:
            return StoreFull(store=self.place, why=why)
        if state in _BROKEN:
            return StoreDamaged(store=self.place, why=why)
        if state[:2] in _OURS and state not in _NOT_ALLOWED and not is_lost:
            return Defect(what=f"the store's statement failed: {why}")
        return StoreUnreachable(store=self.place, why=why)


class _Room:
    """A number of places, given to those who wait in the order in which they came.

    The semaphores of the library let whoever runs take a place again before those who wait for it.
    """

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._free = count
        self._waiting: deque[threading.Event] = deque()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Event()
            self._waiting.append(turn)
        turn.wait()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1


class _Connected:
    """One connection, and how its clock stands to ours."""

    def __init__(self, connection: "psycopg.Connection[Row]") -> None:
        self._connection = connection
        self._connection.execute(_SESSION)
        row = self._connection.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint").fetchone()
        self._offset = (int(row[0]) if row else 0) - time.monotonic_ns() // 1_000_000
        self.was_used = False
        """It has served before, and may have been cut since."""
        self.was_committing = False
        """Nobody knows whether what was done counts."""

    @property
    def is_lost(self) -> bool:
        """Tell whether the connection is of no use any more."""
        return self._connection.broken or self._connection.closed

    def run(self, action: Action[Answer]) -> Answer:
        """Do something as one transaction."""
        self.was_committing = False
        with self._connection.transaction():
            answer = action(_PostgresCursor(self._connection, time.monotonic_ns() // 1_000_000 + self._offset))
            self.was_committing = True
        self.was_used = True
        return answer

    def close(self) -> None:
        """Close it."""
        with suppress(psycopg.Error):
            self._connection.close()


class _PostgresCursor:
    """A `Cursor`."""

    lock = "FOR UPDATE"
    skip_locked = "FOR UPDATE SKIP LOCKED"

    def __init__(self, connection: "psycopg.Connection[Row]", now: int) -> None:
        self._connection = connection
        self.now = now

    def rows(self, statement: str, *values: object) -> list[Row]:
        """Return all rows."""
        return self._connection.execute(_spelled(statement), values).fetchall()

    def row(self, statement: str, *values: object) -> Row | None:
        """Return the first row."""
        return self._connection.execute(_spelled(statement), values).fetchone()

    def run(self, statement: str, *values: object) -> int:
        """Return how many rows were changed."""
        return self._connection.execute(_spelled(statement), values).rowcount


@cache
def _spelled(statement: str) -> bytes:
    """Write a statement as the driver wants it; no statement has a question mark or a percent sign of its own."""
    assert "%" not in statement
    return statement.replace("?", "%s").encode()


def _make_tables(cursor: Any) -> None:
    """See that the schema has our tables; make them if it has none.

    Raises: StoreForeign.
    """
    cursor.rows("SELECT pg_advisory_xact_lock(?)", _LOCK)
    if cursor.row("SELECT to_regnamespace(?)", SCHEMA)[0] is None:
        cursor.run(f"CREATE SCHEMA {SCHEMA}")
    if cursor.row("SELECT to_regclass(?)", f"{SCHEMA}.mark")[0] is None:
        for statement in statements(blob="BYTEA", text='TEXT COLLATE "C"'):
            cursor.run(statement)
        cursor.run("INSERT INTO mark (key, value) VALUES ('schema', ?)", str(VERSION))
        return
    row = cursor.row("SELECT value FROM mark WHERE key = 'schema'")
    if row is None or row[0] != str(VERSION):
        version = "unknown" if row is None else row[0]
        raise StoreForeign(store=SCHEMA, why=f"its tables are of version {version}, ours of version {VERSION}")


def _shown(known: dict[str, Any]) -> str:
    """Return the address without secrets."""
    user, host, port, name = (known.get(key) for key in ("user", "host", "port", "dbname"))
    return f"postgresql://{f'{user}@' if user else ''}{host or ''}{f':{port}' if port else ''}/{name or ''}"
