"""Units of a RAFS image: the smallest pieces of blobs that can be fetched and decoded on their own.

This module alone decides which unit a chunk is in, and which places and sizes of units are accepted.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.rafs.blob_meta import BlobMeta
from rafsight.formats.records import Bools, Indexes, Long, require
from rafsight.formats.tables import (
    BlobEntry,
    ChunkFlag,
    ChunkTable,
    Cipher,
    Offsets,
    Rows,
    UnitForm,
    UnitTable,
    Words,
)

_MIN_CIPHERTEXT: Final = 16
_PADDED_SIZE: Final = 18
_LOW_HALF: Final = np.uint64(0xFFFF_FFFF)
_MAX_DICTIONARY: Final = 32768
_MAX_OFFSET: Final = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Some chunks and the units that hold them."""

    rows: Indexes
    """(p,) of the chunk table."""
    unit: Offsets
    """(p,) row of `units`."""
    unit_offset: Offsets
    """(p,) [bytes]"""
    units: UnitTable


def place_directly(chunks: ChunkTable, rows: Indexes, blobs: tuple[BlobEntry, ...], limits: Limits) -> Placed:
    """Place chunks that the bootstrap alone places: a unit each."""
    encrypted = np.array([blob.cipher is not Cipher.NONE for blob in blobs], np.bool_)
    blob_index = chunks.blob_index[rows]
    is_encrypted = encrypted[blob_index] if blobs else np.empty(0, np.bool_)
    units = _chunk_units(
        blob_index, chunks.flags[rows], chunks.compressed_offset[rows], chunks.compressed_size[rows], chunks.size[rows]
    )
    _check_units(units, chunks.flags[rows], is_encrypted, limits)
    return Placed(rows=rows, unit=np.arange(len(rows)), unit_offset=np.zeros(len(rows), np.int64), units=units)


def place_by_meta(
    chunks: ChunkTable, rows: Indexes, blob: BlobEntry, meta: BlobMeta, limits: Limits
) -> tuple[Placed, ...]:
    """Place the chunks of one blob by its chunk-info array."""
    where = f"chunk of blob {blob.index}"
    number = chunks.number[rows].astype(np.int64)
    require(number < len(meta.size), where, "is not in the chunk-info array", number)
    same = (meta.size[number] == chunks.size[rows]) & (
        meta.uncompressed_offset[number] == chunks.uncompressed_offset[rows]
    )
    require(same, where, "is another in the chunk-info array", number)
    flags = meta.flags[number]
    batched, sliced = (flags & ChunkFlag.BATCH) != 0, (flags & ChunkFlag.ZRAN) != 0
    single = np.flatnonzero(~(batched | sliced))
    units = _chunk_units(
        chunks.blob_index[rows[single]],
        flags[single],
        meta.compressed_offset[number[single]],
        meta.compressed_size[number[single]],
        meta.size[number[single]],
    )
    _check_units(units, flags[single], np.full(len(single), blob.cipher is not Cipher.NONE), limits)
    singles = Placed(
        rows=rows[single], unit=np.arange(len(single)), unit_offset=np.zeros(len(single), np.int64), units=units
    )
    in_batches, in_slices = np.flatnonzero(batched), np.flatnonzero(sliced & ~batched)
    return (
        singles,
        _place_in_batches(rows[in_batches], number[in_batches], blob, meta, limits),
        _place_in_slices(rows[in_slices], number[in_slices], blob, meta, limits),
    )


def _place_in_batches(rows: Indexes, number: Offsets, blob: BlobEntry, meta: BlobMeta, limits: Limits) -> Placed:
    where = f"batch of blob {blob.index}"
    context, unit_offset = _split(meta.data[number])
    require(context < len(meta.batches), where, "is not in the table", number)
    used, first, unit = np.unique(context, return_index=True, return_inverse=True)
    offset = meta.compressed_offset[number]
    require(offset == offset[first][unit], where, "has chunks that say different places", number)
    stored = meta.batches["compressed_size"][used].astype(np.int64)
    size = meta.batches["uncompressed_size"][used].astype(np.int64)
    require(unit_offset + meta.size[number] <= size[unit], where, "is too small for a chunk", number)
    is_encrypted = np.full(len(used), blob.cipher is not Cipher.NONE)
    # an encrypted batch is told from a compressed one only after decryption: see `decode_unit`
    flags = np.where(stored == size, np.uint32(0), np.uint32(ChunkFlag.COMPRESSED))
    flags |= np.where(is_encrypted, np.uint32(ChunkFlag.ENCRYPTED), np.uint32(0))
    units = _chunk_units(np.full(len(used), blob.index, np.int32), flags, offset[first], stored, size)
    _check_units(units, flags, is_encrypted, limits)
    return Placed(rows=rows, unit=unit.astype(np.int64), unit_offset=unit_offset, units=units)


def _place_in_slices(rows: Indexes, number: Offsets, blob: BlobEntry, meta: BlobMeta, limits: Limits) -> Placed:
    where = f"zran slice of blob {blob.index}"
    context, unit_offset = _split(meta.data[number])
    require(context < len(meta.slices), where, "is not in the table", number)
    used, unit = np.unique(context, return_inverse=True)
    slices = meta.slices[used]
    size = slices["uncompressed_size"].astype(np.int64)
    stored = slices["compressed_size"].astype(np.int64)
    dictionary_size = slices["dictionary_size"].astype(np.int64)
    require(unit_offset + meta.size[number] <= size[unit], where, "is too small for a chunk", number)
    require((size > 0) & (size <= limits.zran_decoded_size), where, "is too large", used)
    require((stored > 0) & (stored <= limits.zran_decoded_size), where, "is too large", used)
    require(slices["compressed_offset"] < np.uint64(_MAX_OFFSET), where, "lies too far", used)
    room = np.uint64(len(meta.dictionaries))
    inside = (slices["dictionary_offset"] <= room) & (dictionary_size <= _MAX_DICTIONARY)
    inside &= slices["dictionary_offset"] + dictionary_size.astype(np.uint64) <= room
    require(inside & (slices["bits"] < 8), where, "has a dictionary that cannot be", used)
    units = UnitTable(
        blob_index=np.full(len(used), blob.index, np.int32),
        form=np.full(len(used), UnitForm.ZRAN, np.int32),
        offset=slices["compressed_offset"].astype(np.int64),
        stored_size=stored,
        decoded_size=size,
        dictionary_offset=slices["dictionary_offset"].astype(np.int64),
        dictionary_size=dictionary_size.astype(np.int32),
        bits=(slices["previous_byte"].astype(np.int32) << 8) | slices["bits"],
    )
    return Placed(rows=rows, unit=unit.astype(np.int64), unit_offset=unit_offset, units=units)


def _split(data: Long) -> tuple[Offsets, Offsets]:
    """Take the data word of batched and sliced chunks apart: context, offset in it."""
    return (data >> np.uint64(32)).astype(np.int64), (data & _LOW_HALF).astype(np.int64)


def _chunk_units(blob_index: Rows, flags: Words, offset: Offsets, stored: Offsets, size: Offsets) -> UnitTable:
    count = len(offset)
    return UnitTable(
        blob_index=blob_index,
        form=np.where(flags & np.uint32(ChunkFlag.COMPRESSED), UnitForm.COMPRESSED, UnitForm.PLAIN).astype(np.int32),
        offset=offset,
        stored_size=stored,
        decoded_size=size,
        dictionary_offset=np.zeros(count, np.int64),
        dictionary_size=np.zeros(count, np.int32),
        bits=np.zeros(count, np.int32),
    )


def _check_units(units: UnitTable, flags: Words, is_encrypted: Bools, limits: Limits) -> None:
    """Make sure that sizes can be: nothing grows much by being stored, and plain units not at all."""
    where, size, stored = "chunk", units.decoded_size, units.stored_size
    require((size > 0) & (size <= limits.decoded_size), where, "is empty or too large", units.offset)
    # a recorded gzip member is the bound of an estimate (section 8.3): 5 bytes for each 16 KiB, and its ends
    most = size + (size // 16384) * 5 + 256
    require((stored > 0) & (stored <= most), where, "is stored in nothing or far more than it is", units.offset)
    require(((flags & np.uint32(ChunkFlag.ENCRYPTED)) != 0) == is_encrypted, where, "is encrypted, or its blob is",
            units.offset)  # fmt: skip
    plain_size = np.where(is_encrypted & (size < _MIN_CIPHERTEXT), _PADDED_SIZE, size)
    require((units.form != UnitForm.PLAIN) | (stored == plain_size), where, "is plain, and stored with another size",
            units.offset)  # fmt: skip


def join(parts: list[UnitTable]) -> UnitTable:
    """Lay units one after the other."""
    if len(parts) == 1:
        return parts[0]
    return UnitTable(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in UnitTable.__slots__})
