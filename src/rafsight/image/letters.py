"""The names of a tree by how they begin, or by how they end: whoever looks at any depth knows a few letters of either.

This module alone decides how many letters count. What it finds is to be looked at: no name with such letters is
missing, and few names are others.
"""

from typing import Final

import numpy as np

from rafsight.formats.records import Indexes
from rafsight.formats.tables import Octets, Offsets, Rows, Words

_LETTERS: Final = 4
"""As many as a word has bytes."""


class Letters:
    """The rows of a tree, ordered by some letters of their names. Immutable."""

    def __init__(self, octets: Octets, offsets: Offsets, sizes: Rows, *, from_end: bool) -> None:
        """Order them.

        Args:
            octets: (b,) the buffer that names lie in.
            offsets: (n,) where each name begins.
            sizes: (n,) [bytes] of each name.
            from_end: by the last letters, the very last first; else by the first.
        Cost: four passes over the names, and a sort.
        """
        self._from_end = from_end
        keys: Words = np.zeros(len(sizes), dtype=np.uint32)
        starts = offsets.astype(np.int64)
        for place in range(_LETTERS):
            rows = np.flatnonzero(sizes > place)
            where = starts[rows] + (sizes[rows].astype(np.int64) - 1 - place if from_end else place)
            keys[rows] |= octets[where].astype(np.uint32) << np.uint32(8 * (_LETTERS - 1 - place))
        self._order: Indexes = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]

    def rows(self, text: bytes) -> Indexes:
        """Return the rows, in order, whose names may begin (or end) with a text.

        Args:
            text: empty: all rows.
        """
        known = text[-_LETTERS:][::-1] if self._from_end else text[:_LETTERS]
        low = int.from_bytes(known.ljust(_LETTERS, b"\0"), "big")
        high = int.from_bytes(known.ljust(_LETTERS, b"\xff"), "big")
        start = np.searchsorted(self._keys, np.uint32(low), side="left")
        end = np.searchsorted(self._keys, np.uint32(high), side="right")
        found: Indexes = np.sort(self._order[start:end])
        return found
