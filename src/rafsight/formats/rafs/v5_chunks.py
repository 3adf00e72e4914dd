"""Extents and chunks of a RAFS v5 bootstrap.

This module alone decides which chunk records of v5 inodes are the same chunk: those that say the same about its place,
size and digest. Where the judge goes on, records that cannot be are left out: zeros stand in their place.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rafsight.formats.judge import STRICT, Judge
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import shared_rules, v5_rules
from rafsight.formats.rafs import v5_layout as layout
from rafsight.formats.rafs.chunk_records import MAX_OFFSET, chunk_table
from rafsight.formats.rafs.v5_head import Head
from rafsight.formats.rafs.v5_inodes import WHERE, Inodes
from rafsight.formats.records import Bools, Buffer, Indexes, octets_of, ragged
from rafsight.formats.tables import ChunkTable, ExtentTable, Offsets

CHUNKS: Final = "v5 chunk record"
_FILE_OFFSET_WORD: Final = 8
"""Which of the ten words of a chunk record is its offset in the file."""
_PLACE_BITS: Final = np.uint64(MAX_OFFSET.bit_length() - 1)
_MAX_FILE_OFFSET: Final = np.uint64(1 << 62)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What the regular files are made of."""

    extents: ExtentTable
    chunks: ChunkTable
    counts: Offsets
    """(f,) extents of each file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What is needed of regular files to find their chunks; f rows."""

    offset: Offsets
    """[bytes] of the inode."""
    size: Offsets
    has_holes: Bools
    """Says for each chunk where it goes."""
    is_whole: Bools
    chunk_offset: Offsets
    """[bytes] of the first chunk record."""
    chunk_count: Offsets


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """All chunk records of some files; r rows, the files one after the other."""

    file: Indexes
    ordinal: Offsets
    place: Offsets
    """[bytes] of the record."""
    records: np.ndarray
    """(r,) of shared_layout.CHUNK_INFO."""


def files_of(inodes: Inodes, rows: Indexes) -> Files:
    """Choose some inodes."""
    return Files(
        offset=inodes.offset[rows],
        size=inodes.size[rows],
        has_holes=(inodes.fields["flags"][rows] & np.uint64(layout.INODE_HAS_HOLE)) != 0,
        is_whole=inodes.is_whole[rows],
        chunk_offset=inodes.chunk_offset[rows],
        chunk_count=inodes.chunk_count[rows],
    )


def slices_of(content: Buffer, files: Files) -> Slices:
    """Gather the chunk records of some files."""
    file, ordinal = ragged(files.chunk_count)
    place = files.chunk_offset[file] + ordinal * shared.CHUNK_INFO.size
    records = shared.CHUNK_INFO.gather(octets_of(content), place, CHUNKS)
    return Slices(file=file, ordinal=ordinal, place=place, records=records)


def are_sparse(files: Files, chunk_size: int) -> Bools:
    """Tell which files are read by what their chunks say; all of them if nobody knows the size of chunks."""
    return files.has_holes if chunk_size else np.ones(len(files.offset), np.bool_)


def read_chunks(content: Buffer, files: Files, head: Head, judge: Judge) -> Content:
    """Read the chunk records of regular files.

    Args:
        content: the bootstrap.
        files: each once.
        head: the blobs, and the chunk size of the image.
        judge: told about records that cannot be.
    Raises: MalformedImage: a record is none, or a file's records do not cover it.
    """
    if not head.are_blobs_known:  # that was told: nothing can be said about what lies in blobs
        files = _emptied(files)
    slices = slices_of(content, files)
    records, file = slices.records, slices.file
    all_chunks = chunk_table(records, len(head.blobs), CHUNKS, judge, places=slices.place, inodes=files.offset[file])
    file_offset, is_right = _cut_files(slices, files, head.superblock.chunk_size, judge)
    if not judge.is_strict:
        is_right &= records["blob_index"] < len(head.blobs)
        for name in ("compressed_offset", "uncompressed_offset"):
            is_right &= records[name] < np.uint64(MAX_OFFSET)
    size = all_chunks.size
    if not bool(is_right.all()):
        records, file, file_offset, size = records[is_right], file[is_right], file_offset[is_right], size[is_right]
    first, chunk = _distinct(records)
    return Content(
        extents=ExtentTable(chunk=chunk.astype(np.int32), file_offset=file_offset, size=size),
        chunks=chunk_table(records[first], len(head.blobs), CHUNKS, STRICT),
        counts=np.bincount(file, minlength=len(files.offset)).astype(np.int64),
    )


def _emptied(files: Files) -> Files:
    nothing = np.zeros(len(files.offset), np.int64)
    return replace(files, chunk_count=nothing, is_whole=nothing != 0)


def _cut_files(slices: Slices, files: Files, chunk_size: int, judge: Judge) -> tuple[Offsets, Bools]:
    """Find where in its file each chunk goes.

    Returns: (r,) [bytes]; and (r,) false for chunks that cannot be there.
    """
    file, where = slices.file, files.offset[slices.file]
    is_sparse = are_sparse(files, chunk_size)
    slice_size = chunk_size or shared.MAX_CHUNK_SIZE
    is_full = is_sparse | ~files.is_whole | (files.chunk_count == -(-files.size // slice_size))
    unequal = judge.require(is_full, v5_rules.CHUNK_COUNT, WHERE, files.offset, files.offset)
    file_offset = slices.ordinal * slice_size
    size = slices.records["size"].astype(np.int64)
    wanted = np.minimum(files.size[file] - file_offset, slice_size)
    is_right = np.ones(len(file), np.bool_)
    if bool(is_sparse.any()):
        sparse = is_sparse[file]
        file_offset, is_right = _cut_sparse(slices, files, file_offset, sparse, judge)
        wanted = np.where(sparse, size, wanted)
    fits = (size == wanted) & (size > 0)
    is_told = np.zeros(len(files.offset), np.bool_)
    is_told[unequal] = True
    judge.require(fits | is_told[file], shared_rules.CHUNK_LENGTH, CHUNKS, slices.place, where)
    return file_offset, is_right & fits


def _cut_sparse(
    slices: Slices, files: Files, file_offset: Offsets, sparse: Bools, judge: Judge
) -> tuple[Offsets, Bools]:
    """Do so for files with holes: their chunks are in order, apart, and inside the file. Nothing is kept of others."""
    file, where = slices.file, files.offset[slices.file]
    is_near = ~sparse | (slices.records["file_offset"] < _MAX_FILE_OFFSET)
    far = judge.require(is_near, v5_rules.HOLE_OFFSET, CHUNKS, slices.place, where)
    file_offset = np.where(sparse & is_near, slices.records["file_offset"].astype(np.int64), file_offset)
    end = file_offset + slices.records["size"]
    late = judge.require(~sparse | ~is_near | (end <= files.size[file]), v5_rules.HOLE_END, CHUNKS, slices.place, where)
    apart = np.ones(len(file), np.bool_)
    apart[1:] = ~sparse[1:] | (file[1:] != file[:-1]) | (end[:-1] <= file_offset[1:])
    close = judge.require(apart, v5_rules.HOLE_OVERLAP, CHUNKS, slices.place, where)
    is_sound = np.ones(len(files.offset), np.bool_)
    is_sound[file[np.concatenate((far, late, close))]] = False
    return file_offset, is_sound[file]


def _distinct(records: np.ndarray) -> tuple[Indexes, Indexes]:
    """Find equal chunk records, whatever their file.

    Returns: the first record of each kind, ordered by place; and (e,) which kind each record is.
    """
    key = (records["blob_index"].astype(np.uint64) << _PLACE_BITS) | records["compressed_offset"]
    _, first, kind = np.unique(key, return_index=True, return_inverse=True)
    words = records.view(np.uint64).reshape(len(records), shared.CHUNK_INFO.size // 8)
    same = words == words[first[kind]]
    same[:, _FILE_OFFSET_WORD] = True
    if not bool(same.all()):  # no builder makes these: one place with two sizes or digests
        _, first, kind = np.unique(np.delete(words, _FILE_OFFSET_WORD, axis=1), axis=0, return_index=True,
                                   return_inverse=True)  # fmt: skip
    return first, kind.reshape(-1)
