"""Merged layers and the chunks that their files were cut into become an image that can be written.

This module alone decides which chunk stands for a file's slice: of equal ones that of the lowest layer; and which blobs
an image has: those that some file refers to, in the order in which the tree refers to them. Layers are packed one by
one (`access/packing`), so that a layer's blob depends on nothing but the layer; here they meet.
"""

import stat as st
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rafsight.formats import tables as t
from rafsight.formats.records import Indexes, ragged
from rafsight.formats.tar import Member
from rafsight.image.overlay import MergedLayers

_DIGEST: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChunks:
    """The chunks of a layer's files; k files, r references."""

    offset: t.Offsets
    """(k,) `Member.content_offset`, ascending."""
    start: t.Offsets
    """(k,) first reference of each."""
    count: t.Offsets
    """(k,)"""
    reference: NDArray[np.int64]
    """(r,) number of a chunk in the layer's blob, or -1 - row of the dictionary's chunks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedLayer:
    """A layer whose content lies in a blob."""

    members: Iterable[Member]
    """All members of the tar, in its order, as often as they are asked for; as if they had no holes."""
    files: FileChunks
    entry: t.BlobEntry
    """Of the blob."""
    chunks: t.ChunkTable
    """Of the blob, by number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dictionary:
    """Chunks of another image that need not be stored again."""

    chunks: t.ChunkTable
    blobs: tuple[t.BlobEntry, ...]


NO_DICTIONARY: Final = Dictionary(
    chunks=t.ChunkTable(
        blob_index=np.zeros(0, np.int32),
        number=np.zeros(0, np.uint32),
        digest=np.zeros((0, _DIGEST), np.uint8),
        crc32=np.zeros(0, np.uint32),
        flags=np.zeros(0, np.uint32),
        size=np.zeros(0, np.int64),
        compressed_size=np.zeros(0, np.int64),
        compressed_offset=np.zeros(0, np.int64),
        uncompressed_offset=np.zeros(0, np.int64),
    ),
    blobs=(),
)


def compose(
    merged: MergedLayers, layers: Sequence[PackedLayer], dictionary: Dictionary, *, chunk_size: int
) -> t.TreeTables:
    """Give the files of a merged tree their chunks.

    Args:
        merged: the tree; its layers are `layers`.
        layers: what they were packed into.
        dictionary: what their references below zero mean.
        chunk_size: [bytes] into which content was cut.
    Returns: tables whose superblock has no flags yet, and no version.
    Cost: linear, by columns.
    """
    chunks, first_rows = _all_chunks(layers, dictionary)
    count, rows = _files(merged, layers, first_rows)
    chosen = _first_equal(chunks)
    tables = merged.tables
    entries = tables.entries
    extent_count = count[entries.link_row].astype(np.int32)
    owner = np.flatnonzero((entries.link_row == np.arange(len(count))) & (count > 0))
    starts = np.zeros(len(count), np.int64)
    starts[owner] = np.cumsum(count[owner]) - count[owner]
    _, ordinal = ragged(count[owner])
    chunk = chosen[rows]
    used, back = np.unique(chunk, return_inverse=True)
    table, blobs, order = _used(chunks, used, chunk, [*(layer.entry for layer in layers), *dictionary.blobs])
    extents = t.ExtentTable(
        chunk=order[back].astype(np.int32), file_offset=ordinal * chunk_size, size=table.size[order[back]]
    )
    return replace(
        tables,
        superblock=replace(tables.superblock, format="RAFS", chunk_size=chunk_size),
        entries=replace(entries, extent_start=starts[entries.link_row], extent_count=extent_count),
        extents=extents,
        chunks=table,
        blobs=blobs,
    )


def _all_chunks(layers: Sequence[PackedLayer], dictionary: Dictionary) -> tuple[t.ChunkTable, list[int]]:
    """Put all chunks into one table, `blob_index` counting layers, then blobs of the dictionary.

    Returns: the table, and the row of each layer's first chunk, the dictionary's last.
    """
    parts = [
        replace(layer.chunks, blob_index=np.full(len(layer.chunks.size), index, np.int32))
        for index, layer in enumerate(layers)
    ]
    shifted = (dictionary.chunks.blob_index + len(layers)).astype(np.int32)
    parts.append(replace(dictionary.chunks, blob_index=shifted))
    sizes = [len(part.size) for part in parts]
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in t.ChunkTable.__dataclass_fields__
    }
    return t.ChunkTable(**columns), np.cumsum([0, *sizes[:-1]]).tolist()


def _files(merged: MergedLayers, layers: Sequence[PackedLayer], first_rows: list[int]) -> tuple[t.Offsets, Indexes]:
    """Find the chunks of every file.

    Returns: (n,) how many each row has, for the first row of each inode, and all of their rows, in the order of rows.
    """
    entries = merged.tables.entries
    is_file = (entries.mode & 0o170000) == st.S_IFREG
    owner = np.flatnonzero(is_file & (entries.link_row == np.arange(len(is_file))) & (entries.extent_count > 0))
    unit = merged.placement.unit_index[merged.tables.extents.chunk[entries.extent_start[owner]]]
    layer, offset = merged.placement.units.blob_index[unit], merged.placement.units.offset[unit]
    count = np.zeros(len(is_file), np.int64)
    start, base = np.zeros(len(owner), np.int64), 0
    pieces: list[NDArray[np.int64]] = []
    for index, packed in enumerate(layers):
        rows = np.flatnonzero(layer == index)
        found = np.searchsorted(packed.files.offset, offset[rows])
        count[owner[rows]] = packed.files.count[found]
        start[rows] = packed.files.start[found] + base
        own = packed.files.reference
        pieces.append(np.where(own >= 0, own + first_rows[index], -1 - own + first_rows[-1]))
        base += len(own)
    references = np.concatenate([*pieces, np.zeros(0, np.int64)])
    file, ordinal = ragged(count[owner])
    return count, references[start[file] + ordinal]


def _first_equal(chunks: t.ChunkTable) -> Indexes:
    """Return for each chunk the first row that has the same bytes; one without a digest is like no other."""
    count = len(chunks.size)
    keys = np.ascontiguousarray(chunks.digest).view(f"V{_DIGEST}").ravel() if count else np.zeros(0, "V32")
    _, first, back = np.unique(keys, return_index=True, return_inverse=True)
    same = first[back]
    rows = np.arange(count)
    is_same = chunks.digest.any(axis=1) & (chunks.size[same] == chunks.size)
    result: Indexes = np.where(is_same, same, rows)
    return result


def _used(
    chunks: t.ChunkTable, used: Indexes, chunk: Indexes, blobs: Sequence[t.BlobEntry]
) -> tuple[t.ChunkTable, tuple[t.BlobEntry, ...], Indexes]:
    """Keep the chunks and blobs that files refer to.

    Returns: the chunks by blob and number, the blob table, and where each of `used` went.
    """
    blob = chunks.blob_index[chunk]
    names, first = np.unique(blob, return_index=True)
    in_order = names[np.argsort(first)].tolist()
    place = np.zeros(len(blobs), np.int32)
    place[in_order] = np.arange(len(in_order), dtype=np.int32)
    sorted_rows = np.lexsort((chunks.number[used], place[chunks.blob_index[used]]))
    order = np.empty(len(used), np.int64)
    order[sorted_rows] = np.arange(len(used))
    kept = used[sorted_rows]
    columns: dict[str, Any] = {name: getattr(chunks, name)[kept] for name in t.ChunkTable.__dataclass_fields__}
    columns["blob_index"] = place[columns["blob_index"]]
    table = tuple(replace(blobs[old], index=new) for new, old in enumerate(in_order))
    return t.ChunkTable(**columns), table, order
