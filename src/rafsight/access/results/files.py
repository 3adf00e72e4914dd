"""The SQLite files that results lie in: one at a time, and never the same name twice.

    CACHE/results/lock                      held for a moment by whoever begins a file or removes one
    CACHE/results/v1-GENERATION.sqlite      the results; the latest generation counts
    CACHE/results/v1-...-wal, ...-shm       SQLite's own, beside it

This module alone decides which file is used. A file that turns out to be damaged is left for the next generation:
other processes may have it open, and SQLite removes files beside it by name when it closes it, so a name that was used
is never used again. Other layouts have other names, so that an older and a newer release work side by side.
"""

import os
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from rafsight.access.chunk_store.locking import exclusive
from rafsight.access.results.contract import VALUE_SIZE

SCHEMA: Final = 1
APPLICATION_ID: Final = 0x52465352
"""`RFSR`."""
_NAME: Final = re.compile(r"v([0-9]{1,4})-([0-9]{1,24})\.sqlite\Z")
_BESIDE: Final = ("", "-wal", "-shm", "-journal")
_DRAFT: Final = ".new-"
_LOCK: Final = "lock"
_TABLE: Final = """
CREATE TABLE result (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, used INTEGER NOT NULL, value BLOB NOT NULL)
"""
_INDEX: Final = "CREATE INDEX result_used ON result (used)"


class DamagedFile(Exception):
    """A file is not what this module made. Never leaves the package."""


def find_file(folder: Path) -> Path | None:
    """Return the file that counts; None if there is none."""
    found = [(int(match[2]), path) for match, path in _named(folder) if int(match[1]) == SCHEMA]
    return max(found)[1] if found else None


def begin_file(folder: Path, *, instead_of: Path | None) -> Path:
    """Begin a new file, unless somebody else has done so.

    Args:
        folder: made if it is missing.
        instead_of: the file that is not wanted any more, and goes; None: there is none.
    Raises: OSError, sqlite3.Error: this machine does not let us.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(folder):
        path = find_file(folder)
        if path is None or (instead_of is not None and _generation(path) <= _generation(instead_of)):
            after = 0 if instead_of is None else _generation(instead_of)
            path = folder / f"v{SCHEMA}-{max(time.time_ns(), after + 1)}.sqlite"
            _make(path)
        _sweep(folder, path)
        return path


def remove_files(folder: Path) -> None:
    """Remove the results, of all layouts; who has them open keeps what was open.

    Raises: OSError.
    """
    if folder.is_dir():
        with _locked(folder):
            for _, path in _named(folder):
                _remove(path)


def open_file(path: Path, *, patience: float) -> sqlite3.Connection:
    """Open a file.

    Args:
        path: as found.
        patience: [s] that is waited for other processes.
    Raises: sqlite3.Error; DamagedFile: it was not made here, or by a release with another layout.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=patience, isolation_level=None, check_same_thread=False
    )
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 2 * VALUE_SIZE)
        connection.execute("PRAGMA trusted_schema = OFF")
        _check(connection)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA journal_size_limit = 4194304")
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection) -> None:
    if _number(connection, "application_id") != APPLICATION_ID or _number(connection, "user_version") != SCHEMA:
        raise DamagedFile


def _make(path: Path) -> None:
    """Make a file; it has its name when it is whole."""
    draft = path.with_name(f"{_DRAFT}{secrets.token_hex(8)}.sqlite")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
            connection.execute(_TABLE)
            connection.execute(_INDEX)
            connection.execute("PRAGMA journal_mode = WAL")
        draft.rename(path)
    finally:
        _remove(draft)


def _sweep(folder: Path, current: Path) -> None:
    """Remove earlier generations, and what somebody had begun who was stopped; the lock is held."""
    for match, path in _named(folder):
        if int(match[1]) == SCHEMA and path.name != current.name:
            _remove(path)
    for path in folder.glob(f"{_DRAFT}*"):
        with suppress(OSError):
            path.unlink()


def _remove(path: Path) -> None:
    for ending in _BESIDE:
        with suppress(OSError):
            path.with_name(path.name + ending).unlink()


def _named(folder: Path) -> list[tuple[re.Match[str], Path]]:
    try:
        return [(match, path) for path in folder.iterdir() if (match := _NAME.match(path.name))]
    except OSError:
        return []


def _generation(path: Path) -> int:
    match = _NAME.match(path.name)
    return int(match[2]) if match else 0


def _number(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with exclusive(descriptor):
            yield
    finally:
        os.close(descriptor)
