"""An image's file tree over its columns: names, paths, look-ups, attributes.

A row number stands for a directory entry. Paths are bytes relative to the root, without a leading slash; the root is
`b""`. This module alone resolves paths: symbolic links stay inside the image, `..` of the root is the root.
"""

import stat as st
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.limits import Limits
from rafsight.formats.tables import TreeTables, Xattr
from rafsight.image.letters import Letters

KINDS: Final = {
    st.S_IFREG: "file",
    st.S_IFDIR: "directory",
    st.S_IFLNK: "symlink",
    st.S_IFCHR: "char",
    st.S_IFBLK: "block",
    st.S_IFIFO: "fifo",
    st.S_IFSOCK: "socket",
}


class NoSuchPath(CallerError):
    """The image has no such path."""

    code = "no-such-path"
    template = "the image has no {path}"
    remedy = "`rafsight ls REF DIRECTORY` shows what there is; paths are relative to the image's root."
    exit_status = ExitStatus.NOT_FOUND


class WrongKind(CallerError):
    """A path names another kind of file than the question needs."""

    code = "wrong-kind"
    template = "{path} is a {kind}, not a {wanted}"
    remedy = "`rafsight ls -l REF PATH` shows what it is."
    exit_status = ExitStatus.NOT_FOUND


class TooManyLinks(CallerError):
    """Symbolic links lead in a circle."""

    code = "too-many-links"
    template = "{path} leads through more than {limit} symbolic links"
    remedy = "The links of the image point at each other; name the file itself."
    exit_status = ExitStatus.NOT_FOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What stat(2) would say about one row."""

    kind: str
    """One of the values of KINDS; `unknown` for a mode without a type."""
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    mtime_nsec: int
    nlink: int
    device: tuple[int, int]
    """(major, minor) of a device; (0, 0) elsewhere."""
    ino: int


class ImageTree:
    """The tree of one image. Immutable; safe to share between threads."""

    def __init__(self, tables: TreeTables, limits: Limits | None = None) -> None:
        self.tables = tables
        self.entries = tables.entries
        self.buffer = memoryview(tables.buffer)
        self._limits = limits or Limits()

    def __len__(self) -> int:
        return len(self.entries.parent)

    @property
    def octets(self) -> NDArray[np.uint8]:
        """The name buffer as (size,) uint8, without a copy."""
        return np.asarray(self.buffer)

    @cached_property
    def first_letters(self) -> Letters:
        """The rows by how their names begin. Cost: see there, the first time."""
        return Letters(self.octets, self.entries.name_offset, self.entries.name_size, from_end=False)

    @cached_property
    def last_letters(self) -> Letters:
        """The rows by how their names end. Cost: see there, the first time."""
        return Letters(self.octets, self.entries.name_offset, self.entries.name_size, from_end=True)

    def name(self, row: int) -> bytes:
        """Return the name of a row; the root's is empty."""
        offset = int(self.entries.name_offset[row])
        return bytes(self.buffer[offset : offset + int(self.entries.name_size[row])])

    def names(self, rows: range) -> list[bytes]:
        """Return the names of neighbouring rows, as of the children of a directory."""
        offsets = self.entries.name_offset[rows.start : rows.stop].tolist()
        sizes = self.entries.name_size[rows.start : rows.stop].tolist()
        buffer = self.buffer
        return [bytes(buffer[offset : offset + size]) for offset, size in zip(offsets, sizes, strict=True)]

    def path(self, row: int) -> bytes:
        """Return the path of a row."""
        parts = []
        while row:
            parts.append(self.name(row))
            row = int(self.entries.parent[row])
        return b"/".join(reversed(parts))

    def paths(self) -> list[bytes]:
        """Return all paths by row. Cost: one pass, parents come first."""
        buffer, result = self.buffer, [b""] * len(self)
        columns = (self.entries.parent.tolist(), self.entries.name_offset.tolist(), self.entries.name_size.tolist())
        for row, (parent, offset, size) in enumerate(zip(*columns, strict=True)):
            if row:
                above = result[parent]
                name = bytes(buffer[offset : offset + size])
                result[row] = above + b"/" + name if above else name
        return result

    def children(self, row: int) -> range:
        """Return the rows of a directory's children, ordered by name; empty for other kinds."""
        start = int(self.entries.child_start[row])
        return range(start, start + int(self.entries.child_count[row]))

    def child(self, row: int, name: bytes) -> int | None:
        """Return the row of a directory's child by binary search, or None."""
        rows = self.children(row)
        low, high = rows.start, rows.stop
        while low < high:
            middle = (low + high) // 2
            if self.name(middle) < name:
                low = middle + 1
            else:
                high = middle
        return low if low < rows.stop and self.name(low) == name else None

    def is_directory(self, row: int) -> bool:
        """Tell whether a row is a directory."""
        return st.S_ISDIR(int(self.entries.mode[row]))

    def is_file(self, row: int) -> bool:
        """Tell whether a row is a regular file."""
        return st.S_ISREG(int(self.entries.mode[row]))

    def is_symlink(self, row: int) -> bool:
        """Tell whether a row is a symbolic link."""
        return st.S_ISLNK(int(self.entries.mode[row]))

    def kind(self, row: int) -> str:
        """Return the kind of a row, a value of KINDS."""
        return kind_of(int(self.entries.mode[row]))

    def target(self, row: int) -> bytes:
        """Return the target of a symbolic link; empty for other kinds."""
        offset = int(self.entries.target_offset[row])
        return bytes(self.buffer[offset : offset + int(self.entries.target_size[row])])

    def xattrs(self, row: int) -> tuple[Xattr, ...]:
        """Return the extended attributes of a row.

        Raises: MalformedImage.
        """
        size = int(self.entries.xattr_size[row])
        if not size:
            return ()
        offset = int(self.entries.xattr_offset[row])
        return self.tables.read_xattrs(self.buffer[offset : offset + size])

    def attributes(self, row: int) -> Attributes:
        """Return what stat(2) would say."""
        entries = self.entries
        return Attributes(
            kind=self.kind(row),
            mode=int(entries.mode[row]),
            uid=int(entries.uid[row]),
            gid=int(entries.gid[row]),
            size=int(entries.size[row]),
            mtime=int(entries.mtime[row]),
            mtime_nsec=int(entries.mtime_nsec[row]),
            nlink=int(entries.nlink[row]),
            device=device_of(int(entries.rdev[row])),
            ino=int(entries.ino[row]),
        )

    def lookup(self, path: bytes, *, follow: bool = True) -> int:
        """Return the row of a path as a process inside the image would find it.

        Args:
            path: absolute or relative to the root.
            follow: whether a symbolic link in the *last* place is followed; others always are.
        Raises: NoSuchPath, TooManyLinks.
        """
        row, pending, links = 0, _components(path), 0
        while pending:
            part = pending.pop()
            if not self.is_directory(row):
                raise NoSuchPath(path=b"/" + path.lstrip(b"/"))
            if part == b"..":
                row = int(self.entries.parent[row])
                continue
            found = self.child(row, part)
            if found is None:
                raise NoSuchPath(path=b"/" + path.lstrip(b"/"))
            if self.is_symlink(found) and (follow or pending):
                links += 1
                if links > self._limits.symlink_depth:
                    raise TooManyLinks(path=path, limit=self._limits.symlink_depth)
                target = self.target(found)
                row = 0 if target.startswith(b"/") else row
                pending += _components(target)
                continue
            row = found
        if path.endswith(b"/") and not self.is_directory(row):
            raise NoSuchPath(path=b"/" + path.lstrip(b"/"))
        return row

    def find(self, path: bytes) -> int | None:
        """Return the row of a path with all links followed, or None if there is none."""
        try:
            return self.lookup(path)
        except (NoSuchPath, TooManyLinks):
            return None

    def walk(self, row: int = 0) -> Iterator[int]:
        """Yield a row and all below it, depth first, each directory by name."""
        pending = [row]
        while pending:
            row = pending.pop()
            yield row
            pending.extend(reversed(self.children(row)))

    def extent_rows(self, row: int) -> range:
        """Return the rows of a file's extents."""
        start = int(self.entries.extent_start[row])
        return range(start, start + int(self.entries.extent_count[row]))

    def content_key(self, row: int) -> bytes | None:
        """Return a digest of the content as the bootstrap knows it, or None where chunks have no digests.

        Equal keys mean equal content; unequal keys may still mean equal content (other chunk size or digester).
        """
        import hashlib

        extents = self.extent_rows(row)
        chunks = self.tables.extents.chunk[extents.start : extents.stop]
        digests = self.tables.chunks.digest[chunks]
        if len(digests) and not digests.any(axis=1).all():
            return None
        key = hashlib.sha256(int(self.entries.size[row]).to_bytes(8, "little"))
        key.update(self.tables.extents.file_offset[extents.start : extents.stop].tobytes())
        key.update(self.tables.extents.size[extents.start : extents.stop].tobytes())  # a chunk may be used in part
        key.update(digests.tobytes())
        return key.digest()


def kind_of(mode: int) -> str:
    """Return the kind that a mode says, a value of KINDS."""
    return KINDS.get(mode & 0o170000, "unknown")


def device_of(rdev: int) -> tuple[int, int]:
    """Take a device number apart: (major, minor)."""
    return (rdev >> 8) & 0xFFF, (rdev & 0xFF) | ((rdev >> 12) & 0xFFF00)


def _components(path: bytes) -> list[bytes]:
    """Split a path into its components, last first, without empty ones and `.`."""
    return [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]


def require_kind(tree: ImageTree, row: int, wanted: str) -> int:
    """Return the row if it is of the wanted kind.

    Raises: WrongKind.
    """
    if tree.kind(row) != wanted:
        raise WrongKind(path=b"/" + tree.path(row), kind=tree.kind(row), wanted=wanted)
    return row
