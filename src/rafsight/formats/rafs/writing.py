"""Put the parts of a bootstrap in their places: what the writers of all versions share.

This module alone decides how much memory copying takes.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.formats.records import Indexes, ragged
from rafsight.formats.tables import Octets, Offsets, TreeTables

_BATCH: Final = 1 << 19
"""[bytes] that are copied at once: each needs two indexes of eight bytes."""
_WORD: Final = 8


def put(octets: Octets, offset: int, part: bytes) -> None:
    """Write a piece to its place."""
    octets[offset : offset + len(part)] = np.frombuffer(part, np.uint8)


def scatter(octets: Octets, places: Offsets, rows: NDArray[np.void]) -> None:
    """Write rows of one size to their places, both in units of eight bytes.

    Args:
        octets: written to.
        places: (k,) [bytes] where each row goes.
        rows: (k,), structured.
    """
    columns = rows.view("<u8").reshape(len(rows), rows.dtype.itemsize // _WORD)
    words = octets.view("<u8")
    for column in range(columns.shape[1]):
        words[places // _WORD + column] = columns[:, column]


def copy_pieces(target: Octets, places: Offsets, source: Octets, offsets: Offsets, sizes: Offsets) -> None:
    """Copy pieces of different sizes from anywhere to anywhere.

    Args:
        target: written to.
        places: (k,) [bytes] where each piece goes.
        source: read from.
        offsets: (k,) [bytes] where each piece is.
        sizes: (k,) [bytes] of each.
    Cost: a few nanoseconds a byte. Memory: some MiB.
    """
    end = np.cumsum(sizes, dtype=np.int64)
    low = 0
    while low < len(sizes):
        high = max(low + 1, int(np.searchsorted(end, (end[low - 1] if low else 0) + _BATCH, side="right")))
        if high == low + 1:
            place, offset, size = int(places[low]), int(offsets[low]), int(sizes[low])
            target[place : place + size] = source[offset : offset + size]
        else:
            piece, ordinal = ragged(sizes[low:high])
            target[places[low:high][piece] + ordinal] = source[offsets[low:high][piece] + ordinal]
        low = high


def prefetch_table(tables: TreeTables, numbers: Indexes | Offsets) -> bytes:
    """Write a prefetch table; what no entry has is left out.

    Args:
        tables: the image, whose table has numbers of its own.
        numbers: (n,) of each entry row, in the bootstrap that is written.
    """
    rows = {int(ino): row for row, ino in reversed(list(enumerate(tables.entries.ino.tolist())))}
    found = [int(numbers[rows[ino]]) for ino in tables.prefetch.tolist() if ino in rows]
    return np.array(found, "<u4").tobytes()
