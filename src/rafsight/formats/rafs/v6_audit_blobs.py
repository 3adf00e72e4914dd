"""Rules of the device slots, the blob table and the chunk table of RAFS v6 that this reader does not need.

This module alone decides what they are; sections 2.4, 2.5, 2.7 and 9.1 of the format reference.
"""

import numpy as np

from rafsight.formats.judge import Judge
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import shared_rules
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs import v6_rules as rules
from rafsight.formats.rafs.v6_blobs import DIRECT, MAX_CHUNK_COUNT
from rafsight.formats.rafs.v6_volume import BLOB_TABLE, CHUNK_TABLE, DEVICE_TABLE, WHERE, Volume
from rafsight.formats.records import octets_field
from rafsight.formats.tables import BlobEntry, ChunkFlag, Cipher

_MAPPING = 0x80000
"""[bytes] devices begin on such places of a flat disk."""
_V1, _V2 = 16, 24
"""[bytes] of chunk-info records."""
_WIDE = shared.BATCH | shared.ZRAN | shared.ENCRYPTED
"""Features that only records of version 2 can hold."""
_FLAGS = ChunkFlag.COMPRESSED | ChunkFlag.HOLE | ChunkFlag.ENCRYPTED | ChunkFlag.BATCH | ChunkFlag.HAS_CRC32


def audit_devices(volume: Volume, blobs: tuple[BlobEntry, ...], judge: Judge) -> None:
    """Look at the device slots, one by one: there are 255 at most."""
    slots = volume.table(layout.DEVICE_SLOT, layout.DEVICE_TABLE_OFFSET, volume.device_count, DEVICE_TABLE)
    rows = volume.table(layout.BLOB, volume.blob_table_offset, volume.blob_count, BLOB_TABLE)
    seen: set[bytes] = set()
    end = len(volume.content)
    for index, slot in enumerate(slots):
        where, place = f"{DEVICE_TABLE}, row {index}", layout.DEVICE_TABLE_OFFSET + index * layout.DEVICE_SLOT.size
        name, blocks = slot["blob_id"].tobytes(), int(slot["blocks"])
        judge.holds(name not in seen, rules.DEVICE_TWICE, where, place)
        seen.add(name)
        has_blocks = judge.holds(blocks > 0, rules.DEVICE_EMPTY, where, place + 64)
        if index < len(blobs):
            judge.holds(name == rows[index]["blob_id"].tobytes(), rules.DEVICE_ID, where, place)
            expected = blobs[index].uncompressed_size // volume.block_size
            same = blocks == expected or not has_blocks or bool(blobs[index].features & shared.EXTERNAL)
            judge.holds(same, rules.DEVICE_BLOCKS, where, place + 64, f"{blocks}, not {expected}")
        mapped = int(slot["mapped_blkaddr"]) * volume.block_size
        is_free = not mapped or (mapped >= end and mapped % _MAPPING == 0)  # 0: builders before 2.2 mapped nothing
        judge.holds(is_free, rules.DEVICE_ADDRESS, where, place + 68)
        end = max(end, mapped + blocks * volume.block_size)
        judge.holds(not any(slot["reserved"].tobytes()), shared_rules.RESERVED, where, place + 72)
    if len(slots):
        stored, total = dict(volume.superblock.fields)["blocks"], int(slots["blocks"].sum(dtype=np.uint64))
        detail = f"{stored}, and they have {total}"
        judge.holds(stored == total & 0xFFFF_FFFF, rules.BLOCK_COUNT, WHERE, layout.SUPERBLOCK_OFFSET + 36, detail)


def audit_blobs(volume: Volume, blobs: tuple[BlobEntry, ...], judge: Judge) -> None:
    """Look at the blob table, row by row: there are 255 at most."""
    rows = volume.table(layout.BLOB, volume.blob_table_offset, volume.blob_count, BLOB_TABLE)
    for blob, row in zip(blobs, rows, strict=False):
        where, place = f"{BLOB_TABLE}, row {blob.index}", volume.blob_table_offset + blob.index * layout.BLOB.size
        is_tar = bool(blob.features & shared.TARFS)
        judge.holds(not (is_tar and blob.features & shared.ALIGNED), rules.BLOB_ALIGNMENT, where, place + 84)
        judge.holds(blob.uncompressed_size % volume.block_size == 0, rules.BLOB_UNALIGNED, where, place + 96)
        is_told = not blob.features & _WIDE or bool(blob.features & shared.CHUNK_INFO_V2)
        judge.holds(is_told, rules.BLOB_RECORD_VERSION, where, place + 84)
        if not blob.features & (DIRECT | shared.CHUNK_DICT_GENERATED) and int(row["chunk_count"]) <= MAX_CHUNK_COUNT:
            judge.holds(_is_meta_size(blob), rules.BLOB_META_COUNT, where, place + 128)
        if blob.cipher is not Cipher.NONE:
            judge.holds(blob.key[:16] != blob.key[16:], rules.BLOB_KEY, where, place + 168)
        judge.holds(_is_zero(blob, row), shared_rules.RESERVED, where, place + 220)


def _is_meta_size(blob: BlobEntry) -> bool:
    """Tell whether the chunk-info array is as long as its records; contexts may follow those of version 2."""
    if not blob.features & shared.CHUNK_INFO_V2:
        return blob.meta_uncompressed_size == _V1 * blob.chunk_count
    if blob.features & _WIDE:
        return blob.meta_uncompressed_size >= _V2 * blob.chunk_count
    return blob.meta_uncompressed_size == _V2 * blob.chunk_count


def _is_zero(blob: BlobEntry, row: np.void) -> bool:
    names = ["reserved"]
    if not blob.features & shared.SEPARATE and blob.cipher is Cipher.NONE:
        names += ["meta_digest_or_key", "meta_size_or_iv", "iv_rest"]
    return not any(any(row[name].tobytes()) for name in names)


def audit_chunk_table(volume: Volume, judge: Judge) -> None:
    """Look at the chunk table, by columns; tarfs images have one that means nothing."""
    if volume.is_tarfs or not volume.has_chunk_table:
        return
    rows = volume.table(shared.CHUNK_INFO, volume.chunk_table_offset, volume.chunk_table_count, CHUNK_TABLE)
    places = volume.chunk_table_offset + shared.CHUNK_INFO.size * np.arange(len(rows))
    judge.require(_is_sorted(rows), rules.CHUNK_ORDER, CHUNK_TABLE, places)
    judge.require(rows["flags"] & ~np.uint32(_FLAGS) == 0, rules.CHUNK_FLAGS, CHUNK_TABLE, places)


def _is_sorted(rows: np.ndarray) -> np.ndarray:
    """Tell of each record whether its digest, then its blob, is not less than that of the record before."""
    words = octets_field(rows, "digest").view(">u8").astype(np.uint64)
    answer = np.ones(len(rows), np.bool_)
    tied = np.arange(1, len(rows))
    for column in (*words.T, rows["blob_index"]):
        mine, before = column[tied], column[tied - 1]
        answer[tied[mine < before]] = False
        tied = tied[mine == before]
    return answer
