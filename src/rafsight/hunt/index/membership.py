"""Which trees have the entries of a group, as sets of trees over all parts.

This module alone reads spans for that. A set is an array of booleans, one for each tree.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from rafsight.formats.records import Bools
from rafsight.hunt.index.manifest import DamagedIndex
from rafsight.hunt.index.snapshot import Snapshot, check_spans
from rafsight.hunt.index.tables import read_spans
from rafsight.hunt.index.views import first_trees

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


_REMEMBERED: Final = 4096
"""Sets that are kept for who asks again; each takes a byte for each tree."""


class Membership:
    """Answers which trees have a group."""

    def __init__(
        self, connection: "DuckDBPyConnection", place: str, snapshot: Snapshot, spans: Sequence[Path | None]
    ) -> None:
        """Prepare; spans are read when they are asked for.

        Args:
            connection: may read the files.
            place: of the index, for errors.
            snapshot: the generation.
            spans: of each part, its table.
        """
        self._connection = connection
        self._place = place
        self._snapshot = snapshot
        self._paths = spans
        self._firsts = first_trees(snapshot)
        self._spans: dict[int, NDArray[np.uint32]] = {}
        self._known: dict[tuple[int, int], Bools] = {}
        self.trees = tuple(row for rows in snapshot.trees for row in rows or ())
        """All trees, by their number over all parts."""

    def of(self, part: int, group: int | None) -> Bools:
        """Return the trees that have a group of a part; not to be changed.

        Raises: DamagedIndex; also without a group, which only a strange table leaves out.
        """
        if group is None:
            raise DamagedIndex(place=self._place, what="an entry has no group")
        key = (part, group)
        if key not in self._known:
            spans = self._spans_of(part)
            trees = np.zeros(len(self.trees), dtype=np.bool_)
            start, end = np.searchsorted(spans[:, 0], [group, group + 1]).tolist()
            first = self._firsts[part]
            for _, begin, last in spans[start:end].tolist():
                trees[first + begin : first + last + 1] = True
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = trees
        return self._known[key]

    def _spans_of(self, part: int) -> NDArray[np.uint32]:
        if part not in self._spans:
            path = self._paths[part]
            rows = self._snapshot.trees[part]
            assert path is not None  # nobody asks for entries of a lost part
            assert rows is not None
            spans = read_spans(self._connection, path)
            check_spans(self._place, spans, len(rows))
            self._spans[part] = spans
        return self._spans[part]
