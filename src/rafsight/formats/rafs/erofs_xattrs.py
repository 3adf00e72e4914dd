"""Extended attributes in the form of EROFS: inline, behind the inode.

This module alone decides which attributes EROFS can hold.
"""

from typing import Final

import numpy as np

from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.tables import TreeTables, Xattr

_MAX_VALUE: Final = 0xFFFF
_MAX_SUFFIX: Final = 0xFF
_UNIT: Final = 4
"""[bytes] in which an area is measured, and to which its entries are padded."""
_MAX_AREA: Final = layout.XATTR_AREA_HEAD + (0xFFFF - 1) * _UNIT


def encode_areas(tables: TreeTables) -> tuple[dict[int, bytes], int]:
    """Write the xattr areas of all inodes.

    Returns: areas by the first row of the inode; and how many attributes have names or sizes that EROFS cannot hold.
    Raises: MalformedImage: an area of the image cannot be read.
    Cost: a step for each inode that has attributes; equal areas are decoded once.
    """
    entries, source = tables.entries, memoryview(tables.buffer)
    own = entries.link_row == np.arange(len(entries.link_row))
    areas: dict[int, bytes] = {}
    known: dict[bytes, tuple[bytes, int]] = {}
    dropped = 0
    for row in np.flatnonzero(own & (entries.xattr_size > 0)).tolist():
        offset = int(entries.xattr_offset[row])
        stored = bytes(source[offset : offset + int(entries.xattr_size[row])])
        if stored not in known:
            known[stored] = _encode(tables.read_xattrs(memoryview(stored)))
        area, lost = known[stored]
        dropped += lost
        if area:
            areas[row] = area
    return areas, dropped


def holdable(xattrs: tuple[Xattr, ...]) -> tuple[Xattr, ...]:
    """Return those attributes of one inode that EROFS has a place for: what `encode_areas` writes of them."""
    held, size = [], layout.XATTR_AREA_HEAD
    for xattr in xattrs:
        entry = _entry(xattr)
        if entry and size + len(entry) <= _MAX_AREA:
            held.append(xattr)
            size += len(entry)
    return tuple(held)


def count_of(area: bytes) -> int:
    """Return what the inode says for the size of an area."""
    return (len(area) - layout.XATTR_AREA_HEAD) // _UNIT + 1


def _encode(xattrs: tuple[Xattr, ...]) -> tuple[bytes, int]:
    """Return the area of an inode, empty if nothing is left, and how many attributes are not in it."""
    area, dropped = bytes(layout.XATTR_AREA_HEAD), 0
    for xattr in xattrs:
        entry = _entry(xattr)
        if entry and len(area) + len(entry) <= _MAX_AREA:
            area += entry
        else:
            dropped += 1
    return (area if len(area) > layout.XATTR_AREA_HEAD else b""), dropped


def _entry(xattr: Xattr) -> bytes:
    """Return one attribute; empty if EROFS cannot hold it."""
    for number, prefix in layout.XATTR_PREFIXES:
        suffix = xattr.name.removeprefix(prefix)
        is_whole = not prefix.endswith(b".")
        if xattr.name.startswith(prefix) and bool(suffix) != is_whole:
            if len(suffix) > _MAX_SUFFIX or len(xattr.value) > _MAX_VALUE:
                return b""
            head = np.array((len(suffix), number, len(xattr.value)), layout.XATTR.dtype).tobytes()
            entry = head + suffix + xattr.value
            return entry.ljust(-(-len(entry) // _UNIT) * _UNIT, b"\0")
    return b""
