"""Distinct entries of many trees: each is kept once, however many trees have it.

This module alone decides when two entries are the same: when all that an index keeps of them is.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from rafsight.formats.tables import Words
from rafsight.hunt.index.columns import DIGEST_SIZE, EntryColumns, StoredXattr

_Key = TypeVar("_Key", bound=Hashable)

ENTRY: Final = np.dtype(
    [
        ("directory", "<u4"),
        ("name", "<u4"),
        ("target", "<u4"),  # 0: none
        ("xattrs", "<u4"),  # 0: none
        ("mode", "<u4"),
        ("uid", "<u4"),
        ("gid", "<u4"),
        ("rdev", "<u4"),
        ("size", "<i8"),
        ("mtime", "<i8"),
        ("content", "u1", (DIGEST_SIZE,)),
        ("content_kind", "u1"),
    ]
)
"""An entry by the numbers of its texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledEntries:
    """Distinct entries; n rows."""

    rows: NDArray[np.void]
    """(n,) ENTRY."""
    directories: Sequence[bytes]
    names: Sequence[bytes]
    targets: Sequence[bytes]
    xattrs: Sequence[tuple[StoredXattr, ...]]


class EntryPool:
    """Numbers distinct entries from 0 on, in the order in which they come."""

    def __init__(self) -> None:
        """Begin without entries."""
        self._numbers: dict[bytes, int] = {}
        self._rows: list[NDArray[np.void]] = []
        self._directories: dict[bytes, int] = {}
        self._names: dict[bytes, int] = {}
        self._targets: dict[bytes, int] = {b"": 0}
        self._xattrs: dict[tuple[StoredXattr, ...] | None, int] = {None: 0}

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, columns: EntryColumns) -> Words:
        """Add entries.

        Returns: (n,) the number of each entry.
        Cost: about a microsecond an entry.
        """
        rows = np.zeros(len(columns), dtype=ENTRY)
        directories = np.array(_numbered(self._directories, columns.directories), dtype=np.uint32)
        rows["directory"] = directories[columns.directory]
        rows["name"] = _numbered(self._names, columns.names)
        for row, number in zip(columns.targets, _numbered(self._targets, columns.targets.values()), strict=True):
            rows["target"][row] = number
        for row, number in zip(columns.xattrs, _numbered(self._xattrs, columns.xattrs.values()), strict=True):
            rows["xattrs"][row] = number
        for name in ("mode", "uid", "gid", "rdev", "size", "mtime", "content", "content_kind"):
            rows[name] = getattr(columns, name)
        known = len(self._numbers)
        numbers = np.array(_numbered(self._numbers, rows.view(f"V{ENTRY.itemsize}").tolist()), dtype=np.uint32)
        is_new = np.flatnonzero(numbers >= known)
        _, first = np.unique(numbers[is_new], return_index=True)
        self._rows.append(rows[is_new[first]])
        return numbers

    def entries(self) -> PooledEntries:
        """Return all entries, by number."""
        return PooledEntries(
            rows=np.concatenate(self._rows) if self._rows else np.zeros(0, dtype=ENTRY),
            directories=list(self._directories),
            names=list(self._names),
            targets=list(self._targets),
            xattrs=[xattrs or () for xattrs in self._xattrs],
        )


def _numbered(table: dict[_Key, int], keys: Iterable[_Key]) -> list[int]:
    """Return the numbers of keys; new ones get the next."""
    number = table.setdefault
    return [number(key, len(table)) for key in keys]
