"""An index open for questions: nothing but its own tables can be read from here, whatever is asked.

This module alone opens indexes for reading.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rafsight.base.errors import CallerError, ExitStatus, HostLimit
from rafsight.base.events import Listener, Noticed, silent
from rafsight.hunt.index.duck import confine, open_duck
from rafsight.hunt.index.places import IndexPlace
from rafsight.hunt.index.snapshot import Shelf, Snapshot, guarded, open_newest
from rafsight.hunt.index.views import make_views

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BLOCK: Final = 1024
"""Rows that are handed over at a time."""


class BadQuery(CallerError):
    """A query cannot be answered as it is written."""

    code = "bad-query"
    template = "the query cannot be answered: {why}"
    remedy = "Ask with one SELECT over images, trees, entries, spans and files; `DESCRIBE files` shows columns."
    exit_status = ExitStatus.USAGE


class QueryTooLarge(HostLimit):
    """A query needs more than this machine has."""

    code = "query-too-large"
    template = "the query needs more than this machine has: {why}"
    remedy = "Narrow it with WHERE or LIMIT; ask `entries`, which has each entry once, before `files`."


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """The answer to a query; its rows can be taken once."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]
    unanswered: int
    """Images that are there and could not be looked at, so that the answer says nothing about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIndex:
    """An index that can be asked. Not safe to share between threads."""

    place: IndexPlace
    snapshot: Snapshot
    connection: "DuckDBPyConnection"
    spans: tuple[Path | None, ...]
    """Of each part, its table of spans."""

    @property
    def unanswered(self) -> int:
        """How many images that are there have no answer: those that failed, and those in lost parts."""
        known = self.snapshot.known_trees
        return sum(row.tree not in known for row in self.snapshot.live_images)

    def query(self, sql: str) -> QueryResult:
        """Ask in SQL.

        Args:
            sql: one statement that reads.
        Raises: BadQuery, QueryTooLarge; these also while rows are taken.
        """
        import duckdb

        with _translated():
            statements = duckdb.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise BadQuery(why="it is not one SELECT" if statements else "it is empty")
        with _translated():
            self.connection.execute(statements[0])
            columns = tuple(str(column[0]) for column in self.connection.description or ())
        return QueryResult(columns=columns, rows=_rows(self.connection), unanswered=self.unanswered)


@contextmanager
def open_index(place: IndexPlace, *, cache_dir: Path | None, listener: Listener = silent) -> Iterator[OpenIndex]:
    """Open the newest generation of an index.

    Args:
        place: of the index.
        cache_dir: where copies of the tables of a distant index are kept.
        listener: told about parts that are lost.
    Raises: NoSuchIndex, IndexUnreachable, DamagedIndex, NewerIndex; NoDuckDb.
    Cost: tables that are not at hand are fetched; a pass over all of them proves that they are what was written.
    """
    with tempfile.TemporaryDirectory(prefix="rafsight-index-") as folder, open_duck() as connection:
        scratch = Path(folder)
        shelf = Shelf(place, cache_dir, scratch)
        snapshot = open_newest(place, shelf, connection, entries=True)
        for lost in snapshot.lost:
            listener(Noticed(message=f"{lost.why}: the images in it are not answered for"))
        images = shelf.get(snapshot.manifest.images)
        parts = [
            None if rows is None else (shelf.get(part.entries), shelf.get(part.spans), shelf.get(part.trees))
            for part, rows in zip(snapshot.manifest.parts, snapshot.trees, strict=True)
        ]
        files = [str(images), *(str(path) for paths in parts for path in paths or ())]
        confine(connection, files, str(scratch))
        guarded(place, lambda: make_views(connection, snapshot, images, parts))
        yield OpenIndex(
            place=place,
            snapshot=snapshot,
            connection=connection,
            spans=tuple(paths[1] if paths else None for paths in parts),
        )


def _rows(connection: "DuckDBPyConnection") -> Iterator[tuple[Any, ...]]:
    while True:
        with _translated():
            block = connection.fetchmany(_BLOCK)
        if not block:
            return
        yield from block


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what DuckDB raises about a query into errors of ours."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise QueryTooLarge(why=_first_line(error)) from error
    except duckdb.Error as error:
        raise BadQuery(why=_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
