"""Folders of this machine by descriptor, so that no name of an image can lead out of the one that was given.

This module alone opens folders. Every step is one name, opened in the folder above it, and a symbolic link is never
followed, whoever made it. Descriptors of the folders above are kept, so that a walk in the order of the tree opens each
folder once or twice; below `KEPT` levels only the last one is.
"""

import os
from typing import Final

KEPT: Final = 64
"""Levels whose descriptors are kept: processes may have few."""

_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folders:
    """Opens folders below a root."""

    def __init__(self, root: int) -> None:
        """Take the descriptor of the root; it stays the caller's."""
        self._root = root
        self._names: list[bytes] = []
        self._kept: list[int] = []
        self._deep: tuple[list[bytes], int] | None = None

    def open(self, path: bytes) -> int:
        """Return a descriptor of a folder, good until the next call.

        Args:
            path: relative to the root, empty for the root itself.
        Raises: OSError: ELOOP or ENOTDIR where something is no folder.
        """
        names = path.split(b"/") if path else []
        same = 0
        while same < min(len(self._names), len(names)) and self._names[same] == names[same]:
            same += 1
        while len(self._names) > same:
            self._names.pop()
            os.close(self._kept.pop())
        for name in names[same:KEPT]:
            self._kept.append(os.open(name, _FLAGS, dir_fd=self._top))
            self._names.append(name)
        return self._open_deep(names) if len(names) > KEPT else self._top

    def close(self) -> None:
        """Give all descriptors back."""
        self._forget_deep()
        self._names.clear()
        while self._kept:
            os.close(self._kept.pop())

    @property
    def _top(self) -> int:
        return self._kept[-1] if self._kept else self._root

    def _open_deep(self, names: list[bytes]) -> int:
        if self._deep is not None and self._deep[0] == names:
            return self._deep[1]
        self._forget_deep()
        current = os.dup(self._top)
        for name in names[KEPT:]:
            try:
                below = os.open(name, _FLAGS, dir_fd=current)
            finally:
                os.close(current)
            current = below
        self._deep = (names, current)
        return current

    def _forget_deep(self) -> None:
        if self._deep is not None:
            os.close(self._deep[1])
            self._deep = None
