"""An image as a filesystem: what `ls`, `find` and `cat` see, without a mount and without root.

This module alone decides what an image looks like as files; adapters (the command line, a mount) translate and nothing
more.
"""

import fnmatch
import re
from collections.abc import Iterator
from dataclasses import dataclass

from rafsight.access.session import Image
from rafsight.image.tree import ImageTree, require_kind


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """One directory entry, with what stat(2) and readlink(2) would say."""

    row: int
    path: bytes
    """Relative to the image's root, without a leading slash; empty for the root."""
    kind: str
    """`file`, `directory`, `symlink`, `char`, `block`, `fifo` or `socket`."""
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    mtime_nsec: int
    nlink: int
    device: tuple[int, int]
    """(major, minor) of a device."""
    target: bytes | None
    """Where a symbolic link points; None for other kinds."""


def list_files(image: Image, path: bytes, *, recursive: bool = False) -> Iterator[FileEntry]:
    """List a directory, or name a single file.

    Args:
        image: the open image.
        path: absolute or relative to the root; links are followed, as `ls DIR/` does.
        recursive: go down; entries come depth first, each directory by name.
    Raises: NoSuchPath, TooManyLinks.
    Cost: no request: the bootstrap knows.
    """
    tree = image.tree
    row = tree.lookup(path)
    where = path.strip(b"/")
    if not tree.is_directory(row):
        yield _entry(tree, row, where)
        return
    pending = [(child, where) for child in reversed(tree.children(row))]
    while pending:
        child, above = pending.pop()
        name = tree.name(child)
        full = above + b"/" + name if above else name
        yield _entry(tree, child, full)
        if recursive:
            pending.extend((below, full) for below in reversed(tree.children(child)))


def find_files(image: Image, pattern: bytes, *, kind: str | None = None) -> Iterator[FileEntry]:
    """Find entries by a shell pattern: on the base name, or on the whole path if the pattern has a slash.

    Args:
        image: the open image.
        pattern: as `find -name` or `find -path` take it: `*`, `?`, `[...]`.
        kind: only this kind.
    Cost: no request: the bootstrap knows. One pass over the names.
    """
    tree = image.tree
    matches = re.compile(fnmatch.translate(pattern.decode("latin-1").lstrip("/")).encode("latin-1"), re.DOTALL).match
    by_path = b"/" in pattern
    pending = [(0, b"")]
    while pending:
        row, path = pending.pop()
        subject = path if by_path else tree.name(row)
        if row and matches(subject) and (kind is None or tree.kind(row) == kind):
            yield _entry(tree, row, path)
        for child in reversed(tree.children(row)):
            name = tree.name(child)
            pending.append((child, path + b"/" + name if path else name))


def read_file(image: Image, path: bytes) -> Iterator[bytes]:
    """Read a regular file piece by piece, in order, each piece verified.

    Args:
        image: the open image.
        path: absolute or relative to the root; links are followed.
    Raises: NoSuchPath, TooManyLinks, WrongKind; RegistryFault and ImageFault while reading.
    Cost: the chunks of the file. Memory: a window of it.
    """
    row = require_kind(image.tree, image.tree.lookup(path), "file")
    return image.read_file(row)


def _entry(tree: ImageTree, row: int, path: bytes) -> FileEntry:
    attributes = tree.attributes(row)
    return FileEntry(
        row=row,
        path=path,
        kind=attributes.kind,
        mode=attributes.mode,
        uid=attributes.uid,
        gid=attributes.gid,
        size=attributes.size,
        mtime=attributes.mtime,
        mtime_nsec=attributes.mtime_nsec,
        nlink=attributes.nlink,
        device=attributes.device,
        target=tree.target(row) if attributes.kind == "symlink" else None,
    )
