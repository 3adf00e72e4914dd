"""An image as a filesystem: what `ls`, `find` and `cat` see, without a mount and without root.

This module alone decides what an image looks like as files; adapters (the command line, a mount) translate and nothing
more.
"""

import fnmatch
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.access.session import Image
from rafsight.formats.tables import Offsets, Words
from rafsight.image.tree import ImageTree, device_of, kind_of, require_kind

_BLOCK: Final = 4096
"""Entries that are described at a time."""
IO_BLOCK: Final = 4096
"""[bytes] st_blksize and f_bsize: as the kernel's EROFS says them."""
NAME_MAX: Final = 255
"""[bytes] of one name."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StatColumns:
    """What stat(2) says, one row an entry; access and change times are the modification time."""

    ino: NDArray[np.uint64]
    mode: Words
    nlink: Words
    uid: Words
    gid: Words
    rdev: Words
    """Linux encoding."""
    size: Offsets
    """[bytes]"""
    blocks: Offsets
    """[512 bytes]"""
    mtime: Offsets
    """[s]"""
    mtime_nsec: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSize:
    """What statfs(2) says; nothing is free."""

    blocks: int
    """[IO_BLOCK]"""
    files: int


def stat_columns(tree: ImageTree, rows: slice, inos: NDArray[np.uint64] | None = None) -> StatColumns:
    """Return what stat(2) says of neighbouring rows of a mounted tree.

    Args:
        tree: the tree.
        rows: without a step.
        inos: (n,) st_ino of every row of the tree; None counts the inodes: stored numbers may stand twice.
    """
    table = tree.entries
    size = table.size[rows]
    return StatColumns(
        ino=table.link_row[rows].astype(np.uint64) + np.uint64(1) if inos is None else inos[rows],
        mode=table.mode[rows],
        nlink=table.nlink[rows],
        uid=table.uid[rows],
        gid=table.gid[rows],
        rdev=table.rdev[rows],
        size=size,
        blocks=block_count(size),
        mtime=table.mtime[rows],
        mtime_nsec=table.mtime_nsec[rows],
    )


def block_count(sizes: Offsets) -> Offsets:
    """Return st_blocks [512 bytes] of some sizes, as the kernel's EROFS does: whole blocks, holes or not.

    What a format stores is not used: programs take a file of 0 blocks for one hole, and copy nothing.
    """
    whole: Offsets = sizes // IO_BLOCK + (sizes % IO_BLOCK != 0)
    return whole * (IO_BLOCK // 512)


def volume_size(tree: ImageTree) -> VolumeSize:
    """Return what statfs(2) says of a mounted tree: the blocks of all its inodes."""
    is_inode = tree.entries.link_row == np.arange(len(tree), dtype=np.int32)
    units = int(block_count(tree.entries.size[is_inode]).astype(np.float64).sum())  # hostile sizes do not overflow
    return VolumeSize(blocks=min(units // (IO_BLOCK // 512), (1 << 63) - 1), files=int(is_inode.sum()))


def list_files(image: Image, path: bytes, *, recursive: bool = False, follow: bool = True) -> Iterator[FileEntry]:
    """List a directory, or name a single file.

    Args:
        image: the open image.
        path: absolute or relative to the root; links are followed, as `ls DIR/` does.
        recursive: go down as `ls -R` does: all entries of a directory by name, then those of its first subdirectory and
            of all below that, then the next one's.
        follow: False lists a symbolic link in the last place of the path itself.
    Raises: NoSuchPath, TooManyLinks.
    Cost: no request: the bootstrap knows. Memory: a block of entries, and the directories still to come.
    """
    tree = image.tree
    row = tree.lookup(path, follow=follow)
    where = path.strip(b"/")
    if not tree.is_directory(row):
        yield from _entries(tree, range(row, row + 1), [where])
        return
    pending = [(row, where)]
    while pending:
        row, where = pending.pop()
        below = []
        for rows in _blocks(tree.children(row)):
            for entry in _entries(tree, rows, _join(where, tree.names(rows))):
                yield entry
                if recursive and entry.kind == "directory":
                    below.append((entry.row, entry.path))
        pending.extend(reversed(below))


def find_files(image: Image, pattern: bytes, *, kind: str | None = None) -> Iterator[FileEntry]:
    """Find entries by a shell pattern: on the base name, or on the whole path if the pattern has a slash.

    Args:
        image: the open image.
        pattern: as `find -name` or `find -path` take it: `*`, `?`, `[...]`.
        kind: only this kind.
    Yields: entries depth first, as `find` does.
    Cost: no request: the bootstrap knows. One pass over the names.
    """
    tree = image.tree
    matches, by_path = compile_pattern(pattern)
    pending = [(0, b"", len(tree.children(0)))]
    while pending:
        row, path, child_count = pending.pop()
        subject = path if by_path else path.rpartition(b"/")[2]
        if row and matches(subject) and (kind is None or tree.kind(row) == kind):
            yield from _entries(tree, range(row, row + 1), [path])
        if child_count:
            rows = tree.children(row)
            counts = tree.entries.child_count[rows.start : rows.stop].tolist()
            pending += reversed(list(zip(rows, _join(path, tree.names(rows)), counts, strict=True)))


def compile_pattern(pattern: bytes) -> tuple[Callable[[bytes], object], bool]:
    """Compile a shell pattern of `find_files`.

    Returns: what tells whether a name or path (without a leading slash) matches, and True if it wants paths.
    """
    expression = fnmatch.translate(pattern.decode("latin-1").lstrip("/")).encode("latin-1")
    return re.compile(expression, re.DOTALL).match, b"/" in pattern


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


def _blocks(rows: range) -> Iterator[range]:
    for start in range(rows.start, rows.stop, _BLOCK):
        yield range(start, min(start + _BLOCK, rows.stop))


def _join(above: bytes, names: list[bytes]) -> list[bytes]:
    """Return the paths of names in a directory."""
    return [above + b"/" + name for name in names] if above else names


def _entries(tree: ImageTree, rows: range, paths: Sequence[bytes]) -> Iterator[FileEntry]:
    """Describe neighbouring rows; column by column, which is several times faster than row by row."""
    table, part = tree.entries, slice(rows.start, rows.stop)
    columns = (table.mode, table.uid, table.gid, table.size, table.mtime, table.mtime_nsec, table.nlink, table.rdev)
    values = zip(rows, paths, *(column[part].tolist() for column in columns), strict=True)
    for row, path, mode, uid, gid, size, mtime, mtime_nsec, nlink, rdev in values:
        kind = kind_of(mode)
        yield FileEntry(
            row=row,
            path=path,
            kind=kind,
            mode=mode,
            uid=uid,
            gid=gid,
            size=size,
            mtime=mtime,
            mtime_nsec=mtime_nsec,
            nlink=nlink,
            device=device_of(rdev) if rdev else (0, 0),
            target=tree.target(row) if kind == "symlink" else None,
        )
