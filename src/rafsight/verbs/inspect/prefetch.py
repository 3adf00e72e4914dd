"""The prefetch table, with the paths that its inodes have."""

from typing import Final

import numpy as np

from rafsight.access.session import Image
from rafsight.image.tree import ImageTree
from rafsight.reports.inspection.metadata import PrefetchEntry, PrefetchList
from rafsight.verbs.inspect.paths import Paths

_PATH_COST: Final = 16
"""[bytes] that an entry counts for beside its paths: tables repeat inodes as often as they like."""


def list_prefetch(image: Image) -> PrefetchList:
    """List what is to be prefetched, in the order of the table.

    Raises: TooManyPaths.
    Cost: no request. One pass over the inode numbers, and linear in the table and the names of its inodes.
    """
    tree = image.tree
    wanted = tree.tables.prefetch
    rows = np.flatnonzero(np.isin(tree.entries.ino, wanted))
    inos = tree.entries.ino[rows]
    order = np.argsort(inos, kind="stable")
    rows, inos = rows[order], inos[order]
    first, last = np.searchsorted(inos, wanted, "left").tolist(), np.searchsorted(inos, wanted, "right").tolist()
    paths = Paths(tree)
    known: dict[int, tuple[bytes, ...]] = {}
    entries = []
    for ino, start, end in zip(wanted.tolist(), first, last, strict=True):
        if ino in known:
            paths.spend(sum(map(len, known[ino])) + _PATH_COST * len(known[ino]))
        else:
            known[ino] = _marked(tree, int(rows[start]) if start < end else 0, paths.all_of(rows[start:end].tolist()))
        entries.append(PrefetchEntry(ino=ino, paths=known[ino]))
    return PrefetchList(entries=tuple(entries))


def _marked(tree: ImageTree, row: int, paths: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Put a slash behind the path of a directory, as the peer does; the root's is empty."""
    return tuple(path + b"/" if path else path for path in paths) if tree.is_directory(row) else paths
