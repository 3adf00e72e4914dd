"""Tables on their way into an index: written on this machine, then put in place under a new name.

This module alone decides what a table is called.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rafsight.base.errors import HostLimit
from rafsight.hunt.index.generations import new_name
from rafsight.hunt.index.manifest import StoredFile, StoredPart
from rafsight.hunt.index.places import IndexPlace
from rafsight.hunt.index.snapshot import digest_file
from rafsight.hunt.index.tables import ImageRow, PartTables
from rafsight.hunt.index.writing import write_images, write_part

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class NoScratch(HostLimit):
    """Tables cannot be written on this machine."""

    code = "no-scratch"
    template = "cannot write tables in {folder}: {why}"
    remedy = "Give it space, or name another folder: TMPDIR=DIR rafsight index ..."


def ship_images(
    place: IndexPlace, connection: "DuckDBPyConnection", rows: Sequence[ImageRow], scratch: Path
) -> StoredFile:
    """Put a table of images into an index; no generation names it yet.

    Raises: IndexUnreachable, NoScratch.
    """
    import duckdb

    local = scratch / "images.parquet"
    try:
        write_images(connection, rows, local)
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise NoScratch(folder=str(scratch), why=str(error)) from error
    return _ship(place, local, f"images/{new_name()}.parquet", len(rows))


def ship_part(place: IndexPlace, connection: "DuckDBPyConnection", part: PartTables, scratch: Path) -> StoredPart:
    """Put the tables of a part into an index; no generation names them yet.

    Raises: IndexUnreachable, NoScratch.
    """
    import duckdb

    entries, spans, trees = (scratch / f"{name}.parquet" for name in ("entries", "spans", "trees"))
    try:
        write_part(connection, part, (entries, spans, trees))
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise NoScratch(folder=str(scratch), why=str(error)) from error
    name = f"parts/{new_name()}"
    return StoredPart(
        entries=_ship(place, entries, f"{name}-entries.parquet", len(part.entries.rows)),
        spans=_ship(place, spans, f"{name}-spans.parquet", len(part.grouping.spans)),
        trees=_ship(place, trees, f"{name}-trees.parquet", len(part.trees)),
    )


def _ship(place: IndexPlace, local: Path, name: str, rows: int) -> StoredFile:
    try:
        file = StoredFile(name=name, size=local.stat().st_size, digest=digest_file(local), rows=rows)
        place.put(name, local)
    finally:
        local.unlink(missing_ok=True)
    return file
