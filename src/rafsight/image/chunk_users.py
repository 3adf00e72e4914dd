"""From a chunk back to the files that use it.

This module alone knows the way back: the tables lead from files to chunks only.
"""

import numpy as np

from rafsight.formats.records import Indexes
from rafsight.formats.tables import Offsets, TreeTables


class ChunkUsers:
    """Finds the files that use a chunk; what it needs is sorted when it is first asked."""

    def __init__(self, tables: TreeTables) -> None:
        self._tables = tables
        self._order: Indexes | None = None
        self._rows: Indexes = np.empty(0, np.intp)
        self._starts: Offsets = np.empty(0, np.int64)
        """Of the extents of `_rows`."""

    def rows(self, chunk: int) -> Indexes:
        """Return the rows of the files that use a chunk, hard-linked ones once.

        Cost: a binary search; at the first call a sort of all extents.
        """
        order = self._sorted()
        chunks = self._tables.extents.chunk
        wanted = np.array([chunk, chunk + 1], chunks.dtype)  # of another type, all of `chunks` would be converted
        low, high = np.searchsorted(chunks, wanted, sorter=order)
        owner = np.searchsorted(self._starts, order[low:high], side="right") - 1
        return np.unique(self._rows[owner[owner >= 0]])

    def first(self, chunk: int) -> int | None:
        """Return the row of one of them; None if there is none."""
        rows = self.rows(chunk)
        return int(rows[0]) if rows.size else None

    def _sorted(self) -> Indexes:
        if self._order is None:
            entries = self._tables.entries
            own = entries.link_row == np.arange(len(entries.link_row))
            rows = np.flatnonzero(own & (entries.extent_count > 0))
            self._rows = rows[np.argsort(entries.extent_start[rows], kind="stable")]
            self._starts = entries.extent_start[self._rows]
            self._order = np.argsort(self._tables.extents.chunk, kind="stable")
        return self._order
