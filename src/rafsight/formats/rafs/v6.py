"""The RAFS v6 codec: an EROFS image with tables becomes the neutral columns.

This module alone decides how the parts of a v6 bootstrap come together.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.judge import STRICT, Judge
from rafsight.formats.rafs import shared_rules
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs import v6_rules as rules
from rafsight.formats.rafs.v6_blobs import read_blobs
from rafsight.formats.rafs.v6_chunks import read_chunks, read_slices
from rafsight.formats.rafs.v6_data import flat_data, share_out
from rafsight.formats.rafs.v6_inodes import REGULAR, SYMLINK, Inodes
from rafsight.formats.rafs.v6_volume import PREFETCH_TABLE, Volume, read_volume
from rafsight.formats.rafs.v6_walk import Tree, walk
from rafsight.formats.rafs.v6_writer import write_bootstrap as write
from rafsight.formats.rafs.xattrs import read_v6_xattrs
from rafsight.formats.records import Buffer, Indexes, Long, octets_of, ragged, sizes_to_nul
from rafsight.formats.tables import EntryTable, Head, Octets, Offsets, Rows, TreeTables

__all__ = ["ALIGNS_CHUNKS", "VERSION", "audit", "probe", "read", "read_head", "write"]

VERSION: Final = 6
ALIGNS_CHUNKS: Final = True
_MAGIC: Final = layout.MAGIC.to_bytes(4, "little")
_DEVICES: Final = (2, 6)
"""st_mode >> 12 of character and block devices."""


def probe(head: Buffer) -> bool:
    """Tell whether a file that begins with `head` is an EROFS image, as RAFS v6 is."""
    return bytes(head[layout.SUPERBLOCK_OFFSET : layout.SUPERBLOCK_OFFSET + 4]) == _MAGIC


def read_head(bootstrap: Buffer, name: str, limits: Limits) -> Head:
    """Read the head of a v6 bootstrap; `codec.Codec.read_head` says the rest."""
    volume = read_volume(bootstrap, limits, STRICT)
    return Head(superblock=volume.superblock, blobs=read_blobs(volume, name))


def read(bootstrap: Buffer, name: str, limits: Limits, judge: Judge) -> TreeTables:
    """Read a v6 bootstrap; `codec.Codec.read` says the rest."""
    volume = read_volume(bootstrap, limits, judge)
    blobs = read_blobs(volume, name)
    tree = walk(volume, limits)
    link_row = _link_rows(volume, tree)
    own = link_row == np.arange(len(link_row))
    files = np.flatnonzero(own & (tree.inodes.kind == REGULAR))
    inodes = tree.inodes.take(files)
    extents, chunks, count = read_chunks(volume, read_slices(volume, inodes, blobs), blobs, inodes)
    symlinks = np.flatnonzero(own & (tree.inodes.kind == SYMLINK))
    targets = _targets(volume, tree.inodes.take(symlinks))
    return TreeTables(
        superblock=volume.superblock,
        buffer=targets.content,
        entries=_entries(
            tree,
            link_row,
            extent_count=_spread(files, count, len(own)),
            target_offset=_spread(symlinks, targets.offset, len(own)),
            target_size=_spread(symlinks, targets.size, len(own)),
        ),
        extents=extents,
        chunks=chunks,
        blobs=blobs,
        prefetch=_prefetch(volume),
        read_xattrs=read_v6_xattrs,
    )


def audit(bootstrap: Buffer, tables: TreeTables, limits: Limits, judge: Judge) -> None:
    """Look at the rules that no reader needs; `codec.Codec.audit` says the rest."""
    from rafsight.formats.rafs import v6_audit

    v6_audit.audit(bootstrap, tables, limits, judge)


def _link_rows(volume: Volume, tree: Tree) -> Rows:
    """Find the first row of each row's inode."""
    rows = np.arange(len(tree.nid), dtype=np.int32)
    if len(rows) == 1:  # a root that could not be read has no nid
        return rows
    first = np.zeros(volume.slot_count, np.int32)
    first[tree.nid[::-1]] = rows[::-1]  # of a nid that stands twice the last assignment counts: its first row
    return first[tree.nid]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Targets:
    """The targets of n symlinks."""

    content: Buffer
    """What the offsets point into: the bootstrap; and what had to be put together, behind it."""
    offset: Offsets
    size: Offsets


def _targets(volume: Volume, inodes: Inodes) -> _Targets:
    """Find the targets of symlinks; with a judge that goes on, those that cannot be are empty or end at their NUL.

    Raises: MalformedImage: a target is empty, too long, holds a NUL, or lies outside the file.
    """
    where, octets, judge, size = "v6 symlink", volume.octets, volume.judge, inodes.size.copy()
    legal = (size > 0) & (size <= layout.MAX_SYMLINK_SIZE)
    size[judge.require(legal, shared_rules.SYMLINK_SIZE, where, inodes.offset, inodes.offset)] = 0
    share_out(judge, size, len(octets), rule=rules.TARGET_SHARED, where=where, inodes=inodes.offset)
    data = flat_data(volume, inodes, size, where)
    offset = np.where(data.outside > 0, data.start, inodes.body)
    split = np.flatnonzero((data.outside > 0) & (data.tail > 0))
    content: Buffer = volume.content
    if split.size:  # tarfs, with its blocks of 512 bytes
        pieces = (data.start[split], data.outside[split]), (inodes.body[split], data.tail[split])
        joined = _join(octets, pieces)
        offset[split] = len(octets) + np.cumsum(size[split]) - size[split]
        content = bytes(content) + joined.tobytes()
        octets = octets_of(content)
    lengths = sizes_to_nul(octets, offset, size, layout.MAX_SYMLINK_SIZE)
    judge.require(lengths == size, shared_rules.SYMLINK_NUL, where, inodes.offset, inodes.offset)
    return _Targets(content=content, offset=np.where(lengths > 0, offset, 0), size=lengths)


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


def _entries(
    tree: Tree, link_row: Rows, *, extent_count: Offsets, target_offset: Offsets, target_size: Offsets
) -> EntryTable:
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
        target_size=target_size[link_row].astype(np.int32),
        xattr_offset=np.where(inodes.xattr_size > 0, inodes.xattr_offset, 0),
        xattr_size=inodes.xattr_size,
        extent_start=np.where(extent_count > 0, np.cumsum(extent_count) - extent_count, 0)[link_row],
        extent_count=extent_count[link_row].astype(np.int32),
        inode_offset=inodes.offset,
    )


def _prefetch(volume: Volume) -> Long:
    """Read the prefetch table up to the zero that ends it."""
    if not volume.prefetch_offset:
        return np.empty(0, np.uint64)
    rows = volume.table(layout.PREFETCH_ENTRY, volume.prefetch_offset, volume.prefetch_count, PREFETCH_TABLE)
    nids = rows["nid"].astype(np.uint64)
    ends = np.flatnonzero(nids == 0)
    return nids[: ends[0]] if ends.size else nids
