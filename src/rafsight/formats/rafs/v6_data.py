"""Where the data of RAFS v6 directories and symlinks lie, and how much of a file several inodes may claim.

This module alone decides which data of the flat layouts are taken: full blocks somewhere, and a tail behind the inode.
"""

from dataclasses import dataclass

import numpy as np

from rafsight.formats.judge import Judge, Rule
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs import v6_rules as rules
from rafsight.formats.rafs.v6_inodes import Inodes
from rafsight.formats.rafs.v6_volume import Volume
from rafsight.formats.tables import Offsets


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatData:
    """The data of n inodes, all inside the file and past its head."""

    size: Offsets
    """(n,) [bytes]; 0 for inodes whose data lie nowhere."""
    start: Offsets
    """(n,) [bytes] where data that do not follow the inode begin."""
    outside: Offsets
    """(n,) [bytes] of data there."""
    tail: Offsets
    """(n,) [bytes] of data that follow the inode."""


def flat_data(volume: Volume, inodes: Inodes, size: Offsets, where: str) -> FlatData:
    """Find the data of inodes of a flat layout.

    Args:
        volume: the bootstrap.
        inodes: n of them.
        size: (n,) [bytes] of their data; set to 0 where the inodes cannot have any.
        where: what the inodes are.
    Raises: MalformedImage: the layout is one of files, or data lie outside.
    """
    judge, end = volume.judge, len(volume.octets)
    is_inline = inodes.layout == layout.LAYOUT_INLINE
    flat = is_inline | (inodes.layout == layout.LAYOUT_PLAIN)
    size[judge.require(flat, rules.LAYOUT, where, inodes.offset, inodes.offset)] = 0
    tail = np.where(is_inline, size % volume.block_size, 0)
    outside = size - tail
    start = inodes.union.astype(np.int64) * volume.block_size
    inside = (outside == 0) | ((start >= volume.first_offset) & (start + outside <= end))
    inside &= (tail == 0) | (inodes.body + tail <= end)
    lost = judge.require(inside, rules.DATA_OUTSIDE, where, inodes.offset, inodes.offset)
    for column in (size, outside, tail):
        column[lost] = 0
    return FlatData(size=size, start=start, outside=outside, tail=tail)


def share_out(judge: Judge, sizes: Offsets, room: int, *, rule: Rule, where: str, inodes: Offsets) -> int:
    """Give inodes their part of a room, in order, so that the work is bounded by it; those that find none get none.

    Args:
        judge: told about inodes that find none.
        sizes: (n,) what each wants, below 2^62; set to 0 for those that get nothing.
        room: what there is, below 2^32.
        rule: what these break.
        where: what the inodes are.
        inodes: (n,) [bytes] of them.
    Returns: what is left.
    Raises: MalformedImage.
    """
    fits = sizes <= room
    if not bool(fits.all()) or int(sizes.sum()) > room:
        fits &= np.cumsum(np.where(fits, sizes, 0)) <= room
        sizes[judge.require(fits, rule, where, inodes, inodes)] = 0
    return room - int(sizes.sum())
