"""A store in an SQLite file: for one machine.

Write-ahead logging lets many read while one writes, and `synchronous = FULL` has each transaction on the disk before it
counts. Writers of this process that come at the same time share one transaction, so that they wait for the disk once;
each is undone alone if it fails. One of them leads: it does what waits until its own is done, and hands over to the one
that has waited longest. This module alone decides that, and which of SQLite's troubles is which fault.
"""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Generic

from rafsight.base.errors import Defect, RafsightError
from rafsight.interfaces.service.jobs.faults import (
    StoreBusy,
    StoreDamaged,
    StoreFull,
    StoreUnreachable,
)
from rafsight.interfaces.service.jobs.sql.database import Action, Answer, Row
from rafsight.interfaces.service.jobs.sqlite_file import prepare, touch

PATIENCE: Final = 10.0
"""[s] that a writer waits for other processes."""
_IDLE: Final = 8
"""Connections that are kept for readers."""
_BATCH: Final = 64
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_BROKEN: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_OURS: Final = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE})


class SqliteDatabase:
    """A `Database` in a file."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE,
        page_limit: int | None = None,
    ) -> None:
        """Open a file, and make it if it is not there.

        Args:
            path: its folder is made, too.
            clock: [s since 1970].
            patience: [s] that is waited for other processes.
            page_limit: pages of 4 KiB that the file may have; None: any number.
        Raises: StoreForeign, StoreDamaged, StoreUnreachable, StoreBusy, StoreFull.
        """
        self._path = path.absolute()
        self._clock = clock
        self._patience = patience
        self._page_limit = page_limit
        self._waiting: deque[_Task[Any]] = deque()
        """The leader alone takes tasks out."""
        self._has_leader = False
        self._queue_lock = threading.Lock()
        self._writing = threading.Lock()
        """Held by whoever uses the writer's connection."""
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._is_closed = False
        with self._faults():
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._identity = touch(self._path)
            self._writer = self._open()
            try:
                prepare(self._writer, str(self._path))
            except BaseException:
                self._writer.close()
                raise

    def write(self, action: Action[Answer]) -> Answer:
        """Do something as one transaction, which is on disk afterwards."""
        task = _Task(action)
        with self._queue_lock:
            self._waiting.append(task)
            is_leader, self._has_leader = not self._has_leader, True
        if not is_leader:
            task.called.wait()
        if not task.is_done:  # else the one before has done it along with its own
            self._lead(task)
        return task.result()

    def read(self, action: Action[Answer]) -> Answer:
        """Ask something as one transaction."""
        with self._faults(), self._reader() as connection:
            connection.execute("BEGIN")
            try:
                return action(_SqliteCursor(connection, self._now()))
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def check(self) -> None:
        """Ask for a sign of life."""
        with self._faults():
            self._require_file()
        self.read(lambda cursor: cursor.row("SELECT 1 FROM mark LIMIT 1"))

    def size(self) -> int:
        """Return what the file takes [bytes], with its log."""
        size = 0
        for ending in ("", "-wal"):
            with suppress(OSError):
                size += self._path.with_name(self._path.name + ending).stat().st_size
        return size

    def shrink(self) -> None:
        """Give free room back to the file system."""
        with self._writing, self._faults():
            self._writer.execute("PRAGMA incremental_vacuum").fetchall()
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the file; who is in it finishes first."""
        with self._writing, self._idle_lock:
            self._is_closed = True
            self._writer.close()
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    def _lead(self, task: "_Task[Any]") -> None:
        """Do what waits until a task is done, then call the next leader."""
        try:
            with self._writing:
                while not task.is_done:
                    self._write_some()
        finally:
            with self._queue_lock:
                heir = self._waiting[0] if self._waiting else None
                self._has_leader = heir is not None
            if heir is not None:
                heir.called.set()

    def _write_some(self) -> None:
        """Do what waits, as one transaction; the lock is held."""
        tasks = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH))]
        try:
            self._commit_or_each(tasks)
        except BaseException as error:
            for task in tasks:
                if not task.is_done:
                    task.fail(error)
            if not isinstance(error, RafsightError):
                raise

    def _commit_or_each(self, tasks: "list[_Task[Any]]") -> None:
        """Commit all together; if that fails, each alone: one of them is the cause, the others shall not suffer."""
        try:
            self._commit(tasks)
        except RafsightError:
            if len(tasks) == 1:
                raise
            for task in tasks:
                try:
                    self._commit([task])
                except RafsightError as fault:
                    task.fail(fault)

    def _commit(self, tasks: "list[_Task[Any]]") -> None:
        with self._faults():
            self._require_file()
            connection = self._writer
            try:
                connection.execute("BEGIN IMMEDIATE")
                cursor = _SqliteCursor(connection, self._now())
                for task in tasks:
                    task.run(cursor, connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        for task in tasks:
            task.end()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self._path.as_uri()}?mode=rw",
            uri=True,
            timeout=self._patience,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA journal_size_limit = 16777216")
            if self._page_limit is not None:
                connection.execute(f"PRAGMA max_page_count = {int(self._page_limit)}")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        with self._idle_lock:
            if self._is_closed:
                raise StoreUnreachable(store=str(self._path), why="it is closed")
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._open()
            connection.execute("PRAGMA query_only = ON")
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._idle_lock:
            if not self._is_closed and len(self._idle) < _IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def _require_file(self) -> None:
        """Refuse to write to a file that somebody has removed or replaced: nobody would find it again."""
        if self._is_closed:
            raise StoreUnreachable(store=str(self._path), why="it is closed")
        found = self._path.stat()
        if (found.st_dev, found.st_ino) != self._identity:
            raise StoreUnreachable(store=str(self._path), why="another file has taken its place; restart the service")

    def _now(self) -> int:
        return int(self._clock() * 1000)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """Call SQLite's troubles by their names."""
        place = str(self._path)
        try:
            yield
        except sqlite3.Error as error:
            is_text = isinstance(error, sqlite3.OperationalError) and not hasattr(error, "sqlite_errorcode")
            code = (
                getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT if is_text else sqlite3.SQLITE_ERROR) & 0xFF
            )
            if code in _BUSY:
                raise StoreBusy(store=place) from error
            if code == sqlite3.SQLITE_FULL:
                raise StoreFull(store=place, why=str(error)) from error
            if code in _BROKEN:
                raise StoreDamaged(store=place, why=str(error)) from error
            if code in _OURS:
                raise Defect(what=f"the store's statement failed: {error}") from error
            raise StoreUnreachable(store=place, why=str(error)) from error
        except OSError as error:
            if isinstance(error, RafsightError):
                raise
            raise StoreUnreachable(store=place, why=error.strerror or str(error)) from error


class _Task(Generic[Answer]):
    """Something to be written, and what came of it."""

    def __init__(self, action: Action[Answer]) -> None:
        self._action = action
        self._answer: list[Answer] = []
        self._error: BaseException | None = None
        self.is_done = False
        self.called = threading.Event()
        """Set when it is done, or when whoever waits for it has to lead."""

    def run(self, cursor: "_SqliteCursor", connection: sqlite3.Connection) -> None:
        """Do it; what the action itself objects to undoes this alone."""
        self._answer, self._error = [], None
        connection.execute("SAVEPOINT task")
        try:
            self._answer.append(self._action(cursor))
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001 - raised again where the action came from
            self._error = error
            connection.execute("ROLLBACK TO task")
        connection.execute("RELEASE task")

    def fail(self, error: BaseException) -> None:
        """Take the error of the transaction as a whole."""
        self._error = error
        self.end()

    def end(self) -> None:
        """Say that it is done."""
        self.is_done = True
        self.called.set()

    def result(self) -> Answer:
        """Return the answer, or raise what went wrong."""
        if self._error is not None:
            raise self._error
        return self._answer[0]


class _SqliteCursor:
    """A `Cursor`. SQLite has one writer at a time, so rows need no locks."""

    lock = ""
    skip_locked = ""

    def __init__(self, connection: sqlite3.Connection, now: int) -> None:
        self._connection = connection
        self.now = now

    def rows(self, statement: str, *values: object) -> list[Row]:
        """Return all rows."""
        return self._connection.execute(statement, values).fetchall()

    def row(self, statement: str, *values: object) -> Row | None:
        """Return the first row."""
        found = self.rows(statement, *values)
        return found[0] if found else None

    def run(self, statement: str, *values: object) -> int:
        """Return how many rows were changed."""
        return self._connection.execute(statement, values).rowcount
