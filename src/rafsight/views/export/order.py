"""Which entries are written out, and in which order.

This module alone decides both: depth first, each folder by name, as the tree has them; a file with several names is
written where its first exported name is, and the others are links to that. So the same image gives the same order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.image.tree import ImageTree, device_of, kind_of

_NANOSECONDS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One entry to be written."""

    row: int
    path: bytes
    """As in the image, without a leading slash; empty for the root."""
    kind: str
    """As `FileEntry.kind`; `unknown` for a mode without a type."""
    mode: int
    uid: int
    gid: int
    size: int
    """[bytes] of a regular file; 0 for everything else."""
    mtime: int
    """[ns] since 1970, signed."""
    device: tuple[int, int]
    first: bytes | None
    """Path of the entry that this one is another name of."""
    link_row: int
    """What all names of one file share."""

    @property
    def has_content(self) -> bool:
        """True if content follows: a regular file, at its first name."""
        return self.kind == "file" and self.first is None


class Order:
    """The entries of an export in their order. Cheap to walk more than once."""

    def __init__(self, tree: ImageTree, rows: NDArray[np.int32]) -> None:
        """Take the rows, parents before their children."""
        self._tree = tree
        self._rows = rows
        links = tree.entries.link_row[rows]
        _, first, inverse = np.unique(links, return_index=True, return_inverse=True)
        self._first = first[inverse.reshape(-1)]
        is_first = self._first == np.arange(len(rows))
        is_file = (tree.entries.mode[rows] & np.uint32(0o170000)) == np.uint32(0o100000)
        self.content_rows: NDArray[np.int32] = rows[is_first & is_file]
        """The files whose content is written, in order, each once."""
        self.content_size = sum(tree.entries.size[self.content_rows].tolist())
        """[bytes]"""

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Node]:
        """Describe the entries, one after the other."""
        tree, entries = self._tree, self._tree.entries
        above: list[tuple[int, bytes]] = []
        for position, (row, first) in enumerate(zip(self._rows.tolist(), self._first.tolist(), strict=True)):
            parent = int(entries.parent[row])
            while above and above[-1][0] != parent:
                above.pop()
            name = tree.name(row)
            path = above[-1][1] + b"/" + name if above and above[-1][1] else name
            if not above and row:
                path = tree.path(row)
            mode, rdev = int(entries.mode[row]), int(entries.rdev[row])
            kind = kind_of(mode)
            if kind == "directory":
                above.append((row, path))
            yield Node(
                row=row,
                path=path,
                kind=kind,
                mode=mode,
                uid=int(entries.uid[row]),
                gid=int(entries.gid[row]),
                size=int(entries.size[row]) if kind == "file" else 0,
                mtime=int(entries.mtime[row]) * _NANOSECONDS + int(entries.mtime_nsec[row]),
                device=device_of(rdev) if kind in ("char", "block") else (0, 0),
                first=tree.path(int(self._rows[first])) if first != position else None,
                link_row=int(entries.link_row[row]),
            )


def order_entries(tree: ImageTree, paths: Sequence[bytes] = ()) -> Order:
    """Choose what is written.

    Args:
        tree: the image's tree.
        paths: files, and folders with all below them, absolute or relative to the root; links above the last
            component are followed, one in the last place is written itself, unless a slash follows it. None: all.

    Returns: the entries, those above the chosen ones included. The root is among them only if it was chosen.
    Raises: NoSuchPath, TooManyLinks.
    Cost: no request. Linear in the entries that are chosen.
    """
    count = len(tree)
    chosen = np.zeros(count, dtype=np.bool_)
    passage = np.zeros(count, dtype=np.bool_)
    for path in paths or (b"",):
        row = tree.lookup(path, follow=path.endswith(b"/"))
        chosen[row] = True
        while row:
            row = int(tree.entries.parent[row])
            if passage[row]:
                break
            passage[row] = True
    rows: list[int] = []
    pending = [(0, bool(chosen[0]))]
    while pending:
        row, is_chosen = pending.pop()
        if row or is_chosen:
            rows.append(row)
        children = tree.children(row)
        if is_chosen:
            pending.extend((child, True) for child in reversed(children))
        elif passage[row]:
            part = slice(children.start, children.stop)
            wanted = np.flatnonzero(chosen[part] | passage[part]) + children.start
            pending.extend((child, bool(chosen[child])) for child in reversed(wanted.tolist()))
    return Order(tree, np.array(rows, dtype=np.int32))
