"""The head of a RAFS v5 bootstrap: superblock and the small tables.

This module alone decides which v5 bootstraps are read at all, and what a v5 blob table says.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.base.limits import Limits
from rafsight.formats.judge import Judge
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import shared_rules, v5_rules
from rafsight.formats.rafs import v5_layout as layout
from rafsight.formats.rafs.words import (
    check_blob_id,
    check_chunk_size,
    check_flags,
    feature_names,
    flag_names,
    image_compressor,
    image_digester,
    real_id,
)
from rafsight.formats.records import Buffer, Long
from rafsight.formats.tables import BlobEntry, Cipher, Compressor, Superblock

WHERE: Final = "v5 superblock"
BLOBS: Final = "v5 blob table"
EXTENDED: Final = "v5 extended blob table"
INODES: Final = "v5 inode table"
PREFETCH: Final = "v5 prefetch table"
_SHOWN: Final = (
    "magic", "superblock_size", "inode_table_offset", "prefetch_table_offset", "blob_table_offset",
    "inode_table_entries", "prefetch_table_entries", "blob_table_size",
    "extended_blob_table_entries", "extended_blob_table_offset",
)  # fmt: skip
_KNOWN_FEATURES: Final = sum(bit for bit, _, _ in shared.BLOB_FEATURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Where a table lies, of which nobody needs to know more."""

    where: str
    offset: int
    """[bytes]"""
    size: int
    """[bytes] 0 for a table that is absent, or that cannot be read."""

    @property
    def end(self) -> int:
        """Where it ends, [bytes]."""
        return self.offset + self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A v5 bootstrap whose head has been read."""

    superblock: Superblock
    inode_table_offset: int
    """[bytes]"""
    entry_count: int
    tables: tuple[Table, ...]
    """As `stored_tables` lists them, with the sizes that can be read."""
    blobs: tuple[BlobEntry, ...]
    are_blobs_known: bool
    """False if the blob table cannot be read: nothing is said about chunks then."""
    prefetch: Long


def read_numbers(content: Buffer) -> dict[str, int]:
    """Read the fields of the superblock; the file is long enough for one."""
    row = layout.SUPERBLOCK.rows(content, 0, 1, WHERE)[0]
    return {field: int(row[field]) for field in (*_SHOWN, "chunk_size", "flags", "inode_count")}


def stored_tables(numbers: dict[str, int]) -> tuple[Table, ...]:
    """List the tables as the superblock has them: inodes, prefetch, blobs, extended blobs."""
    return (
        Table(where=INODES, offset=numbers["inode_table_offset"],
              size=numbers["inode_table_entries"] * layout.INODE_TABLE_ENTRY.size),
        Table(where=PREFETCH, offset=numbers["prefetch_table_offset"],
              size=numbers["prefetch_table_entries"] * layout.PREFETCH_ENTRY.size),
        Table(where=BLOBS, offset=numbers["blob_table_offset"], size=numbers["blob_table_size"]),
        Table(where=EXTENDED, offset=numbers["extended_blob_table_offset"],
              size=numbers["extended_blob_table_entries"] * layout.EXTENDED_BLOB.size),
    )  # fmt: skip


def read_head(content: Buffer, name: str, limits: Limits, judge: Judge) -> Head:
    """Read the superblock and the tables that it names.

    Raises: MalformedImage, UnsupportedImage: with a judge that goes on if there is no inode table to read.
    """
    if len(content) >= 8 and (version := int.from_bytes(content[4:8], "little")) != layout.VERSION:
        raise v5_rules.VERSION.broken(WHERE, 4, f"RAFS version {version:#x}")
    if len(content) <= layout.SUPERBLOCK_SIZE:
        raise shared_rules.BOOTSTRAP_SIZE.broken(WHERE, 0, f"{len(content)} bytes")
    numbers = read_numbers(content)
    check_flags(numbers["flags"], WHERE, 16, judge)
    stated = numbers["superblock_size"]
    judge.holds(stated == layout.SUPERBLOCK_SIZE, v5_rules.SUPERBLOCK_SIZE, WHERE, 8, f"says it has {stated} bytes")
    numbers["chunk_size"] = check_chunk_size(numbers["chunk_size"], WHERE, 12, judge)
    inodes, prefetch, blobs, extended = tables = _usable_tables(content, numbers, judge)
    entry_count = inodes.size // layout.INODE_TABLE_ENTRY.size
    if not entry_count:
        raise v5_rules.NO_ENTRIES.broken(INODES, 56, "has 0 entries")
    judge.holds(entry_count <= limits.entry_count, shared_rules.ENTRY_COUNT, INODES, 56, str(entry_count))
    heads = _split_blob_table(content, blobs, limits, judge)
    rows = _read_extended(content, extended, len(heads), judge)
    superblock = Superblock(
        format="RAFS v5",
        version=5,
        chunk_size=numbers["chunk_size"],
        flags=numbers["flags"],
        flag_names=flag_names(numbers["flags"]),
        inode_count=numbers["inode_count"],
        root_ino=1,
        fields=tuple((field, numbers[field]) for field in _SHOWN),
    )
    return Head(
        superblock=superblock,
        inode_table_offset=inodes.offset,
        entry_count=min(entry_count, limits.entry_count),
        tables=tables,
        blobs=_blobs(numbers, name, heads, rows),
        are_blobs_known=blobs.size == numbers["blob_table_size"],
        prefetch=_read_prefetch(content, prefetch),
    )


def _usable_tables(content: Buffer, numbers: dict[str, int], judge: Judge) -> tuple[Table, ...]:
    """Look at the places of the tables: in the file, past the superblock, and not on each other.

    Returns: the tables with the sizes that can be read. An inode table that is too long is cut where the next table or
        the end of the file is; others that lie where they cannot are given up.
    Raises: MalformedImage: there is no inode table at all.
    """
    tables = stored_tables(numbers)
    usable = {table.where: table for table in tables}
    end = layout.SUPERBLOCK_SIZE
    for table in sorted(
        (table for table in tables if table.size), key=lambda table: (table.offset, table.where != INODES)
    ):
        detail = f"needs {table.size} bytes, and the file has {len(content)}"
        if table.where == INODES and not layout.SUPERBLOCK_SIZE <= table.offset < len(content):
            rule = shared_rules.TABLE_OVERLAP if table.offset < len(content) else shared_rules.TABLE_OUTSIDE
            raise rule.broken(table.where, table.offset, detail)
        is_inside = judge.holds(
            table.end <= len(content), shared_rules.TABLE_OUTSIDE, table.where, table.offset, detail
        )
        is_apart = judge.holds(table.offset >= end, shared_rules.TABLE_OVERLAP, table.where, table.offset)
        judge.holds(not table.offset % layout.ALIGNMENT, shared_rules.TABLE_ALIGNMENT, table.where, table.offset)
        if table.where != INODES and not (is_inside and is_apart):
            usable[table.where] = Table(where=table.where, offset=0, size=0)
        elif not is_inside:
            room = _next_offset(tables, table, len(content)) - table.offset
            usable[table.where] = Table(where=table.where, offset=table.offset, size=room)
        if is_inside:
            end = max(end, table.end)
    return tuple(usable.values())


def _next_offset(tables: tuple[Table, ...], table: Table, end: int) -> int:
    """Find where the next table begins, or the file ends."""
    return min([end, *(other.offset for other in tables if table.offset < other.offset)])


def _read_prefetch(content: Buffer, table: Table) -> Long:
    count = table.size // layout.PREFETCH_ENTRY.size
    if not count:
        return np.empty(0, np.uint64)
    inos = layout.PREFETCH_ENTRY.rows(content, table.offset, count, PREFETCH)["ino"].astype(np.uint64)
    ends = np.flatnonzero(inos == 0)
    return inos[: ends[0]] if ends.size else inos


def _read_extended(content: Buffer, table: Table, blob_count: int, judge: Judge) -> NDArray[np.void]:
    """Read the rows of the extended blob table: none, or one for each blob."""
    count = table.size // layout.EXTENDED_BLOB.size
    if count:
        judge.holds(count >= blob_count, v5_rules.EXTENDED_ROWS, EXTENDED, table.offset, str(count))
    count = min(count, blob_count)
    return layout.EXTENDED_BLOB.rows(content, table.offset if count else 0, count, EXTENDED)


def _blobs(
    numbers: dict[str, int], name: str, heads: list[tuple[str, int, int]], rows: NDArray[np.void]
) -> tuple[BlobEntry, ...]:
    """Bring together what the two blob tables say."""
    blobs = []
    for index, (stored, prefetch_offset, prefetch_size) in enumerate(heads):
        row = rows[index] if index < len(rows) else None
        features = shared.NO_EXTENDED_BLOB_TABLE if row is None else int(row["features"]) & _KNOWN_FEATURES
        blob_id = real_id(stored, features, name)
        blobs.append(
            BlobEntry(
                index=index,
                blob_id=blob_id,
                data_id=blob_id,
                meta_id="",
                compressor=image_compressor(numbers["flags"]),
                digester=image_digester(numbers["flags"]),
                cipher=Cipher.NONE,
                features=features,
                feature_names=feature_names(features),
                chunk_size=numbers["chunk_size"],
                chunk_count=0 if row is None else int(row["chunk_count"]),
                compressed_size=0 if row is None else int(row["compressed_size"]),
                uncompressed_size=0 if row is None else int(row["uncompressed_size"]),
                meta_offset=0,
                meta_compressed_size=0,
                meta_uncompressed_size=0,
                meta_compressor=Compressor.NONE,
                needs_meta=False,
                prefetch_offset=prefetch_offset,
                prefetch_size=prefetch_size,
            )
        )
    return tuple(blobs)


def _split_blob_table(content: Buffer, where: Table, limits: Limits, judge: Judge) -> list[tuple[str, int, int]]:
    """Take the blob table apart: (id, readahead offset, readahead size) of each blob."""
    table = bytes(content[where.offset : where.end])
    heads: list[tuple[str, int, int]] = []
    start = 0
    while len(table) - start > layout.BLOB_HEAD.size:
        if not judge.holds(len(heads) < limits.blob_count, shared_rules.BLOB_COUNT, BLOBS, where.offset):
            break
        head = layout.BLOB_HEAD.rows(table, start, 1, BLOBS)[0]
        start += layout.BLOB_HEAD.size
        end = table.find(b"\0", start)
        end = len(table) if end < 0 else end
        blob_id = check_blob_id(table[start:end], BLOBS, where.offset + start, judge)
        heads.append((blob_id, int(head["prefetch_offset"]), int(head["prefetch_size"])))
        start = end + 1
    return heads
