"""Inodes of a RAFS v6 bootstrap, compact and extended, as columns.

This module alone decides what an EROFS inode says.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs.v6_volume import Volume
from rafsight.formats.records import Indexes, Long, load_words, require
from rafsight.formats.tables import Offsets, Rows, Words

WHERE: Final = "v6 inode"
DIRECTORY: Final = 4
REGULAR: Final = 8
SYMLINK: Final = 10
_MAX_SIZE: Final = 1 << 62
_TYPES: Final = np.array(layout.FILE_TYPES, dtype=np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inodes:
    """Columns of n inodes."""

    offset: Offsets
    """[bytes] of the inode in the file."""
    layout: Rows
    mode: Words
    uid: Words
    gid: Words
    size: Offsets
    mtime: Offsets
    mtime_nsec: Words
    nlink: Words
    union: Words
    """Start block, chunk format or rdev."""
    xattr_offset: Offsets
    xattr_size: Rows
    body: Offsets
    """[bytes] where inode and xattrs end."""

    @property
    def kind(self) -> Words:
        """(n,) the four file type bits of the mode."""
        return self.mode >> np.uint32(12)

    def take(self, rows: Indexes) -> "Inodes":
        """Choose some rows."""
        return Inodes(**{name: getattr(self, name)[rows] for name in self.__slots__})


def join(parts: list[Inodes]) -> Inodes:
    """Lay inodes one after the other."""
    return Inodes(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in Inodes.__slots__})


def read_inodes(volume: Volume, nids: Long, where: str) -> Inodes:
    """Read the inodes of some nids.

    Args:
        volume: the bootstrap.
        nids: (n,).
        where: what names them, for the error.
    Raises: MalformedImage: an inode or its xattrs lie outside the file, or are none.
    """
    offset = volume.locate(nids, where)
    extended = (load_words(volume.octets, offset) & np.uint64(layout.FORMAT_EXTENDED)) != 0
    columns = _blank(len(nids), volume)
    _fill(columns, volume, offset, np.flatnonzero(extended), is_extended=True)
    _fill(columns, volume, offset, np.flatnonzero(~extended), is_extended=False)
    form, xattr_count = columns.pop("format"), columns.pop("xattr_count")
    require(form < 16, WHERE, "has an unknown format", offset)
    require(columns["size"] < np.uint64(_MAX_SIZE), WHERE, "has an absurd size", offset)
    require(columns["nlink"] > 0, WHERE, "has no links", offset)
    require(_TYPES[(columns["mode"] >> 12) & 15] > 0, WHERE, "has no file type", offset)
    columns["size"] = columns["size"].astype(np.int64)
    xattr_offset = offset + np.where(extended, layout.EXTENDED_INODE.size, layout.COMPACT_INODE.size)
    xattr_size = np.where(xattr_count > 0, layout.XATTR_AREA_HEAD + 4 * (xattr_count - 1), 0)
    body = xattr_offset + xattr_size
    require(body <= len(volume.octets), WHERE, "has xattrs past the end", offset)
    return Inodes(
        offset=offset,
        layout=((form >> 1) & 7).astype(np.int32),
        xattr_offset=xattr_offset,
        xattr_size=xattr_size.astype(np.int32),
        body=body,
        **columns,
    )


_WIDE: Final = (
    ("format", np.int64),
    ("xattr_count", np.int64),
    ("mode", np.uint32),
    ("nlink", np.uint32),
    ("size", np.uint64),
    ("union", np.uint32),
    ("uid", np.uint32),
    ("gid", np.uint32),
)


def _blank(count: int, volume: Volume) -> dict[str, np.ndarray]:
    """Make the columns; what compact inodes do not say is the image's build time."""
    columns = {name: np.empty(count, dtype) for name, dtype in _WIDE}
    columns["mtime"] = np.full(count, volume.build_time, np.int64)
    columns["mtime_nsec"] = np.full(count, volume.build_time_nsec, np.uint32)
    return columns


def _fill(columns: dict[str, np.ndarray], volume: Volume, offset: Offsets, rows: Indexes, *, is_extended: bool) -> None:
    if not rows.size:
        return
    record = layout.EXTENDED_INODE if is_extended else layout.COMPACT_INODE
    at: slice | Indexes = slice(None) if rows.size == len(offset) else rows
    inodes = record.gather(volume.octets, offset[at], WHERE)
    for name, _ in _WIDE:
        columns[name][at] = inodes[name]
    if is_extended:
        columns["mtime"][at] = inodes["mtime"]
        columns["mtime_nsec"][at] = inodes["mtime_nsec"]
