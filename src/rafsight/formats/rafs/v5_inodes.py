"""Inode records of a RAFS v5 bootstrap as columns, and the tree that they make.

This module alone decides what a v5 inode says and where its variable parts lie. No two records share a byte and every
index has one parent, so that the work is bounded by the length of the file.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import v5_layout as layout
from rafsight.formats.rafs.names import name_order
from rafsight.formats.rafs.v5_head import Head
from rafsight.formats.records import Buffer, Indexes, load_words, octets_field, octets_of, require, sizes_to_nul
from rafsight.formats.tables import MalformedImage, Octets, Offsets, Rows, Words

WHERE: Final = "v5 inode"
DIRECTORY: Final = 4
REGULAR: Final = 8
SYMLINK: Final = 10
_FILE_TYPES: Final = (1, 2, 4, 6, 8, 10, 12)
_MAX_SIZE: Final = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Inodes:
    """Columns of n inode records, in the order of the tables."""

    offset: Offsets
    """[bytes] of the record."""
    fields: np.ndarray
    """(n,) of layout.INODE."""
    digest: Octets
    kind: Words
    """st_mode >> 12."""
    size: Offsets
    name_offset: Offsets
    name_size: Offsets
    target_offset: Offsets
    target_size: Offsets
    xattr_offset: Offsets
    xattr_size: Offsets
    chunk_offset: Offsets
    """[bytes] of the first chunk record."""
    chunk_count: Offsets

    def take(self, rows: Indexes) -> "Inodes":
        """Choose some rows."""
        return Inodes(**{name: getattr(self, name)[rows] for name in self.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Directory entries in the order of the tables; n rows."""

    inodes: Inodes
    parent: Rows
    child_start: Rows
    child_count: Rows


def read_inodes(content: Buffer, head: Head) -> Inodes:
    """Read all inode records, in the order of the inode table.

    Raises: MalformedImage: a record is none, lies outside the file or on another.
    """
    octets = octets_of(content)
    table = layout.INODE_TABLE_ENTRY.rows(content, head.inode_table_offset, head.entry_count, "v5 inode table")
    offset = table["offset_eighth"].astype(np.int64) * layout.ALIGNMENT
    require(offset > layout.SUPERBLOCK_SIZE, WHERE, "lies in the superblock", offset)
    fields = layout.INODE.gather(octets, offset, WHERE)
    kind = fields["mode"] >> np.uint32(12)
    require(np.isin(kind, _FILE_TYPES), WHERE, "has no file type", offset)
    require(fields["nlink"] > 0, WHERE, "has no links", offset)
    require(fields["size"] < np.uint64(_MAX_SIZE), WHERE, "has an absurd size", offset)
    name_offset = offset + layout.INODE.size
    name_size = fields["name_size"].astype(np.int64)
    target_offset = name_offset + _padded(name_size)
    target_size = np.where(kind == SYMLINK, fields["target_size"], 0).astype(np.int64)
    require((target_size > 0) | (kind != SYMLINK), WHERE, "is a symlink to nothing", offset)
    xattr_offset = target_offset + _padded(target_size)
    xattr_size, after = _xattr_sizes(octets, fields, xattr_offset)
    chunk_count = np.where(kind == REGULAR, fields["child_count"], 0).astype(np.int64)
    _check_places(octets, offset, after + chunk_count * shared.CHUNK_INFO.size)
    sizes = sizes_to_nul(octets, target_offset, target_size, 1 << 16)
    require(sizes == target_size, WHERE, "has a NUL in its target", offset)
    return Inodes(
        offset=offset,
        fields=fields,
        digest=octets_field(fields, "digest"),
        kind=kind,
        size=fields["size"].astype(np.int64),
        name_offset=name_offset,
        name_size=name_size,
        target_offset=target_offset,
        target_size=target_size,
        xattr_offset=np.where(xattr_size > 0, xattr_offset + layout.XATTR_HEAD.size, 0),
        xattr_size=xattr_size,
        chunk_offset=after,
        chunk_count=chunk_count,
    )


def build_tree(content: Buffer, inodes: Inodes, limits: Limits) -> Tree:
    """Find every inode's parent, and order the children of each directory by name.

    Raises: MalformedImage: indexes do not make a tree, a name is illegal, or directories lie too deep.
    """
    count = len(inodes.offset)
    require(inodes.kind[:1] == DIRECTORY, WHERE, "is the root, and no directory", inodes.offset)
    directories = np.flatnonzero((inodes.kind == DIRECTORY) & (inodes.fields["child_count"] > 0))
    start = inodes.fields["child_index"][directories].astype(np.int64) - 1
    size = inodes.fields["child_count"][directories].astype(np.int64)
    require(start > directories, WHERE, "has children that come before it", inodes.offset[directories])
    turn = np.argsort(start, kind="stable")
    expected = 1 + np.cumsum(size[turn]) - size[turn]
    require(start[turn] == expected, WHERE, "shares children with others, or leaves some out",
            inodes.offset[directories[turn]])  # fmt: skip
    if int(size.sum()) != count - 1:
        raise MalformedImage(where="v5 inode table", what="has entries that no directory holds", offset=0)
    group = np.repeat(np.arange(len(turn), dtype=np.int32), size[turn])
    parent = np.concatenate((np.zeros(1, np.int32), directories[turn][group].astype(np.int32)))
    child_start, child_count = np.zeros(count, np.int32), np.zeros(count, np.int32)
    child_start[directories], child_count[directories] = start, size
    _check_depth(parent, limits.path_size // 2)
    order = name_order(octets_of(content), inodes.name_offset[1:], inodes.name_size[1:], group, WHERE)
    if order is None:
        return Tree(inodes=inodes, parent=parent, child_start=child_start, child_count=child_count)
    rows = np.concatenate((np.zeros(1, np.intp), order + 1))
    moved = np.empty(count, np.int32)
    moved[rows] = np.arange(count)
    return Tree(
        inodes=inodes.take(rows),
        parent=moved[parent][rows],
        child_start=child_start[rows],
        child_count=child_count[rows],
    )


def _padded(size: Offsets) -> Offsets:
    return (size + (layout.ALIGNMENT - 1)) & -layout.ALIGNMENT


def _xattr_sizes(octets: Octets, fields: np.ndarray, offset: Offsets) -> tuple[Offsets, Offsets]:
    """Measure the xattr pairs of each inode, and find where what follows them begins."""
    has = (fields["flags"] & np.uint64(layout.INODE_XATTR)) != 0
    require(~has | (offset + layout.XATTR_HEAD.size <= len(octets)), WHERE, "has xattrs past the end", offset)
    stored = np.zeros(len(offset), np.uint64)
    stored[has] = load_words(octets, offset[has])
    require(stored <= np.uint64(len(octets)), WHERE, "has more xattrs than the file has bytes", offset)
    size = stored.astype(np.int64)
    return size, np.where(has, offset + layout.XATTR_HEAD.size + _padded(size), offset)


def _check_places(octets: Octets, offset: Offsets, end: Offsets) -> None:
    """Make sure that records lie in the file and not on each other."""
    require(end <= len(octets), WHERE, "reaches past the end", offset)
    order = np.argsort(offset, kind="stable")
    apart = end[order][:-1] <= offset[order][1:]
    require(apart, WHERE, "reaches into the next", offset[order][:-1])


def _check_depth(parent: Rows, limit: int) -> None:
    """Make sure that no directory lies deeper than any path can name: jump up twice as far in every round."""
    ancestor, jump = parent, 1
    while bool(ancestor.any()):
        if jump > limit:
            raise MalformedImage(where="v5 directory", what="lies too deep", offset=0)
        ancestor, jump = ancestor[ancestor], jump * 2
