"""Results in an SQLite file, for all processes of a machine at once.

Write-ahead logging lets many read while one writes; what a killed process had begun is undone by SQLite. This module
alone decides what becomes of failures: damage ends a file and begins another; a full or read-only disk ends writing; a
lock that is held for too long costs what was to be written.
"""

import errno
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from rafsight.access.results.files import DamagedFile, begin_file, find_file, open_file
from rafsight.access.results.room import make_room
from rafsight.access.results.sealing import seal, unseal
from rafsight.base.events import Listener, Noticed, silent
from rafsight.base.units import MiB

Answer = TypeVar("Answer")

ROOM: Final = 512 * MiB
"""[bytes] that results may take if nobody says otherwise: about ten thousand images that share little."""
PATIENCE: Final = 10.0
"""[s] that a writer waits for others."""
_TOUCH_AFTER: Final = 24 * 3600
"""[s] A result that is used again is marked as such no more often than that."""
_BATCH: Final = 500
_BATCH_SIZE: Final = 4 * MiB
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_REFUSED: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM})
_FAILING: Final = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOLFS}
)
_NO_PLACE: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR})
"""A folder that is not ours to write is a choice, not a failure."""


class SqliteResults:
    """A `ResultStore` in a folder of this machine."""

    def __init__(
        self,
        folder: Path,
        *,
        limit: int = ROOM,
        listener: Listener = silent,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open nothing yet.

        Args:
            folder: made when it is needed.
            limit: [bytes] that results may take; what was used longest ago goes.
            listener: told what fails.
            patience: [s] that is waited for other processes.
            clock: [s since 1970].
        """
        self._folder = folder
        self._limit = limit
        self._listener = listener
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._connection: sqlite3.Connection | None = None
        self._is_usable = True
        self._is_writable = True
        self._was_renewed = False
        self._said = False
        self._touched: set[bytes] = set()

    def fetch(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """Return what is there; see `ResultStore`. Cost: an index look-up each."""
        return self._do(lambda connection: self._fetch(connection, keys), {}) if keys else {}

    def keep(self, values: Mapping[bytes, bytes]) -> None:
        """Keep results; see `ResultStore`. Cost: a transaction for each 4 MiB."""
        sealed = [(key, packed) for key, value in values.items() if (packed := seal(key, value)) is not None]
        for batch in _batches([(key, packed) for key, packed in sealed if len(packed) <= self._limit // 8]):
            if self._is_writable:
                self._do(lambda connection, batch=batch: self._write(connection, batch), None)  # type: ignore[misc]

    def close(self) -> None:
        """Mark what was used, and close the file."""
        if self._touched and self._is_writable:
            self._do(self._touch, None)
        with self._lock:
            self._is_usable = False
            self._disconnect()

    def _fetch(self, connection: sqlite3.Connection, keys: Collection[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        old = int(self._clock()) - _TOUCH_AFTER
        remaining = iter(keys)
        while batch := list(islice(remaining, _BATCH)):
            marks = ", ".join("?" * len(batch))
            for key, used, sealed in connection.execute(
                f"SELECT key, used, value FROM result WHERE key IN ({marks})",  # noqa: S608
                batch,
            ):
                value = unseal(key, sealed) if isinstance(key, bytes) else None
                if value is None or not isinstance(used, int):
                    raise DamagedFile
                found[key] = value
                if used < old:
                    self._touched.add(key)
        return found

    def _write(self, connection: sqlite3.Connection, rows: list[tuple[bytes, bytes]]) -> None:
        used = int(self._clock())
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO result (key, used, value) VALUES (?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET used = excluded.used, value = excluded.value",
            [(key, used, value) for key, value in rows],
        )
        connection.execute("COMMIT")
        make_room(connection, self._limit)

    def _touch(self, connection: sqlite3.Connection) -> None:
        used = int(self._clock())
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("UPDATE result SET used = ? WHERE key = ?", [(used, key) for key in self._touched])
        connection.execute("COMMIT")
        self._touched.clear()

    def _do(self, action: Callable[[sqlite3.Connection], Answer], otherwise: Answer) -> Answer:
        """Do something with the file; what fails is said, and costs no more than the answer."""
        with self._lock:
            for _ in range(3):
                if not self._is_usable:
                    break
                try:
                    return action(self._connect())
                except (sqlite3.Error, DamagedFile, UnicodeDecodeError) as error:
                    self._roll_back()
                    if not self._recover(error):
                        break
                except OSError as error:
                    self._give_up("" if error.errno in _NO_PLACE else error.strerror or str(error))
            return otherwise

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path = find_file(self._folder) or begin_file(self._folder, instead_of=None)
            self._connection = open_file(self._path, patience=self._patience)
        return self._connection

    def _recover(self, error: Exception) -> bool:
        """Do what can be done about a failure; tell whether to try again."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        primary = code & 0xFF
        if primary in _BUSY:
            self._say("another process holds them and does not go on")
            return False
        if primary in _REFUSED:
            return self._refused()
        if primary in _FAILING and code != sqlite3.SQLITE_IOERR_SHORT_READ:
            self._is_writable = False
            self._say(str(error))
            return False
        return self._renew()

    def _refused(self) -> bool:
        """The file cannot be opened or written: it may have gone a moment ago."""
        if self._connection is None and self._path is not None and not self._path.exists():
            return True
        self._is_writable = False
        if self._connection is None:
            self._is_usable = False
        return False

    def _renew(self) -> bool:
        """Leave a damaged file, and begin another."""
        self._disconnect()
        if self._was_renewed or self._path is None:
            self._give_up("the file is damaged again and again")
            return False
        self._was_renewed = True
        try:
            begin_file(self._folder, instead_of=self._path)
        except (OSError, sqlite3.Error) as error:
            self._give_up(str(error))
            return False
        self._listener(Noticed(message=f"the results of earlier scans in {self._folder} were damaged: begun anew"))
        return True

    def _give_up(self, why: str) -> None:
        self._is_usable = self._is_writable = False
        self._disconnect()
        if why:
            self._say(why)

    def _say(self, why: str) -> None:
        if not self._said:
            self._said = True
            self._listener(Noticed(message=f"results of scans cannot be kept in {self._folder}: {why}"))

    def _roll_back(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error as error:
                self._say(str(error))


def _batches(rows: list[tuple[bytes, bytes]]) -> Iterator[list[tuple[bytes, bytes]]]:
    batch: list[tuple[bytes, bytes]] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += len(row[1])
        if size >= _BATCH_SIZE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
