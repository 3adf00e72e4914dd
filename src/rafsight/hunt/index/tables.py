"""The tables of an index: what they hold, and how they are read; `writing.py` writes them.

    images     reference, repository, tag, digest, platform, tree, indexed_at, gone_at, error_code, error, advice
    entries    group, directory, name, mode, uid, gid, rdev, size, mtime, content_kind, content, target, xattrs
    spans      group, first, last: the trees first to last have the entries of the group
    trees      number, tree, format, entries, unread

A path or target that is no UTF-8 is escaped in its column, and lies as it is in a column beside it that ends with
`_raw`; that is NULL for all others. These two modules alone know the columns.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from rafsight.formats.tables import Words
from rafsight.hunt.index.columns import EntryColumns, StoredXattr
from rafsight.hunt.index.grouping import Grouping
from rafsight.hunt.index.pool import PooledEntries

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ENTRY_TYPES: Final = {
    "group": "UINTEGER",
    "directory": "VARCHAR",
    "directory_raw": "BLOB",
    "name": "VARCHAR",
    "name_raw": "BLOB",
    "mode": "UINTEGER",
    "uid": "UINTEGER",
    "gid": "UINTEGER",
    "rdev": "UINTEGER",
    "size": "BIGINT",
    "mtime": "BIGINT",
    "content_kind": "UTINYINT",
    "content": "BLOB",
    "target": "VARCHAR",
    "target_raw": "BLOB",
    "xattrs": "STRUCT(name BLOB, value BLOB)[]",
}
ENTRY_COLUMNS: Final = ", ".join(f'"{name}"::{kind} AS "{name}"' for name, kind in _ENTRY_TYPES.items())
"""The columns of entries in SQL: those of other types are an error of DuckDB's, and not ours later."""
_SPAN_COLUMNS: Final = ('"group"::UINTEGER AS "group"', "first::UINTEGER AS first", "last::UINTEGER AS last")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRow:
    """An image under one of its names."""

    reference: str
    repository: str
    """`HOST/REPO` of an image in a registry; else empty."""
    tag: str
    digest: str
    """Of the manifest; empty if it could not be had."""
    platform: str
    tree: str
    """What its files are known by; empty if they could not be had."""
    indexed_at: int
    """[s since 1970] when it was first seen so."""
    gone_at: int = 0
    """[s since 1970] when its name was gone, or meant another image; 0: it is there."""
    error_code: str = ""
    """Why it could not be looked at."""
    error: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeRow:
    """A tree of a part."""

    tree: str
    """The digest of its bootstrap, or what stands for it."""
    format: str
    """Shown, never compared."""
    entries: int
    unread: tuple[str, ...] = ()
    """What of the image could not be looked at, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTables:
    """What a part holds."""

    entries: PooledEntries
    grouping: Grouping
    trees: tuple[TreeRow, ...]
    """By number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPart:
    """A part as it was read."""

    columns: EntryColumns
    group: Words
    """(n,) of each entry."""
    spans: NDArray[np.uint32]
    trees: tuple[TreeRow, ...]


def read_images(connection: "DuckDBPyConnection", source: Path) -> list[ImageRow]:
    """Read the table of images; what DuckDB raises is the caller's."""
    found = connection.execute("FROM read_parquet(?)", [str(source)])
    columns = [str(column[0]) for column in found.description]
    return [ImageRow(**dict(zip(columns, row, strict=True))) for row in found.fetchall()]


def read_trees(connection: "DuckDBPyConnection", source: Path) -> tuple[TreeRow, ...]:
    """Read the trees of a part, by number."""
    rows = connection.execute(_READ_TREES, [str(source)]).fetchall()
    return tuple(
        TreeRow(tree=tree, format=form, entries=entries, unread=tuple(unread)) for tree, form, entries, unread in rows
    )


def read_spans(connection: "DuckDBPyConnection", source: Path) -> NDArray[np.uint32]:
    """Read the spans of a part: (m, 3) group, first tree, last tree, ordered."""
    found = connection.execute(_READ_SPANS, [str(source)]).fetchnumpy()
    return np.stack([np.asarray(found[name], dtype=np.uint32) for name in ("group", "first", "last")], axis=1)


def read_part(connection: "DuckDBPyConnection", sources: tuple[Path, Path, Path]) -> ReadPart:
    """Read a part whole."""
    entries, spans, trees = sources
    found = connection.execute(_READ_ENTRIES, [str(entries)]).fetchnumpy()
    directories: dict[bytes, int] = {}
    paths = _bytes(found, "directory")
    kinds = np.asarray(found["content_kind"], dtype=np.uint8)
    digests = b"".join(content or bytes(32) for content in _plain(found["content"]))
    columns = EntryColumns(
        directory=np.array([directories.setdefault(path or b"", len(directories)) for path in paths], dtype=np.int32),
        directories=list(directories),
        names=[name or b"" for name in _bytes(found, "name")],
        mode=np.asarray(found["mode"], dtype=np.uint32),
        uid=np.asarray(found["uid"], dtype=np.uint32),
        gid=np.asarray(found["gid"], dtype=np.uint32),
        size=np.asarray(found["size"], dtype=np.int64),
        mtime=np.asarray(found["mtime"], dtype=np.int64),
        rdev=np.asarray(found["rdev"], dtype=np.uint32),
        content_kind=kinds,
        content=np.frombuffer(digests, dtype=np.uint8).reshape(len(kinds), 32),
        targets={row: target for row, target in enumerate(_bytes(found, "target")) if target is not None},
        xattrs={
            row: tuple(StoredXattr(name=bytes(one["name"] or b""), value=one["value"]) for one in stored if one)
            for row, stored in enumerate(_plain(found["xattrs"]))
            if stored is not None
        },
    )
    return ReadPart(
        columns=columns,
        group=np.asarray(found["group"], dtype=np.uint32),
        spans=read_spans(connection, spans),
        trees=read_trees(connection, trees),
    )


def text_bytes(text: str | None, raw: bytes | None) -> bytes:
    """Return a text of a table as the bytes that it was.

    Args:
        text: as it stands in its column.
        raw: from the column beside it.
    """
    return (text or "").encode() if raw is None else bytes(raw)


_READ_ENTRIES: Final = f"SELECT {ENTRY_COLUMNS} FROM read_parquet(?)"  # noqa: S608 - of our own constants
_READ_TREES: Final = (
    "SELECT tree::VARCHAR, format::VARCHAR, entries::UINTEGER, unread::VARCHAR[] FROM read_parquet(?) ORDER BY number"
)
_READ_SPANS: Final = f"SELECT {', '.join(_SPAN_COLUMNS)} FROM read_parquet(?) ORDER BY 1, 2"  # noqa: S608 - likewise


def _bytes(found: dict[str, Any], name: str) -> list[bytes | None]:
    """Return a column of texts as the bytes that they were."""
    texts, raws = _plain(found[name]), _plain(found[f"{name}_raw"])
    return [
        bytes(raw) if raw is not None else None if text is None else text.encode()
        for text, raw in zip(texts, raws, strict=True)
    ]


def _plain(column: Any) -> list[Any]:
    """Return a column with None where it has no value."""
    if isinstance(column, np.ma.MaskedArray):
        return [
            None if missing else value for value, missing in zip(column.data, np.ma.getmaskarray(column), strict=True)
        ]
    return [None if value is None else value for value in column.tolist()]
