"""The RAFS v6 codec: an EROFS image with tables becomes the neutral columns.

This module alone decides how the parts of a v6 bootstrap come together.
"""

from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs.v6_blobs import read_blobs
from rafsight.formats.rafs.v6_chunks import read_chunks, read_slices
from rafsight.formats.rafs.v6_inodes import REGULAR, SYMLINK, Inodes
from rafsight.formats.rafs.v6_volume import Volume, read_volume
from rafsight.formats.rafs.v6_walk import Tree, walk
from rafsight.formats.rafs.xattrs import read_v6_xattrs
from rafsight.formats.records import Buffer, Indexes, Long, octets_of, ragged, require, sizes_to_nul
from rafsight.formats.tables import EntryTable, Head, MalformedImage, Octets, Offsets, Rows, TreeTables

_MAGIC: Final = layout.MAGIC.to_bytes(4, "little")
_DEVICES: Final = (2, 6)
"""st_mode >> 12 of character and block devices."""


def probe(head: Buffer) -> bool:
    """Tell whether a file that begins with `head` is an EROFS image, as RAFS v6 is."""
    return bytes(head[layout.SUPERBLOCK_OFFSET : layout.SUPERBLOCK_OFFSET + 4]) == _MAGIC


def read_head(bootstrap: Buffer, name: str, limits: Limits) -> Head:
    """Read the head of a v6 bootstrap; `codec.Codec.read_head` says the rest."""
    volume = read_volume(bootstrap, limits)
    return Head(superblock=volume.superblock, blobs=read_blobs(volume, name))


def read(bootstrap: Buffer, name: str, limits: Limits) -> TreeTables:
    """Read a v6 bootstrap; `codec.Codec.read` says the rest."""
    volume = read_volume(bootstrap, limits)
    blobs = read_blobs(volume, name)
    tree = walk(volume, limits)
    link_row = _link_rows(volume, tree)
    own = link_row == np.arange(len(link_row))
    files = np.flatnonzero(own & (tree.inodes.kind == REGULAR))
    slices, count = read_slices(volume, tree.inodes.take(files))
    extents, chunks = read_chunks(volume, slices, blobs, files.astype(np.int32))
    symlinks = np.flatnonzero(own & (tree.inodes.kind == SYMLINK))
    buffer, target_offset = _targets(volume, tree.inodes.take(symlinks))
    return TreeTables(
        superblock=volume.superblock,
        buffer=buffer,
        entries=_entries(tree, link_row, _spread(files, count, len(own)), _spread(symlinks, target_offset, len(own))),
        extents=extents,
        chunks=chunks,
        blobs=blobs,
        prefetch=_prefetch(volume),
        read_xattrs=read_v6_xattrs,
    )


def _link_rows(volume: Volume, tree: Tree) -> Rows:
    """Find the first row of each row's inode."""
    first = np.zeros(volume.slot_count, np.int32)
    rows = np.arange(len(tree.nid), dtype=np.int32)
    first[tree.nid[::-1]] = rows[::-1]  # of a nid that stands twice the last assignment counts: its first row
    return first[tree.nid]


def _targets(volume: Volume, inodes: Inodes) -> tuple[Buffer, Offsets]:
    """Find the targets of symlinks.

    Returns: what the offsets point into (the bootstrap; and what had to be put together, behind it), and (n,) [bytes].
    Raises: MalformedImage: a target is empty, too long, holds a NUL, or lies outside the file.
    """
    where, octets = "v6 symlink", volume.octets
    require((inodes.layout == layout.LAYOUT_PLAIN) | (inodes.layout == layout.LAYOUT_INLINE), where,
            "has the layout of a file", inodes.offset)  # fmt: skip
    require((inodes.size > 0) & (inodes.size <= layout.MAX_SYMLINK_SIZE), where, "has a target of no or too many bytes",
            inodes.offset)  # fmt: skip
    if int(inodes.size.sum()) > len(octets):
        raise MalformedImage(where=where, what="shares its target with others", offset=volume.meta_offset)
    tail = np.where(inodes.layout == layout.LAYOUT_INLINE, inodes.size % volume.block_size, 0)
    outside = inodes.size - tail
    start = inodes.union.astype(np.int64) * volume.block_size
    require((outside == 0) | ((start >= volume.first_offset) & (start + outside <= len(octets))), where,
            "has a target outside the file", inodes.offset)  # fmt: skip
    require(inodes.body + tail <= len(octets), where, "has a target past the end", inodes.offset)
    offset = np.where(outside > 0, start, inodes.body)
    split = np.flatnonzero((outside > 0) & (tail > 0))
    content: Buffer = volume.content
    if split.size:  # tarfs, with its blocks of 512 bytes
        joined = _join(octets, ((offset[split], outside[split]), (inodes.body[split], tail[split])))
        offset[split] = len(octets) + np.cumsum(inodes.size[split]) - inodes.size[split]
        content = bytes(content) + joined.tobytes()
        octets = octets_of(content)
    sizes = sizes_to_nul(octets, offset, inodes.size, layout.MAX_SYMLINK_SIZE)
    require(sizes == inodes.size, where, "has a NUL in its target", inodes.offset)
    return content, offset


def _join(octets: Octets, pieces: tuple[tuple[Offsets, Offsets], tuple[Offsets, Offsets]]) -> Octets:
    """Put two pieces of each target one after the other; a piece is (offset, size), [bytes]."""
    (first, first_size), (second, second_size) = pieces
    start = np.stack((first, second), axis=1).ravel()
    piece, ordinal = ragged(np.stack((first_size, second_size), axis=1).ravel())
    joined: Octets = octets[start[piece] + ordinal]
    return joined


def _spread(rows: Indexes, values: Offsets, count: int) -> Offsets:
    """Put the values of some rows into a column of all; zeros elsewhere."""
    column = np.zeros(count, np.int64)
    column[rows] = values
    return column


def _entries(tree: Tree, link_row: Rows, extent_count: Offsets, target_offset: Offsets) -> EntryTable:
    """Bring the columns together. Names of one inode share its extents and its target."""
    inodes = tree.inodes
    is_device = np.isin(inodes.kind, _DEVICES)
    return EntryTable(
        parent=tree.parent,
        name_offset=tree.name_offset,
        name_size=tree.name_size,
        mode=inodes.mode,
        uid=inodes.uid,
        gid=inodes.gid,
        size=inodes.size,
        mtime=inodes.mtime,
        mtime_nsec=inodes.mtime_nsec,
        nlink=inodes.nlink,
        rdev=np.where(is_device, inodes.union, np.uint32(0)),
        ino=tree.nid,
        link_row=link_row,
        child_start=tree.child_start,
        child_count=tree.child_count,
        target_offset=target_offset[link_row],
        target_size=np.where(inodes.kind == SYMLINK, inodes.size, 0).astype(np.int32),
        xattr_offset=np.where(inodes.xattr_size > 0, inodes.xattr_offset, 0),
        xattr_size=inodes.xattr_size,
        extent_start=np.where(extent_count > 0, np.cumsum(extent_count) - extent_count, 0)[link_row],
        extent_count=extent_count[link_row].astype(np.int32),
    )


def _prefetch(volume: Volume) -> Long:
    """Read the prefetch table up to the zero that ends it."""
    if not volume.prefetch_offset:
        return np.empty(0, np.uint64)
    where = "v6 prefetch table"
    rows = layout.PREFETCH_ENTRY.rows(volume.content, volume.prefetch_offset, volume.prefetch_count, where)
    nids = rows["nid"].astype(np.uint64)
    ends = np.flatnonzero(nids == 0)
    return nids[: ends[0]] if ends.size else nids
