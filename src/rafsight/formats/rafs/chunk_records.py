"""The 80-byte chunk records that v5 inodes and the v6 chunk table hold.

This module alone decides what such a record says.
"""

from typing import Final

import numpy as np

from rafsight.formats.records import octets_field, require
from rafsight.formats.tables import ChunkTable

MAX_OFFSET: Final = 1 << 52
"""[bytes] far past the end of any blob (2^44 bytes)."""


def chunk_table(rows: np.ndarray, blob_count: int, where: str) -> ChunkTable:
    """Turn chunk records into columns.

    Args:
        rows: (m,) of shared_layout.CHUNK_INFO.
        blob_count: how many blobs there are.
        where: what the records are, for the error.
    Raises: MalformedImage: a record names no blob, or offsets that no blob has.
    """
    require(rows["blob_index"] < blob_count, where, "names a blob that is not in the table")
    for name in ("compressed_offset", "uncompressed_offset"):
        require(rows[name] < np.uint64(MAX_OFFSET), where, "has an absurd offset")
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
