"""Extended attributes as RAFS v5 and v6 store them.

This module alone decides what an xattr area says. Areas are decoded when somebody asks: most files have none.
"""

from typing import Final

from rafsight.formats.rafs import shared_rules as rules
from rafsight.formats.rafs import v5_layout, v6_layout
from rafsight.formats.tables import MalformedImage, Xattr

_PREFIXES: Final = tuple(
    next((prefix for number, prefix in v6_layout.XATTR_PREFIXES if number == index), b"") for index in range(7)
)


def read_v5_xattrs(area: memoryview) -> tuple[Xattr, ...]:
    """Decode the pairs of a v5 inode: u32 size, then name, NUL, value. A pair without NUL says nothing.

    Returns: ordered by name; of a name that stands twice the last.
    Raises: MalformedImage: a pair reaches past the area.
    """
    found: dict[bytes, bytes] = {}
    offset, end = 0, len(area)
    while offset < end:
        size = int.from_bytes(area[offset : offset + v5_layout.XATTR_PAIR_HEAD.size], "little")
        start = offset + v5_layout.XATTR_PAIR_HEAD.size
        if start + size > end:
            raise MalformedImage(where="xattrs", what="has a pair that reaches past the end", offset=offset)
        name, separator, value = bytes(area[start : start + size]).partition(b"\0")
        if separator:
            found[name] = value
        offset = start + size
    return tuple(Xattr(name=name, value=found[name]) for name in sorted(found))


def read_v6_xattrs(area: memoryview) -> tuple[Xattr, ...]:
    """Decode the inline xattrs of a v6 inode.

    Returns: ordered by name; of a name that stands twice the last.
    Raises: MalformedImage: an entry reaches past the area, has an unknown prefix, or is shared.
    """
    pairs, wrong = v6_pairs(area)
    if wrong >= 0:
        raise rules.XATTRS.broken("xattrs", wrong)
    found = dict(pairs)
    return tuple(Xattr(name=name, value=found[name]) for name in sorted(found))


def v6_pairs(area: bytes | memoryview) -> tuple[list[tuple[bytes, bytes]], int]:
    """Take the inline xattrs of a v6 inode apart.

    Returns: names and values in their order, and [bytes] of the first place that cannot be, or -1: shared xattrs or no
        head, an entry that reaches past the area or has an unknown prefix.
    """
    found: list[tuple[bytes, bytes]] = []
    offset, end = v6_layout.XATTR_AREA_HEAD, len(area)
    if 0 < end < offset or (end and area[4]):
        return found, 0
    while offset < end:
        start = offset + v6_layout.XATTR.size
        if start > end:
            return found, offset
        name_size, index, low, high = area[offset:start]
        middle = start + name_size
        stop = middle + (low | high << 8)
        prefix = _PREFIXES[index] if index < len(_PREFIXES) else b""
        if stop > end or not prefix:
            return found, offset
        found.append((prefix + bytes(area[start:middle]), bytes(area[middle:stop])))
        offset = (stop + 3) & ~3
    return found, -1
