"""RAFS v6 bootstraps from neutral tables.

This module alone decides what a v6 bootstrap has beside the tree that `erofs_writer` lays out: superblocks, tables of
devices, blobs and chunks, and what to prefetch (section 2.1 of the format reference). The same tables give the same
bytes.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.errors import CallerError, Defect, ExitStatus
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs.erofs_packing import BLOCK, BLOCK_BITS
from rafsight.formats.rafs.erofs_writer import ChunkMap, write_tree
from rafsight.formats.rafs.writing import prefetch_table, put
from rafsight.formats.records import Indexes, ragged
from rafsight.formats.tables import BlobEntry, ChunkFlag, Cipher, TreeTables

_FIRST: Final = BLOCK // layout.INODE_SLOT
"""[slots] where inodes begin, with the root: a block behind the metadata's start, as the peer's builder has it."""
_MAPPING: Final = 0x80000
"""[bytes] blobs begin at multiples of this in the flat form."""
_REGULAR: Final = 8
_HALF: Final = 16
"""[bytes] the part of an IV that stands first."""


_MOST_BLOBS: Final = 255
"""Numbers of devices have 8 bits, and 0 is the bootstrap's."""


class TooManyBlobs(CallerError):
    """An image would have more blobs than RAFS v6 can number."""

    code = "too-many-blobs"
    template = "an image of {count} blobs cannot be written: {most} are the most that RAFS v6 can have"
    remedy = "Make an image of fewer layers, or write RAFS v5: `rafsight convert --fs-version 5`."
    exit_status = ExitStatus.UNSUPPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where the tables lie; [bytes]."""

    blobs: int
    prefetch: int
    meta: int
    """Where nid 0 would lie."""


def write_bootstrap(tables: TreeTables) -> bytes:
    """Write a RAFS v6 bootstrap.

    Args:
        tables: the image; each chunk begins on a block of its blob's uncompressed space, and files are covered by
            chunks of the image's chunk size (no holes, no tarfs).
    Raises: TooManyBlobs; Defect: they are not; MalformedImage: extended attributes cannot be read.
    Cost: linear in entries and chunks, by columns, but for one step for each inode.
    """
    if len(tables.blobs) > _MOST_BLOBS:
        raise TooManyBlobs(count=len(tables.blobs), most=_MOST_BLOBS)
    places = _places(tables)
    chunk_map = _cut(tables)
    tree = write_tree(tables, chunk_map, _indexes(tables, chunk_map), meta=places.meta, first=_FIRST)
    if tree.dropped_xattrs:
        raise Defect(what="extended attributes of names that RAFS cannot hold were to be written")
    chunks, end = _chunk_rows(tables), len(tree.octets)
    octets = np.zeros(_align(end + len(chunks)), np.uint8)
    octets[:end] = tree.octets
    put(octets, end, chunks)
    prefetch = prefetch_table(tables, tree.nids)
    put(octets, layout.SUPERBLOCK_OFFSET, _superblock(tables, places, int(tree.nids[0])))
    put(octets, layout.EXTENDED_SUPERBLOCK_OFFSET, _extended(tables, places, end, len(chunks), len(prefetch)))
    put(octets, layout.DEVICE_TABLE_OFFSET, _device_slots(tables.blobs, len(octets)))
    put(octets, places.blobs, b"".join(_blob_row(blob).tobytes() for blob in tables.blobs))
    put(octets, places.prefetch, prefetch)
    return octets.tobytes()


def _places(tables: TreeTables) -> _Places:
    count, wanted = len(tables.blobs), len(tables.prefetch)
    blobs = _align(layout.DEVICE_TABLE_OFFSET + layout.DEVICE_SLOT.size * count)
    prefetch = blobs + layout.BLOB.size * count
    meta = _align(prefetch + layout.PREFETCH_ENTRY.size * wanted) if count or wanted else 0
    return _Places(blobs=blobs, prefetch=prefetch, meta=meta)


def _superblock(tables: TreeTables, places: _Places, root: int) -> bytes:
    row = np.zeros(1, layout.SUPERBLOCK.dtype)
    row["magic"], row["feature_compat"] = layout.MAGIC, layout.COMPATIBLE_RAFS
    row["blkszbits"], row["root_nid"] = BLOCK_BITS, root
    row["inos"], row["meta_blkaddr"] = len(tables.entries.mode), places.meta // BLOCK
    row["blocks"] = sum(blob.uncompressed_size // BLOCK for blob in tables.blobs)
    row["feature_incompat"], row["extra_devices"] = layout.INCOMPATIBLE, len(tables.blobs)
    row["device_table_slot"] = layout.DEVICE_TABLE_SLOT
    return row.tobytes()


def _extended(tables: TreeTables, places: _Places, chunks: int, chunks_size: int, prefetch_size: int) -> bytes:
    row = np.zeros(1, layout.EXTENDED_SUPERBLOCK.dtype)
    row["flags"], row["chunk_size"] = tables.superblock.flags, tables.superblock.chunk_size
    row["blob_table_offset"], row["blob_table_size"] = places.blobs, layout.BLOB.size * len(tables.blobs)
    row["chunk_table_offset"], row["chunk_table_size"] = chunks, chunks_size
    row["prefetch_table_offset"] = places.prefetch if prefetch_size else 0
    row["prefetch_table_size"] = prefetch_size
    return row.tobytes()


def _align(size: int, unit: int = BLOCK) -> int:
    return -(-size // unit) * unit


def _cut(tables: TreeTables) -> ChunkMap:
    """Cut files into slices of the image's chunk size.

    Raises: Defect: their extents are others.
    """
    entries, extents, count = tables.entries, tables.extents, len(tables.entries.mode)
    size = tables.superblock.chunk_size
    is_file = ((entries.mode >> np.uint32(12)) == _REGULAR) & (entries.link_row == np.arange(count))
    slices = np.where(is_file, -(-entries.size // size), 0)
    start = np.cumsum(slices) - slices
    file, ordinal = ragged(slices)
    extent = _extents(tables, file, ordinal)
    fits = (entries.extent_count[is_file] == slices[is_file]).all() and bool(
        (extents.file_offset[extent] == ordinal * size).all()
    )
    if not fits:
        raise Defect(what="files with holes were to be written as RAFS v6, which has none")
    chunk = tables.extents.chunk[extent]
    offset = tables.chunks.uncompressed_offset[chunk]
    if bool((offset % BLOCK).any()):
        raise Defect(what="chunks that do not begin on a block were to be written as RAFS v6")
    return ChunkMap(
        bits=np.full(count, size.bit_length() - 1, np.uint8),
        start=start,
        count=slices,
        device=(tables.chunks.blob_index[chunk] + 1).astype(np.uint16),
        block=(offset // BLOCK).astype(np.uint32),
        unmappable=np.zeros(0, np.int64),
    )


def _extents(tables: TreeTables, file: Indexes, ordinal: Indexes) -> Indexes:
    """Return the extent rows of slices, inside the table whatever the counts are."""
    most = max(len(tables.extents.chunk) - 1, 0)
    rows: Indexes = np.minimum(tables.entries.extent_start[file] + ordinal, most)
    return rows


def _indexes(tables: TreeTables, chunk_map: ChunkMap) -> np.ndarray:
    """Make the chunk indexes of all slices."""
    file, ordinal = ragged(chunk_map.count)
    number = tables.chunks.number[tables.extents.chunk[_extents(tables, file, ordinal)]]
    indexes = np.zeros(len(number), layout.CHUNK_INDEX.dtype)
    indexes["number_low"], indexes["number_high"] = number & 0xFFFF, number >> 16
    indexes["device"], indexes["block"] = chunk_map.device, chunk_map.block
    return indexes


def _chunk_rows(tables: TreeTables) -> bytes:
    """Make the chunk table: the chunks that files use, by digest, then by blob."""
    chunks = tables.chunks
    used = np.unique(tables.extents.chunk)
    keys = np.ascontiguousarray(chunks.digest[used]).view(">u8")
    order = used[np.lexsort((chunks.number[used], chunks.blob_index[used], *(keys[:, n] for n in (3, 2, 1, 0))))]
    rows = np.zeros(len(order), shared.CHUNK_INFO.dtype)
    rows["digest"] = np.ascontiguousarray(chunks.digest[order]).view("V32").ravel()
    for name in (
        "blob_index",
        "number",
        "compressed_size",
        "size",
        "compressed_offset",
        "uncompressed_offset",
        "crc32",
    ):
        rows[name] = getattr(chunks, name)[order]
    rows["flags"] = chunks.flags[order] & ~np.uint32(ChunkFlag.ZRAN)
    return rows.tobytes()


def _device_slots(blobs: tuple[BlobEntry, ...], bootstrap_size: int) -> bytes:
    slots = np.zeros(len(blobs), layout.DEVICE_SLOT.dtype)
    place = _align(bootstrap_size, _MAPPING)
    for slot, blob in zip(slots, blobs, strict=True):
        slot["blob_id"] = blob.blob_id.encode().ljust(64, b"\0")
        slot["blocks"], slot["mapped_blkaddr"] = blob.uncompressed_size // BLOCK, place // BLOCK
        place = _align(place + blob.uncompressed_size, _MAPPING)
    return slots.tobytes()


def _blob_row(blob: BlobEntry) -> np.ndarray:
    row = np.zeros(1, layout.BLOB.dtype)
    row["blob_id"] = blob.blob_id.encode().ljust(64, b"\0")
    row["blob_index"], row["chunk_size"], row["chunk_count"] = blob.index, blob.chunk_size, blob.chunk_count
    row["compressor"], row["digester"], row["features"] = blob.compressor, blob.digester, blob.features
    for name in (
        "compressed_size",
        "uncompressed_size",
        "toc_size",
        "meta_compressor",
        "meta_offset",
        "meta_compressed_size",
        "meta_uncompressed_size",
        "cipher",
    ):
        row[name] = getattr(blob, name)
    row["toc_digest"] = blob.toc_digest.ljust(32, b"\0")
    if blob.cipher is not Cipher.NONE:
        row["meta_digest_or_key"] = blob.key
        row["meta_size_or_iv"], row["iv_rest"] = blob.iv[: _HALF // 2], blob.iv[_HALF // 2 :]
    else:
        row["meta_digest_or_key"] = blob.meta_digest.ljust(32, b"\0")
        row["meta_size_or_iv"] = blob.meta_size.to_bytes(8, "little")
    return row
