"""What a hunt knows already, so that it goes on where it was ended: one SQLite file, or none.

    image      the answer of each image that was looked at, by the digest of its manifest
    content    what each distinct content has to say, by its key; empty: nothing

This module alone decides what is remembered. A file belongs to one question; what is written is there after a crash or
not at all. Failures are not remembered: they are tried again. Without a file the tables lie in a temporary one that
goes with the process.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from rafsight.base.errors import CallerError, ExitStatus, HostLimit
from rafsight.reports.hunting import Evidence, HuntAnswer

APPLICATION_ID: Final = 0x72667368
"""`rfsh` in the header of the file."""
LAYOUT: Final = 1
_BATCH: Final = 500
_TABLES: Final = """
CREATE TABLE question (digest TEXT NOT NULL);
CREATE TABLE image (digest TEXT PRIMARY KEY, answer BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE content (key BLOB PRIMARY KEY, verdict BLOB NOT NULL) WITHOUT ROWID;
"""
_NOTHING: Final = b""

Result = TypeVar("Result")
Verdict = tuple[Evidence, ...] | None
"""Why a content matches; None if it does not."""


class UnusableState(HostLimit):
    """The file of a hunt cannot be read or written."""

    code = "unusable-state"
    template = "the state of the hunt in {path} cannot be used: {why}"
    remedy = "Check space and permissions there, or name another file; a damaged one can be removed."


class OtherQuestion(CallerError):
    """The file of a hunt belongs to another question."""

    code = "other-question"
    template = "{path} is the state of another hunt: the question, the rules, the advisories or the release differ"
    remedy = "Name another file by --state, or remove this one."
    exit_status = ExitStatus.USAGE


class NoState(CallerError):
    """A file that should be the state of a hunt is something else."""

    code = "no-state"
    template = "{path} is not the state of a hunt"
    remedy = "Name a new file by --state; one that is something else is left as it is."
    exit_status = ExitStatus.USAGE


class State:
    """What is known. Thread-safe."""

    def __init__(self, path: Path | None, question: str) -> None:
        """Open or make a file.

        Args:
            path: of the file; None: a temporary one.
            question: digest of all that answers depend on.
        Raises: UnusableState, OtherQuestion, NoState.
        """
        self._path = path
        self._lock = threading.Lock()
        self._answers = msgspec.msgpack.Decoder(HuntAnswer)
        self._verdicts = msgspec.msgpack.Decoder(tuple[Evidence, ...])
        self._encode = msgspec.msgpack.Encoder().encode
        self._connection = self._guarded(self._open)
        try:
            self._guarded(lambda: self._prepare(question))
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the file; who asks or tells later gets an error."""
        with self._lock:
            self._connection.close()

    def answer(self, digest: str) -> HuntAnswer | None:
        """Return the answer of an image; None if it was not looked at.

        Raises: UnusableState.
        """
        rows = self._query("SELECT answer FROM image WHERE digest = ?", (digest,))
        return self._guarded(lambda: self._answers.decode(rows[0][0])) if rows else None

    def keep_answer(self, answer: HuntAnswer) -> None:
        """Remember the answer of an image.

        Raises: UnusableState.
        """
        self._write("INSERT OR REPLACE INTO image VALUES (?, ?)", [(answer.digest, self._encode(answer))])

    def verdicts(self, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        """Return what is known about some contents.

        Raises: UnusableState.
        """
        found: dict[bytes, Verdict] = {}
        for start in range(0, len(keys), _BATCH):
            batch = keys[start : start + _BATCH]
            marks = ", ".join("?" * len(batch))
            rows = self._query(f"SELECT key, verdict FROM content WHERE key IN ({marks})", batch)  # noqa: S608
            for key, verdict in rows:
                found[key] = self._decoded(verdict)
        return found

    def keep_verdicts(self, verdicts: Iterable[tuple[bytes, Verdict]]) -> None:
        """Remember what some contents have to say.

        Raises: UnusableState.
        """
        rows = [(key, _NOTHING if verdict is None else self._encode(verdict)) for key, verdict in verdicts]
        self._write("INSERT OR REPLACE INTO content VALUES (?, ?)", rows)

    def _decoded(self, verdict: bytes) -> Verdict:
        return self._guarded(lambda: self._verdicts.decode(verdict)) if verdict else None

    def _query(self, statement: str, values: Sequence[object]) -> list[tuple]:  # type: ignore[type-arg]
        with self._lock:
            return self._guarded(lambda: self._connection.execute(statement, values).fetchall())

    def _write(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        def write() -> None:
            with self._connection:
                self._connection.executemany(statement, rows)

        with self._lock:
            self._guarded(write)

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(str(self._path) if self._path else "", timeout=30, check_same_thread=False)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, question: str) -> None:
        connection = self._connection
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            if self._path is not None:
                connection.execute("PRAGMA journal_mode = WAL")
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {LAYOUT}")
                for statement in _TABLES.split(";\n"):
                    connection.execute(statement)
                connection.execute("INSERT INTO question VALUES (?)", (question,))
            return
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise NoState(path=str(self._path))
        layout = connection.execute("PRAGMA user_version").fetchone()[0]
        known = connection.execute("SELECT digest FROM question").fetchall()
        if layout != LAYOUT or known != [(question,)]:
            raise OtherQuestion(path=str(self._path))

    def _guarded(self, action: Callable[[], Result]) -> Result:
        """Do something, and turn SQLite's complaints into ours."""
        try:
            return action()
        except sqlite3.DatabaseError as error:
            if str(error) == "file is not a database":
                raise NoState(path=str(self._path)) from error
            raise UnusableState(path=str(self._path), why=str(error)) from error
        except (sqlite3.Error, OSError, msgspec.MsgspecError) as error:
            raise UnusableState(path=str(self._path), why=str(error)) from error
