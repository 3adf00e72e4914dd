"""A part under construction: trees come in, tables go out.

This module alone decides how large a part becomes, and in which order its trees stand.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from rafsight.formats.tables import Words
from rafsight.hunt.index.columns import EntryColumns
from rafsight.hunt.index.grouping import group_entries
from rafsight.hunt.index.pool import EntryPool
from rafsight.hunt.index.tables import PartTables, TreeRow

MOST_TREES: Final = 2048
MOST_ENTRIES: Final = 600_000
"""Distinct ones; each takes about 300 bytes of memory until the part is written."""
MOST_NUMBERS: Final = 40_000_000
"""Entries of all trees together; each takes 4 bytes of memory."""
_NUMBER: Final = re.compile(r"([0-9]+)")


@dataclass(slots=True)
class _Tree:
    row: TreeRow
    numbers: Words
    place: tuple[tuple[int, int | str], ...]


@dataclass(slots=True)
class PartDraft:
    """Collects trees. Not safe to share between threads."""

    _pool: EntryPool = field(default_factory=EntryPool)
    _trees: dict[str, _Tree] = field(default_factory=dict)
    _numbers: int = 0

    def __len__(self) -> int:
        return len(self._trees)

    @property
    def is_full(self) -> bool:
        """Tell whether the next tree should begin another part."""
        return len(self._trees) >= MOST_TREES or len(self._pool) >= MOST_ENTRIES or self._numbers >= MOST_NUMBERS

    def add(self, row: TreeRow, columns: EntryColumns, name: str) -> None:
        """Add a tree, unless it is there.

        Args:
            row: about it.
            columns: its entries, no path twice.
            name: of an image that has it: trees stand in the order of names, so that versions of one are neighbours.
        """
        if row.tree not in self._trees:
            self.add_numbers(row, self.number(columns), name)

    def number(self, columns: EntryColumns) -> Words:
        """Add entries that belong to no tree yet; return their numbers."""
        return self._pool.add(columns)

    def add_numbers(self, row: TreeRow, numbers: Words, name: str) -> None:
        """Add a tree of entries that were added."""
        self._trees[row.tree] = _Tree(row, numbers, _natural(name))
        self._numbers += len(numbers)

    def finish(self) -> PartTables:
        """Make the tables."""
        trees = sorted(self._trees.values(), key=lambda tree: (tree.place, tree.row.tree))
        return PartTables(
            entries=self._pool.entries(),
            grouping=group_entries([tree.numbers for tree in trees], len(self._pool)),
            trees=tuple(tree.row for tree in trees),
        )


def _natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """Order names as people do: v9 before v10."""
    return tuple((0, int(part[:18])) if part.isdecimal() else (1, part) for part in _NUMBER.split(name) if part)
