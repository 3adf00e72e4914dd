"""Which paths a glob names, path by path: for paths that are in no tree.

This module alone says of a single path what `PathGlob.select` says of the entries of a tree.
"""

from rafsight.hunt.globs import PathGlob


class Walk:
    """Compares paths below a folder with the parts of a glob; remembers how far each directory gets."""

    def __init__(self, glob: PathGlob) -> None:
        self._glob = glob
        self._known: dict[bytes, int] = {b"": _begin(glob)}

    def names(self, folder: bytes, directory: bytes, name: bytes) -> bool:
        """Tell whether the glob names an entry.

        Args:
            folder: where its own folders without wildcards have led.
            directory: the entry's.
            name: the entry's.
        """
        if folder and directory != folder and not directory.startswith(folder + b"/"):
            return False
        below = directory[len(folder) :].strip(b"/")
        return bool(_step(self._glob, self._reached(below), name) >> len(self._glob.parts) & 1)

    def _reached(self, below: bytes) -> int:
        unknown = []
        while below not in self._known:
            below, _, name = below.rpartition(b"/")
            unknown.append(name)
        state = self._known[below]
        for name in reversed(unknown):
            below = below + b"/" + name if below else name
            state = _step(self._glob, state, name) if state else 0
            self._known[below] = state
        return state


def _begin(glob: PathGlob) -> int:
    """Return how much of a glob its base meets, as bits: bit n stands for its first n parts."""
    return _closed(glob, 1)


def _step(glob: PathGlob, above: int, name: bytes) -> int:
    """Return how much of a glob an entry meets, given how much its directory does."""
    state = 0
    for number, part in enumerate(glob.parts):
        if not above >> number & 1:
            continue
        if part is None:
            state |= (3 if number + 1 == len(glob.parts) else 1) << number
        elif part.names(name):
            state |= 1 << number + 1
    return _closed(glob, state)


def _closed(glob: PathGlob, state: int) -> int:
    """Let each `**` stand for no folder at all, unless it is the last part."""
    for number, part in enumerate(glob.parts[:-1]):
        if part is None and state >> number & 1:
            state |= 1 << number + 1
    return state
