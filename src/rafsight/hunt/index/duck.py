"""DuckDB: imported late, and made to touch nothing but the files it is given.

This module alone imports it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from rafsight.base.errors import HostLimit

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CONFIG: Final[dict[str, Any]] = {
    "python_enable_replacements": "false",  # names in SQL are tables of the index, never variables of ours
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


class NoDuckDb(HostLimit):
    """The library that asks indexes is not there."""

    code = "no-duckdb"
    template = "an index of a fleet cannot be used without the Python package duckdb"
    remedy = "Install it: pip install 'rafsight[fleet]'."


def open_duck(*, threads: int | None = None) -> "DuckDBPyConnection":
    """Open a database in memory.

    Args:
        threads: to work with; None: one for each core.
    Raises: NoDuckDb.
    Cost: 0.1 s for the import.
    """
    try:
        import duckdb
    except ImportError as error:
        raise NoDuckDb from error
    config = dict(_CONFIG)
    if threads is not None:
        config["threads"] = threads
    return duckdb.connect(":memory:", config=config)


def confine(connection: "DuckDBPyConnection", files: Sequence[str], scratch: str) -> None:
    """Let a connection read some files and nothing else, from now on and for good.

    Args:
        connection: as `open_duck` made it.
        files: paths.
        scratch: a folder for what does not fit into memory.
    """
    connection.execute(f"SET temp_directory = {quoted(scratch)}")
    connection.execute(f"SET allowed_paths = [{', '.join(map(quoted, files))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def quoted(text: str) -> str:
    """Write a text as SQL does."""
    return "'" + text.replace("'", "''") + "'"
