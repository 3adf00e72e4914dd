"""The file of an SQLite store: made, recognised, and refused if it is somebody else's.

This module alone decides which file is ours. Nothing is ever changed in another one.
"""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from rafsight.interfaces.service.jobs.faults import StoreDamaged, StoreForeign
from rafsight.interfaces.service.jobs.schema import VERSION, statements

APPLICATION_ID: Final = 0x5246534A
"""`RFSJ`."""


def touch(path: Path) -> tuple[int, int]:
    """Make an empty file that nobody else reads, if there is none; return which file it is."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    found = path.stat()
    return found.st_dev, found.st_ino


def prepare(connection: sqlite3.Connection, place: str) -> None:
    """See that the file has our tables; an empty one gets them.

    Raises: StoreForeign, StoreDamaged; sqlite3.Error.
    """
    if _is_ours(connection, place):
        return
    with closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA auto_vacuum = INCREMENTAL")
        cursor.execute("PRAGMA journal_mode = WAL").fetchall()
        cursor.execute("BEGIN IMMEDIATE")
        try:
            if not _is_ours(connection, place):  # another process may have been faster
                for statement in statements(blob="BLOB", text="TEXT"):
                    cursor.execute(statement)
                cursor.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                cursor.execute(f"PRAGMA user_version = {VERSION}")
            cursor.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                cursor.execute("ROLLBACK")
            raise


def _is_ours(connection: sqlite3.Connection, place: str) -> bool:
    """Tell whether the tables are there; False for an empty file.

    Raises: StoreForeign, StoreDamaged.
    """
    application, version, tables = (
        connection.execute(question).fetchone()[0]
        for question in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_schema")
    )
    if application == APPLICATION_ID and version == VERSION:
        found = {row[0] for row in connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
        if found != {statement.strip() for statement in statements(blob="BLOB", text="TEXT")}:
            raise StoreDamaged(store=place, why="its tables are not those that were made")
        return True
    if application == APPLICATION_ID:
        raise StoreForeign(store=place, why=f"its tables are of version {version}, ours of version {VERSION}")
    if tables or application:
        raise StoreForeign(store=place, why="it is a database of something else")
    return False
