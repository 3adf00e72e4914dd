"""Entries of the tree: one with all that is known about it, those of a directory, those that a pattern finds.

This module alone decides what `stat` and `ls` know about an entry.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.access.session import Image
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.formats.tables import Xattr
from rafsight.image.tree import ImageTree, device_of, kind_of
from rafsight.reports.inspection.metadata import (
    EntryAttributes,
    EntryFacts,
    InodeContent,
    InodeFacts,
    ListedEntry,
    Listing,
    XattrFacts,
)
from rafsight.verbs.inspect.chunks import describe_chunks
from rafsight.verbs.inspect.paths import Paths, depth_first
from rafsight.views.vfs import compile_pattern

_MAX_INO: Final = 1 << 64
_SECTOR_SIZE: Final = 512
_DEVICES: Final = ("char", "block")

_Indexes = NDArray[np.intp]


class NoSuchInode(CallerError):
    """The image has no inode of this number."""

    code = "no-such-inode"
    template = "the image has no inode {ino}"
    remedy = "`ls` and `stat` show the numbers of inodes; those of RAFS v6 are no consecutive ones."
    exit_status = ExitStatus.NOT_FOUND


def list_directory(image: Image, row: int = 0) -> Listing:
    """List what a directory has, by name; of any other entry, itself.

    Cost: no request. Linear in the entries of the directory.
    """
    tree = image.tree
    if not tree.is_directory(row):
        return _listing(tree, np.array([row]), [tree.name(row) or b"/"], has_paths=False)
    rows = tree.children(row)
    return _listing(tree, np.arange(rows.start, rows.stop), tree.names(rows), has_paths=False)


def list_found(image: Image, pattern: bytes, row: int = 0) -> Listing:
    """Find entries below a directory by a shell pattern.

    Args:
        image: the open image.
        pattern: as `views.vfs.find_files` takes it: on the base name, or on the path from the root if it has a slash.
        row: the directory; it is not found itself.
    Raises: TooManyPaths.
    Cost: no request. One pass over the names below the directory.
    """
    tree = image.tree
    matches, by_path = compile_pattern(pattern)
    paths = Paths(tree)
    rows, found = [], []
    pending = _below(tree, row, paths.of(row))
    while pending:
        row, above, name, child_count = pending.pop()
        path = paths.join(above, name) if by_path or child_count else None
        if matches(path if by_path and path is not None else name):
            rows.append(row)
            found.append(paths.join(above, name) if path is None else path)
        if child_count and path is not None:
            pending += _below(tree, row, path)
    return _listing(tree, np.array(rows, np.intp), found, has_paths=True)


def describe_entry(image: Image, row: int) -> EntryFacts:
    """Tell everything that the bootstrap says about one entry.

    Raises: MalformedImage: the extended attributes are damaged. TooManyPaths.
    Cost: no request. One pass over a column, and linear in the chunks of the entry.
    """
    tree = image.tree
    return EntryFacts(attributes=_attributes(tree, row, Paths(tree)), content=_content(tree, row))


def check_inode(image: Image, ino: int) -> InodeFacts:
    """Tell everything that the bootstrap says about one inode, under each of its names.

    Raises: NoSuchInode; MalformedImage: the extended attributes are damaged. TooManyPaths.
    Cost: no request. One pass over a column, and linear in the names and chunks of the inode.
    """
    tree = image.tree
    rows = np.flatnonzero(tree.entries.ino == np.uint64(ino)) if 0 <= ino < _MAX_INO else np.empty(0, np.intp)
    if not len(rows):
        raise NoSuchInode(ino=ino)
    paths = Paths(tree)
    names = [_attributes(tree, row, paths) for row in rows.tolist()]
    names.sort(key=lambda name: depth_first(name.path))
    return InodeFacts(ino=ino, names=tuple(names), content=_content(tree, int(rows[0])))


def _below(tree: ImageTree, row: int, path: bytes) -> list[tuple[int, bytes, bytes, int]]:
    """Return what lies in a directory, last first: row, path of the directory, name, number of children."""
    rows = tree.children(row)
    counts = tree.entries.child_count[rows.start : rows.stop].tolist()
    below = [(child, path, name, count) for child, name, count in zip(rows, tree.names(rows), counts, strict=True)]
    below.reverse()
    return below


def _listing(tree: ImageTree, rows: _Indexes, names: list[bytes], *, has_paths: bool) -> Listing:
    inos, modes = tree.entries.ino[rows].tolist(), tree.entries.mode[rows].tolist()
    return Listing(
        entries=tuple(
            ListedEntry(ino=ino, kind=kind_of(mode), name=name)
            for ino, mode, name in zip(inos, modes, names, strict=True)
        ),
        has_paths=has_paths,
    )


def _attributes(tree: ImageTree, row: int, paths: Paths) -> EntryAttributes:
    entries, known = tree.entries, tree.attributes(row)
    return EntryAttributes(
        path=paths.of(row),
        name=tree.name(row) or b"/",
        ino=known.ino,
        parent_ino=int(entries.ino[entries.parent[row]]),
        kind=known.kind,
        mode=known.mode,
        nlink=known.nlink,
        uid=known.uid,
        gid=known.gid,
        size=known.size,
        blocks=-(-known.size // _SECTOR_SIZE) if entries.blocks is None else int(entries.blocks[row]),
        mtime=known.mtime,
        mtime_nsec=known.mtime_nsec,
    )


def _by_name(xattr: Xattr) -> bytes:
    return xattr.name


def _content(tree: ImageTree, row: int) -> InodeContent:
    entries, kind = tree.entries, tree.kind(row)
    extents = tree.extent_rows(row)
    return InodeContent(
        name_count=int(np.count_nonzero(entries.link_row == entries.link_row[row])),
        target=tree.target(row) if kind == "symlink" else None,
        device=device_of(int(entries.rdev[row])) if kind in _DEVICES else None,
        xattrs=tuple(
            XattrFacts(name=xattr.name, value=xattr.value) for xattr in sorted(tree.xattrs(row), key=_by_name)
        ),
        digest=b"" if entries.digest is None else entries.digest[row].tobytes(),
        chunks=describe_chunks(tree, np.arange(extents.start, extents.stop)) if kind == "file" else None,
    )
