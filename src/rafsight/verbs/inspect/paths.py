"""Paths of some rows of a tree.

This module alone decides how much text of paths one answer may have: names are short and paths are not, so that a small
bootstrap can have paths without end.
"""

from collections.abc import Iterable
from typing import Final

from rafsight.base.errors import ImageFault
from rafsight.base.units import MiB
from rafsight.image.tree import ImageTree

MAX_PATH_TEXT: Final = 512 * MiB
"""[bytes] of all paths of one answer, and of the directories that they lead through."""


class TooManyPaths(ImageFault):
    """The paths of an answer are longer than those of any sound image."""

    code = "too-many-paths"
    template = "the paths of the answer take more than {limit} bytes"
    remedy = "Ask about fewer files, one directory for instance; if there are not many, the image was made to do harm."


class Paths:
    """Paths of rows of one tree, each directory's put together once, and no more than can be held."""

    def __init__(self, tree: ImageTree, limit: int = MAX_PATH_TEXT) -> None:
        self._tree = tree
        self._limit = limit
        self._left = limit
        self._known: dict[int, bytes] = {0: b""}

    def of(self, row: int) -> bytes:
        """Return the path of a row.

        Raises: TooManyPaths.
        Cost: linear in its length; directories above it are remembered.
        """
        return self.join(self._directory(int(self._tree.entries.parent[row])), self._tree.name(row)) if row else b""

    def all_of(self, rows: Iterable[int]) -> tuple[bytes, ...]:
        """Return the paths of some rows, as a walk by names, depth first, would come by them.

        Raises: TooManyPaths.
        """
        return tuple(sorted((self.of(row) for row in rows), key=depth_first))

    def join(self, above: bytes, name: bytes) -> bytes:
        """Return the path of a name in a directory.

        Raises: TooManyPaths.
        """
        self.spend(len(above) + 1 + len(name))
        return above + b"/" + name if above else name

    def spend(self, size: int) -> None:
        """Take note of text that the answer will have.

        Raises: TooManyPaths.
        """
        self._left -= size
        if self._left < 0:
            raise TooManyPaths(limit=self._limit)

    def _directory(self, row: int) -> bytes:
        pending = []
        while row not in self._known:
            pending.append(row)
            row = int(self._tree.entries.parent[row])
        path = self._known[row]
        for row in reversed(pending):
            path = self._known[row] = self.join(path, self._tree.name(row))
        return path


def depth_first(path: bytes) -> list[bytes]:
    """Return what to sort paths by, so that they stand in the order of a walk by names."""
    return path.split(b"/")
