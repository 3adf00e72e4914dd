"""The head of a RAFS v5 bootstrap: superblock and the small tables.

This module alone decides which v5 bootstraps are read at all, and what a v5 blob table says.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import v5_layout as layout
from rafsight.formats.rafs.faults import UnsupportedImage
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
from rafsight.formats.records import Buffer, Long, check_range
from rafsight.formats.tables import BlobEntry, Cipher, Compressor, MalformedImage, Superblock

WHERE: Final = "v5 superblock"
_BLOBS: Final = "v5 blob table"
_SHOWN: Final = (
    "superblock_size", "inode_table_offset", "prefetch_table_offset", "blob_table_offset", "inode_table_entries",
    "prefetch_table_entries", "blob_table_size", "extended_blob_table_entries", "extended_blob_table_offset",
)  # fmt: skip
_KNOWN_FEATURES: Final = sum(bit for bit, _, _ in shared.BLOB_FEATURES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A v5 bootstrap whose head has been read."""

    superblock: Superblock
    inode_table_offset: int
    """[bytes]"""
    entry_count: int
    blobs: tuple[BlobEntry, ...]
    prefetch: Long


def read_head(content: Buffer, name: str, limits: Limits) -> Head:
    """Read the superblock and the tables that it names.

    Raises: MalformedImage, UnsupportedImage.
    """
    if len(content) >= 8 and (version := int.from_bytes(content[4:8], "little")) != layout.VERSION:
        raise UnsupportedImage(where=WHERE, what=f"RAFS version {version:#x}")
    row = layout.SUPERBLOCK.rows(content, 0, 1, WHERE)[0]
    numbers = {field: int(row[field]) for field in (*_SHOWN, "chunk_size", "flags", "inode_count")}
    check_flags(numbers["flags"], WHERE)
    _check_tables(content, numbers)
    if not 0 < numbers["inode_table_entries"] <= limits.entry_count:
        raise MalformedImage(where=WHERE, what=f"has {numbers['inode_table_entries']} entries", offset=56)
    superblock = Superblock(
        format="RAFS v5",
        version=5,
        chunk_size=check_chunk_size(numbers["chunk_size"], WHERE, 12),
        flags=numbers["flags"],
        flag_names=flag_names(numbers["flags"]),
        inode_count=numbers["inode_count"],
        root_ino=1,
        fields=tuple((field, numbers[field]) for field in _SHOWN),
    )
    return Head(
        superblock=superblock,
        inode_table_offset=numbers["inode_table_offset"],
        entry_count=numbers["inode_table_entries"],
        blobs=_read_blobs(content, numbers, name, limits),
        prefetch=_read_prefetch(content, numbers),
    )


def _check_tables(content: Buffer, numbers: dict[str, int]) -> None:
    """Make sure that the tables lie in the file, past the superblock, and not on each other."""
    if numbers["superblock_size"] != layout.SUPERBLOCK_SIZE:
        raise MalformedImage(where=WHERE, what=f"says it has {numbers['superblock_size']} bytes", offset=8)
    tables = (
        ("inode_table_offset", numbers["inode_table_entries"] * layout.INODE_TABLE_ENTRY.size),
        ("prefetch_table_offset", numbers["prefetch_table_entries"] * layout.PREFETCH_ENTRY.size),
        ("blob_table_offset", numbers["blob_table_size"]),
        ("extended_blob_table_offset", numbers["extended_blob_table_entries"] * layout.EXTENDED_BLOB.size),
    )
    end = layout.SUPERBLOCK_SIZE
    for offset, size, field in sorted((numbers[field], size, field) for field, size in tables if size):
        where = f"v5 {field.removesuffix('_offset').replace('_', ' ')}"
        check_range(content, offset, size, where)
        if offset < end or offset % layout.ALIGNMENT:
            raise MalformedImage(where=where, what="lies on another table, or not on a multiple of 8", offset=offset)
        end = offset + size


def _read_prefetch(content: Buffer, numbers: dict[str, int]) -> Long:
    offset, count = numbers["prefetch_table_offset"], numbers["prefetch_table_entries"]
    if not count:
        return np.empty(0, np.uint64)
    inos = layout.PREFETCH_ENTRY.rows(content, offset, count, "v5 prefetch table")["ino"].astype(np.uint64)
    ends = np.flatnonzero(inos == 0)
    return inos[: ends[0]] if ends.size else inos


def _read_blobs(content: Buffer, numbers: dict[str, int], name: str, limits: Limits) -> tuple[BlobEntry, ...]:
    heads = _split_blob_table(content, numbers["blob_table_offset"], numbers["blob_table_size"], limits)
    extended_count = numbers["extended_blob_table_entries"]
    if extended_count and extended_count < len(heads):
        raise MalformedImage(where="v5 extended blob table", what="has fewer rows than there are blobs",
                             offset=numbers["extended_blob_table_offset"])  # fmt: skip
    count = len(heads) if extended_count else 0
    rows = layout.EXTENDED_BLOB.rows(content, numbers["extended_blob_table_offset"] if count else 0, count, _BLOBS)
    blobs = []
    for index, (stored, prefetch_offset, prefetch_size) in enumerate(heads):
        features = int(rows["features"][index]) & _KNOWN_FEATURES if count else shared.NO_EXTENDED_BLOB_TABLE
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
                chunk_count=int(rows["chunk_count"][index]) if count else 0,
                compressed_size=int(rows["compressed_size"][index]) if count else 0,
                uncompressed_size=int(rows["uncompressed_size"][index]) if count else 0,
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


def _split_blob_table(content: Buffer, offset: int, size: int, limits: Limits) -> list[tuple[str, int, int]]:
    """Take the blob table apart: (id, readahead offset, readahead size) of each blob."""
    table = bytes(content[offset : offset + size])
    heads: list[tuple[str, int, int]] = []
    start = 0
    while len(table) - start > layout.BLOB_HEAD.size:
        head = layout.BLOB_HEAD.rows(table, start, 1, _BLOBS)[0]
        start += layout.BLOB_HEAD.size
        end = table.find(b"\0", start)
        end = len(table) if end < 0 else end
        blob_id = check_blob_id(table[start:end], _BLOBS, offset + start)
        heads.append((blob_id, int(head["prefetch_offset"]), int(head["prefetch_size"])))
        if len(heads) > limits.blob_count:
            raise MalformedImage(where=_BLOBS, what="has too many blobs", offset=offset)
        start = end + 1
    return heads
