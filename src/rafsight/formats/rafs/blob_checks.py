"""Every rule of a chunk-info array and of the digest array of a blob.

Pure: bytes and tables in, faults out. This module alone decides what of an array has to agree with the blob table, with
the chunk table of the bootstrap, and within itself; what has to hold for reading alone lies in `units` and `blob_meta`.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.judge import Judge
from rafsight.formats.rafs import blob_meta_layout as layout
from rafsight.formats.rafs import blob_rules as rules
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.blob_meta import HEADER_SIZE, BlobMeta, read_blob_meta
from rafsight.formats.rafs.blob_sizes import data_size
from rafsight.formats.rafs.units import place_by_meta
from rafsight.formats.records import Bools, Buffer, Indexes, Long, octets_field
from rafsight.formats.tables import BlobEntry, ChunkFlag, ChunkTable, Cipher, Offsets

DIGEST_SIZE: Final = 32
_KNOWN_FLAGS: Final = (
    layout.V2_COMPRESSED | layout.V2_ZRAN | layout.V2_BATCH | layout.V2_ENCRYPTED | layout.V2_HAS_CRC32
)
_PRIVATE_FEATURES: Final = shared.INLINED_FS_META
"""What a merge takes out of the blob table, and cannot take out of the blob."""
_LOW_HALF: Final = np.uint64(0xFFFF_FFFF)


def check_blob_meta(expanded: Buffer, entry: BlobEntry, chunks: ChunkTable, judge: Judge, limits: Limits) -> bool:
    """Look at every rule of a chunk-info array.

    Args:
        expanded: what `blob_meta.expand` returned.
        entry: the blob's row in the blob table.
        chunks: the chunk table of the image; the rows of other blobs are passed over.
        judge: told about every rule.
        limits: what to accept.
    Returns: False if nothing could be read.
    Cost: linear in the records, but for sorting.
    """
    where = f"chunk-info array of blob {entry.index}"
    meta: BlobMeta | None = None
    with judge.part(where, entry.meta_offset):
        meta = read_blob_meta(expanded, entry, judge)
        features = _check_header(expanded, entry, where, judge)
        if features & shared.CHUNK_INFO_V2:
            _check_flags(expanded, meta, where, judge)
        _check_records(meta, entry, judge)
        _check_batches(meta, entry, judge)
        _check_slices(meta, entry, judge)
        every = np.arange(len(meta.size), dtype=np.intp)
        place_by_meta(_as_table(meta, entry), every, entry, meta, limits, judge=judge)
        _compare(chunks, meta, entry, judge)
    return meta is not None


def check_digest_array(array: Buffer, entry: BlobEntry, chunks: ChunkTable, judge: Judge) -> None:
    """Compare the digest array of a blob with the chunk table.

    Args:
        array: the part `blob.digest`.
        entry: the blob's row in the blob table.
        chunks: the chunk table of the image.
        judge: told about every rule.
    """
    where = f"digest array of blob {entry.index}"
    judge.holds(len(array) == DIGEST_SIZE * entry.chunk_count, rules.DIGESTS_SIZE, where, 0, f"{len(array)} bytes")
    count = len(array) // DIGEST_SIZE
    digests = np.frombuffer(array, np.uint8, count * DIGEST_SIZE).reshape(count, DIGEST_SIZE)
    rows = np.flatnonzero((chunks.blob_index == entry.index) & (chunks.number < count) & chunks.digest.any(axis=1))
    number = chunks.number[rows].astype(np.int64)
    same: Bools = np.all(digests[number] == chunks.digest[rows], axis=1)
    where = f"chunk of blob {entry.index}"
    judge.require(same, rules.DIGESTS_OTHER, where, chunks.compressed_offset[rows], details=_chunk(number))


def _check_header(expanded: Buffer, entry: BlobEntry, where: str, judge: Judge) -> int:
    """Look at what no reader needs of the header; return its features."""
    place = len(expanded) - HEADER_SIZE
    head = layout.HEADER.rows(expanded, place, 1, where)[0]
    features = int(head["features"])
    judge.holds((features ^ entry.features) & ~_PRIVATE_FEATURES == 0, rules.META_WORD, where, place, f"{features:#x}")
    judge.holds(not any(head["reserved"].tobytes()), rules.META_RESERVED, where, place)
    return features


def _check_flags(expanded: Buffer, meta: BlobMeta, where: str, judge: Judge) -> None:
    words = layout.CHUNK_V2.rows(expanded, 0, len(meta.size), where)["uncompressed"]
    unknown = (words >> np.uint64(56)) & ~np.uint64(_KNOWN_FLAGS)
    names = _chunk(np.arange(len(meta.size)))
    judge.require(unknown == 0, rules.RECORD_FLAGS, where, meta.compressed_offset, details=names)


def _as_table(meta: BlobMeta, entry: BlobEntry) -> ChunkTable:
    """Make a chunk table of all records, those that no file uses included."""
    count = len(meta.size)
    return ChunkTable(
        blob_index=np.full(count, entry.index, np.int32),
        number=np.arange(count, dtype=np.uint32),
        digest=np.zeros((count, DIGEST_SIZE), np.uint8),
        crc32=np.zeros(count, np.uint32),
        flags=meta.flags,
        size=meta.size,
        compressed_size=meta.compressed_size,
        compressed_offset=meta.compressed_offset,
        uncompressed_offset=meta.uncompressed_offset,
    )


def _check_records(meta: BlobMeta, entry: BlobEntry, judge: Judge) -> None:
    """Look at the records by themselves; those of batches and slices say no place of their own."""
    where, place, number = f"chunk of blob {entry.index}", meta.compressed_offset, np.arange(len(meta.size))
    names = _chunk(number)
    in_batch, in_slice = _has(meta, ChunkFlag.BATCH), _has(meta, ChunkFlag.ZRAN)
    allowed = (~in_batch | bool(entry.features & shared.BATCH)) & (~in_slice | bool(entry.features & shared.ZRAN))
    judge.require(allowed, rules.RECORD_KIND, where, place, details=names)
    own_place = ~(in_batch | in_slice)
    room = data_size(entry)
    if room is not None:
        inside = ~own_place | (meta.compressed_offset + meta.compressed_size <= room)
        judge.require(inside, rules.RECORD_PLACE, where, place, details=names)
    ends = meta.uncompressed_offset + meta.size
    judge.require(ends <= entry.uncompressed_size, rules.RECORD_SPACE, where, place, details=names)
    ordered = np.ones(len(ends), np.bool_)
    ordered[1:] = meta.uncompressed_offset[1:] >= ends[:-1]
    judge.require(ordered, rules.RECORD_ORDER, where, place, details=names)
    has_crc = own_place & _has(meta, ChunkFlag.HAS_CRC32)
    judge.require(~has_crc | (meta.data != 0), rules.RECORD_CRC, where, place, details=names)


def _check_batches(meta: BlobMeta, entry: BlobEntry, judge: Judge) -> None:
    """Look at the batches: inside the blob, and their chunks side by side."""
    where = f"batch of blob {entry.index}"
    reserved = octets_field(meta.batches, "reserved")
    judge.require(
        np.logical_not(np.any(reserved, axis=1)),
        rules.BATCH_RESERVED,
        where,
        details=_context(np.arange(len(reserved))),
    )
    number = np.flatnonzero(_has(meta, ChunkFlag.BATCH))
    context = (meta.data[number] >> np.uint64(32)).astype(np.int64)
    known = context < len(meta.batches)
    number, context = number[known], context[known]
    place, names = meta.compressed_offset[number], _chunk(number)
    room = data_size(entry)
    if room is not None:
        ends = place + meta.batches["compressed_size"][context].astype(np.int64)
        judge.require(ends <= room, rules.BATCH_OUTSIDE, where, place, details=names)
    start = (meta.data[number] & _LOW_HALF).astype(np.int64)
    order = np.lexsort((start, context))
    context, start, ends = context[order], start[order], (start + meta.size[number])[order]
    apart = np.ones(len(start), np.bool_)
    apart[1:] = (context[1:] != context[:-1]) | (start[1:] >= ends[:-1])
    judge.require(apart, rules.BATCH_OVERLAP, where, place[order], details=_chunk(number[order]))


def _check_slices(meta: BlobMeta, entry: BlobEntry, judge: Judge) -> None:
    """Look at the zran contexts: inside the archive, and in its order."""
    where, slices = f"zran slice of blob {entry.index}", meta.slices
    names = _context(np.arange(len(slices)))
    start = np.minimum(slices["compressed_offset"], np.uint64(1 << 62)).astype(np.int64)
    ends = start + slices["compressed_size"]
    room = data_size(entry)
    if room is not None:
        judge.require(ends <= room, rules.SLICE_OUTSIDE, where, start, details=names)
    ordered = np.ones(len(slices), np.bool_)
    for column in ("compressed_offset", "uncompressed_offset"):
        ordered[1:] &= slices[column][1:] >= slices[column][:-1]
    judge.require(ordered, rules.SLICE_ORDER, where, start, details=names)
    judge.require(slices["reserved"] == 0, rules.SLICE_RESERVED, where, start, details=names)


def _compare(chunks: ChunkTable, meta: BlobMeta, entry: BlobEntry, judge: Judge) -> None:
    """Compare the chunk table with the records; a chunk in a batch has its place in the array only."""
    where = f"chunk of blob {entry.index}"
    rows: Indexes = np.flatnonzero(chunks.blob_index == entry.index)
    number, place = chunks.number[rows].astype(np.int64), chunks.compressed_offset[rows]
    inside = number < len(meta.size)
    judge.require(inside, rules.CHUNK_ABSENT, where, place, details=_chunk(number))
    rows, number, place = rows[inside], number[inside], place[inside]
    alike = (meta.size[number] == chunks.size[rows]) & (
        meta.uncompressed_offset[number] == chunks.uncompressed_offset[rows]
    )
    judge.require(alike, rules.CHUNK_OTHER, where, place, details=_chunk(number))
    if entry.needs_meta and not entry.features & (shared.BATCH | shared.ZRAN):
        return  # there is no chunk table: what stands for it knows no more than sizes and addresses
    flags = meta.flags[number]
    rows, number = rows[(flags & ChunkFlag.BATCH) == 0], number[(flags & ChunkFlag.BATCH) == 0]
    place, names = chunks.compressed_offset[rows], _chunk(number)
    same = (meta.compressed_offset[number] == place) & (meta.compressed_size[number] == chunks.compressed_size[rows])
    judge.require(same, rules.CHUNK_STORED_ELSEWHERE, where, place, details=names)
    compared = ChunkFlag.COMPRESSED | (ChunkFlag.ENCRYPTED if entry.cipher is not Cipher.NONE else 0)
    alike = ((meta.flags[number] ^ chunks.flags[rows]) & np.uint32(compared)) == 0
    judge.require(alike, rules.CHUNK_OTHER_FLAGS, where, place, details=names)
    both = (meta.flags[number] & chunks.flags[rows] & np.uint32(ChunkFlag.HAS_CRC32)) != 0
    equal: Long = chunks.crc32[rows].astype(np.uint64)
    judge.require(~both | (meta.data[number] == equal), rules.CHUNK_OTHER_CRC, where, place, details=names)


def _has(meta: BlobMeta, flag: ChunkFlag) -> Bools:
    has: Bools = (meta.flags & np.uint32(flag)) != 0
    return has


def _chunk(number: Offsets | Indexes) -> Callable[[int], str]:
    return lambda row: f"chunk {number[row]}"


def _context(number: Offsets | Indexes) -> Callable[[int], str]:
    return lambda row: f"context {number[row]}"
