"""What no reader of a RAFS v5 bootstrap needs, and other readers or people do.

This module alone decides what the audit of v5 looks at, and in which order; it looks at the superblock and the tables
itself. Inode records are taken in the order of the inode table, since that is how other readers go through them.
"""

from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.judge import Judge
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import shared_rules, v5_digests, v5_head, v5_rules
from rafsight.formats.rafs import v5_layout as layout
from rafsight.formats.rafs.v5_audit_chunks import audit_chunks
from rafsight.formats.rafs.v5_audit_records import audit_records
from rafsight.formats.rafs.v5_audit_xattrs import audit_xattrs
from rafsight.formats.rafs.v5_head import BLOBS, EXTENDED, INODES, PREFETCH, WHERE
from rafsight.formats.rafs.v5_survey import Survey, survey_of
from rafsight.formats.records import Bools, Buffer, octets_field
from rafsight.formats.tables import TreeTables

_MAX_SIZE: Final = 1 << 31
"""[bytes] of the largest bootstrap that other readers take."""
_COMPRESSORS: Final = (
    shared.COMPRESSION_NONE | shared.COMPRESSION_LZ4 | shared.COMPRESSION_GZIP | shared.COMPRESSION_ZSTD
)
_DIGESTERS: Final = shared.HASH_BLAKE3 | shared.HASH_SHA256
_FOREIGN_FLAGS: Final = (
    shared.INLINED_CHUNK_DIGESTS | shared.TARFS_MODE | shared.ENCRYPTION_NONE | shared.ENCRYPTION_AES_128_XTS
)
_FEATURES: Final = (
    shared.ALIGNED | shared.INLINED_FS_META | shared.INLINED_CHUNK_DIGEST | shared.CHUNK_DICT_GENERATED
    | shared.PREFETCH_BLOB | shared.EXTERNAL | shared.HAS_TAR_HEADER | shared.HAS_TOC | shared.CAP_TAR_TOC
)  # fmt: skip
"""Features that say nothing of chunk-info arrays, batches or ciphers, which v5 does not have."""


def audit(content: Buffer, tables: TreeTables, limits: Limits, judge: Judge) -> None:
    """Look at all rules that `v5.read` did not; `codec.Codec.audit` says the rest."""
    survey = survey_of(content, tables, limits)
    head = survey.head
    numbers = v5_head.read_numbers(content)
    _audit_superblock(content, numbers, survey, judge)
    stored = {table.where: table for table in v5_head.stored_tables(numbers)}
    readable = [table for table in stored.values() if table.size and table in head.tables]
    for table in stored.values():
        aligned = table.size > 0 or not table.offset % layout.ALIGNMENT
        judge.holds(aligned, shared_rules.TABLE_ALIGNMENT, table.where, table.offset)
        if table in readable and table.where in (INODES, PREFETCH):
            _audit_zeros(content, table.end, -table.end % layout.ALIGNMENT, table.where, judge)
    if stored[PREFETCH] in readable:
        _audit_prefetch(content, stored[PREFETCH], judge)
    if stored[BLOBS] in readable and head.are_blobs_known:
        _audit_blobs(content, stored[BLOBS], survey, judge)
    if stored[EXTENDED] in readable:
        _audit_extended(content, stored[EXTENDED], survey, judge)
    audit_records(survey, readable, judge)
    audit_chunks(survey, judge)
    audit_xattrs(survey, judge)
    v5_digests.audit_digests(survey, judge)


def _audit_superblock(content: Buffer, numbers: dict[str, int], survey: Survey, judge: Judge) -> None:
    size, flags = len(content), numbers["flags"]
    is_size = size <= _MAX_SIZE and not size % layout.ALIGNMENT
    judge.holds(is_size, shared_rules.BOOTSTRAP_SIZE, WHERE, 0, f"{size} bytes")
    is_one_each = (flags & _COMPRESSORS).bit_count() == (flags & _DIGESTERS).bit_count() == 1
    judge.holds(is_one_each, v5_rules.ALGORITHMS, WHERE, 16, f"{flags:#x}")
    judge.holds(not flags & _FOREIGN_FLAGS, v5_rules.FOREIGN_FLAGS, WHERE, 16, f"{flags & _FOREIGN_FLAGS:#x}")
    some = survey.inodes.fields["flags"][~survey.inodes.is_lost] & np.uint64(layout.INODE_XATTR)
    judge.holds(bool(flags & shared.HAS_XATTR) or not some.any(), shared_rules.XATTR_FLAG, WHERE, 16)
    inodes, entries = numbers["inode_count"], numbers["inode_table_entries"]
    is_possible = judge.holds(inodes <= entries, v5_rules.INODE_EXCESS, WHERE, 24, f"{inodes} of {entries}")
    if is_possible and not survey.inodes.is_lost.any():
        distinct = len(np.unique(survey.inodes.fields["ino"]))
        judge.holds(inodes == distinct, shared_rules.INODE_COUNT, WHERE, 24, f"{inodes} for {distinct}")
    _audit_zeros(content, layout.SUPERBLOCK.size, layout.SUPERBLOCK_SIZE - layout.SUPERBLOCK.size, WHERE, judge)


def _audit_zeros(content: Buffer, offset: int, size: int, where: str, judge: Judge) -> None:
    """Look at bytes that say nothing."""
    piece = bytes(content[offset : offset + size])
    first = len(piece) - len(piece.lstrip(b"\0"))
    judge.holds(first == len(piece), shared_rules.RESERVED, where, offset + first)


def _audit_prefetch(content: Buffer, table: v5_head.Table, judge: Judge) -> None:
    count = table.size // layout.PREFETCH_ENTRY.size
    inos = layout.PREFETCH_ENTRY.rows(content, table.offset, count, PREFETCH)["ino"]
    places = table.offset + np.arange(count) * layout.PREFETCH_ENTRY.size
    behind = np.maximum.accumulate(inos == 0)
    judge.require(~behind | (inos == 0), shared_rules.PREFETCH_TAIL, PREFETCH, places)


def _audit_blobs(content: Buffer, table: v5_head.Table, survey: Survey, judge: Judge) -> None:
    judge.holds(not table.size % layout.ALIGNMENT, v5_rules.BLOB_TABLE_SIZE, BLOBS, 64, str(table.size))
    stored, start = bytes(content[table.offset : table.end]), 0
    for blob in survey.head.blobs:
        judge.holds(not blob.prefetch_offset, v5_rules.READAHEAD, BLOBS, table.offset + start, str(blob.index))
        end = stored.find(b"\0", start + layout.BLOB_HEAD.size)
        start = len(stored) if end < 0 else end + 1
    _audit_zeros(content, table.offset + start, table.size - start, BLOBS, judge)


def _audit_extended(content: Buffer, table: v5_head.Table, survey: Survey, judge: Judge) -> None:
    count = table.size // layout.EXTENDED_BLOB.size
    blob_count = len(survey.head.blobs)
    if survey.head.are_blobs_known:
        judge.holds(count <= blob_count, v5_rules.EXTENDED_SURPLUS, EXTENDED, table.offset, f"{count} for {blob_count}")
    rows = layout.EXTENDED_BLOB.rows(content, table.offset, min(count, blob_count), EXTENDED)
    places = table.offset + np.arange(len(rows)) * layout.EXTENDED_BLOB.size
    is_known = (rows["features"] & ~np.uint32(_FEATURES)) == 0
    judge.require(is_known, v5_rules.FOREIGN_FEATURES, EXTENDED, places)
    is_zero: Bools = np.all(octets_field(rows, "reserved") == 0, axis=1)
    judge.require(is_zero, shared_rules.RESERVED, EXTENDED, places)
