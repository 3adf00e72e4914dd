"""Names of a tree ordered by how they begin and how they end, so that one of many is found without a look at all.

This module alone decides how a glob over names becomes a few candidates.
"""

from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.image.selection import RowArray, select_rows
from rafsight.image.tree import ImageTree

_PAIR: Final = 2
"""[bytes] of a name that its places are found by."""
Ordered = tuple[NDArray[np.uint16], RowArray]
"""Sorted keys, and the rows that have them."""


class NameIndex:
    """Finds rows by globs over names; made once for many of them."""

    def __init__(self, tree: ImageTree) -> None:
        self._tree = tree

    def rows(self, glob: bytes) -> RowArray:
        """Return the rows whose name matches a glob of literal bytes and `*`, in no order."""
        parts = glob.split(b"*")
        if len(parts[-1]) >= _PAIR:
            candidates = _with_key(self._by_end, parts[-1][-_PAIR:])
        elif len(parts[0]) >= _PAIR:
            candidates = _with_key(self._by_start, parts[0][:_PAIR])
        else:
            candidates = np.arange(len(self._tree), dtype=np.int64)
        return select_rows(self._tree, candidates, glob)

    @cached_property
    def _by_end(self) -> Ordered:
        entries = self._tree.entries
        return self._ordered(entries.name_offset + entries.name_size - _PAIR)

    @cached_property
    def _by_start(self) -> Ordered:
        return self._ordered(self._tree.entries.name_offset)

    def _ordered(self, places: NDArray[np.int64]) -> Ordered:
        """Order the rows whose names have two bytes by those at `places`."""
        rows = np.flatnonzero(self._tree.entries.name_size >= _PAIR)
        at = places[rows]
        octets = self._tree.octets
        keys = octets[at].astype(np.uint16) << np.uint16(8) | octets[at + 1]
        order = np.argsort(keys, kind="stable")
        return keys[order], rows[order]


def _with_key(index: Ordered, pair: bytes) -> RowArray:
    keys, rows = index
    key = np.uint16(int.from_bytes(pair, "big"))
    low, high = np.searchsorted(keys, key, side="left"), np.searchsorted(keys, key, side="right")
    return rows[low:high]
