"""What SQL sees of an index: tables of images and trees, and views of entries and files.

    images     a row a reference: what it means, what it meant before, what could not be looked at
    trees      a row a file tree: images with the same bootstrap share one
    entries    a row a distinct entry of any tree
    spans      which trees have which entries: trees `first` to `last` have those of `group` in `part`
    files      a row a path of an image that is there: entries and images joined

This module alone decides what they look like. Text in them comes from images: whoever prints it has to escape it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from rafsight.hunt.index.columns import ContentKind
from rafsight.hunt.index.duck import quoted
from rafsight.hunt.index.snapshot import Snapshot
from rafsight.hunt.index.tables import ENTRY_COLUMNS, TreeRow
from rafsight.image.tree import KINDS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def make_views(
    connection: "DuckDBPyConnection", snapshot: Snapshot, images: Path, parts: Sequence[tuple[Path, Path, Path] | None]
) -> None:
    """Make tables and views over the tables of an index.

    Args:
        connection: may read the files.
        snapshot: the generation.
        images: its table of images.
        parts: entries, spans and trees of each part; None for lost ones.
    """
    firsts = first_trees(snapshot)
    connection.execute(_TREES_TABLE)
    seen: set[str] = set()
    for rows, first in zip(snapshot.trees, firsts, strict=True):
        fresh = [(first + number, row) for number, row in enumerate(rows or ()) if row.tree not in seen]
        seen |= {row.tree for _, row in fresh}
        _insert_trees(connection, fresh)
    connection.execute(_IMAGES_TABLE.format(source=f"read_parquet({quoted(str(images))})"))
    present = [(part, *paths, first) for part, (paths, first) in enumerate(zip(parts, firsts, strict=True)) if paths]
    entries = [_ENTRIES.format(part=part, source=quoted(str(one[0]))) for part, *one in present]
    spans = [_SPANS.format(part=part, source=quoted(str(one[1])), first=one[3]) for part, *one in present]
    connection.execute(f"CREATE VIEW stored AS {' UNION ALL BY NAME '.join(entries) or _NO_ENTRIES}")
    connection.execute(f"CREATE VIEW spans AS {' UNION ALL BY NAME '.join(spans) or _NO_SPANS}")
    connection.execute(_ENTRIES_VIEW)
    connection.execute(_FILES_VIEW)


def first_trees(snapshot: Snapshot) -> list[int]:
    """Return the number of the first tree of each part, counted over all parts."""
    counts = [len(rows or ()) for rows in snapshot.trees]
    return [sum(counts[:part]) for part in range(len(counts))]


def _insert_trees(connection: "DuckDBPyConnection", rows: Sequence[tuple[int, "TreeRow"]]) -> None:
    if not rows:
        return
    columns = {
        "number": np.array([number for number, _ in rows], dtype=np.uint32),
        "tree": np.array([row.tree for _, row in rows], dtype=object),
        "format": np.array([row.format for _, row in rows], dtype=object),
        "entries": np.array([row.entries for _, row in rows], dtype=np.uint32),
    }
    connection.register("fresh", columns)
    connection.execute("INSERT INTO trees SELECT * FROM fresh")
    connection.unregister("fresh")


_TREES_TABLE: Final = "CREATE TABLE trees (number UINTEGER, tree VARCHAR, format VARCHAR, entries UINTEGER)"
_IMAGES_TABLE: Final = """
CREATE TABLE images AS
SELECT reference, repository, tag, digest, platform, i.tree, t.format, t.entries,
    make_timestamp(indexed_at * 1000000) AS indexed_at,
    CASE WHEN gone_at > 0 THEN make_timestamp(gone_at * 1000000) END AS gone_at,
    t.tree IS NOT NULL AS is_answered,
    nullif(error_code, '') AS error_code, nullif(error, '') AS error
FROM {source} i LEFT JOIN trees t ON t.tree = i.tree
ORDER BY reference, platform, indexed_at
"""
_ENTRIES: Final = (
    f"SELECT {{part}}::UINTEGER AS part, file_row_number AS row, {ENTRY_COLUMNS} "  # noqa: S608 - our own constants
    "FROM read_parquet({source}, file_row_number = true)"
)
_SPANS: Final = (
    'SELECT {part}::UINTEGER AS part, "group"::UINTEGER AS "group", first::UINTEGER + {first} AS first, '
    "last::UINTEGER + {first} AS last "
    "FROM read_parquet({source})"
)
_NO_ENTRIES: Final = """
SELECT NULL::UINTEGER AS part, NULL::BIGINT AS row, NULL::UINTEGER AS "group", NULL::VARCHAR AS directory,
    NULL::BLOB AS directory_raw, NULL::VARCHAR AS name, NULL::BLOB AS name_raw, NULL::UINTEGER AS mode,
    NULL::UINTEGER AS uid, NULL::UINTEGER AS gid, NULL::UINTEGER AS rdev, NULL::BIGINT AS size, NULL::BIGINT AS mtime,
    NULL::UTINYINT AS content_kind, NULL::BLOB AS content, NULL::VARCHAR AS target, NULL::BLOB AS target_raw,
    NULL::STRUCT(name BLOB, value BLOB)[] AS xattrs
WHERE false
"""
_NO_SPANS: Final = (
    'SELECT NULL::UINTEGER AS part, NULL::UINTEGER AS "group", NULL::BIGINT AS first, NULL::BIGINT AS last WHERE false'
)
_KIND: Final = (
    "CASE mode & 61440 "
    + " ".join(f"WHEN {bits} THEN '{kind}'" for bits, kind in KINDS.items())
    + " ELSE 'unknown' END"
)
_ENTRIES_VIEW: Final = f"""
CREATE VIEW entries AS
SELECT part, "group",
    CASE WHEN directory = '' THEN '/' || name ELSE '/' || directory || '/' || name END AS path,
    CASE WHEN directory_raw IS NOT NULL OR name_raw IS NOT NULL THEN
        CASE WHEN directory = '' THEN '/'::BLOB
        ELSE '/'::BLOB || coalesce(directory_raw, encode(directory)) || '/'::BLOB END
        || coalesce(name_raw, encode(name))
    END AS path_raw,
    '/' || directory AS directory, name, {_KIND} AS kind, mode & 4095 AS mode,
    format('{{:04o}}', mode & 4095) AS permissions, uid, gid, size, mtime,
    CASE WHEN mtime BETWEEN -62135596800 AND 253402300799 THEN make_timestamp(mtime * 1000000) END AS modified,
    CASE content_kind WHEN {int(ContentKind.SHA256)} THEN 'sha256:' WHEN {int(ContentKind.BLAKE3)} THEN 'blake3:'
        WHEN {int(ContentKind.CHUNKS)} THEN 'chunks:' END || lower(hex(content)) AS content,
    target,
    list_transform(xattrs, lambda x: struct_pack(name := x.name::VARCHAR, value := x.value)) AS xattrs,
    CASE WHEN mode & 61440 IN (8192, 24576) THEN (rdev >> 8) & 4095 END AS device_major,
    CASE WHEN mode & 61440 IN (8192, 24576) THEN (rdev & 255) | ((rdev >> 12) & 1048320) END AS device_minor
FROM stored
"""  # noqa: S608 - of our own constants
# spans are unfolded before they meet entries: the other way round, all paths of all images are made before any filter
_FILES_VIEW: Final = """
CREATE VIEW files AS
SELECT i.reference, i.repository, i.tag, i.digest, i.platform, e.* EXCLUDE (part, "group")
FROM (SELECT part, "group", unnest(generate_series(first, last)) AS number FROM spans) m
JOIN trees t ON t.number = m.number
JOIN images i ON i.tree = t.tree
JOIN entries e ON e.part = m.part AND e."group" = m."group"
WHERE i.gone_at IS NULL
"""
