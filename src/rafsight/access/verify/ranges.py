"""How a whole blob file is cut into reads, so that every unit lies in one of them.

Pure. This module alone decides that: the reads cover the file in order, so that it can be hashed as it comes; a unit
that would be cut is read with the piece in which it begins.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rafsight.formats.records import Indexes
from rafsight.formats.tables import UnitTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One read of one file."""

    offset: int
    size: int
    """[bytes] to read."""
    own_size: int
    """[bytes] of them up to the next piece: what is hashed."""
    units: Indexes
    """Rows of the unit table that begin in the piece."""
    largest: int
    """[bytes] that its largest unit becomes."""


def cut_file(table: UnitTable | None, units: Indexes, file_size: int, *, max_request: int) -> Iterator[Piece]:
    """Cut a file into pieces.

    Args:
        table: the units; None if nobody knows any.
        units: (u,) rows of those in the file; all end inside it.
        file_size: [bytes].
        max_request: [bytes] of a piece, but for a unit that is larger, or that overlaps the next piece.
    Returns: pieces that cover the file in order.
    Cost: no I/O; linear in the units, but for sorting. At least half of `max_request` a piece, but for the last one.
    """
    starts, sizes, contents = (np.empty(0, np.int64),) * 3
    if table is not None:
        units = units[np.argsort(table.offset[units], kind="stable")]
        starts, sizes, contents = table.offset[units], table.stored_size[units], table.decoded_size[units]
    ends = starts + sizes
    position = first = 0
    while position < file_size:
        stop = min(position + max_request, file_size)
        last = int(np.searchsorted(starts, stop))
        crossing = np.flatnonzero(ends[first:last] > stop)
        if crossing.size and starts[first + int(crossing[0])] >= position + (max_request + 1) // 2:
            stop = int(starts[first + int(crossing[0])])
            last = int(np.searchsorted(starts, stop))
        end = max(stop, int(ends[first:last].max(initial=0)))
        yield Piece(
            offset=position,
            size=end - position,
            own_size=stop - position,
            units=units[first:last],
            largest=int(contents[first:last].max(initial=0)),
        )
        position, first = stop, last
