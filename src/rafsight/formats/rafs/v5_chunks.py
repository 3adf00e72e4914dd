"""Extents and chunks of a RAFS v5 bootstrap.

This module alone decides which chunk records of v5 inodes are the same chunk: those that say the same about its place,
size and digest.
"""

from typing import Final

import numpy as np

from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import v5_layout as layout
from rafsight.formats.rafs.chunk_records import MAX_OFFSET, chunk_table
from rafsight.formats.rafs.v5_inodes import WHERE, Inodes
from rafsight.formats.records import Buffer, Indexes, octets_of, ragged, require
from rafsight.formats.tables import ChunkTable, ExtentTable, Offsets

_FILE_OFFSET_WORD: Final = 8
"""Which of the ten words of a chunk record is its offset in the file."""
_PLACE_BITS: Final = np.uint64(MAX_OFFSET.bit_length() - 1)


def read_chunks(content: Buffer, files: Inodes, blob_count: int, chunk_size: int) -> tuple[ExtentTable, ChunkTable]:
    """Read the chunk records of regular files.

    Args:
        content: the bootstrap.
        files: their inodes, each once.
        blob_count: how many blobs there are.
        chunk_size: [bytes] of the image.
    Raises: MalformedImage: a record is none, or a file's records do not cover it.
    """
    file, ordinal = ragged(files.chunk_count)
    place = files.chunk_offset[file] + ordinal * shared.CHUNK_INFO.size
    records = shared.CHUNK_INFO.gather(octets_of(content), place, "v5 chunk record")
    all_chunks = chunk_table(records, blob_count, "v5 chunk record")
    has_hole = (files.fields["flags"] & np.uint64(layout.INODE_HAS_HOLE)) != 0
    whole = -(-files.size // chunk_size)
    require(has_hole | (files.chunk_count == whole), WHERE, "has too many or too few chunks", files.offset)
    file_offset = ordinal * chunk_size
    size = np.minimum(files.size[file] - file_offset, chunk_size)
    if bool(has_hole.any()):
        sparse = has_hole[file]
        require(~sparse | (records["file_offset"] < np.uint64(1 << 62)), WHERE, "has an absurd offset", place)
        file_offset = np.where(sparse, records["file_offset"].astype(np.int64), file_offset)
        size = np.where(sparse, all_chunks.size, size)
        _check_order(file, file_offset, size, files, place)
    require((all_chunks.size == size) & (size > 0), WHERE, "has a chunk of another size", place)
    first, chunk = _distinct(records)
    extents = ExtentTable(chunk=chunk.astype(np.int32), file_offset=file_offset, size=size)
    return extents, chunk_table(records[first], blob_count, "v5 chunk record")


def _check_order(file: Indexes, file_offset: Offsets, size: Offsets, files: Inodes, place: Offsets) -> None:
    """Make sure that the chunks of a file with holes are in order, apart, and inside the file."""
    end = file_offset + size
    require(end <= files.size[file], WHERE, "has a chunk past its end", place)
    apart = (file[1:] != file[:-1]) | (end[:-1] <= file_offset[1:])
    require(apart, WHERE, "has chunks that overlap", place[1:])


def _distinct(records: np.ndarray) -> tuple[Indexes, Indexes]:
    """Find equal chunk records, whatever their file.

    Returns: the first record of each kind, ordered by place; and (e,) which kind each record is.
    """
    key = (records["blob_index"].astype(np.uint64) << _PLACE_BITS) | records["compressed_offset"]
    _, first, kind = np.unique(key, return_index=True, return_inverse=True)
    words = records.view(np.uint64).reshape(len(records), shared.CHUNK_INFO.size // 8)
    same = words == words[first[kind]]
    same[:, _FILE_OFFSET_WORD] = True
    if not bool(same.all()):  # no builder makes these: one place with two sizes or digests
        _, first, kind = np.unique(np.delete(words, _FILE_OFFSET_WORD, axis=1), axis=0, return_index=True,
                                   return_inverse=True)  # fmt: skip
    return first, kind.reshape(-1)
