"""Chunks of files: which a file has, and which files use one.

This module alone decides what names a blob: its id, its row in the blob table, or the beginning of its id.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.access.session import Image
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.formats.rafs.blob_sizes import has_chunks
from rafsight.formats.tables import BlobEntry, TreeTables
from rafsight.image.tree import ImageTree
from rafsight.reports.inspection.metadata import ChunkFacts, ChunkUse, ChunkUses
from rafsight.verbs.inspect.paths import Paths, depth_first

_MAX_OFFSET: Final = 1 << 63
_INDEX_DIGITS: Final = 4
"""A longer number is no row of a blob table, but the beginning of an id."""

_Indexes = NDArray[np.intp]


class NoSuchBlob(CallerError):
    """What was said names no blob of the image, or several."""

    code = "no-such-blob"
    template = "{blob} is not a blob of the image: {why}"
    remedy = "Name it by its id, by the beginning of its id, or by its index; `blobs` shows them."
    exit_status = ExitStatus.NOT_FOUND


class NoChunks(CallerError):
    """The question is about chunks, and the image is made of tar layers."""

    code = "no-chunks"
    template = "the image is made of tar layers, and layers have no chunks"
    remedy = "`stat` tells in which layer a file lies, `layers` describes them; a Nydus image has chunks."
    exit_status = ExitStatus.NOT_FOUND


def find_chunks(image: Image, offset: int, blob: str | None = None) -> ChunkUses:
    """Find all files that use chunks at a place of a blob.

    Args:
        image: the open image.
        offset: [bytes] compressed offset, as the chunk table has it; chunks in batches have 0 there.
        blob: only of this blob: its id, its index, or the beginning of its id. None looks at all blobs.
    Raises: NoSuchBlob, NoChunks, TooManyPaths.
    Cost: no request. One pass over the columns of chunks, extents and entries.
    """
    blobs = image.head.blobs
    if blobs and not any(map(has_chunks, blobs)):
        raise NoChunks
    tree = image.tree
    chosen = None if blob is None else find_blob(blobs, blob)
    extents = _extents_at(tree.tables, offset, chosen)
    owners = _owners(tree, extents)
    kept = owners >= 0
    extents, owners = extents[kept], owners[kept]
    inodes, first = np.unique(owners, return_index=True)  # extents of one file stand together
    parts = np.split(extents, first[1:]) if len(inodes) else []
    paths = Paths(tree)
    files = [
        ChunkUse(ino=int(tree.entries.ino[row]), paths=paths.all_of(names.tolist()), chunks=describe_chunks(tree, part))
        for row, names, part in zip(inodes.tolist(), _names_of(tree, inodes), parts, strict=True)
    ]
    files.sort(key=lambda use: depth_first(use.paths[0]))
    return ChunkUses(compressed_offset=offset, blob_id=chosen.blob_id if chosen else "", files=tuple(files))


def find_blob(blobs: tuple[BlobEntry, ...], said: str) -> BlobEntry:
    """Find a blob by its id, its index, or the beginning of its id.

    Raises: NoSuchBlob: there is none, or the beginning is that of several.
    """
    for blob in blobs:
        if blob.blob_id == said:
            return blob
    if said.isdecimal() and said.isascii() and len(said) <= _INDEX_DIGITS and int(said) < len(blobs):
        return blobs[int(said)]
    found = [blob for blob in blobs if said and blob.blob_id.startswith(said)]
    if len(found) != 1:
        why = f"{len(found)} ids begin with it" if found else f"it has {len(blobs)}, and no id begins with this"
        raise NoSuchBlob(blob=said, why=why)
    return found[0]


def describe_chunks(tree: ImageTree, extents: _Indexes) -> tuple[ChunkFacts, ...]:
    """Describe the chunks of some extents, in their order.

    Args:
        tree: of the image.
        extents: (e,) rows of the extent table.
    """
    tables = tree.tables
    chunks = tables.chunks
    rows = tables.extents.chunk[extents]
    digests, in_chunks = chunks.digest[rows].tobytes(), [has_chunks(blob) for blob in tables.blobs]
    columns = (
        tables.extents.file_offset[extents].tolist(),
        chunks.number[rows].tolist(),
        chunks.compressed_offset[rows].tolist(),
        chunks.compressed_size[rows].tolist(),
        chunks.uncompressed_offset[rows].tolist(),
        chunks.size[rows].tolist(),
        chunks.blob_index[rows].tolist(),
    )
    return tuple(
        ChunkFacts(
            file_offset=file_offset,
            number=number if in_chunks[blob_index] else None,
            compressed_offset=compressed_offset if in_chunks[blob_index] else None,
            compressed_size=compressed_size if in_chunks[blob_index] else None,
            decompressed_offset=decompressed_offset,
            decompressed_size=decompressed_size,
            blob_index=blob_index,
            blob_id=tables.blobs[blob_index].blob_id,
            digest=digests[32 * index : 32 * index + 32] if in_chunks[blob_index] else b"",
        )
        for index, (
            file_offset,
            number,
            compressed_offset,
            compressed_size,
            decompressed_offset,
            decompressed_size,
            blob_index,
        ) in enumerate(zip(*columns, strict=True))
    )


def _extents_at(tables: TreeTables, offset: int, blob: BlobEntry | None) -> _Indexes:
    """Find the extents whose chunk lies at a compressed offset."""
    if not 0 <= offset < _MAX_OFFSET:
        return np.empty(0, np.intp)
    wanted = tables.chunks.compressed_offset == offset
    if blob is not None:
        wanted &= tables.chunks.blob_index == blob.index
    return np.flatnonzero(wanted[tables.extents.chunk])


def _owners(tree: ImageTree, extents: _Indexes) -> _Indexes:
    """Find the row that each extent is counted by; -1 for an extent of nobody."""
    entries = tree.entries
    own = np.flatnonzero((entries.extent_count > 0) & (entries.link_row == np.arange(len(tree))))
    if not len(own):
        return np.full(len(extents), -1, np.intp)
    own = own[np.argsort(entries.extent_start[own], kind="stable")]
    owner = own[np.maximum(np.searchsorted(entries.extent_start[own], extents, side="right") - 1, 0)]
    start = entries.extent_start[owner]
    return np.where((extents >= start) & (extents < start + entries.extent_count[owner]), owner, -1)


def _names_of(tree: ImageTree, inodes: _Indexes) -> list[_Indexes]:
    """Find all rows of some inodes.

    Args:
        tree: of the image.
        inodes: (k,) their first rows, ascending.
    """
    if not len(inodes):
        return []
    link_row = tree.entries.link_row
    is_wanted = np.zeros(len(tree), np.bool_)
    is_wanted[inodes] = True
    rows = np.flatnonzero(is_wanted[link_row])
    rows = rows[np.argsort(link_row[rows], kind="stable")]
    return np.split(rows, np.searchsorted(link_row[rows], inodes[1:]))
