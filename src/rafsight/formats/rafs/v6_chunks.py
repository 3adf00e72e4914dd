"""Extents and chunks of a RAFS v6 bootstrap.

This module alone decides which chunk a file's slice is: the chunk table's row of the same blob, number and address, or
one of its own where the format has no table (tarfs) or the image none.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.formats.judge import Judge, Rule
from rafsight.formats.rafs import shared_layout, shared_rules
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs import v6_rules as rules
from rafsight.formats.rafs.chunk_records import chunk_table
from rafsight.formats.rafs.v6_data import share_out
from rafsight.formats.rafs.v6_inodes import Inodes
from rafsight.formats.rafs.v6_volume import CHUNK_TABLE, Volume
from rafsight.formats.records import Bools, Indexes, Long, ragged
from rafsight.formats.tables import BlobEntry, ChunkTable, ExtentTable, Offsets, Rows, Words

WHERE: Final = "v6 file"
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
        return chunk_keys(self.blob_index, self.number, self.block)

    def without(self, rows: Indexes) -> "Slices":
        """Leave some rows out."""
        kept = np.delete(np.arange(len(self.file)), rows)
        return Slices(**{name: getattr(self, name)[kept] for name in self.__slots__}) if rows.size else self


def count_slices(volume: Volume, files: Inodes) -> Offsets:
    """Count the chunk indexes of regular files; they lie inside the file, and together take no more than it has.

    Args:
        volume: the bootstrap.
        files: n inodes, each once.
    Returns: (n,); 0 for files whose indexes cannot be read.
    Raises: MalformedImage.
    """
    judge, places, end = volume.judge, files.offset, len(volume.octets)
    chunked = files.layout == layout.LAYOUT_CHUNKED
    judge.require(chunked | (files.size == 0), rules.LAYOUT, WHERE, places, places)
    count = np.where(chunked, -(-files.size // volume.chunk_size), 0)
    indexed = (count == 0) | ((files.union & layout.CHUNK_FORMAT_INDEXES) != 0)
    count[judge.require(indexed, rules.CHUNK_INDEXES_ABSENT, WHERE, places, places)] = 0
    inside = count <= (end - first_index(files)) // layout.CHUNK_INDEX.size
    count[judge.require(inside, shared_rules.CHUNK_INDEXES_OUTSIDE, WHERE, places, places)] = 0
    share_out(judge, count, end // layout.CHUNK_INDEX.size, rule=rules.CHUNK_INDEXES_SHARED, where=WHERE, inodes=places)
    return count


def first_index(files: Inodes) -> Offsets:
    """(n,) [bytes] where the chunk indexes of files begin."""
    return (files.body + 7) & ~7


def read_slices(volume: Volume, files: Inodes, blobs: tuple[BlobEntry, ...]) -> Slices:
    """Read the chunk indexes of regular files.

    Args:
        volume: the bootstrap.
        files: the inodes, each once.
        blobs: the blob table; if it could not be read, neither can slices.
    Raises: MalformedImage.
    """
    count = count_slices(volume, files)
    if len(blobs) < volume.blob_count:
        count[:] = 0
    file, ordinal = ragged(count)
    place = first_index(files)[file] + ordinal * layout.CHUNK_INDEX.size
    indexes = layout.CHUNK_INDEX.gather(volume.octets, place, WHERE)
    device = indexes["device"].astype(np.int32)
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
    known = (device > 0) & (device <= len(blobs))
    return slices.without(_require(volume.judge, known, shared_rules.CHUNK_BLOB, slices, files))


def read_chunks(
    volume: Volume, slices: Slices, blobs: tuple[BlobEntry, ...], files: Inodes
) -> tuple[ExtentTable, ChunkTable, Offsets]:
    """Find the chunk of each slice.

    Args:
        volume: the bootstrap.
        slices: e of them.
        blobs: the blob table.
        files: the n inodes that have the slices.
    Returns: extents, chunks, and (n,) how many extents each file has: with a judge that goes on, slices without a chunk
        of their size are left out.
    Raises: MalformedImage: a slice names a chunk that the table does not have, or has with another size.
    """
    judge = volume.judge
    if volume.is_tarfs:
        chunk: Indexes = np.arange(len(slices.size))
        chunks = _synthetic(volume, slices, chunk)
    elif (table := _read_table(volume, len(blobs))) is None:
        _, first, chunk = np.unique(slices.keys, return_index=True, return_inverse=True)
        chunks = _synthetic(volume, slices, first)
    else:
        chunks = table
        chunk, found = _match(volume, slices, chunks)
        unknown = _require(judge, found, rules.CHUNK_UNKNOWN, slices, files)
        slices, chunk = slices.without(unknown), _without(chunk, unknown)
    same, aligned = _fits(volume, slices, chunks, chunk, blobs)
    other = _require(judge, same, shared_rules.CHUNK_LENGTH, slices, files)
    odd = _require(judge, aligned, rules.CHUNK_UNALIGNED, slices, files)
    if other.size or odd.size:
        left_out = np.union1d(other, odd)
        slices, chunk = slices.without(left_out), _without(chunk, left_out)
    extents = ExtentTable(chunk=chunk.astype(np.int32), file_offset=slices.file_offset, size=slices.size)
    return extents, chunks, np.bincount(slices.file, minlength=len(files.offset)).astype(np.int64)


def _without(chunk: Indexes, rows: Indexes) -> Indexes:
    return chunk[np.delete(np.arange(len(chunk)), rows)] if rows.size else chunk


def _require(judge: Judge, condition: Bools, rule: Rule, slices: Slices, files: Inodes) -> Indexes:
    inodes = None if judge.is_strict else files.offset[slices.file]
    return judge.require(condition, rule, WHERE, slices.place, inodes)


def _synthetic(volume: Volume, slices: Slices, chosen: Indexes) -> ChunkTable:
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


def _read_table(volume: Volume, blob_count: int) -> ChunkTable | None:
    """Read the chunk table; None if there is none, or none that can be read."""
    if not volume.chunk_table_count:
        return None
    offset = volume.chunk_table_offset
    rows = volume.table(shared_layout.CHUNK_INFO, offset, volume.chunk_table_count, CHUNK_TABLE)
    if not len(rows) or blob_count < volume.blob_count:
        return None
    places = offset + shared_layout.CHUNK_INFO.size * np.arange(len(rows))
    table = chunk_table(rows, blob_count, CHUNK_TABLE, volume.judge, places=places)
    return table if blob_count else None


def _match(volume: Volume, slices: Slices, chunks: ChunkTable) -> tuple[Indexes, Bools]:
    """Find the table's row of each slice, by blob, number and address; and whether there is one."""
    block = chunks.uncompressed_offset // volume.block_size
    reachable = (chunks.number < _NUMBERS) & (block < 1 << 32)
    stored = np.where(reachable, chunk_keys(chunks.blob_index, chunks.number, block), _NO_KEY)
    order = np.argsort(stored, kind="stable")
    wanted = slices.keys
    chunk = order[np.minimum(np.searchsorted(stored, wanted, sorter=order), len(order) - 1)]
    return chunk, stored[chunk] == wanted


def _fits(
    volume: Volume, slices: Slices, chunks: ChunkTable, chunk: Indexes, blobs: tuple[BlobEntry, ...]
) -> tuple[Bools, Bools]:
    """Tell whether chunks are as long as the slices, and whether they begin with a block; blobs of others need not."""
    foreign = np.array([bool(blob.features & shared_layout.EXTERNAL) for blob in blobs], np.bool_)
    free: Bools = foreign[slices.blob_index] if len(blobs) else np.zeros(0, np.bool_)
    aligned = chunks.uncompressed_offset[chunk] % volume.block_size == 0
    return free | (chunks.size[chunk] == slices.size), free | aligned


def chunk_keys(blob_index: Rows, number: Words, block: Words | Offsets) -> Long:
    """Make one number of the blob, number and address of chunks, by which readers look them up."""
    key = blob_index.astype(np.uint64) << np.uint64(56)
    key |= number.astype(np.uint64) << np.uint64(32)
    key |= block.astype(np.uint64)
    return key
