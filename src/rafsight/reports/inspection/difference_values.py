"""What differs between two images, entry by entry and field by field, with both values.

This module alone decides how the value of a field is said.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.formats.records import Indexes
from rafsight.formats.tables import Offsets, Rows
from rafsight.image.difference import CHANGES, Aspect
from rafsight.image.levels import levels_of, sum_upwards
from rafsight.image.tree import ImageTree, device_of, kind_of
from rafsight.reports.inspection.content import ImageDifference

Value = bytes | int | None
"""A path, target or text; a number; or None where there is nothing to say but that it differs."""

FIELDS: Final = tuple(one for one in Aspect if one in CHANGES)
"""In the order of reports."""

_SIZED: Final = ("file", "symlink")
_MANY: Final = 4
"""If more than one row of so many is wanted, all paths are made at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field of one entry."""

    field: Aspect
    left: Value
    right: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryChange:
    """One path that both images have, and differently."""

    path: bytes
    kind: str
    """On the right."""
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LonelyEntry:
    """A path that one image has."""

    path: bytes
    kind: str
    size: int
    """[bytes] of regular files and symbolic links; 0 elsewhere."""
    below: int
    """Entries below a directory."""


def name_of(field: Aspect) -> str:
    """Return what a field is called."""
    return (field.name or "").lower()


def changed_entries(answer: ImageDifference, positions: Indexes) -> Iterator[EntryChange]:
    """Yield what differs at some pairs.

    Args:
        answer: the difference.
        positions: of pairs.
    Raises: MalformedImage: extended attributes, which `compare_trees` has read before.
    """
    pairs, aspects = answer.difference.pairs, answer.difference.aspects
    rows, others = pairs.left[positions], pairs.right[positions]
    columns = (rows.tolist(), others.tolist(), aspects[positions].tolist())
    for path, row, other, bits in zip(paths_of(answer.left_tree, rows), *columns, strict=True):
        yield EntryChange(
            path=path,
            kind=answer.right_tree.kind(other),
            fields=tuple(_change(answer, field, row, other) for field in FIELDS if field & bits),
        )


def lonely_entries(tree: ImageTree, rows: Rows) -> Iterator[LonelyEntry]:
    """Yield what one image has alone, in the order given. Cost: one pass over the tree."""
    counts = _count_below(tree)[rows]
    columns = (tree.entries.mode[rows].tolist(), tree.entries.size[rows].tolist(), counts.tolist())
    for path, mode, size, below in zip(paths_of(tree, rows), *columns, strict=True):
        kind = kind_of(mode)
        yield LonelyEntry(path=path, kind=kind, size=size if kind in _SIZED else 0, below=below)


def paths_of(tree: ImageTree, rows: Rows) -> Iterable[bytes]:
    """Return the paths of some rows; those of all rows are made at once where that is cheaper."""
    if len(rows) * _MANY < len(tree):
        return map(tree.path, rows.tolist())
    paths = tree.paths()
    return (paths[row] for row in rows.tolist())


def topmost(tree: ImageTree, rows: Rows) -> Rows:
    """Leave out what lies below another one of some rows.

    Args:
        tree: the tree.
        rows: with all that lies below each.
    """
    chosen = set(rows.tolist())
    parents = tree.entries.parent[rows].tolist()
    return rows[[parent not in chosen for parent in parents]]


def _count_below(tree: ImageTree) -> Offsets:
    return sum_upwards(levels_of(tree.entries), np.ones(len(tree), dtype=np.int64)) - 1


def _change(answer: ImageDifference, field: Aspect, row: int, other: int) -> FieldChange:
    if field is Aspect.XATTRS:
        ours, theirs = set(answer.left_tree.xattrs(row)), set(answer.right_tree.xattrs(other))
        names = (b", ".join(sorted(one.name for one in some)) for some in (ours - theirs, theirs - ours))
        return FieldChange(field=field, left=next(names), right=next(names))
    say = _SAYING.get(field, _nothing)
    return FieldChange(field=field, left=say(answer.left_tree, row), right=say(answer.right_tree, other))


def _nothing(tree: ImageTree, row: int) -> Value:
    del tree, row
    return None


def _mode(tree: ImageTree, row: int) -> Value:
    return f"{int(tree.entries.mode[row]) & 0o7777:04o}".encode()


def _mtime(tree: ImageTree, row: int) -> Value:
    seconds, nanoseconds = int(tree.entries.mtime[row]), int(tree.entries.mtime_nsec[row])
    return (f"{seconds}.{nanoseconds:09d}" if nanoseconds else f"{seconds}").encode()


def _device(tree: ImageTree, row: int) -> Value:
    major, minor = device_of(int(tree.entries.rdev[row]))
    return f"{major}:{minor}".encode()


def _first_name(tree: ImageTree, row: int) -> Value:
    return b"/" + tree.path(int(tree.entries.link_row[row]))


_SAYING: Final[dict[Aspect, Callable[[ImageTree, int], Value]]] = {
    Aspect.KIND: lambda tree, row: tree.kind(row).encode(),
    Aspect.MODE: _mode,
    Aspect.UID: lambda tree, row: int(tree.entries.uid[row]),
    Aspect.GID: lambda tree, row: int(tree.entries.gid[row]),
    Aspect.SIZE: lambda tree, row: int(tree.entries.size[row]),
    Aspect.MTIME: _mtime,
    Aspect.TARGET: lambda tree, row: tree.target(row),
    Aspect.DEVICE: _device,
    Aspect.LINKS: _first_name,
}
