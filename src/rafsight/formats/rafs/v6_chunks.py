"""Extents and chunks of a RAFS v6 bootstrap.

This module alone decides which chunk a file's slice is: the chunk table's row of the same blob, number and address, or
one of its own where the format has no table (tarfs) or the image none.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.formats.rafs import shared_layout
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs.chunk_records import chunk_table
from rafsight.formats.rafs.v6_inodes import Inodes
from rafsight.formats.rafs.v6_volume import Volume
from rafsight.formats.records import Bools, Indexes, Long, ragged, require
from rafsight.formats.tables import (
    BlobEntry,
    ChunkTable,
    ExtentTable,
    MalformedImage,
    Offsets,
    Rows,
    Words,
)

WHERE: Final = "v6 file"
_TABLE: Final = "v6 chunk table"
_NUMBERS: Final = 1 << 24
_NO_KEY: Final = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
"""Blob 255 cannot be: no slice has this key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """The chunk indexes of some files, in order; e rows."""

    file: Indexes
    """Which of the files."""
    place: Offsets
    """[bytes] of the index in the bootstrap."""
    file_offset: Offsets
    size: Offsets
    blob_index: Rows
    number: Words
    block: Words

    @property
    def keys(self) -> Long:
        """(e,) blob, number and address as one number."""
        return _keys(self.blob_index, self.number, self.block)


def read_slices(volume: Volume, files: Inodes) -> tuple[Slices, Offsets]:
    """Read the chunk indexes of regular files.

    Args:
        volume: the bootstrap.
        files: the inodes, each once.
    Returns: the slices, and (n,) how many each file has.
    Raises: MalformedImage.
    """
    chunked = files.layout == layout.LAYOUT_CHUNKED
    require(chunked | (files.size == 0), WHERE, "keeps its data in the bootstrap", files.offset)
    count = np.where(chunked, -(-files.size // volume.chunk_size), 0)
    require((count == 0) | ((files.union & layout.CHUNK_FORMAT_INDEXES) != 0), WHERE, "has no chunk indexes",
            files.offset)  # fmt: skip
    start = (files.body + 7) & ~7
    require(count <= (len(volume.octets) - start) // layout.CHUNK_INDEX.size, WHERE, "has chunk indexes past the end",
            files.offset)  # fmt: skip
    if int(count.sum()) * layout.CHUNK_INDEX.size > len(volume.octets):
        raise MalformedImage(where=WHERE, what="shares chunk indexes with others", offset=volume.meta_offset)
    file, ordinal = ragged(count)
    place = start[file] + ordinal * layout.CHUNK_INDEX.size
    indexes = layout.CHUNK_INDEX.gather(volume.octets, place, WHERE)
    device = indexes["device"].astype(np.int32)
    require((device > 0) & (device <= volume.blob_count), WHERE, "names a blob that is not in the table", place)
    file_offset = ordinal * volume.chunk_size
    slices = Slices(
        file=file,
        place=place,
        file_offset=file_offset,
        size=np.minimum(files.size[file] - file_offset, volume.chunk_size),
        blob_index=device - np.int32(1),
        number=(indexes["number_high"].astype(np.uint32) << np.uint32(16)) | indexes["number_low"],
        block=indexes["block"].astype(np.uint32),
    )
    return slices, count


def read_chunks(
    volume: Volume, slices: Slices, blobs: tuple[BlobEntry, ...], rows: Rows
) -> tuple[ExtentTable, ChunkTable]:
    """Find the chunk of each slice.

    Args:
        volume: the bootstrap.
        slices: e of them.
        blobs: the blob table.
        rows: for each of the slices' files, its row among the entries, for the error.
    Raises: MalformedImage: a slice names a chunk that the table does not have, or has with another size.
    """
    if volume.is_tarfs:
        chunk: Rows | Indexes = np.arange(len(slices.size), dtype=np.int32)
        chunks = _synthetic(volume, slices, chunk)
    elif not volume.chunk_table_count:
        _, first, chunk = np.unique(slices.keys, return_index=True, return_inverse=True)
        chunks = _synthetic(volume, slices, first)
    else:
        chunks = _read_table(volume, len(blobs))
        chunk = _match(volume, slices, chunks, rows)
    extents = ExtentTable(chunk=chunk.astype(np.int32), file_offset=slices.file_offset, size=slices.size)
    _check_sizes(volume, slices, extents, chunks, blobs)
    return extents, chunks


def _synthetic(volume: Volume, slices: Slices, chosen: Rows | Indexes) -> ChunkTable:
    """Make chunk rows from slices: stored plain at their address, without a digest."""
    size, address = slices.size[chosen], slices.block[chosen].astype(np.int64) * volume.block_size
    none = np.zeros(len(chosen), np.uint32)
    return ChunkTable(
        blob_index=slices.blob_index[chosen],
        number=slices.number[chosen],
        digest=np.zeros((len(chosen), 32), np.uint8),
        crc32=none,
        flags=none,
        size=size,
        compressed_size=size,
        compressed_offset=address,
        uncompressed_offset=address,
    )


def _read_table(volume: Volume, blob_count: int) -> ChunkTable:
    rows = shared_layout.CHUNK_INFO.rows(volume.content, volume.chunk_table_offset, volume.chunk_table_count, _TABLE)
    return chunk_table(rows, blob_count, _TABLE)


def _match(volume: Volume, slices: Slices, chunks: ChunkTable, rows: Rows) -> Rows | Indexes:
    """Find the table's row of each slice, by blob, number and address."""
    block = chunks.uncompressed_offset // volume.block_size
    reachable = (chunks.number < _NUMBERS) & (block < 1 << 32)
    stored = np.where(reachable, _keys(chunks.blob_index, chunks.number, block), _NO_KEY)
    order = np.argsort(stored, kind="stable")
    wanted = slices.keys
    chunk = order[np.minimum(np.searchsorted(stored, wanted, sorter=order), len(order) - 1)]
    found = stored[chunk] == wanted
    if not bool(found.all()):
        missing = int(found.argmin())
        row = int(rows[slices.file[missing]])
        what = f"names chunk {slices.number[missing]} of blob {slices.blob_index[missing]}, which is not in the table"
        raise MalformedImage(where=f"file of row {row}", what=what, offset=int(slices.place[missing]))
    return chunk


def _check_sizes(
    volume: Volume, slices: Slices, extents: ExtentTable, chunks: ChunkTable, blobs: tuple[BlobEntry, ...]
) -> None:
    """Make sure that chunks are as long as the slices, and begin where these say; not in blobs of others."""
    foreign = np.array([bool(blob.features & shared_layout.EXTERNAL) for blob in blobs], np.bool_)
    free: Bools = foreign[slices.blob_index] if len(blobs) else np.zeros(0, np.bool_)
    require(free | (chunks.size[extents.chunk] == slices.size), WHERE, "has a chunk of another size", slices.place)
    aligned = chunks.uncompressed_offset[extents.chunk] % volume.block_size == 0
    require(free | aligned, WHERE, "has a chunk that does not begin with a block", slices.place)


def _keys(blob_index: Rows, number: Words, block: Words | Offsets) -> Long:
    key = blob_index.astype(np.uint64) << np.uint64(56)
    key |= number.astype(np.uint64) << np.uint64(32)
    key |= block.astype(np.uint64)
    return key
