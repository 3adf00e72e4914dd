"""Path patterns of secret rules, many at a time: which of them does a path match?

A pattern is a path relative to the root: `*` stands for any bytes but a slash, `?` for one, `[0-9]` for one of a set,
`**` for anything, and `**/` at the front for any depth. This module alone decides how they are matched quickly: most
ask for a base name or an extension, so that a path which has none of these costs two look-ups.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

_PIECES: Final = re.compile(rb"\*\*/|\*\*|\*|\?|\[!?[^\]/]+\]|[^*?\[]+|\[", re.DOTALL)
_WILD: Final = re.compile(rb"[*?\[]")


def glob_expression(glob: bytes) -> bytes:
    """Make the text of a regular expression that `fullmatch`es what a pattern names."""
    parts = []
    for piece in _PIECES.findall(glob):
        if piece == b"**/":
            parts.append(rb"(?:.*/)?")
        elif piece == b"**":
            parts.append(rb".*")
        elif piece == b"*":
            parts.append(rb"[^/]*")
        elif piece == b"?":
            parts.append(rb"[^/]")
        elif piece.startswith(b"[") and len(piece) > 1:
            inner = piece[1:-1].removeprefix(b"!")
            negated = b"^/" if piece.startswith(b"[!") else b""
            parts.append(b"[" + negated + inner.replace(b"\\", rb"\\").replace(b"^", rb"\^") + b"]")
        else:
            parts.append(re.escape(piece))
    return b"".join(parts)


def compile_globs(globs: Iterable[bytes]) -> re.Pattern[bytes]:
    """Make one expression that `fullmatch`es the paths of all patterns."""
    forms = [glob_expression(glob) for glob in globs]
    return re.compile(b"|".join(forms) if forms else rb"(?!)", re.DOTALL)


class GlobTable:
    """Patterns, each with an owner (a number). Immutable."""

    def __init__(self, owned: Iterable[tuple[int, Sequence[bytes]]]) -> None:
        """Take the patterns.

        Args:
            owned: (owner, its patterns).
        """
        self._by_name: dict[bytes, list[tuple[int, re.Pattern[bytes]]]] = {}
        self._by_extension: dict[bytes, list[tuple[int, re.Pattern[bytes]]]] = {}
        self._others: list[tuple[bytes, int, re.Pattern[bytes]]] = []
        for owner, globs in owned:
            for glob in globs:
                self._add(owner, glob)

    def owners(self, path: bytes) -> list[int]:
        """Return the owners of the patterns that a path matches, ordered, each once."""
        name = path[path.rfind(b"/") + 1 :]
        found = set()
        for owner, pattern in self._by_name.get(name, ()):
            if pattern.fullmatch(path):
                found.add(owner)
        for owner, pattern in self._by_extension.get(name[name.rfind(b".") + 1 :], ()):
            if pattern.fullmatch(path):
                found.add(owner)
        for literal, owner, pattern in self._others:
            if literal in path and pattern.fullmatch(path):
                found.add(owner)
        return sorted(found)

    def _add(self, owner: int, glob: bytes) -> None:
        pattern = re.compile(glob_expression(glob), re.DOTALL)
        name = glob[glob.rfind(b"/") + 1 :]
        extension = name[name.rfind(b".") + 1 :]
        if not _WILD.search(name):
            self._by_name.setdefault(name, []).append((owner, pattern))
        elif b"." in name and extension and not _WILD.search(extension):
            self._by_extension.setdefault(extension, []).append((owner, pattern))
        else:
            literal = max((piece for piece in _PIECES.findall(glob) if not _WILD.match(piece)), key=len, default=b"")
            self._others.append((literal, owner, pattern))
