"""Rules of RAFS v6 metadata that this reader does not need: what other readers insist on, and what builders do.

This module alone decides in which order they are looked at, and what the superblocks and the places of the tables must
be. It reads the head again, with a judge that nobody asks: `read` has told about what it needs.
"""

from itertools import pairwise

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.judge import Collector, Judge
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import shared_rules
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs import v6_rules as rules
from rafsight.formats.rafs.v6_audit_blobs import audit_blobs, audit_chunk_table, audit_devices
from rafsight.formats.rafs.v6_audit_directories import audit_directories
from rafsight.formats.rafs.v6_audit_inodes import audit_inodes
from rafsight.formats.rafs.v6_volume import (
    BLOB_TABLE,
    CHUNK_TABLE,
    DEVICE_TABLE,
    PREFETCH_TABLE,
    WHERE,
    Volume,
    read_volume,
)
from rafsight.formats.records import Buffer
from rafsight.formats.tables import BlobEntry, TreeTables

_EROFS, _RAFS = layout.SUPERBLOCK_OFFSET, layout.EXTENDED_SUPERBLOCK_OFFSET
_TABLE_ALIGNMENT = 4096
"""[bytes] also where blocks are smaller."""
_LEGACY_BLOCKS = 4096
"""Blocks that early builders wrote into images without data."""
_COMPRESSIONS = shared.COMPRESSION_NONE, shared.COMPRESSION_LZ4, shared.COMPRESSION_GZIP, shared.COMPRESSION_ZSTD
_DIGESTS = shared.HASH_BLAKE3, shared.HASH_SHA256


def audit(bootstrap: Buffer, tables: TreeTables, limits: Limits, judge: Judge) -> None:
    """Look at the rules that no reader needs; `codec.Codec.audit` says the rest."""
    volume = read_volume(bootstrap, limits, Collector())
    _audit_superblock(bootstrap, len(tables.entries.mode), volume.block_size, judge)
    _audit_flags(tables.superblock.flags, tables.blobs, judge)
    _audit_places(tables, volume.first_offset, len(bootstrap), judge)
    audit_devices(volume, tables.blobs, judge)
    audit_blobs(volume, tables.blobs, judge)
    audit_chunk_table(volume, judge)
    _audit_prefetch(volume, judge)
    audit_inodes(volume, tables, judge)
    audit_directories(volume, tables, judge)


def _audit_superblock(content: Buffer, entry_count: int, block_size: int, judge: Judge) -> None:
    size = len(content)
    is_whole = size >= _TABLE_ALIGNMENT and size % block_size == 0
    judge.holds(is_whole, shared_rules.BOOTSTRAP_SIZE, "bootstrap", 0, f"{size} bytes")
    head = layout.SUPERBLOCK.rows(content, _EROFS, 1, WHERE)[0]
    tail = layout.EXTENDED_SUPERBLOCK.rows(content, _RAFS, 1, WHERE)[0]
    inode_count = int(head["inos"])
    judge.holds(not head["checksum"], rules.CHECKSUM, WHERE, _EROFS + 4)
    judge.holds(bool(head["root_nid"]), rules.ROOT_NID, WHERE, _EROFS + 14)
    if judge.holds(bool(inode_count), rules.NO_INODES, WHERE, _EROFS + 16):
        counts = f"{inode_count}, and there are {entry_count}"
        judge.holds(inode_count == entry_count, shared_rules.INODE_COUNT, WHERE, _EROFS + 16, counts)
    is_timeless = not head["build_time"] and not head["build_time_nsec"]
    judge.holds(is_timeless, rules.BUILD_TIME, WHERE, _EROFS + 24)
    judge.holds(not head["union"], rules.UNION, WHERE, _EROFS + 84)
    meta_offset = int(head["meta_blkaddr"]) * block_size
    judge.holds(meta_offset % _TABLE_ALIGNMENT == 0, rules.META_ALIGNMENT, WHERE, _EROFS + 40)
    judge.holds(not any(head["reserved"].tobytes()), shared_rules.RESERVED, WHERE, _EROFS + 90)
    is_zero = not tail["padding"] and not any(tail["reserved"].tobytes())
    judge.holds(is_zero, shared_rules.RESERVED, WHERE, _RAFS + 52)
    if not head["extra_devices"]:
        is_empty = int(head["blocks"]) in (0, _LEGACY_BLOCKS)
        judge.holds(is_empty, rules.BLOCKS_WITHOUT_DEVICES, WHERE, _EROFS + 36, str(head["blocks"]))


def _audit_flags(flags: int, blobs: tuple[BlobEntry, ...], judge: Judge) -> None:
    """Look at the flags. Those of merged images are the last layer's: they need not be true of every blob."""
    compressions = sum(bool(flags & bit) for bit in _COMPRESSIONS)
    judge.holds(compressions == 1, rules.COMPRESSION_FLAG, WHERE, _RAFS, f"{compressions} flags")
    digests = sum(bool(flags & bit) for bit in _DIGESTS)
    judge.holds(digests == 1, rules.DIGEST_FLAG, WHERE, _RAFS, f"{digests} flags")
    if not blobs:
        return
    encrypted = [bool(blob.features & shared.ENCRYPTED) for blob in blobs]
    says_so, denies = bool(flags & shared.ENCRYPTION_AES_128_XTS), bool(flags & shared.ENCRYPTION_NONE)
    is_wrong = (says_so and (denies or not any(encrypted))) or (denies and all(encrypted))
    judge.holds(not is_wrong, rules.ENCRYPTION_FLAG, WHERE, _RAFS)
    have_digests = all(blob.features & shared.INLINED_CHUNK_DIGEST for blob in blobs)
    judge.holds(have_digests == bool(flags & shared.INLINED_CHUNK_DIGESTS), rules.DIGEST_ARRAY_FLAG, WHERE, _RAFS)


def _audit_places(tables: TreeTables, head_size: int, size: int, judge: Judge) -> None:
    """Make sure that no table lies on another or on the head, and that each begins where other readers want it."""
    fields = dict(tables.superblock.fields)
    spans = [(0, head_size, DEVICE_TABLE)]
    for where, alignment in ((BLOB_TABLE, _TABLE_ALIGNMENT), (CHUNK_TABLE, _TABLE_ALIGNMENT), (PREFETCH_TABLE, 1)):
        name = where.removeprefix("v6 ").replace(" ", "_")
        offset, length = fields[f"{name}_offset"], fields[f"{name}_size"]
        is_used = length > 0 and (offset > 0 or where != PREFETCH_TABLE)
        if is_used or where == BLOB_TABLE:
            starts_well = offset >= _TABLE_ALIGNMENT and offset % alignment == 0
            judge.holds(starts_well, shared_rules.TABLE_ALIGNMENT, where, offset)
        is_inside = not is_used or offset + length <= size
        if where == CHUNK_TABLE and tables.superblock.flags & shared.TARFS_MODE:  # the reader does not look at it
            judge.holds(is_inside, shared_rules.TABLE_OUTSIDE, where, offset)
        if is_used and is_inside:
            spans.append((offset, length, where))
    for (offset, length, _), (after, _, where) in pairwise(sorted(spans)):
        judge.holds(offset + length <= after, shared_rules.TABLE_OVERLAP, where, after)


def _audit_prefetch(volume: Volume, judge: Judge) -> None:
    if volume.prefetch_offset:
        rows = volume.table(layout.PREFETCH_ENTRY, volume.prefetch_offset, volume.prefetch_count, PREFETCH_TABLE)
        places = volume.prefetch_offset + np.arange(len(rows)) * layout.PREFETCH_ENTRY.size
        is_end = rows["nid"] == 0
        judge.require(~np.maximum.accumulate(is_end) | is_end, shared_rules.PREFETCH_TAIL, PREFETCH_TABLE, places)
