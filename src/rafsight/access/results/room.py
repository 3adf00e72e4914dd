"""How much results may take, and which go when it is not enough: those that were used longest ago.

This module alone decides that. Room inside a file is used again; the file itself shrinks when somebody prunes.
"""

import sqlite3
from typing import Final

_STEP: Final = 2000
"""Results that are removed at a time, so that others do not wait."""


def used_size(connection: sqlite3.Connection) -> int:
    """Return what results take of a file [bytes]."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def make_room(connection: sqlite3.Connection, limit: int) -> int:
    """Remove results until the rest takes less than a limit, with an eighth to spare.

    Args:
        connection: not in a transaction.
        limit: [bytes]; nothing is done below it.
    Returns: How many were removed.
    Raises: sqlite3.Error.
    """
    removed = 0
    used = used_size(connection)
    if used <= limit:
        return 0
    while used > limit - limit // 8:
        (count,) = connection.execute("SELECT count(*) FROM result").fetchone()
        if not count:
            break
        excess = (used - (limit - limit // 8)) * count // used + 1
        removed += _remove(connection, "1", min(excess, _STEP))
        used = used_size(connection)
    return removed


def remove_unused(connection: sqlite3.Connection, before: int) -> int:
    """Remove results that were not used after a moment.

    Args:
        connection: not in a transaction.
        before: [s since 1970]
    Returns: How many.
    Raises: sqlite3.Error.
    """
    removed = 0
    while done := _remove(connection, f"used <= {int(before)}", _STEP):
        removed += done
    return removed


def shrink(connection: sqlite3.Connection) -> None:
    """Give free room back to the file system.

    Raises: sqlite3.Error.
    """
    connection.execute("PRAGMA incremental_vacuum").fetchall()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _remove(connection: sqlite3.Connection, condition: str, count: int) -> int:
    cursor = connection.execute(
        f"DELETE FROM result WHERE id IN (SELECT id FROM result WHERE {condition} ORDER BY used, id LIMIT ?)",  # noqa: S608
        (count,),
    )
    return cursor.rowcount
