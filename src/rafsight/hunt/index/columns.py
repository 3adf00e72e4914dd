"""What an index keeps of a tree: columns of its entries, as they come from a bootstrap and go to a table.

This module alone decides that. How a file's content is known: by the digest of its only chunk, which is the digest of
its content; with several chunks by `ImageTree.content_key`. Inode numbers are left out, since they tell builds of the
same files apart, and so are link counts.
"""

import stat as st
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.base.errors import ImageFault
from rafsight.base.units import KiB, MiB
from rafsight.formats.records import Bools, Indexes
from rafsight.formats.tables import Digester, MalformedImage, Octets, Offsets, Rows, Words, Xattr
from rafsight.image.tree import ImageTree

DIGEST_SIZE: Final = 32
"""[bytes] of a content's digest."""
XATTR_VALUE_SIZE: Final = 1 * KiB
"""[bytes] Longer values of extended attributes are left out."""
MOST_ENTRIES: Final = 4_000_000
PATHS_SIZE: Final = 256 * MiB
"""[bytes] of the paths of all folders of an image: folders may lie very deep in hostile ones."""
_NOTHING: Final = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
"""SHA-256 of no bytes."""


class TooLargeForIndex(ImageFault):
    """An image has more files than an index takes of one."""

    code = "too-large-for-index"
    template = "the image is too large for an index: {what}, at most {most} are taken"
    remedy = "Ask the image itself: rafsight find REF PATTERN, or rafsight hunt without --index."


class ContentKind(IntEnum):
    """What the digest of a content is."""

    NONE = 0
    """There is none: no regular file, or chunks without digests."""
    SHA256 = 1
    """Of the whole content."""
    BLAKE3 = 2
    """Of the whole content."""
    CHUNKS = 3
    """Of how the content is made of chunks: equal for equal contents that were cut alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredXattr:
    """An extended attribute as the index keeps it."""

    name: bytes
    value: bytes | None
    """None if it is longer than XATTR_VALUE_SIZE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryColumns:
    """Entries of a tree; one row a path, n rows."""

    directories: list[bytes]
    """Paths of folders, without a leading slash; empty for the root."""
    directory: Rows
    """(n,) the folder that each entry lies in, by its place in `directories`; the root lies in itself."""
    names: list[bytes]
    """(n) empty for the root."""
    mode: Words
    uid: Words
    gid: Words
    size: Offsets
    """(n,) [bytes]"""
    mtime: Offsets
    """(n,) [s] since 1970, signed."""
    rdev: Words
    content_kind: Octets
    """(n,) ContentKind."""
    content: Octets
    """(n, DIGEST_SIZE); zeros without one."""
    targets: dict[int, bytes]
    """Of symbolic links, by row."""
    xattrs: dict[int, tuple[StoredXattr, ...]]
    """By row; empty for attributes that are there and cannot be read."""

    def __len__(self) -> int:
        return len(self.names)


def columns_of(tree: ImageTree, *, most_entries: int = MOST_ENTRIES, paths_size: int = PATHS_SIZE) -> EntryColumns:
    """Take what an index keeps from a tree.

    Args:
        tree: the tree.
        most_entries: that are taken.
        paths_size: [bytes] that the paths of its folders may take.
    Raises: TooLargeForIndex.
    Cost: no I/O. One pass over the columns; a digest for each file of several chunks.
    """
    entries = tree.entries
    if len(tree) > most_entries:
        raise TooLargeForIndex(what=f"it has {len(tree):,} entries", most=f"{most_entries:,}")
    directory, directories = _folders(tree, paths_size)
    kinds, digests = _contents(tree)
    links = np.flatnonzero((entries.mode & np.uint32(0o170000)) == st.S_IFLNK)
    return EntryColumns(
        directories=directories,
        directory=directory,
        names=tree.names(range(len(tree))),
        mode=entries.mode,
        uid=entries.uid,
        gid=entries.gid,
        size=entries.size,
        mtime=entries.mtime,
        rdev=entries.rdev,
        content_kind=kinds,
        content=digests,
        targets={row: tree.target(row) for row in links.tolist()},
        xattrs={
            row: found
            for row in np.flatnonzero(entries.xattr_size).tolist()
            if (found := _xattrs(tree, row)) is not None
        },
    )


def take_rows(columns: EntryColumns, rows: Indexes) -> EntryColumns:
    """Return some rows, in the order that is wanted."""
    names = columns.names
    places = {row: place for place, row in enumerate(rows.tolist())}
    return EntryColumns(
        directories=columns.directories,
        directory=columns.directory[rows],
        names=[names[row] for row in rows.tolist()],
        mode=columns.mode[rows],
        uid=columns.uid[rows],
        gid=columns.gid[rows],
        size=columns.size[rows],
        mtime=columns.mtime[rows],
        rdev=columns.rdev[rows],
        content_kind=columns.content_kind[rows],
        content=columns.content[rows],
        targets={places[row]: target for row, target in columns.targets.items() if row in places},
        xattrs={places[row]: xattrs for row, xattrs in columns.xattrs.items() if row in places},
    )


def _folders(tree: ImageTree, most: int) -> tuple[Rows, list[bytes]]:
    """Return the folder of each entry, and the paths of all folders that have entries."""
    entries = tree.entries
    parents = np.unique(entries.parent)
    paths: dict[int, bytes] = {}
    size = 0
    for row in parents.tolist():  # parents come first
        above = paths[int(entries.parent[row])] if row else b""
        paths[row] = above + b"/" + tree.name(row) if above else tree.name(row)
        size += len(paths[row])
        if size > most:
            raise TooLargeForIndex(what="the paths of its folders take too much room", most=f"{most:,} bytes")
    return np.searchsorted(parents, entries.parent).astype(np.int32), list(paths.values())


def _contents(tree: ImageTree) -> tuple[Octets, Octets]:
    """Return how the content of each entry is known."""
    entries, extents, chunks = tree.entries, tree.tables.extents, tree.tables.chunks
    kinds = np.zeros(len(tree), dtype=np.uint8)
    digests = np.zeros((len(tree), DIGEST_SIZE), dtype=np.uint8)
    is_file: Bools = (entries.mode & np.uint32(0o170000)) == st.S_IFREG
    empty = np.flatnonzero(is_file & (entries.size == 0))
    kinds[empty] = ContentKind.SHA256
    digests[empty] = np.frombuffer(_NOTHING, dtype=np.uint8)
    rows: Indexes = np.flatnonzero(is_file & (entries.size > 0) & (entries.extent_count == 1))
    first = entries.extent_start[rows]
    chunk = extents.chunk[first]
    is_whole = (extents.file_offset[first] == 0) & (extents.size[first] == entries.size[rows])
    is_whole &= (chunks.size[chunk] == entries.size[rows]) & chunks.digest[chunk].any(axis=1)
    rows, chunk = rows[is_whole], chunk[is_whole]
    digests[rows] = chunks.digest[chunk]
    kinds[rows] = _digest_kinds(tree)[chunks.blob_index[chunk]]
    for row in np.flatnonzero(is_file & (kinds == ContentKind.NONE)).tolist():
        key = tree.content_key(row)
        if key is not None:
            kinds[row] = ContentKind.CHUNKS
            digests[row] = np.frombuffer(key, dtype=np.uint8)
    return kinds, digests


def _digest_kinds(tree: ImageTree) -> NDArray[np.uint8]:
    """Return which digest the chunks of each blob have; one row more, so that there is one."""
    kinds = {Digester.SHA256: ContentKind.SHA256, Digester.BLAKE3: ContentKind.BLAKE3}
    return np.array([kinds[blob.digester] for blob in tree.tables.blobs] + [ContentKind.NONE], dtype=np.uint8)


def _xattrs(tree: ImageTree, row: int) -> tuple[StoredXattr, ...] | None:
    """Return the attributes of an entry; None if there are none after all, nothing if they cannot be read."""
    try:
        return tuple(map(_stored, tree.xattrs(row))) or None
    except MalformedImage:
        return ()


def _stored(xattr: Xattr) -> StoredXattr:
    return StoredXattr(name=xattr.name, value=xattr.value if len(xattr.value) <= XATTR_VALUE_SIZE else None)
