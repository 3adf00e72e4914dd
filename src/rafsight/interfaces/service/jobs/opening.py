"""Which store a name means: a file, or a database on a server.

This module alone decides that. What a database needs is imported when it is meant.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rafsight.interfaces.service.jobs.contract import JobStore
from rafsight.interfaces.service.jobs.faults import UnknownStore
from rafsight.interfaces.service.jobs.sql.database import Database
from rafsight.interfaces.service.jobs.store import SqlJobStore

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.*)", re.DOTALL)
_POSTGRES: Final = ("postgresql", "postgres")


def open_store(where: str, *, clock: Callable[[], float] = time.time) -> JobStore:
    """Open a store, and make its tables if they are not there.

    Args:
        where: path of an SQLite file, also as `sqlite:PATH`; or `postgresql://USER@HOST[:PORT]/DATABASE`. What the URL
            leaves out (a password above all) comes from PGPASSFILE, PGPASSWORD and so on, as libpq has it.
        clock: [s since 1970], for a file; a server has its own.
    Raises: UnknownStore; the classes of `faults.py`.
    """
    match = _SCHEME.fullmatch(where)
    scheme = match[1].lower() if match else ""
    if scheme in _POSTGRES:
        return SqlJobStore(_postgres(where))
    path = where
    if match and scheme == "sqlite":
        path = match[2].removeprefix("//")
    elif "://" in where:
        raise UnknownStore(url=f"{scheme}://...", why="its kind is not known")
    if not path or "\0" in path:
        raise UnknownStore(url=where, why="it names no file")
    from rafsight.interfaces.service.jobs.sqlite import SqliteDatabase

    return SqlJobStore(SqliteDatabase(Path(path), clock=clock))


def _postgres(url: str) -> Database:
    try:
        from rafsight.interfaces.service.jobs.postgres import PostgresDatabase
    except ImportError as error:
        raise UnknownStore(url="postgresql://...", why="psycopg is not installed") from error
    return PostgresDatabase(url)
