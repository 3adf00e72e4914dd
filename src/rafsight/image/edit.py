"""A new tree from an old one and changes: what was not changed is taken over by columns.

This module alone decides how an edited tree lies in `TreeTables`: rows level by level, so that children stand together;
`ino` is the first row of an inode plus one; extents in the order of the files, without those that no file has any more;
extended attributes in the form of `overlay_tables`. Link counts are counted anew, and what a format works out for
itself (sizes of folders, blocks, digests) is left to its writer.
"""

import stat as st
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rafsight.base.errors import Defect
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.records import Bools, Indexes, ragged
from rafsight.formats.tables import BlobEntry, ChunkTable, EntryTable, ExtentTable, Offsets, Rows, TreeTables
from rafsight.image.changes import Changes
from rafsight.image.edit_draft import Draft
from rafsight.image.overlay_tables import pack_xattrs, unpack_xattrs
from rafsight.image.tree import ImageTree

_NANOSECONDS: Final = 1_000_000_000
_TYPE: Final = np.uint32(0o170000)
_SAME: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedContents:
    """Where the contents of changes lie."""

    chunks: ChunkTable
    """Those of the old image, in their rows, and behind them those of new blobs."""
    blobs: tuple[BlobEntry, ...]
    """Likewise."""
    rows: tuple[Rows, ...]
    """For each entry that comes, in the order of the changes: the rows of `chunks` that its content is made of, cut at
    multiples of the image's chunk size; empty for one without content."""


def edit_tree(tree: ImageTree, changes: Changes, packed: PackedContents) -> TreeTables:
    """Make the tables of a changed tree.

    Args:
        tree: the old one, whose files are made of chunks of one size.
        changes: what becomes different.
        packed: the content of what comes.
    Raises: NoSuchPath, WrongKind, ImpossibleChange: a change cannot be made. MalformedImage: extended attributes cannot
        be read. Defect: `packed` is of other changes.
    Cost: linear in entries and extents, by columns; one step for each change, for each name in a folder that changes,
        and for each inode with extended attributes.
    """
    draft = Draft(tree)
    draft.apply(changes)
    walk = _walk(draft)
    comers = _Comers(draft, changes, packed)
    inode = np.concatenate([tree.entries.link_row.astype(np.int64), np.array(draft.inode_of, np.int64)])[walk.node]
    _, first, back = np.unique(inode, return_index=True, return_inverse=True)
    link_row = first[back].astype(np.int32)
    entries = _entries(comers, walk, inode, link_row)
    own = link_row == np.arange(len(link_row))
    entries, extents = _with_extents(entries, comers, inode, own)
    old = tree.tables
    flags = _flags(old.superblock.flags, packed.blobs, has_xattrs=bool(entries.xattr_size.any()))
    return TreeTables(
        superblock=replace(old.superblock, flags=flags, inode_count=len(first), root_ino=1),
        buffer=b"".join([old.buffer, comers.pool]),
        entries=entries,
        extents=extents,
        chunks=packed.chunks,
        blobs=packed.blobs,
        prefetch=_prefetch(old, walk.node, entries),
        read_xattrs=unpack_xattrs,
    )


def _flags(old: int, blobs: tuple[BlobEntry, ...], *, has_xattrs: bool) -> int:
    """Return the flags of the image: those that sum up what the tables hold may not hold any more."""
    flags = old | shared.HAS_XATTR if has_xattrs else old & ~shared.HAS_XATTR
    if not all(blob.features & shared.INLINED_CHUNK_DIGEST for blob in blobs):
        flags &= ~shared.INLINED_CHUNK_DIGESTS
    return flags


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """The rows of the new tree."""

    node: Indexes
    """(m,) node of each row."""
    parent: Rows
    child_start: Rows
    child_count: Rows


def _walk(draft: Draft) -> _Walk:
    """Put the nodes into rows, level by level. Cost: a handful of array operations for each level."""
    entries, count = draft.tree.entries, len(draft.tree) + len(draft.inode_of)
    none = np.zeros(len(draft.inode_of), np.int64)
    start, sizes = np.concatenate([entries.child_start, none]), np.concatenate([entries.child_count, none])
    listed: list[int] = []
    for folder, names in draft.children.items():
        start[folder], sizes[folder] = count + len(listed), len(names)
        listed += [names[name] for name in sorted(names)]
    nodes = np.concatenate([np.arange(count), np.array(listed, np.int64)])
    levels, parents, first = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)], 0
    while len(level := levels[-1]):
        group, ordinal = ragged(sizes[level])
        levels.append(nodes[start[level][group] + ordinal])
        parents.append(first + group)
        first += len(level)
    node = np.concatenate(levels)
    child_count = sizes[node]
    child_start = np.where(child_count > 0, 1 + np.cumsum(child_count) - child_count, 0)
    return _Walk(
        node=node,
        parent=np.concatenate(parents).astype(np.int32),
        child_start=child_start.astype(np.int32),
        child_count=child_count.astype(np.int32),
    )


class _Comers:
    """Columns of the inodes that came or were changed, to stand behind those of the old tree."""

    def __init__(self, draft: Draft, changes: Changes, packed: PackedContents) -> None:
        self.tree, self.names, self.pool = draft.tree, draft.names, bytearray()
        numbers = list(draft.inodes)
        self.inodes = [draft.inodes[number] for number in numbers]
        highest = len(draft.tree) + len(draft.inodes)
        self.place = np.full(highest, _SAME, np.int64)
        """(inodes,) where the columns of an inode stand, those of the old tree before; -1 for one that is as it was."""
        self.place[numbers] = len(draft.tree) + np.arange(len(numbers))
        size = draft.tree.tables.superblock.chunk_size
        chunks = [packed.rows[one.put] if one.put >= 0 else np.zeros(0, np.int32) for one in self.inodes]
        self.extent_count = np.array([len(rows) for rows in chunks], np.int32)
        self.chunk = np.concatenate([np.zeros(0, np.int32), *chunks])
        _, ordinal = ragged(self.extent_count.astype(np.int64))
        self.file_offset = ordinal * size
        self.extent_size = packed.chunks.size[self.chunk]
        self.size = np.array([self._size_of(one.put, changes, len(one.target)) for one in self.inodes], np.int64)
        self._check(size)

    @staticmethod
    def _size_of(put: int, changes: Changes, target: int) -> int:
        content = changes.puts[put].content if put >= 0 else None
        return content.size if content is not None else target

    def _check(self, size: int) -> None:
        """Hold the chunks against the contents that they were cut from."""
        wanted = np.where([one.put >= 0 for one in self.inodes], -(-self.size // size), 0)
        file, ordinal = ragged(self.extent_count.astype(np.int64))
        if len(file) and not bool((self.extent_size == np.minimum(self.size[file] - ordinal * size, size)).all()):
            raise Defect(what="chunks of other sizes than the content's were packed")
        if (wanted != self.extent_count).any():
            raise Defect(what="content was packed that is not the changes'")

    def put(self, text: bytes) -> int:
        """Append a text to the buffer; return its offset [bytes]."""
        offset = len(self.tree.buffer) + len(self.pool)
        self.pool += text
        return offset

    def column(self, name: str, values: list[int] | NDArray[Any]) -> NDArray[Any]:
        """Put a column of theirs behind that of the old tree."""
        old: NDArray[Any] = getattr(self.tree.entries, name)
        return np.concatenate([old, np.array(values, old.dtype)])


def _entries(comers: _Comers, walk: _Walk, inode: Indexes, link_row: Rows) -> EntryTable:
    """Bring the columns together; extents are still those of nobody."""
    tree, inodes, count = comers.tree, comers.inodes, len(inode)
    place = comers.place[inode]
    old = walk.node < len(tree)
    row = np.where(place >= 0, place, np.where(old, walk.node, inode))
    content = np.where(place >= 0, place, inode)
    mode = comers.column("mode", [one.mode for one in inodes])[row]
    times = [divmod(one.mtime, _NANOSECONDS) for one in inodes]
    target_offset = comers.column("target_offset", [comers.put(one.target) if one.target else 0 for one in inodes])
    xattr_offset, xattr_size = _xattrs(comers, content)
    name_offset = comers.column("name_offset", [comers.put(name) for name in comers.names])
    none = np.zeros(count, np.int64)
    return EntryTable(
        parent=walk.parent,
        name_offset=name_offset[walk.node],
        name_size=comers.column("name_size", [len(name) for name in comers.names])[walk.node],
        mode=mode,
        uid=comers.column("uid", [one.uid for one in inodes])[row],
        gid=comers.column("gid", [one.gid for one in inodes])[row],
        size=comers.column("size", comers.size)[row],
        mtime=comers.column("mtime", [seconds for seconds, _ in times])[row],
        mtime_nsec=comers.column("mtime_nsec", [rest for _, rest in times])[row],
        nlink=_link_counts(mode, walk.parent, link_row),
        rdev=comers.column("rdev", [one.rdev for one in inodes])[row],
        ino=(link_row + 1).astype(np.uint64),
        link_row=link_row,
        child_start=walk.child_start,
        child_count=walk.child_count,
        target_offset=target_offset[content],
        target_size=comers.column("target_size", [len(one.target) for one in inodes])[content],
        xattr_offset=xattr_offset,
        xattr_size=xattr_size,
        extent_start=none,
        extent_count=none.astype(np.int32),
    )


def _link_counts(mode: NDArray[np.uint32], parent: Rows, link_row: Rows) -> NDArray[np.uint32]:
    """Count the names of inodes, and for directories what refers to them: their name, `.`, and those in them."""
    is_directory = (mode & _TYPE) == st.S_IFDIR
    counts = np.bincount(link_row, minlength=len(mode))[link_row]
    below = np.flatnonzero(is_directory)[1:]  # all but the root, which is nobody's child
    counts[is_directory] = 2 + np.bincount(parent[below], minlength=len(mode))[is_directory]
    return counts.astype(np.uint32)


def _xattrs(comers: _Comers, content: Indexes) -> tuple[Offsets, Rows]:
    """Bring extended attributes into one form, each set once in the buffer; return offset and size of each row."""
    tree, count = comers.tree, len(comers.tree)
    offset, size = np.zeros(count + len(comers.inodes), np.int64), np.zeros(count + len(comers.inodes), np.int32)
    known: dict[bytes, int] = {}
    read: dict[bytes, bytes] = {}

    def enter(row: int, packed: bytes) -> None:
        if packed not in known:
            known[packed] = comers.put(packed)
        offset[row], size[row] = known[packed], len(packed)

    rows = np.unique(content[content < count])
    for row in rows[tree.entries.xattr_size[rows] > 0].tolist():
        start = int(tree.entries.xattr_offset[row])
        area = bytes(tree.buffer[start : start + int(tree.entries.xattr_size[row])])
        if area not in read:
            read[area] = pack_xattrs(tree.xattrs(row))
        if read[area]:
            enter(row, read[area])
    for number, one in enumerate(comers.inodes):
        if one.xattrs:
            enter(count + number, one.xattrs)
    return offset[content], size[content]


def _with_extents(entries: EntryTable, comers: _Comers, inode: Indexes, own: Bools) -> tuple[EntryTable, ExtentTable]:
    """Lay out the extents of the files that there are, in their order."""
    old, stored = comers.tree.entries, comers.tree.tables.extents
    place = comers.place[inode]
    content = np.where(place >= 0, place, inode)
    start = comers.column("extent_start", len(stored.chunk) + np.cumsum(comers.extent_count) - comers.extent_count)[
        content
    ]
    count = np.concatenate([old.extent_count, comers.extent_count])[content]
    counts = np.where(own, count, 0).astype(np.int64)
    file, ordinal = ragged(counts)
    rows = start[file] + ordinal
    starts = np.where(count > 0, (np.cumsum(counts) - counts)[entries.link_row], 0)
    extents = ExtentTable(
        chunk=np.concatenate([stored.chunk, comers.chunk])[rows],
        file_offset=np.concatenate([stored.file_offset, comers.file_offset])[rows],
        size=np.concatenate([stored.size, comers.extent_size])[rows],
    )
    return replace(entries, extent_start=starts.astype(np.int64), extent_count=count.astype(np.int32)), extents


def _prefetch(old: TreeTables, node: Indexes, entries: EntryTable) -> NDArray[np.uint64]:
    """Take over which inodes to fetch first; those that are gone fall out."""
    if not len(old.prefetch):
        return old.prefetch
    kept = np.flatnonzero(node < len(old.entries.ino))
    rows = {int(ino): int(row) for ino, row in zip(old.entries.ino[node[kept]].tolist()[::-1], kept[::-1], strict=True)}
    found = [rows[ino] for ino in old.prefetch.tolist() if ino in rows]
    return entries.ino[np.array(found, np.intp)]
