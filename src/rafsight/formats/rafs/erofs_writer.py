"""EROFS metadata from neutral tables: what the kernel mounts instead of a stranger's bootstrap.

Inodes stand one behind the other, the root first, each followed by its extended attributes and then by its chunk
indexes or the tail of its data; whole blocks of directories and long links come behind all inodes. This module alone
decides this layout, which RAFS v6 shares: `v6_writer` puts another head and more tables to it. The same tables give the
same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.base.errors import Defect
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs.erofs_directories import Directories, find_entries, write_entries
from rafsight.formats.rafs.erofs_packing import BLOCK, BLOCK_BITS
from rafsight.formats.rafs.erofs_xattrs import count_of, encode_areas
from rafsight.formats.rafs.writing import copy_pieces, put, scatter
from rafsight.formats.records import Bools, Indexes, octets_of, ragged
from rafsight.formats.tables import Octets, Offsets, TreeTables

_INODE: Final = layout.EXTENDED_INODE.size
_SLOT: Final = layout.INODE_SLOT
_FIRST: Final = 2
"""[slots] nid of the root, unless its data would cross a block there: none is 0."""
_WORD: Final = 8
_MAX_BLOCKS: Final = 0xFFFF_FFFF
_LAST_NANOSECOND: Final = 999_999_999
_DIRECTORY, _REGULAR, _SYMLINK = 4, 8, 10
_DEVICES: Final = (2, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkMap:
    """Where the content of files lies in block devices; n entries, c cells."""

    bits: NDArray[np.uint8]
    """(n,) log2 of [bytes] of a file's cells."""
    start: Offsets
    """(n,) first cell of each file."""
    count: Offsets
    """(n,) cells of each file: its size in cells, or 0 for entries without content and for other names of a file."""
    device: NDArray[np.uint16]
    """(c,) device, from 1; 0 for holes."""
    block: NDArray[np.uint32]
    """(c,) block in the device; `v6_layout.HOLE` for holes."""
    unmappable: NDArray[np.int64]
    """(u,) rows of files that cannot be said in cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErofsVolume:
    """A written volume."""

    content: bytes
    nids: NDArray[np.uint64]
    """(n,) st_ino of each entry row."""
    dropped_xattrs: int
    """Extended attributes that EROFS cannot hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTree:
    """Inodes, names and links, with room for a head before them."""

    octets: Octets
    """Whole blocks."""
    nids: Offsets
    """(n,) of each entry row."""
    dropped_xattrs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """Where everything goes; (n,) by entry row, [bytes], meaningful for the first row of each inode."""

    inode: Offsets
    behind: Offsets
    """What follows inode and xattrs."""
    data: Offsets
    """Whole blocks; their place, if there are any."""
    is_inline: Bools
    sizes: Offsets
    """st_size."""
    end: int


def write_erofs(tables: TreeTables, chunk_map: ChunkMap, *, device_blocks: Sequence[int], uuid: bytes) -> ErofsVolume:
    """Write an EROFS volume whose files lie on other devices.

    Args:
        tables: the image.
        chunk_map: where its content lies; nothing in it is unmappable.
        device_blocks: [blocks] of each device.
        uuid: 16 bytes that name the volume.
    Raises: MalformedImage: extended attributes cannot be read.
    Cost: linear in entries and cells, by columns, but for one step for each inode.
    """
    if len(chunk_map.unmappable):
        raise Defect(what="files that are not made of blocks were to be mapped")
    table_size = layout.DEVICE_SLOT.size * len(device_blocks)
    meta = -(-(layout.PLAIN_DEVICE_TABLE_OFFSET + table_size) // BLOCK) * BLOCK
    cells = np.zeros(len(chunk_map.device), layout.PLAIN_CHUNK_INDEX.dtype)
    cells["device"], cells["block"] = chunk_map.device, chunk_map.block
    tree = write_tree(tables, chunk_map, cells, meta=meta, first=_FIRST)
    _write_head(tree, tables, device_blocks, uuid, meta)
    return ErofsVolume(
        content=tree.octets.tobytes(), nids=tree.nids.astype(np.uint64), dropped_xattrs=tree.dropped_xattrs
    )


def write_tree(
    tables: TreeTables, chunk_map: ChunkMap, cells: NDArray[np.void], *, meta: int, first: int
) -> WrittenTree:
    """Write everything but the head.

    Args:
        tables: the image.
        chunk_map: how its files are cut into cells; where these lie is left to `cells`.
        cells: (c,) chunk indexes as they stand in the file.
        meta: [bytes] where nid 0 would lie; what stands before is left zero.
        first: [slots] nid where inodes begin, with the root.
    Raises: MalformedImage: extended attributes cannot be read.
    Cost: linear in entries and cells, by columns, but for one step for each inode.
    """
    directories = find_entries(tables)
    areas, dropped = encode_areas(tables)
    sizes = _sizes(tables, directories)
    plan = _lay_out(tables, chunk_map, areas, sizes, meta + first * _SLOT)
    octets = np.zeros(plan.end, np.uint8)
    nids = ((plan.inode - meta) // _SLOT)[tables.entries.link_row]
    _write_inodes(octets, tables, chunk_map, areas, plan)
    _write_cells(octets, chunk_map, cells, plan)
    _write_links(octets, tables, plan)
    write_entries(octets, tables, directories, _directory_blocks(directories, plan), nids)
    return WrittenTree(octets=octets, nids=nids, dropped_xattrs=dropped)


def _kinds(tables: TreeTables) -> Indexes:
    return (tables.entries.mode >> np.uint32(12)).astype(np.intp)


def _sizes(tables: TreeTables, directories: Directories) -> Offsets:
    """Return (n,) [bytes] st_size of each entry."""
    kind = _kinds(tables)
    sizes = np.where(kind == _REGULAR, tables.entries.size, np.where(kind == _SYMLINK, tables.entries.target_size, 0))
    sizes[directories.rows] = directories.sizes
    return sizes.astype(np.int64)


def _lay_out(tables: TreeTables, chunk_map: ChunkMap, areas: dict[int, bytes], sizes: Offsets, start: int) -> _Plan:
    kind, count = _kinds(tables), len(tables.entries.mode)
    own = tables.entries.link_row == np.arange(count)
    head = np.full(count, _INODE, np.int64)
    for row, area in areas.items():
        head[row] += len(area)
    has_data = (kind == _DIRECTORY) | (kind == _SYMLINK)
    tail = np.where(has_data, sizes % BLOCK, 0)
    is_inline = (tail > 0) & (head + tail <= BLOCK)
    whole = np.where(has_data & own, sizes // BLOCK + ((tail > 0) & ~is_inline), 0)
    cells = -(-head // _WORD) * _WORD + chunk_map.count * layout.PLAIN_CHUNK_INDEX.size
    room = np.where(is_inline, head + tail, np.where(chunk_map.count > 0, cells, head))
    inode = np.zeros(count, np.int64)
    rows = np.flatnonzero(own)
    places, end = _place(room[rows].tolist(), is_inline[rows].tolist(), start)
    inode[rows] = places
    first = -(-end // BLOCK) * BLOCK
    data = first + (np.cumsum(whole) - whole) * BLOCK
    return _Plan(
        inode=inode,
        behind=inode + head,
        data=data,
        is_inline=is_inline,
        sizes=sizes,
        end=first + int(whole.sum()) * BLOCK,
    )


def _place(room: list[int], is_inline: list[bool], start: int) -> tuple[list[int], int]:
    """Put inodes one behind the other; those with inline data lie in one block.

    Returns: [bytes] of each, and the end of the last one.
    """
    places = []
    place = start
    for size, inline in zip(room, is_inline, strict=True):
        if inline and place % BLOCK + size > BLOCK:
            place += BLOCK - place % BLOCK
        places.append(place)
        place += (size + _SLOT - 1) // _SLOT * _SLOT
    return places, place


def _write_head(tree: WrittenTree, tables: TreeTables, device_blocks: Sequence[int], uuid: bytes, meta: int) -> None:
    superblock = np.zeros(1, layout.SUPERBLOCK.dtype)
    superblock["magic"] = layout.MAGIC
    superblock["blkszbits"] = BLOCK_BITS
    superblock["root_nid"] = tree.nids[0]
    superblock["inos"] = len(tables.entries.mode)
    superblock["blocks"] = min(sum(device_blocks) + len(tree.octets) // BLOCK, _MAX_BLOCKS)
    superblock["meta_blkaddr"] = meta // BLOCK
    superblock["uuid"] = uuid
    superblock["feature_incompat"] = layout.INCOMPATIBLE_CHUNKED_FILE
    if device_blocks:
        superblock["feature_incompat"] = layout.INCOMPATIBLE
        superblock["extra_devices"] = len(device_blocks)
        superblock["device_table_slot"] = layout.PLAIN_DEVICE_TABLE_OFFSET // layout.DEVICE_SLOT.size
    devices = np.zeros(len(device_blocks), layout.DEVICE_SLOT.dtype)
    devices["blocks"] = np.minimum(np.array(device_blocks, np.int64), _MAX_BLOCKS)
    put(tree.octets, layout.SUPERBLOCK_OFFSET, superblock.tobytes())
    put(tree.octets, layout.PLAIN_DEVICE_TABLE_OFFSET, devices.tobytes())


def _write_inodes(
    octets: Octets, tables: TreeTables, chunk_map: ChunkMap, areas: dict[int, bytes], plan: _Plan
) -> None:
    entries, kind = tables.entries, _kinds(tables)
    rows = np.flatnonzero(entries.link_row == np.arange(len(kind)))
    inodes = np.zeros(len(rows), layout.EXTENDED_INODE.dtype)
    is_file = kind == _REGULAR
    forms = np.where(
        is_file, layout.LAYOUT_CHUNKED, np.where(plan.is_inline, layout.LAYOUT_INLINE, layout.LAYOUT_PLAIN)
    )
    inodes["format"] = (forms[rows] << 1) | layout.FORMAT_EXTENDED
    chunked = (chunk_map.bits.astype(np.int64) - BLOCK_BITS) | layout.CHUNK_FORMAT_INDEXES
    union = np.where(is_file, chunked, np.where(np.isin(kind, _DEVICES), entries.rdev, plan.data // BLOCK))
    union[~(is_file | np.isin(kind, (*_DEVICES, _DIRECTORY, _SYMLINK)))] = 0
    inodes["union"], inodes["size"], inodes["ino"] = union[rows], plan.sizes[rows], np.arange(1, len(rows) + 1)
    for name in ("mode", "uid", "gid", "mtime", "nlink"):
        inodes[name] = getattr(entries, name)[rows]
    inodes["mtime_nsec"] = np.minimum(entries.mtime_nsec[rows], _LAST_NANOSECOND)  # as FUSE does; EROFS hands it on
    counts = np.zeros(len(kind), np.uint16)
    for row, area in areas.items():
        counts[row] = count_of(area)
        put(octets, int(plan.inode[row]) + _INODE, area)
    inodes["xattr_count"] = counts[rows]
    scatter(octets, plan.inode[rows], inodes)


def _write_cells(octets: Octets, chunk_map: ChunkMap, cells: NDArray[np.void], plan: _Plan) -> None:
    file, ordinal = ragged(chunk_map.count)
    places = -(-plan.behind[file] // _WORD) * _WORD + ordinal * layout.PLAIN_CHUNK_INDEX.size
    scatter(octets, places, cells[chunk_map.start[file] + ordinal])


def _write_links(octets: Octets, tables: TreeTables, plan: _Plan) -> None:
    entries = tables.entries
    rows = np.flatnonzero((_kinds(tables) == _SYMLINK) & (entries.link_row == np.arange(len(entries.mode))))
    places = np.where(plan.is_inline, plan.behind, plan.data)[rows]
    source, sizes = octets_of(memoryview(tables.buffer)), entries.target_size[rows].astype(np.int64)
    copy_pieces(octets, places, source, entries.target_offset[rows], sizes)


def _directory_blocks(directories: Directories, plan: _Plan) -> Offsets:
    """Return (b,) [bytes] where the blocks of directories go: the last one behind the inode, if it is inline."""
    directory, ordinal = ragged(directories.block_counts)
    places = plan.data[directories.rows][directory] + ordinal * BLOCK
    is_last = ordinal == directories.block_counts[directory] - 1
    inline = is_last & plan.is_inline[directories.rows][directory]
    places[inline] = plan.behind[directories.rows][directory][inline]
    return places
