"""Many short texts of a tree's buffer, put together block by block, so that all are looked through at once.

This module alone decides how much of them is in memory at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.formats.records import Indexes
from rafsight.formats.tables import Octets, Offsets, Rows
from rafsight.image.tree import ImageTree

BLOCK: Final = 1 << 20
"""[bytes] of text in one block, about."""
_SLASH: Final = 0x2F


@dataclass(frozen=True, slots=True, kw_only=True)
class TextBlock:
    """Some neighbouring texts: a slash before each, and one at the end."""

    octets: Octets
    first: int
    """Number of the first text."""
    starts: Offsets
    """Where the slash before each text is."""

    def owners(self, places: Indexes) -> Indexes:
        """Return the number of the text that has each place."""
        return np.searchsorted(self.starts, places, side="right") - 1 + self.first


def joined_texts(tree: ImageTree, offsets: Offsets, sizes: Rows) -> Iterator[TextBlock]:
    """Yield texts in blocks.

    Args:
        tree: whose buffer has them.
        offsets: (n,) [bytes] where each begins.
        sizes: (n,) [bytes].
    Cost: linear in the sizes. Memory: about nine times `BLOCK`.
    """
    widths = sizes.astype(np.int64) + 1
    ends = np.cumsum(widths)
    low = 0
    while low < len(widths):
        base = int(ends[low - 1]) if low else 0
        high = max(int(np.searchsorted(ends, base + BLOCK, side="right")), low + 1)
        starts = ends[low:high] - widths[low:high] - base
        places = np.repeat(offsets[low:high] - starts - 1, widths[low:high])
        places += np.arange(len(places))  # of each slash: one byte before its text, whatever is there
        octets = np.full(len(places) + 1, _SLASH, dtype=np.uint8)
        octets[:-1] = tree.octets[np.maximum(places, 0)] if len(tree.octets) else _SLASH
        octets[starts] = _SLASH
        yield TextBlock(octets=octets, first=low, starts=starts)
        low = high
