"""Backing files: where the chunks of a blob lie once they are out of it, each at the start of a block.

A file system of blocks (EROFS) and a cache on disk both want chunks uncompressed, apart, and at places that can be
mapped. This module alone decides these places, and how the extents of a file become block addresses.

The place of a chunk is its offset in the blob's uncompressed space, if the blob says that its chunks begin on blocks
there (RAFS v6). Where chunks are packed (RAFS v5), it is the offset rounded down to a block, plus a block for each
chunk before it. Both need nothing but what the blob itself says, so that images with a common blob have a common file.
Rounding makes neighbours collide; the number undoes that. For a chunk of `s` bytes at offset `o` with number `k`, and
the next one at `o' >= o + s` with `k' >= k + 1`, writing [x] for x rounded down:

    [o'] + BLOCK * k'  >=  [o'] + BLOCK * (k + 1)  >  o' + BLOCK * k  >=  [o] + BLOCK * k + s

Being a multiple of BLOCK, the place of the next one is not before the end of the last block of this one. Bootstraps may
say what is not so; then their blobs are laid out anew, for that image alone.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.formats.rafs.erofs_packing import BLOCK_BITS, cheapest
from rafsight.formats.rafs.erofs_writer import ChunkMap
from rafsight.formats.rafs.shared_layout import ALIGNED
from rafsight.formats.rafs.v6_layout import HOLE
from rafsight.formats.records import Bools, Indexes, ragged
from rafsight.formats.tables import ChunkTable, Offsets, TreeTables
from rafsight.image.plan import RowArray
from rafsight.image.usage import FileExtents, find_extents

_MAX_BLOCKS: Final = HOLE
"""[blocks] of a backing file: the number of a block is a u32, and the last one means a hole."""
_PLACE_BITS: Final = 33
"""More than any block number has; the number of a blob is above."""
_MAX_GRAIN_BITS: Final = 31
_CELLS_FOR_EXTENT: Final = 16
"""Indexes that a file may always have for each of its extents."""
_CELL_BUDGET: Final = 1 << 23
"""Indexes, of all files that want more than that together: 64 MiB of metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backing:
    """Where the chunks of an image lie in backing files, one a blob; m chunk rows, d distinct chunks."""

    address: Offsets
    """(m,) [bytes] of each chunk in the file of its blob, a multiple of BLOCK; -1 for a chunk that no file uses, and
    for one that no block number reaches."""
    sizes: Offsets
    """(blob_count,) [bytes] of each file, a multiple of BLOCK: the end of the last chunk that this image uses. An image
    that shares the file may need a longer one."""
    is_private: NDArray[np.bool_]
    """(blob_count,) True: the places are this image's own, the file must not be shared with other images."""
    order: RowArray
    """(d,) chunk rows ordered by (blob, address); of rows that are the same chunk at the same place the first."""
    ordinal: RowArray
    """(m,) position of each chunk row's representative in `order`; -1 for a chunk without address."""
    first: RowArray
    """(blob_count + 1,) slice of `order` of each blob."""


def lay_out(tables: TreeTables) -> Backing:
    """Find a place for every chunk that a file uses.

    Cost: no I/O. One sort of the chunks.
    """
    chunks, blob_count = tables.chunks, len(tables.blobs)
    used = np.zeros(len(chunks.size), np.bool_)
    used[tables.extents.chunk] = True
    rows = np.flatnonzero(used)
    blob = chunks.blob_index[rows].astype(np.int64)
    blocks = np.clip(-(-chunks.size[rows] >> BLOCK_BITS), 1, _MAX_BLOCKS + 1)
    is_aligned = are_aligned(tables)
    place = (chunks.uncompressed_offset[rows] >> BLOCK_BITS) + np.where(is_aligned[blob], 0, chunks.number[rows])
    is_private = np.zeros(blob_count, np.bool_)
    is_odd = is_aligned[blob] & (chunks.uncompressed_offset[rows] % (1 << BLOCK_BITS) != 0)
    is_private[blob[_astray(chunks, rows, blob, place, blocks)]] = True
    is_private[blob[is_odd]] = True
    own = np.flatnonzero(is_private[blob])
    if own.size:
        place[own] = _in_sequence(chunks, rows[own], blob[own], blocks[own])
        placed = place + blocks <= _MAX_BLOCKS
        rows, blob, place, blocks = rows[placed], blob[placed], place[placed], blocks[placed]
    key = blob << _PLACE_BITS | place
    sequence = np.argsort(key, kind="stable")
    is_first = np.diff(key[sequence], prepend=-1) != 0
    leaders = sequence[is_first]
    address, ordinal = np.full((2, len(chunks.size)), -1, np.int64)
    address[rows] = place << BLOCK_BITS
    ordinal[rows[sequence]] = np.cumsum(is_first) - 1
    first = np.searchsorted(blob[leaders], np.arange(blob_count + 1))
    has_chunks = np.flatnonzero(np.diff(first))
    last = leaders[first[1:][has_chunks] - 1]
    sizes = np.zeros(blob_count, np.int64)
    sizes[has_chunks] = (place[last] + blocks[last]) << BLOCK_BITS
    return Backing(
        address=address, sizes=sizes, is_private=is_private, order=rows[leaders], ordinal=ordinal, first=first
    )


def are_aligned(tables: TreeTables) -> NDArray[np.bool_]:
    """Tell of each blob whether it says that its chunks begin on blocks; (blob_count,)."""
    return np.array([bool(blob.features & ALIGNED) for blob in tables.blobs], np.bool_)


def _astray(chunks: ChunkTable, rows: Indexes, blob: Offsets, place: Offsets, blocks: Offsets) -> Indexes:
    """Find the chunks that keep their blob from being shared: without digest, too far, or in the way of another one.

    Args:
        chunks: the chunk table.
        rows: (u,) those that are used.
        blob: (u,) of each.
        place: (u,) [blocks] where each would lie.
        blocks: (u,) its size.
    Returns: positions in `rows`.
    """
    digests = np.ascontiguousarray(chunks.digest).view(np.uint64)
    is_bare = np.bitwise_or.reduce(digests[rows], axis=1) == 0
    is_far: Bools = place + blocks > _MAX_BLOCKS
    near = np.where(is_far, _MAX_BLOCKS, place)
    order = np.argsort(blob << _PLACE_BITS | near, kind="stable")
    before, after = order[:-1], order[1:]
    collide = np.flatnonzero((blob[before] == blob[after]) & (near[after] < near[before] + blocks[before]))
    left, right = rows[before[collide]], rows[after[collide]]
    alike = (near[before[collide]] == near[after[collide]]) & (chunks.size[left] == chunks.size[right])
    alike &= (digests[left] == digests[right]).all(axis=1)
    return np.concatenate((np.flatnonzero(is_bare | is_far), before[collide[~alike]]))


def _in_sequence(chunks: ChunkTable, rows: Indexes, blob: Offsets, blocks: Offsets) -> Offsets:
    """Lay chunks one after the other, by blob, offset, number and row.

    Returns: (u,) [blocks] where each lies in the file of its blob.
    """
    order = np.lexsort((chunks.number[rows], chunks.uncompressed_offset[rows], blob))
    start = np.cumsum(blocks[order]) - blocks[order]
    first = np.searchsorted(blob[order], blob[order])
    place = np.empty(len(rows), np.int64)
    place[order] = start - start[first]
    return place


def map_chunks(tables: TreeTables, backing: Backing) -> ChunkMap:
    """Turn the extents of files into block addresses.

    A file is cut into cells of the largest power of two at whose multiples all its extents begin, and end unless the
    file ends there: mostly the image's chunk size. So a cell lies in one chunk as a whole, or in none and is a hole.

    Cost: no I/O. Linear in the entries and extents.
    """
    entries = tables.entries
    found = find_extents(tables)
    bits, is_whole = _choose_grains(tables, found, backing)
    is_file = (entries.mode >> np.uint32(12)) == 8
    is_file &= (entries.link_row == np.arange(len(entries.link_row))) & (entries.size > 0)
    rows = np.flatnonzero(is_file & is_whole)
    wanted = (entries.size[rows] - 1 >> bits[rows]) + 1
    is_many = wanted > _CELLS_FOR_EXTENT * (entries.extent_count[rows].astype(np.int64) + 1)
    many = np.flatnonzero(is_many)
    is_many[many[cheapest(wanted[many], _CELL_BUDGET)]] = False
    count = np.zeros(len(is_file), np.int64)
    count[rows[~is_many]] = wanted[~is_many]
    start = np.cumsum(count) - count
    total = int(count.sum())
    unmappable = np.concatenate((np.flatnonzero(is_file & ~is_whole), rows[is_many]))
    cells = ChunkMap(
        bits=bits,
        start=start,
        count=count,
        device=np.zeros(total, np.uint16),
        block=np.full(total, HOLE, np.uint32),
        unmappable=np.sort(unmappable).astype(np.int64),
    )
    _fill_cells(tables, found, backing, cells)
    return cells


def _choose_grains(tables: TreeTables, found: FileExtents, backing: Backing) -> tuple[NDArray[np.uint8], Bools]:
    """Choose the size of the cells of each file.

    Returns: (n,) log2 of [bytes]; (n,) false for files that have pieces at odd places, or pieces of chunks without one.
    """
    entries, extents = tables.entries, tables.extents
    bits = np.full(len(entries.size), _MAX_GRAIN_BITS, np.uint8)
    is_whole = np.ones(len(entries.size), np.bool_)
    if not found.files.size:
        return bits, is_whole
    start, size = extents.file_offset[found.extents], extents.size[found.extents]
    end = start + size
    end[end == entries.size[found.files][found.file]] = 0  # the file's end is a boundary for every grain
    firsts = np.searchsorted(found.file, np.arange(len(found.files)))
    boundaries = np.bitwise_or.reduceat(start | end, firsts)
    lowest = boundaries & -boundaries
    grain = np.where(boundaries == 0, _MAX_GRAIN_BITS, np.bitwise_count(lowest - 1))
    fits = (backing.address[found.chunks] >= 0) & (size <= tables.chunks.size[found.chunks])
    fits = np.logical_and.reduceat(fits, firsts)
    bits[found.files] = np.minimum(grain, _MAX_GRAIN_BITS)
    is_whole[found.files] = fits & (grain >= BLOCK_BITS)
    return bits, is_whole


def _fill_cells(tables: TreeTables, found: FileExtents, backing: Backing, cells: ChunkMap) -> None:
    """Say for each cell of the files that have some in which chunk it lies."""
    mapped = np.flatnonzero(cells.count[found.files][found.file] > 0)
    file, extent, chunk = found.files[found.file[mapped]], found.extents[mapped], found.chunks[mapped]
    shift = cells.bits[file].astype(np.int64)
    pieces = -(-tables.extents.size[extent] >> shift)
    cell = cells.start[file] + (tables.extents.file_offset[extent] >> shift)
    place = backing.address[chunk] >> BLOCK_BITS
    blob = tables.chunks.blob_index[chunk]
    if bool((pieces != 1).any()):  # chunks that are longer than a cell
        piece, ordinal = ragged(pieces)
        cell = cell[piece] + ordinal
        place = place[piece] + (ordinal << shift[piece] - BLOCK_BITS)
        blob = blob[piece]
    cells.device[cell] = blob + 1
    cells.block[cell] = place
