"""The laws of files and their chunks, and of chunks and their blobs.

Pure, by columns. This module alone decides what a chunk may say about its place, and where that says nothing: chunks in
batches, in zran slices and in streams have their place elsewhere.
"""

import stat as st
from collections.abc import Callable
from typing import Final

import numpy as np

from rafsight.formats.cipher import BLOCK_SIZE, PADDED_SIZE
from rafsight.formats.judge import Judge, Rule
from rafsight.formats.rafs import blob_rules
from rafsight.formats.rafs import blob_sizes as sizes
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.units import can_be_stored
from rafsight.formats.records import Bools, Indexes, ragged
from rafsight.formats.tables import BlobEntry, ChunkFlag, Cipher, Compressor, Offsets, TreeTables
from rafsight.image import validate_rules as rules
from rafsight.image.chunk_users import ChunkUsers

CHUNK: Final = "chunk"
FILE: Final = "file"
_NO_BOUND: Final = 1 << 62


def check_extents(tables: TreeTables, path: Callable[[int], bytes], judge: Judge) -> None:
    """Look at the slices of files: in order, inside, as long as their chunks, and together the whole file."""
    entries, extents, chunks = tables.entries, tables.extents, tables.chunks
    own = entries.link_row == np.arange(len(entries.link_row))
    rows = np.flatnonzero(own & (entries.extent_count > 0))
    regular = (entries.mode[rows] & np.uint32(0o170000)) == st.S_IFREG
    judge.require(regular, rules.EXTENT_OWNER, FILE, paths=_through(rows, path))
    group, ordinal = ragged(entries.extent_count[rows].astype(np.int64))
    extent = entries.extent_start[rows][group] + ordinal
    start, size = extents.file_offset[extent], extents.size[extent]
    names = _through(rows[group], path)

    def look(condition: Bools, rule: Rule) -> None:
        judge.require(condition, rule, FILE, paths=names, details=lambda row: f"at byte {start[row]}")

    look((start >= 0) & (size >= 0) & (start + size <= entries.size[rows][group]), rules.EXTENT_OUTSIDE)
    apart = np.ones(len(group), np.bool_)
    apart[1:] = (group[1:] != group[:-1]) | (start[1:] >= start[:-1] + size[:-1])
    look(apart, rules.EXTENT_ORDER)
    foreign = _of_blobs(tables.blobs, sizes.is_foreign)[chunks.blob_index[extents.chunk[extent]]]
    look(foreign | (chunks.size[extents.chunk[extent]] == size), rules.EXTENT_SIZE)
    if tables.superblock.chunk_size:  # streams have one extent a file, or one a part of a sparse file
        look(start % tables.superblock.chunk_size == 0, rules.EXTENT_PLACE)
        _check_coverage(tables, path, judge)


def _check_coverage(tables: TreeTables, path: Callable[[int], bytes], judge: Judge) -> None:
    """Compare the sizes of files with what their extents hold."""
    entries, extents = tables.entries, tables.extents
    held = np.concatenate(([0], np.cumsum(extents.size)))
    covered = held[entries.extent_start + entries.extent_count] - held[entries.extent_start]
    is_file = (entries.mode & np.uint32(0o170000)) == st.S_IFREG
    whole = ~is_file | (covered >= entries.size)
    judge.require(
        whole, rules.EXTENT_HOLE, FILE, paths=path, details=lambda row: f"{covered[row]} of {entries.size[row]} bytes"
    )


def check_chunk_table(tables: TreeTables, path: Callable[[int], bytes], judge: Judge) -> None:
    """Look at the chunks: inside their blobs, apart, and of sizes and flags that can be."""
    users = ChunkUsers(tables)

    def user(chunk: int) -> bytes | None:
        row = users.first(chunk)
        return None if row is None else path(row)

    chunks = _Chunks(tables, judge, user)
    _check_blobs(tables, judge)
    _check_flags(chunks)
    _check_sizes(chunks)
    _check_bounds(chunks)
    _check_numbers(chunks)
    _check_overlaps(chunks)


class _Chunks:
    """The chunks of an image with what their blobs say about them, a column each."""

    def __init__(self, tables: TreeTables, judge: Judge, user: Callable[[int], bytes | None]) -> None:
        self.table, self.blobs, self.judge = tables.chunks, tables.blobs, judge
        self.used = np.zeros(len(self.table.size), np.bool_)
        self.used[tables.extents.chunk] = True
        blob = self.table.blob_index
        self.in_chunks: Bools = _of_blobs(self.blobs, sizes.has_chunks)[blob]
        """False in streams."""
        self.is_loose: Bools = _of_blobs(self.blobs, sizes.counts_are_loose)[blob]
        self.is_encrypted: Bools = _of_blobs(self.blobs, lambda entry: entry.cipher is not Cipher.NONE)[blob]
        self.has_place: Bools = self.in_chunks & ~_of_blobs(self.blobs, _is_sliced)[blob] & ~self._batched(blob)
        """False where the place of the stored bytes is in the chunk-info array alone."""
        self._user = user

    def _batched(self, blob: "np.ndarray") -> Bools:
        in_batches = _of_blobs(self.blobs, lambda entry: bool(entry.features & shared.BATCH))[blob]
        batched: Bools = in_batches & (self.table.compressed_size == 0)
        return batched

    def numbers(self, of: Callable[[BlobEntry], int]) -> Offsets:
        """Return a number of each chunk's blob."""
        return np.array([min(of(blob), _NO_BOUND) for blob in self.blobs], np.int64)[self.table.blob_index]

    def has(self, flag: ChunkFlag) -> Bools:
        """Tell which chunks have a flag."""
        has: Bools = (self.table.flags & np.uint32(flag)) != 0
        return has

    def require(self, condition: Bools, rule: Rule, rows: Indexes | None = None) -> None:
        """Look at a rule in all chunks, or in some rows of the table."""
        table = self.table

        def of(row: int) -> int:
            return row if rows is None else int(rows[row])

        def about(row: int) -> str:
            row = of(row)
            return f"chunk {table.number[row]} of blob {self.blobs[int(table.blob_index[row])].blob_id}"

        place = table.compressed_offset if rows is None else table.compressed_offset[rows]
        self.judge.require(condition, rule, CHUNK, place, paths=lambda row: self._user(of(row)), details=about)


def _check_blobs(tables: TreeTables, judge: Judge) -> None:
    """Look at the blob table; a blob that no file uses is legal: builds upon a parent keep the parent's."""
    ids: set[str] = set()
    for blob in tables.blobs:
        judge.holds(blob.blob_id not in ids, rules.BLOB_TWICE, f"blob {blob.index}", detail=blob.blob_id)
        ids.add(blob.blob_id)


def _check_flags(chunks: _Chunks) -> None:
    table = chunks.table
    chunks.require(~chunks.has(ChunkFlag.HOLE), rules.CHUNK_HOLE)
    chunks.require(chunks.has(ChunkFlag.ENCRYPTED) == chunks.is_encrypted, rules.CHUNK_CIPHER)
    packs = _of_blobs(chunks.blobs, lambda entry: entry.compressor is not Compressor.NONE)[table.blob_index]
    chunks.require(~chunks.has(ChunkFlag.COMPRESSED) | packs, rules.CHUNK_COMPRESSOR)
    chunks.require(chunks.has(ChunkFlag.HAS_CRC32) == (table.crc32 != 0), rules.CHUNK_CRC)
    chunks.require(chunks.used, rules.CHUNK_UNUSED)


def _check_sizes(chunks: _Chunks) -> None:
    table = chunks.table
    chunks.require(table.size > 0, rules.CHUNK_EMPTY)
    chunks.require(~chunks.in_chunks | (table.size <= chunks.numbers(_chunk_size)), rules.CHUNK_TOO_LONG)
    padded = chunks.is_encrypted & (table.size < BLOCK_SIZE)
    plain_size = np.where(padded, PADDED_SIZE, table.size)
    is_compressed = chunks.has(ChunkFlag.COMPRESSED)
    plain = ~chunks.has_place | is_compressed | (table.compressed_size == plain_size)
    chunks.require(plain, rules.CHUNK_PLAIN)
    nowhere = ~chunks.has_place | _of_blobs(chunks.blobs, sizes.is_foreign)[table.blob_index]
    chunks.require(nowhere | can_be_stored(table.compressed_size, table.size), blob_rules.UNIT_STORED)
    # members of an archive are as large as they are, and what is short is padded before it is encrypted
    padded |= chunks.is_encrypted & (table.compressed_size == PADDED_SIZE)
    free = ~chunks.has_place | padded | _of_blobs(chunks.blobs, _is_gzip)[table.blob_index]
    chunks.require(free | ~is_compressed | (table.compressed_size < table.size), rules.CHUNK_GROWN)


def _check_bounds(chunks: _Chunks) -> None:
    table = chunks.table
    inside = table.compressed_offset + table.compressed_size <= chunks.numbers(_data_size)
    chunks.require(~chunks.has_place | inside, rules.CHUNK_OUTSIDE)
    inside = table.uncompressed_offset + table.size <= chunks.numbers(lambda entry: entry.uncompressed_size)
    chunks.require(chunks.is_loose | inside, rules.CHUNK_SPACE)


def _check_numbers(chunks: _Chunks) -> None:
    table = chunks.table
    inside = table.number < chunks.numbers(lambda entry: entry.chunk_count)
    chunks.require(chunks.is_loose | inside, rules.CHUNK_NUMBER)
    order = np.lexsort((table.number, table.blob_index))
    same = (table.number[order][1:] == table.number[order][:-1]) & (
        table.blob_index[order][1:] == table.blob_index[order][:-1]
    )
    # before there were extended blob tables, chunks had no ordinals: zeros stand in their place
    unnumbered = _of_blobs(chunks.blobs, _is_unnumbered)[table.blob_index[order[1:]]]
    chunks.require(~same | unnumbered, rules.CHUNK_NUMBER_TWICE, order[1:])


def _check_overlaps(chunks: _Chunks) -> None:
    """Look for chunks that share bytes: stored ones only if they are the same, uncompressed ones never."""
    table = chunks.table
    archived = _of_blobs(chunks.blobs, _is_gzip)[table.blob_index] & chunks.has(ChunkFlag.COMPRESSED)
    rows = np.flatnonzero(chunks.has_place & ~archived)  # recorded sizes of gzip members are estimates
    rows = rows[np.lexsort((table.compressed_size[rows], table.compressed_offset[rows], table.blob_index[rows]))]
    apart = _apart(table.blob_index[rows], table.compressed_offset[rows], table.compressed_size[rows])
    alike = np.ones(len(apart), np.bool_)
    for column in (table.compressed_offset, table.compressed_size, table.size):
        alike &= column[rows][1:] == column[rows][:-1]
    alike &= np.all(table.digest[rows][1:] == table.digest[rows][:-1], axis=1)
    chunks.require(apart | alike, rules.CHUNK_OVERLAP, rows[1:])
    rows = np.flatnonzero(~chunks.is_loose)
    rows = rows[np.lexsort((table.uncompressed_offset[rows], table.blob_index[rows]))]
    apart = _apart(table.blob_index[rows], table.uncompressed_offset[rows], table.size[rows])
    chunks.require(apart, rules.CHUNK_SPACE_OVERLAP, rows[1:])


def _apart(blob: "np.ndarray", start: Offsets, size: Offsets) -> Bools:
    """Tell for each but the first of some ranges, ordered by blob and start, whether it begins past those before it."""
    apart = np.ones(max(len(blob) - 1, 0), np.bool_)
    edges = np.flatnonzero(blob[1:] != blob[:-1]) + 1
    for first, end in zip([0, *edges.tolist()], [*edges.tolist(), len(blob)], strict=True):
        reach = np.maximum.accumulate(start[first:end] + size[first:end])
        apart[first : max(end - 1, first)] = start[first + 1 : end] >= reach[:-1]
    return apart


def _through(rows: Indexes, path: Callable[[int], bytes]) -> Callable[[int], bytes]:
    return lambda row: path(int(rows[row]))


def _of_blobs(blobs: tuple[BlobEntry, ...], holds: Callable[[BlobEntry], bool]) -> Bools:
    """Tell of which blobs something holds."""
    return np.array([holds(blob) for blob in blobs], np.bool_)


def _is_sliced(entry: BlobEntry) -> bool:
    return bool(entry.features & shared.ZRAN)


def _is_unnumbered(entry: BlobEntry) -> bool:
    return bool(entry.features & shared.NO_EXTENDED_BLOB_TABLE)


def _is_gzip(entry: BlobEntry) -> bool:
    return entry.compressor is Compressor.GZIP


def _chunk_size(entry: BlobEntry) -> int:
    return entry.chunk_size


def _data_size(entry: BlobEntry) -> int:
    known = sizes.data_size(entry)
    return _NO_BOUND if known is None else known
