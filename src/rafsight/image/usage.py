"""How much of its blobs an image uses, and what it stores once that files hold many times.

This module alone decides what a chunk weighs in its blob: what the bootstrap says where it says it for certain, and an
estimate for batched chunks, zran slices and members of tar layers, whose stored size no bootstrap knows.
"""

import stat as st
from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.formats.rafs.blob_sizes import data_size_at_most, has_chunks
from rafsight.formats.records import Bools, Indexes, ragged
from rafsight.formats.tables import BlobEntry, Offsets, Rows, TreeTables
from rafsight.image.chunk_identity import ChunkIdentity, Obstacle, find_obstacle

_PLACE_BITS: Final = 50
"""More than any offset has; the number of a blob is above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSizes:
    """What each chunk weighs in its blob; m rows."""

    size: Offsets
    """[bytes]"""
    is_exact: Bools
    """False for an estimate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileExtents:
    """The extents of all regular files, hard-linked ones once."""

    files: Indexes
    """(f,) first row of each file that has extents."""
    file: Indexes
    """(e,) which of `files` each extent belongs to."""
    extents: Indexes
    """(e,) rows of the extent table."""
    chunks: Indexes
    """(e,) their chunks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobUsage:
    """How an image uses one blob."""

    has_chunks: bool
    """False for a tar layer: what counts as chunks below are files, and those that upper layers hide are not known."""
    chunk_count: int
    """Chunks in the blob, as the blob table counts them."""
    known_chunk_count: int
    """Those that the bootstrap describes."""
    used_chunk_count: int
    """Those that files use."""
    extent_count: int
    file_count: int
    """Files with content in the blob, hard-linked ones once."""
    data_size: int
    """[bytes] of the blob that hold chunks (and, in a tar, its headers); what else it has is metadata."""
    stored_size: int
    """[bytes] of the data that files use."""
    is_exact: bool
    """False if `stored_size` rests on estimates."""
    content_size: int
    """[bytes] of the used chunks, decompressed."""
    addressed_size: int
    """[bytes] that files take from the blob, repeats counted."""

    @property
    def unused_size(self) -> int:
        """[bytes] of the data that no file uses: replaced or removed by upper layers, or tar headers."""
        return max(self.data_size - self.stored_size, 0)

    @property
    def ratio(self) -> float | None:
        """Stored bytes for each byte of content; None if nothing is used."""
        return self.stored_size / self.content_size if self.content_size else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeats:
    """What files hold more than once; [bytes] of content."""

    addressed_size: int
    """All that files hold."""
    within_files_size: int | None
    """Not stored, since a file has it several times; None, as the next one, if no used chunk has a digest."""
    between_files_size: int | None
    """Not stored, since several files have it."""
    stored_again_size: int | None
    """Stored although another used chunk has the same content; None, as the next two, if one lacks a digest."""
    stored_again_stored_size: int | None
    """[bytes] that this takes in the blobs."""
    distinct_size: int | None
    """What remains: addressed, less all of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """What one image has that another one has, too."""

    obstacle: Obstacle
    """Why some of it, or all, cannot be found."""
    chunk_count: int | None
    """Used chunks with the same content as a used chunk of the other image; each content once. None, as all down to
    `same_blob_stored_size`, if there is an obstacle and nothing was found: then nobody knows."""
    content_size: int | None
    stored_size: int | None
    """[bytes] in the blobs of the first image."""
    same_blob_chunk_count: int | None
    """Those of them that lie in the same blob: who has one image needs not fetch them for the other."""
    same_blob_content_size: int | None
    same_blob_stored_size: int | None
    uncompared_size: int
    """[bytes] content of chunks that cannot be found elsewhere: no digest, or one of an algorithm that the other image
    does not use."""
    chunk_total: int
    """Distinct contents of the first image."""
    content_total: int
    stored_total: int
    is_exact: bool
    """False if stored sizes rest on estimates."""


def find_extents(tables: TreeTables) -> FileExtents:
    """Collect the extents that files use. Cost: linear in entries and extents."""
    entries = tables.entries
    is_own = entries.link_row == np.arange(len(entries.link_row))
    is_file = (entries.mode & np.uint32(0o170000)) == st.S_IFREG
    files = np.flatnonzero(is_own & is_file & (entries.extent_count > 0))
    file, ordinal = ragged(entries.extent_count[files].astype(np.int64))
    extents = entries.extent_start[files][file] + ordinal
    return FileExtents(files=files, file=file, extents=extents, chunks=tables.extents.chunk[extents].astype(np.intp))


def find_stored_sizes(tables: TreeTables) -> StoredSizes:
    """Say what each chunk weighs in its blob.

    A batched chunk weighs its share of what the others leave of the blob, a zran slice what the builder noted, a member
    of a tar layer its share of the layer; all in proportion to the content.
    """
    chunks = tables.chunks
    size, is_exact = chunks.compressed_size.copy(), np.ones(len(chunks.size), dtype=np.bool_)
    for blob in tables.blobs:
        is_layer = not has_chunks(blob)
        if not (blob.needs_meta or is_layer):
            continue
        mine = np.flatnonzero(chunks.blob_index == blob.index)
        if "ZRAN" in blob.feature_names:
            is_exact[mine] = False
            continue
        vague = mine if is_layer else mine[chunks.compressed_size[mine] == 0]
        is_exact[vague] = False
        size[vague] = (chunks.size[vague] * _density(tables, blob, mine, vague)).astype(np.int64)
    return StoredSizes(size=size, is_exact=is_exact)


def _density(tables: TreeTables, blob: BlobEntry, mine: Indexes, vague: Indexes) -> float:
    """Estimate the stored bytes for each byte of content, of the chunks whose stored size is not known."""
    chunks, whole = tables.chunks, data_size_at_most(blob)
    if has_chunks(blob) and len(mine) == blob.chunk_count:  # all chunks are known: these share what the others leave
        rest, content = whole - int(chunks.compressed_size[mine].sum()), int(chunks.size[vague].sum())
    else:
        rest, content = whole, blob.uncompressed_size
    return min(max(rest, 0) / content, 1.0) if content else 0.0


def measure_usage(tables: TreeTables) -> tuple[BlobUsage, ...]:
    """Measure how the files of an image use each of its blobs.

    Cost: no I/O. One sort of the extents and one of the chunks.
    """
    found, stored = find_extents(tables), find_stored_sizes(tables)
    chunks, count = tables.chunks, len(tables.blobs)
    used = np.zeros(len(chunks.size), dtype=np.bool_)
    used[found.chunks] = True
    blob_of = chunks.blob_index
    extent_blobs = blob_of[found.chunks]
    visits = np.unique(found.file * max(count, 1) + extent_blobs) % max(count, 1)
    used_rows = np.flatnonzero(used)
    figures = zip(
        tables.blobs,
        np.bincount(blob_of, minlength=count).tolist(),
        np.bincount(blob_of[used_rows], minlength=count).tolist(),
        np.bincount(extent_blobs, minlength=count).tolist(),
        np.bincount(visits, minlength=count).tolist(),
        _add(blob_of[used_rows], chunks.size[used_rows], count),
        _add(extent_blobs, tables.extents.size[found.extents], count),
        _covered(tables, stored, used_rows),
        (np.bincount(blob_of[used_rows[~stored.is_exact[used_rows]]], minlength=count) == 0).tolist(),
        strict=False,
    )
    return tuple(
        BlobUsage(
            has_chunks=has_chunks(blob),
            chunk_count=blob.chunk_count,
            known_chunk_count=known,
            used_chunk_count=used_count,
            extent_count=extent_count,
            file_count=file_count,
            data_size=data_size_at_most(blob),
            stored_size=size,
            is_exact=is_exact,
            content_size=content,
            addressed_size=addressed,
        )
        for blob, known, used_count, extent_count, file_count, content, addressed, size, is_exact in figures
    )


def _add(groups: Rows, values: Offsets, count: int) -> list[int]:
    """Add values up by group, exactly."""
    sums = np.zeros(count, dtype=np.int64)
    np.add.at(sums, groups, values)
    return [int(one) for one in sums.tolist()]


def _covered(tables: TreeTables, stored: StoredSizes, rows: Indexes) -> list[int]:
    """Measure what some chunks take in each blob [bytes]: places that several of them name count once."""
    chunks, sizes = tables.chunks, []
    rows = rows[np.lexsort((chunks.compressed_offset[rows], chunks.blob_index[rows]))]
    bounds = np.searchsorted(chunks.blob_index[rows], np.arange(len(tables.blobs) + 1))
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        mine = rows[first:last]
        exact = mine[stored.is_exact[mine]]
        starts, ends = chunks.compressed_offset[exact], chunks.compressed_offset[exact] + stored.size[exact]
        reach = np.concatenate((np.zeros(1, dtype=np.int64), np.maximum.accumulate(ends)))[:-1]
        vague = int(stored.size[mine].sum()) - int(stored.size[exact].sum())
        sizes.append(int(np.maximum(ends - np.maximum(starts, reach), 0).sum()) + vague)
    return sizes


def measure_repeats(tables: TreeTables, identity: ChunkIdentity) -> Repeats:
    """Measure what the files of an image hold more than once.

    Cost: no I/O. Two sorts of the extents.
    """
    found, stored = find_extents(tables), find_stored_sizes(tables)
    sizes = tables.chunks.size
    pairs = np.unique(found.file * max(len(sizes), 1) + found.chunks) % max(len(sizes), 1)
    used = np.unique(found.chunks)
    first = used[np.unique(identity.content[used], return_index=True)[1]]
    addressed = int(tables.extents.size[found.extents].sum())
    within = addressed - int(sizes[pairs].sum())
    distinct = int(sizes[first].sum())
    stored_again = int(sizes[used].sum()) - distinct
    has_digest = identity.has_digest[used]
    is_known, is_shared = bool(has_digest.all()), bool(has_digest.any()) or not len(used)
    return Repeats(
        addressed_size=addressed,
        within_files_size=within if is_shared else None,
        between_files_size=addressed - within - stored_again - distinct if is_shared else None,
        stored_again_size=stored_again if is_known else None,
        stored_again_stored_size=int(stored.size[used].sum() - stored.size[first].sum()) if is_known else None,
        distinct_size=distinct if is_known else None,
    )


def measure_overlap(
    tables: TreeTables, other: TreeTables, identity: ChunkIdentity, other_identity: ChunkIdentity
) -> Overlap:
    """Measure what an image shares with another one.

    Args:
        tables: the image.
        other: the other one.
        identity: of the image's chunks.
        other_identity: of the other's, identified together.
    Cost: no I/O. Sorts of the chunks of both.
    """
    stored, sizes = find_stored_sizes(tables), tables.chunks.size
    used = np.unique(find_extents(tables).chunks)
    first = used[np.unique(identity.content[used], return_index=True)[1]]
    theirs = np.unique(find_extents(other).chunks)
    is_shared = np.isin(identity.content[first], other_identity.content[theirs])
    shared = first[is_shared]
    at_hand = shared[_same_place(tables, other, shared, theirs)]
    algorithms = np.unique(other_identity.digester[theirs[other_identity.has_digest[theirs]]])
    is_comparable = identity.has_digest[first] & np.isin(identity.digester[first], algorithms)
    obstacle = find_obstacle((tables, other), (identity, other_identity), (first, theirs))
    is_known = bool(len(shared)) or obstacle is Obstacle.NONE
    return Overlap(
        obstacle=obstacle,
        chunk_count=len(shared) if is_known else None,
        content_size=int(sizes[shared].sum()) if is_known else None,
        stored_size=int(stored.size[shared].sum()) if is_known else None,
        same_blob_chunk_count=len(at_hand) if is_known else None,
        same_blob_content_size=int(sizes[at_hand].sum()) if is_known else None,
        same_blob_stored_size=int(stored.size[at_hand].sum()) if is_known else None,
        uncompared_size=int(sizes[first[~(is_comparable | is_shared)]].sum()),
        chunk_total=len(first),
        content_total=int(sizes[first].sum()),
        stored_total=int(stored.size[first].sum()),
        is_exact=bool(stored.is_exact[first].all()),
    )


def _same_place(tables: TreeTables, other: TreeTables, rows: Indexes, theirs: Indexes) -> Bools:
    """Tell which chunks of an image some chunks of another one name, too: same blob, same place.

    Args:
        tables: the image.
        other: the other one.
        rows: (c,) chunks of the image.
        theirs: (d,) chunks of the other one.
    """
    numbers: dict[str, int] = {}
    keys = []
    for one, chosen in ((tables, rows), (other, theirs)):
        blobs = np.array([numbers.setdefault(blob.blob_id, len(numbers)) for blob in one.blobs], dtype=np.int64)
        keys.append(blobs[one.chunks.blob_index[chosen]] << _PLACE_BITS | one.chunks.uncompressed_offset[chosen])
    return np.isin(keys[0], keys[1])
