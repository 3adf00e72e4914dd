"""The chunk-info array of a v6 blob (`blob.meta`): where its chunks lie in the compressed blob.

This module alone decides what such an array says. Two files hold one: the blob itself (compressed, perhaps encrypted),
and the bootstrap layer of images in registries (expanded, padded to 4096). Both end with a header of 4096 bytes.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.cipher import decrypt_unit
from rafsight.formats.compression import Decoder
from rafsight.formats.judge import STRICT, Judge
from rafsight.formats.rafs import blob_meta_layout as layout
from rafsight.formats.rafs import blob_rules as rules
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.records import Buffer, Long
from rafsight.formats.tables import BlobEntry, ChunkFlag, Cipher, Offsets, Words

HEADER_SIZE: Final = layout.HEADER_SIZE
"""[bytes] that follow the `meta_compressed_size` of the array in its file."""
MAX_RATIO: Final = 4096
"""No honest table shrinks more when it is compressed."""
_WHERE: Final = "chunk-info array"
_SHAPING: Final = shared.CHUNK_INFO_V2 | shared.BATCH | shared.ZRAN
_FLAGS: Final = (
    (layout.V2_COMPRESSED, ChunkFlag.COMPRESSED),
    (layout.V2_ZRAN, ChunkFlag.ZRAN),
    (layout.V2_BATCH, ChunkFlag.BATCH),
    (layout.V2_ENCRYPTED, ChunkFlag.ENCRYPTED),
    (layout.V2_HAS_CRC32, ChunkFlag.HAS_CRC32),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the header of an array says; the counts are such that records and contexts lie inside the array."""

    features: int
    chunk_count: int
    context_offset: int
    context_size: int
    context_count: int

    @property
    def record_size(self) -> int:
        """[bytes] of a record."""
        return layout.CHUNK_V2.size if self.features & shared.CHUNK_INFO_V2 else layout.CHUNK_V1.size


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobMeta:
    """An expanded chunk-info array as columns; c chunks, in the order of their numbers."""

    uncompressed_offset: Offsets
    size: Offsets
    """[bytes] of content."""
    compressed_offset: Offsets
    compressed_size: Offsets
    flags: Words
    """ChunkFlag bits."""
    data: Long
    """CRC-32C, or context << 32 | offset in the decoded batch or slice."""
    batches: np.ndarray
    """Of layout.BATCH_CONTEXT; none in blobs without batches."""
    slices: np.ndarray
    """Of layout.ZRAN_CONTEXT; none in blobs without zran."""
    dictionaries: memoryview
    """What the slices' dictionary offsets point into."""


def is_header_alone(copy: Buffer, entry: BlobEntry) -> bool:
    """Tell whether the copy in a bootstrap layer has no table.

    nydusify bundles the header alone where the table is compressed by lz4: the table has to come from the blob then.
    """
    return len(copy) <= HEADER_SIZE and entry.meta_uncompressed_size > 0


def expand(stored: Buffer, entry: BlobEntry, limits: Limits, judge: Judge = STRICT) -> bytes:
    """Decrypt, decompress and check a chunk-info array.

    Args:
        stored: either `meta_compressed_size + HEADER_SIZE` bytes of `meta_id`, from `meta_offset` on, or the whole file
            `<hex>.blob.meta` of a bootstrap layer.
        entry: the blob's row in the blob table.
        limits: what to accept.
        judge: a strict one has the header looked at here; another is told about it by `read_blob_meta`.
    Returns: the table in its full size, then the header (4096 bytes).
    Raises: MalformedImage: it is damaged, or is not the one that the blob table means.
    """
    size = entry.meta_uncompressed_size
    if size > limits.blob_meta_size or size > MAX_RATIO * (entry.meta_compressed_size + HEADER_SIZE):
        raise rules.META_ROOM.broken(_where(entry), 0)
    header = bytes(stored[-HEADER_SIZE:])
    if len(stored) == _padded(size) + HEADER_SIZE and _has_magic(header):
        table = bytes(stored[:size])
    elif len(stored) == entry.meta_compressed_size + HEADER_SIZE:
        table = _unpack(stored[:-HEADER_SIZE], entry)
        header = decrypt_unit(header, entry.key, entry.iv) if entry.cipher is not Cipher.NONE else header
    else:
        raise rules.META_LENGTH.broken(_where(entry), 0)
    expanded = table + header
    if judge.is_strict:
        read_header(expanded, entry, judge)
    return expanded


def _unpack(stored: Buffer, entry: BlobEntry) -> bytes:
    if entry.cipher is not Cipher.NONE:
        stored = decrypt_unit(stored, entry.key, entry.iv)
    return Decoder().decompress(entry.meta_compressor, stored, entry.meta_uncompressed_size)


def read_blob_meta(expanded: Buffer, entry: BlobEntry, judge: Judge = STRICT) -> BlobMeta:
    """Read an expanded chunk-info array.

    Args:
        expanded: what `expand` returned, or the whole file `<hex>.blob.meta` of a bootstrap layer.
        entry: the blob's row in the blob table.
        judge: told about the header; where it goes on, records and contexts that do not fit are left out.
    Raises: MalformedImage: with a judge that goes on, only if there is no header.
    """
    head = read_header(expanded, entry, judge)
    count, start, contexts = head.chunk_count, head.context_offset, head.context_count
    batches, slices = np.empty(0, layout.BATCH_CONTEXT.dtype), np.empty(0, layout.ZRAN_CONTEXT.dtype)
    dictionaries = memoryview(b"")
    if head.features & shared.BATCH:
        batches = layout.BATCH_CONTEXT.rows(expanded, start, contexts, "batch contexts")
    elif head.features & shared.ZRAN:
        slices = layout.ZRAN_CONTEXT.rows(expanded, start, contexts, "zran contexts")
        end = contexts * layout.ZRAN_CONTEXT.size
        dictionaries = memoryview(expanded)[start + end : start + head.context_size]
    uncompressed_offset, content_size, flags, compressed_offset, compressed_size, data = (
        _read_v2(expanded, count) if head.features & shared.CHUNK_INFO_V2 else _read_v1(expanded, count)
    )
    return BlobMeta(
        uncompressed_offset=uncompressed_offset.astype(np.int64),
        size=content_size.astype(np.int64),
        compressed_offset=compressed_offset.astype(np.int64),
        compressed_size=compressed_size.astype(np.int64),
        flags=flags,
        data=data,
        batches=batches,
        slices=slices,
        dictionaries=dictionaries,
    )


def _read_v1(expanded: Buffer, count: int) -> tuple[Long, Long, Words, Long, Long, Long]:
    rows = layout.CHUNK_V1.rows(expanded, 0, count, _WHERE)
    upper, lower = rows["uncompressed"], rows["compressed"]
    size = _bits(upper, 44, 20) + (_bits(upper, 8, 4) << np.uint64(20)) + np.uint64(1)
    compressed_size = _bits(lower, 44, 20) + (_bits(lower, 40, 4) << np.uint64(20)) + np.uint64(1)
    flags = np.where(size != compressed_size, np.uint32(ChunkFlag.COMPRESSED), np.uint32(0))
    offset = _bits(upper, 12, 32) << np.uint64(12)
    return offset, size, flags, _bits(lower, 0, 40), compressed_size, np.zeros(count, np.uint64)


def _read_v2(expanded: Buffer, count: int) -> tuple[Long, Long, Words, Long, Long, Long]:
    rows = layout.CHUNK_V2.rows(expanded, 0, count, _WHERE)
    upper, lower = rows["uncompressed"], rows["compressed"]
    stored = _bits(upper, 56, 8).astype(np.uint32)
    flags = np.zeros(count, np.uint32)
    for bit, flag in _FLAGS:
        flags |= np.where(stored & np.uint32(bit), np.uint32(flag), np.uint32(0))
    size = _bits(upper, 32, 24) + np.uint64(1)
    offset = _bits(upper, 0, 32) << np.uint64(12)
    return offset, size, flags, _bits(lower, 0, 40), _bits(lower, 40, 24), rows["data"].astype(np.uint64)


def _bits(words: Long, start: int, count: int) -> Long:
    return (words >> np.uint64(start)) & np.uint64((1 << count) - 1)


def _padded(size: int) -> int:
    return -(-size // HEADER_SIZE) * HEADER_SIZE


def _where(entry: BlobEntry) -> str:
    return f"{_WHERE} of blob {entry.index}"


def _has_magic(header: bytes) -> bool:
    magic = layout.HEADER_MAGIC.to_bytes(4, "little")
    return header.startswith(magic) and header.endswith(magic)


def read_header(expanded: Buffer, entry: BlobEntry, judge: Judge = STRICT) -> Header:
    """Make sure that the header belongs to the blob and describes the table before it.

    Raises: MalformedImage: with a judge that goes on, only if there is no header.
    """
    table_size = len(expanded) - HEADER_SIZE
    head = layout.HEADER.rows(expanded, table_size, 1, "chunk-info header")[0]
    if not _has_magic(bytes(expanded[table_size:])):
        raise rules.META_HEADER.broken(_where(entry), table_size)
    numbers = {name: int(head[name]) for name in layout.HEADER.dtype.names or () if name != "reserved"}
    is_loose = bool(entry.features & shared.CHUNK_DICT_GENERATED)
    checks = (
        (is_loose or numbers["chunk_count"] == entry.chunk_count, rules.META_COUNT),
        (numbers["compressor"] == entry.meta_compressor, rules.META_COMPRESSOR),
        (numbers["offset"] == entry.meta_offset, rules.META_OFFSET),
        (numbers["compressed_size"] == entry.meta_compressed_size, rules.META_SIZE),
        (numbers["uncompressed_size"] == entry.meta_uncompressed_size, rules.META_SIZE),
        ((numbers["features"] ^ entry.features) & _SHAPING == 0, rules.META_SHAPE),
        (table_size in (numbers["uncompressed_size"], _padded(numbers["uncompressed_size"])), rules.META_LENGTH),
    )
    for holds, rule in checks:
        judge.holds(holds, rule, _where(entry), table_size)
    header = Header(
        features=numbers["features"],
        chunk_count=numbers["chunk_count"],
        context_offset=numbers["context_offset"],
        context_size=numbers["context_size"],
        context_count=numbers["context_count"],
    )
    size = min(numbers["uncompressed_size"], table_size)
    if judge.holds(_fits(header, size, is_loose=is_loose), rules.META_PARTS, _where(entry), table_size):
        return header
    count = min(header.chunk_count, size // header.record_size)
    return replace(header, chunk_count=count, context_offset=0, context_size=0, context_count=0)


def _fits(head: Header, size: int, *, is_loose: bool) -> bool:
    """Tell whether records and contexts fill a table of `size` bytes as they should."""
    records = head.chunk_count * head.record_size
    if not head.features & (shared.BATCH | shared.ZRAN):
        return records <= size if is_loose or head.features & shared.ENCRYPTED else records == size
    start, contexts = head.context_offset, head.context_size
    inside = records <= size and (contexts == 0 or records <= start) and start + contexts <= size
    # contexts of batches and of slices have the same size
    is_v2 = bool(head.features & shared.CHUNK_INFO_V2)
    return is_v2 and inside and head.context_count * layout.ZRAN_CONTEXT.size <= contexts
