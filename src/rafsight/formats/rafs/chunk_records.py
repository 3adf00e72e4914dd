"""The 80-byte chunk records that v5 inodes and the v6 chunk table hold.

This module alone decides what such a record says.
"""

from typing import Final

import numpy as np

from rafsight.formats.judge import Judge
from rafsight.formats.rafs import shared_rules as rules
from rafsight.formats.records import octets_field
from rafsight.formats.tables import ChunkTable, Offsets

MAX_OFFSET: Final = 1 << 52
"""[bytes] far past the end of any blob (2^44 bytes)."""


def chunk_table(
    rows: np.ndarray,
    blob_count: int,
    where: str,
    judge: Judge,
    *,
    places: Offsets | None = None,
    inodes: Offsets | None = None,
) -> ChunkTable:
    """Turn chunk records into columns.

    Args:
        rows: (m,) of shared_layout.CHUNK_INFO.
        blob_count: how many blobs there are.
        where: what the records are.
        judge: told about records that name no blob, or offsets that no blob has; those are set to 0 then.
        places: (m,) [bytes] of the records in their file.
        inodes: (m,) [bytes] of the inodes that the records belong to.
    """
    at: Offsets | int = -1 if places is None else places
    homeless = judge.require(rows["blob_index"] < blob_count, rules.CHUNK_BLOB, where, at, inodes)
    absurd = [
        (name, judge.require(rows[name] < np.uint64(MAX_OFFSET), rules.CHUNK_OFFSET, where, at, inodes))
        for name in ("compressed_offset", "uncompressed_offset")
    ]
    if homeless.size or any(broken.size for _, broken in absurd):
        rows = rows.copy()
        rows["blob_index"][homeless] = 0
        for name, broken in absurd:
            rows[name][broken] = 0
    return ChunkTable(
        blob_index=rows["blob_index"].astype(np.int32),
        number=rows["number"].astype(np.uint32),
        digest=octets_field(rows, "digest"),
        crc32=rows["crc32"].astype(np.uint32),
        flags=rows["flags"].astype(np.uint32),
        size=rows["size"].astype(np.int64),
        compressed_size=rows["compressed_size"].astype(np.int64),
        compressed_offset=rows["compressed_offset"].astype(np.int64),
        uncompressed_offset=rows["uncompressed_offset"].astype(np.int64),
    )
