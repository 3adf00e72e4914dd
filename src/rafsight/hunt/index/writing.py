"""Tables of an index on their way into Parquet files.

Texts are written once and joined by their numbers, in DuckDB; the same part makes the same files. This module alone
writes them; `tables.py` says what they hold, and reads them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from rafsight.base.text import escape
from rafsight.formats.tables import Words
from rafsight.hunt.index.columns import ContentKind, StoredXattr
from rafsight.hunt.index.duck import quoted
from rafsight.hunt.index.pool import PooledEntries
from rafsight.hunt.index.tables import ImageRow, PartTables

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_WRITTEN: Final = "(FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, COMPRESSION_LEVEL 9, ROW_GROUP_SIZE 61440)"


def write_images(connection: "DuckDBPyConnection", rows: Sequence[ImageRow], target: Path) -> None:
    """Write the table of images."""
    names = [field.name for field in fields(ImageRow)]
    columns = list(zip(*map(astuple, rows), strict=True)) or [()] * len(names)
    is_time = [name.endswith("_at") for name in names]
    table = {
        name: np.array(column, dtype=np.int64 if number else object)
        for name, column, number in zip(names, columns, is_time, strict=True)
    }
    _write(connection, {"images": table}, _IMAGES, target)


def write_part(connection: "DuckDBPyConnection", part: PartTables, targets: tuple[Path, Path, Path]) -> None:
    """Write the three tables of a part.

    Args:
        connection: as `open_duck` made it.
        part: what it holds.
        targets: of the entries, the spans and the trees.
    """
    entries, spans, trees = targets
    pooled = part.entries
    sources = {
        "rows": _entry_table(pooled, part.grouping.group),
        "directories": _texts(pooled.directories),
        "names": _texts(pooled.names),
        "targets": _texts(pooled.targets),
        "attributes": _attributes(pooled.xattrs),
    }
    _write(connection, sources, _ENTRIES, entries)
    columns = dict(zip(("group", "first", "last"), map(np.ascontiguousarray, part.grouping.spans.T), strict=True))
    _write(connection, {"spans": columns}, 'SELECT * FROM spans ORDER BY "group", first', spans)
    table = {
        "number": np.arange(len(part.trees), dtype=np.uint32),
        "tree": np.array([row.tree for row in part.trees], dtype=object),
        "format": np.array([row.format for row in part.trees], dtype=object),
        "entries": np.array([row.entries for row in part.trees], dtype=np.uint32),
        "unread": _objects("\n".join(row.unread) for row in part.trees),
    }
    select = (
        "SELECT number, tree::VARCHAR AS tree, format::VARCHAR AS format, entries, "
        "CASE unread::VARCHAR WHEN '' THEN [] ELSE string_split(unread::VARCHAR, chr(10)) END AS unread "
        "FROM trees ORDER BY number"
    )
    _write(connection, {"trees": table}, select, trees)


def _write(connection: "DuckDBPyConnection", sources: dict[str, dict[str, Any]], select: str, target: Path) -> None:
    """Write the result of a query over columns as a Parquet file."""
    for name, columns in sources.items():
        connection.register(name, columns)
    try:
        connection.execute(f"COPY ({select}) TO {quoted(str(target))} {_WRITTEN}")
    finally:
        for name in sources:
            connection.unregister(name)


def _entry_table(entries: PooledEntries, group: Words) -> dict[str, Any]:
    rows = entries.rows
    names = ("directory", "name", "target", "xattrs", "mode", "uid", "gid", "rdev", "size", "mtime", "content_kind")
    table: dict[str, Any] = {name: np.ascontiguousarray(rows[name]) for name in names}
    digests = np.ascontiguousarray(rows["content"]).view("V32").reshape(-1).tolist()
    has_none = (rows["content_kind"] == ContentKind.NONE).tolist()
    contents = [None if none else digest for none, digest in zip(has_none, digests, strict=True)]
    return table | {"group": group, "content": _hexadecimal(contents)}


def _texts(texts: Sequence[bytes]) -> dict[str, Any]:
    """Make a table of texts: as SQL can have them, and as they are where it cannot."""
    shown: list[str] = []
    raw: list[bytes | None] = []
    for text in texts:
        try:
            shown.append(text.decode())
            raw.append(None)
        except UnicodeDecodeError:
            shown.append(escape(text))
            raw.append(text)
    return {
        "id": np.arange(len(texts), dtype=np.uint32),
        "text": _objects(shown),
        "raw": _hexadecimal(raw),
    }


def _attributes(pool: Sequence[tuple[StoredXattr, ...]]) -> dict[str, Any]:
    """Make a table of extended attributes; those that cannot be read have one row without a place."""
    rows: list[tuple[int, int, bytes | None, bytes | None]] = []
    for number, stored in enumerate(pool):
        if number == 0:
            continue
        rows += [(number, place, one.name, one.value) for place, one in enumerate(stored)] or [(number, -1, None, None)]
    ids, places, names, values = zip(*rows, strict=True) if rows else ((), (), (), ())
    return {
        "id": np.array(ids, dtype=np.uint32),
        "place": np.array(places, dtype=np.int32),
        "name": _hexadecimal(names),
        "value": _hexadecimal(values),
    }


def _objects(values: Iterable[Any]) -> NDArray[np.object_]:
    listed = list(values)
    result = np.empty(len(listed), dtype=object)
    result[:] = listed
    return result


def _hexadecimal(values: Iterable[bytes | None]) -> NDArray[np.object_]:
    """Write bytes as text: older releases of DuckDB do not take bytes from Python as what they are."""
    return _objects(None if value is None else value.hex() for value in values)


_IMAGES: Final = """
SELECT reference::VARCHAR AS reference, repository::VARCHAR AS repository, tag::VARCHAR AS tag,
    digest::VARCHAR AS digest, platform::VARCHAR AS platform, tree::VARCHAR AS tree, indexed_at, gone_at,
    error_code::VARCHAR AS error_code, error::VARCHAR AS error, advice::VARCHAR AS advice
FROM images ORDER BY reference, platform, indexed_at
"""
_ENTRIES: Final = """
SELECT r."group", d.text::VARCHAR AS directory, unhex(d.raw::VARCHAR) AS directory_raw, n.text::VARCHAR AS name,
    unhex(n.raw::VARCHAR) AS name_raw, r.mode, r.uid, r.gid, r.rdev, r.size, r.mtime, r.content_kind,
    unhex(r.content::VARCHAR) AS content, t.text::VARCHAR AS target, unhex(t.raw::VARCHAR) AS target_raw, a.xattrs
FROM rows r
JOIN directories d ON d.id = r.directory
JOIN names n ON n.id = r.name
LEFT JOIN targets t ON t.id = r.target AND t.id > 0
LEFT JOIN (
    SELECT id, coalesce(list(struct_pack(name := unhex(name::VARCHAR), value := unhex(value::VARCHAR)) ORDER BY place)
        FILTER (place >= 0), []) AS xattrs
    FROM attributes GROUP BY id
) a ON a.id = r.xattrs
ORDER BY d.text, n.text, r."group", r.content, r.mode, r.size, r.mtime, r.uid, r.gid, r.rdev
"""
