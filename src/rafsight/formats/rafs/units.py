"""Units of a RAFS image: the smallest pieces of blobs that can be fetched and decoded on their own.

This module alone decides which unit a chunk is in, and which places and sizes of units are accepted.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.cipher import BLOCK_SIZE, PADDED_SIZE
from rafsight.formats.judge import STRICT, Judge
from rafsight.formats.rafs import blob_rules as rules
from rafsight.formats.rafs.blob_meta import BlobMeta
from rafsight.formats.records import Bools, Indexes, Long
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


def place_directly(
    chunks: ChunkTable, rows: Indexes, blobs: tuple[BlobEntry, ...], limits: Limits, judge: Judge = STRICT
) -> Placed:
    """Place chunks that the bootstrap alone places: a unit each. What breaks a rule gets no place."""
    encrypted = np.array([blob.cipher is not Cipher.NONE for blob in blobs], np.bool_)
    blob_index = chunks.blob_index[rows]
    is_encrypted = encrypted[blob_index] if blobs else np.empty(0, np.bool_)
    units = _chunk_units(
        blob_index, chunks.flags[rows], chunks.compressed_offset[rows], chunks.compressed_size[rows], chunks.size[rows]
    )
    broken = _check_units(units, chunks.flags[rows], is_encrypted, limits, judge)
    return _each(rows, units, broken)


def place_by_meta(
    chunks: ChunkTable, rows: Indexes, blob: BlobEntry, meta: BlobMeta, limits: Limits, *, judge: Judge = STRICT
) -> tuple[Placed, ...]:
    """Place the chunks of one blob by its chunk-info array. What breaks a rule gets no place."""
    where = f"chunk of blob {blob.index}"
    number = chunks.number[rows].astype(np.int64)
    place = chunks.compressed_offset[rows]
    absent = judge.require(number < len(meta.size), rules.CHUNK_ABSENT, where, place, details=_chunk(number))
    rows, number = _without(absent, rows, number)
    same = (meta.size[number] == chunks.size[rows]) & (
        meta.uncompressed_offset[number] == chunks.uncompressed_offset[rows]
    )
    place = chunks.compressed_offset[rows]
    rows, number = _without(judge.require(same, rules.CHUNK_OTHER, where, place, details=_chunk(number)), rows, number)
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
    is_encrypted = np.full(len(single), blob.cipher is not Cipher.NONE)
    singles = _each(rows[single], units, _check_units(units, flags[single], is_encrypted, limits, judge))
    in_batches, in_slices = np.flatnonzero(batched), np.flatnonzero(sliced & ~batched)
    return (
        singles,
        _place_in_batches(rows[in_batches], number[in_batches], blob, meta, limits, judge=judge),
        _place_in_slices(rows[in_slices], number[in_slices], blob, meta, limits, judge=judge),
    )


def _place_in_batches(
    rows: Indexes, number: Offsets, blob: BlobEntry, meta: BlobMeta, limits: Limits, *, judge: Judge
) -> Placed:
    where = f"batch of blob {blob.index}"
    context, unit_offset = _split(meta.data[number])
    known = judge.require(
        context < len(meta.batches), rules.UNIT_CONTEXT, where, meta.compressed_offset[number], details=_chunk(number)
    )
    rows, number, context, unit_offset = _without(known, rows, number, context, unit_offset)
    used, first, unit = np.unique(context, return_index=True, return_inverse=True)
    offset = meta.compressed_offset[number]
    apart = judge.require(
        offset == offset[first][unit], rules.BATCH_PLACES, where, meta.compressed_offset[number], details=_chunk(number)
    )
    stored = meta.batches["compressed_size"][used].astype(np.int64)
    size = meta.batches["uncompressed_size"][used].astype(np.int64)
    short = judge.require(
        unit_offset + meta.size[number] <= size[unit],
        rules.UNIT_SMALL,
        where,
        meta.compressed_offset[number],
        details=_chunk(number),
    )
    is_encrypted = np.full(len(used), blob.cipher is not Cipher.NONE)
    # an encrypted batch is told from a compressed one only after decryption: see `decode_unit`
    flags = np.where(stored == size, np.uint32(0), np.uint32(ChunkFlag.COMPRESSED))
    flags |= np.where(is_encrypted, np.uint32(ChunkFlag.ENCRYPTED), np.uint32(0))
    units = _chunk_units(np.full(len(used), blob.index, np.int32), flags, offset[first], stored, size)
    broken = _check_units(units, flags, is_encrypted, limits, judge)
    placed = Placed(rows=rows, unit=unit.astype(np.int64), unit_offset=unit_offset, units=units)
    return _drop(placed, np.concatenate((apart, short)), broken)


def _place_in_slices(
    rows: Indexes, number: Offsets, blob: BlobEntry, meta: BlobMeta, limits: Limits, *, judge: Judge
) -> Placed:
    where = f"zran slice of blob {blob.index}"
    context, unit_offset = _split(meta.data[number])
    known = judge.require(
        context < len(meta.slices), rules.UNIT_CONTEXT, where, meta.compressed_offset[number], details=_chunk(number)
    )
    rows, number, context, unit_offset = _without(known, rows, number, context, unit_offset)
    used, unit = np.unique(context, return_inverse=True)
    slices = meta.slices[used]
    size = slices["uncompressed_size"].astype(np.int64)
    stored = slices["compressed_size"].astype(np.int64)
    dictionary_size = slices["dictionary_size"].astype(np.int64)
    short = judge.require(
        unit_offset + meta.size[number] <= size[unit],
        rules.UNIT_SMALL,
        where,
        meta.compressed_offset[number],
        details=_chunk(number),
    )
    room = np.uint64(len(meta.dictionaries))
    inside = (slices["dictionary_offset"] <= room) & (dictionary_size <= _MAX_DICTIONARY)
    inside &= slices["dictionary_offset"] + dictionary_size.astype(np.uint64) <= room
    most, names = limits.zran_decoded_size, _context(used)
    broken = [
        judge.require((size > 0) & (size <= most), rules.SLICE_SIZE, where, details=names),
        judge.require((stored > 0) & (stored <= most), rules.SLICE_SIZE, where, details=names),
        judge.require(slices["compressed_offset"] < np.uint64(_MAX_OFFSET), rules.SLICE_FAR, where, details=names),
        judge.require(inside & (slices["bits"] < 8), rules.SLICE_DICTIONARY, where, details=names),
    ]
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
    placed = Placed(rows=rows, unit=unit.astype(np.int64), unit_offset=unit_offset, units=units)
    return _drop(placed, short, np.concatenate(broken))


def _chunk(number: Offsets) -> Callable[[int], str]:
    return lambda row: f"chunk {number[row]}"


def _context(number: Offsets) -> Callable[[int], str]:
    return lambda row: f"context {number[row]}"


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


def _check_units(units: UnitTable, flags: Words, is_encrypted: Bools, limits: Limits, judge: Judge) -> Indexes:
    """Make sure that sizes can be: nothing grows much by being stored, and plain units not at all.

    Returns: the units that break a rule.
    """
    where, size, stored = "chunk", units.decoded_size, units.stored_size
    plain_size = np.where(is_encrypted & (size < BLOCK_SIZE), PADDED_SIZE, size)
    checks = (
        ((size > 0) & (size <= limits.decoded_size), rules.UNIT_SIZE),
        (can_be_stored(stored, size), rules.UNIT_STORED),
        (((flags & np.uint32(ChunkFlag.ENCRYPTED)) != 0) == is_encrypted, rules.UNIT_CIPHER),
        ((units.form != UnitForm.PLAIN) | (stored == plain_size), rules.UNIT_PLAIN),
    )
    return np.concatenate([judge.require(holds, rule, where, units.offset) for holds, rule in checks])


def can_be_stored(stored: Offsets, size: Offsets) -> Bools:
    """Tell of which units the stored size can be: nothing is stored in no bytes, and nothing grows much.

    Args:
        stored: (n,) [bytes].
        size: (n,) [bytes] decoded.
    """
    # a recorded gzip member is the bound of an estimate (section 8.3): 5 bytes for each 16 KiB, and its ends
    most = size + (size // 16384) * 5 + 256
    return (stored > 0) & (stored <= most)


def _each(rows: Indexes, units: UnitTable, broken: Indexes) -> Placed:
    """Give each chunk the unit of its own, but for those that cannot be."""
    count = len(rows)
    placed = Placed(rows=rows, unit=np.arange(count), unit_offset=np.zeros(count, np.int64), units=units)
    return _drop(placed, np.empty(0, np.intp), broken)


def _drop(placed: Placed, chunks: Indexes, units: Indexes) -> Placed:
    """Take out chunks (rows of `placed`) and units that broke a rule, and the chunks of those units."""
    if not chunks.size + units.size:
        return placed
    sound = np.ones(len(placed.units.offset), np.bool_)
    sound[units] = False
    keep = sound[placed.unit]
    keep[chunks] = False
    renumbered = np.cumsum(sound) - 1
    columns = {name: getattr(placed.units, name)[sound] for name in UnitTable.__slots__}
    return Placed(
        rows=placed.rows[keep],
        unit=renumbered[placed.unit[keep]],
        unit_offset=placed.unit_offset[keep],
        units=UnitTable(**columns),
    )


def _without(broken: Indexes, *columns: Offsets | Indexes) -> tuple[Offsets | Indexes, ...]:
    """Take rows out of columns."""
    return tuple(np.delete(column, broken) for column in columns) if broken.size else columns


def join(parts: list[UnitTable]) -> UnitTable:
    """Lay units one after the other."""
    if len(parts) == 1:
        return parts[0]
    return UnitTable(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in UnitTable.__slots__})
