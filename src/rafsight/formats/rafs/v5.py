"""The RAFS v5 codec: inode records become the neutral columns.

This module alone decides how the parts of a v5 bootstrap come together.
"""

from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.judge import STRICT, Judge
from rafsight.formats.rafs import v5_head, v5_rules
from rafsight.formats.rafs import v5_layout as layout
from rafsight.formats.rafs.names import MAX_NAME_SIZE
from rafsight.formats.rafs.v5_chunks import files_of, read_chunks
from rafsight.formats.rafs.v5_inodes import REGULAR, WHERE, Inodes, read_inodes
from rafsight.formats.rafs.v5_tree import Tree, build_tree
from rafsight.formats.rafs.v5_writer import write_bootstrap as write
from rafsight.formats.rafs.xattrs import read_v5_xattrs
from rafsight.formats.records import Buffer
from rafsight.formats.tables import EntryTable, Head, Offsets, Rows, TreeTables

__all__ = ["ALIGNS_CHUNKS", "VERSION", "audit", "probe", "read", "read_head", "write"]

VERSION: Final = 5
ALIGNS_CHUNKS: Final = False
_MAGIC: Final = layout.MAGIC.to_bytes(4, "little")
_MAX_BLOCKS: Final = np.uint64((1 << 62) - 1)
"""What a nonsensical number of blocks is cut to: nothing but people reads it."""
_DEVICES: Final = (2, 6)
"""st_mode >> 12 of character and block devices."""


def probe(head: Buffer) -> bool:
    """Tell whether a file that begins with `head` is RAFS in its own layout: v5, or the v4 before it."""
    return bytes(head[:4]) == _MAGIC


def read_head(bootstrap: Buffer, name: str, limits: Limits) -> Head:
    """Read the head of a v5 bootstrap; `codec.Codec.read_head` says the rest."""
    head = v5_head.read_head(bootstrap, name, limits, STRICT)
    return Head(superblock=head.superblock, blobs=head.blobs)


def read(bootstrap: Buffer, name: str, limits: Limits, judge: Judge) -> TreeTables:
    """Read a v5 bootstrap; `codec.Codec.read` says the rest."""
    head = v5_head.read_head(bootstrap, name, limits, judge)
    tree = build_tree(bootstrap, read_inodes(bootstrap, head, judge), limits, judge)
    link_row = _link_rows(tree.inodes, head.entry_count, judge)
    own = link_row == np.arange(len(link_row))
    files = np.flatnonzero(own & (tree.inodes.kind == REGULAR))
    content = read_chunks(bootstrap, files_of(tree.inodes, files), head, judge)
    extent_count = np.zeros(len(link_row), np.int64)
    extent_count[files] = content.counts
    return TreeTables(
        superblock=head.superblock,
        buffer=bootstrap,
        entries=_entries(tree, link_row, extent_count),
        extents=content.extents,
        chunks=content.chunks,
        blobs=head.blobs,
        prefetch=head.prefetch,
        read_xattrs=read_v5_xattrs,
    )


def audit(bootstrap: Buffer, tables: TreeTables, limits: Limits, judge: Judge) -> None:
    """Look at the rules that no reader needs; `codec.Codec.audit` says the rest."""
    from rafsight.formats.rafs import v5_audit

    v5_audit.audit(bootstrap, tables, limits, judge)


def _link_rows(inodes: Inodes, entry_count: int, judge: Judge) -> Rows:
    """Find the first row of each row's inode; the row itself where the judge was told that its number cannot be.

    Raises: MalformedImage: inode numbers are none, or entries that share one are not names of one regular file.
    """
    ino, rows = inodes.fields["ino"], np.arange(len(inodes.offset), dtype=np.int32)
    is_number = (ino > 0) & (ino <= np.uint64(entry_count)) | inodes.is_lost
    wrong = judge.require(is_number, v5_rules.INODE_NUMBER, WHERE, inodes.offset, inodes.offset)
    first = np.zeros(entry_count + 1, np.int32)
    known = np.where(is_number, ino, 0)
    first[known[::-1]] = rows[::-1]  # of an ino that stands twice the last assignment counts: its first row
    link_row: Rows = first[known]
    link_row[wrong] = rows[wrong]
    link_row[0] = 0
    links = np.flatnonzero(link_row != rows)
    sources = link_row[links]
    same = (inodes.kind[links] == REGULAR) & (inodes.kind[sources] == REGULAR)
    same &= (inodes.digest[links] == inodes.digest[sources]).all(axis=1)
    same &= inodes.size[links] == inodes.size[sources]
    same &= inodes.chunk_count[links] == inodes.chunk_count[sources]
    is_told = ~(inodes.is_whole[links] & inodes.is_whole[sources])  # why their content is given up
    judge.require(same | is_told, v5_rules.LINK_DIFFERS, WHERE, inodes.offset[links], inodes.offset[links])
    link_row[links[~same]] = links[~same]
    return link_row


def _entries(tree: Tree, link_row: Rows, extent_count: Offsets) -> EntryTable:
    """Bring the columns together. Names of one inode share its extents."""
    inodes = tree.inodes
    fields = inodes.fields
    name_size = np.minimum(inodes.name_size, MAX_NAME_SIZE).astype(np.int32)
    name_size[0] = 0  # the root is stored as `/`
    is_device = np.isin(inodes.kind, _DEVICES)
    return EntryTable(
        parent=tree.parent,
        name_offset=inodes.name_offset,
        name_size=name_size,
        mode=fields["mode"].astype(np.uint32),
        uid=fields["uid"].astype(np.uint32),
        gid=fields["gid"].astype(np.uint32),
        size=inodes.size,
        mtime=fields["mtime"].astype(np.int64),
        mtime_nsec=fields["mtime_nsec"].astype(np.uint32),
        nlink=fields["nlink"].astype(np.uint32),
        rdev=np.where(is_device, fields["rdev"], np.uint32(0)),
        ino=fields["ino"].astype(np.uint64),
        link_row=link_row,
        child_start=tree.child_start,
        child_count=tree.child_count,
        target_offset=np.where(inodes.target_size > 0, inodes.target_offset, 0),
        target_size=inodes.target_size.astype(np.int32),
        xattr_offset=inodes.xattr_offset,
        xattr_size=inodes.xattr_size.astype(np.int32),
        extent_start=np.where(extent_count > 0, np.cumsum(extent_count) - extent_count, 0)[link_row],
        extent_count=extent_count[link_row].astype(np.int32),
        digest=inodes.digest,
        blocks=np.minimum(fields["blocks"], _MAX_BLOCKS).astype(np.int64),
        inode_offset=np.maximum(inodes.offset, 0),
    )
