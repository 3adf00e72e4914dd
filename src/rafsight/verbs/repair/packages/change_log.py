"""What was done to a tree, as changes of the tree that it was when the log began.

This module alone decides what many steps come to: what came and went again is no change, what went and came again is
one that comes, and what went with the folder above it is not said.
"""

from rafsight.image.changes import Changes, Put
from rafsight.verbs.repair.packages.places import above_of


class ChangeLog:
    """Steps, brought together as they are taken."""

    def __init__(self) -> None:
        self.removed: dict[bytes, None] = {}
        self.puts: dict[bytes, Put] = {}
        """By path, in the order in which they have to come."""
        self._there: dict[bytes, bool] = {}
        """Of paths that were touched: whether there was something when the log began."""
        self._parted: set[bytes] = set()
        """Names that go although something comes in their place: their inode has other names, which keep it."""

    def remove(self, path: bytes, *, there: bool) -> None:
        """Note that an entry goes; `there`: it is there now."""
        if self._there.setdefault(path, there):
            self.removed[path] = None
        self.puts.pop(path, None)

    def put(self, put: Put, *, there: bool, parts: bool) -> None:
        """Note that an entry comes.

        Args:
            put: the entry.
            there: there is something of that name now.
            parts: the name has to go first, since its inode has other names.
        """
        self._there.setdefault(put.path, there)
        if parts:
            self.removed[put.path] = None
            self._parted.add(put.path)
        elif put.path not in self._parted:
            self.removed.pop(put.path, None)
        self.puts.pop(put.path, None)
        self.puts[put.path] = put

    def changes(self) -> Changes:
        """Return what it comes to."""
        outermost = [path for path in self.removed if not any(above in self.removed for above in above_of(path))]
        return Changes(removed=tuple(sorted(outermost)), puts=tuple(self.puts.values()))
