"""Inodes of a RAFS v6 bootstrap, compact and extended, as columns.

This module alone decides what an EROFS inode says.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.formats.rafs import shared_rules
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs import v6_rules as rules
from rafsight.formats.rafs.v6_volume import Volume
from rafsight.formats.records import Indexes, Long, load_words
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


def read_inodes(
    volume: Volume, nids: Long, where: str, places: Offsets | int = -1, homes: Offsets | None = None
) -> tuple[Inodes, Indexes | None]:
    """Read the inodes of some nids.

    Args:
        volume: the bootstrap.
        nids: (n,).
        where: what names them.
        places: (n,) or one: [bytes] of what names them.
        homes: (n,) [bytes] of the inodes of the directories that name them.
    Returns: the inodes, and which of the n they are; None if they are all.
    Raises: MalformedImage: an inode or its xattrs lie outside the file, or are none.
    """
    judge = volume.judge
    offset, inside = volume.locate(nids)
    lost = judge.require(inside, shared_rules.INODE_OUTSIDE, where, places, homes)
    record_size = record_sizes(volume, offset)
    whole = offset + record_size <= len(volume.octets)
    cut = judge.require(whole, shared_rules.INODE_OUTSIDE, where, places, homes)
    if not lost.size and not cut.size:
        return decode_inodes(volume, offset, record_size), None
    kept = np.flatnonzero(inside & whole)
    return decode_inodes(volume, offset[kept], record_size[kept]), kept


def decode_inodes(volume: Volume, offset: Offsets, record_size: Offsets) -> Inodes:
    """Read inodes; those that cannot be have no data or no xattrs.

    Args:
        volume: the bootstrap.
        offset: (n,) [bytes] of each; they lie inside the file.
        record_size: (n,) [bytes] as `record_sizes` says.
    Raises: MalformedImage.
    """
    judge, octets = volume.judge, volume.octets
    extended = record_size == layout.EXTENDED_INODE.size
    columns = _blank(len(offset), volume)
    _fill(columns, volume, offset, np.flatnonzero(extended), is_extended=True)
    _fill(columns, volume, offset, np.flatnonzero(~extended), is_extended=False)
    form, xattr_count = columns.pop("format"), columns.pop("xattr_count")
    xattr_offset = offset + record_size
    xattr_size = np.where(xattr_count > 0, layout.XATTR_AREA_HEAD + 4 * (xattr_count - 1), 0)
    body = xattr_offset + xattr_size
    strange = judge.require(form < 16, rules.INODE_FORMAT, WHERE, offset, offset)
    absurd = judge.require(columns["size"] < np.uint64(_MAX_SIZE), shared_rules.INODE_SIZE, WHERE, offset, offset)
    judge.require(columns["nlink"] > 0, shared_rules.NO_LINKS, WHERE, offset, offset)
    judge.require(_TYPES[columns["mode"] >> 12 & 15] > 0, shared_rules.NO_FILE_TYPE, WHERE, offset, offset)
    beyond = judge.require(body <= len(octets), shared_rules.XATTRS_OUTSIDE, WHERE, offset, offset)
    for broken in (strange, absurd, beyond):
        columns["size"][broken] = 0
    for broken in (strange, beyond):  # what follows the inode, nobody can tell
        form[broken], xattr_size[broken], body[broken] = 0, 0, xattr_offset[broken]
    columns["size"] = columns["size"].astype(np.int64)
    return Inodes(
        offset=offset,
        layout=(form >> 1).astype(np.int32),
        xattr_offset=xattr_offset,
        xattr_size=xattr_size.astype(np.int32),
        body=body,
        **columns,
    )


def empty_root(offset: int) -> Inodes:
    """Make an empty directory that stands for a root that is none, at [bytes] or 0."""
    zero, none = np.zeros(1, np.uint32), np.zeros(1, np.int32)
    return Inodes(
        offset=np.array([offset], np.int64),
        layout=none,
        mode=np.array([DIRECTORY << 12 | 0o755], np.uint32),
        uid=zero,
        gid=zero,
        size=np.zeros(1, np.int64),
        mtime=np.zeros(1, np.int64),
        mtime_nsec=zero,
        nlink=np.array([2], np.uint32),
        union=zero,
        xattr_offset=np.zeros(1, np.int64),
        xattr_size=none,
        body=np.zeros(1, np.int64),
    )


def record_sizes(volume: Volume, offset: Offsets) -> Offsets:
    """Tell compact inodes from extended ones by their first bit.

    Args:
        volume: the bootstrap.
        offset: (n,) [bytes] of each; checked by the caller to lie inside the file.
    Returns: (n,) [bytes].
    """
    extended = load_words(volume.octets, offset) & np.uint64(layout.FORMAT_EXTENDED)
    return np.where(extended != 0, layout.EXTENDED_INODE.size, layout.COMPACT_INODE.size)


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
