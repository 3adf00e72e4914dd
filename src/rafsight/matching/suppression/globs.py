"""Which paths a glob names: `*` and `?` stay within a name, `**` goes over folders, `[` is a letter like any other.

A glob that ends with a slash names all that is below a folder. Paths come from strangers, and no regular expression
matches several stars without going back; so a set of positions, kept as the bits of one number, goes over the glob
once.
"""

import re
from functools import lru_cache
from typing import Final

_TOKENS: Final = re.compile(rb"\*\*/|\*\*+|\*|\?|[^*?]", re.DOTALL)
_SLASH: Final = ord("/")


def names_path(glob: str, path: bytes) -> bool:
    """Tell whether a glob names a path; both are relative to the root.

    Cost: the length of the glob, each step over numbers of as many bits as the path has bytes.
    """
    where = _Letters(path)
    reached = 1  # bit n: the glob so far can stand for the first n bytes
    for token in _tokens_of(glob):
        if token == b"**/":
            reached |= where.rest(reached) & (where.of(_SLASH) << 1)
        elif token == b"**":
            reached = where.rest(reached)
        elif token == b"*":
            reached = where.within(reached)
        else:
            reached = (reached & (where.plain if token == b"?" else where.of(token[0]))) << 1
        if not reached:
            return False
    return bool(reached >> len(path) & 1)


@lru_cache(maxsize=4096)
def _tokens_of(glob: str) -> tuple[bytes, ...]:
    text = glob.encode("utf-8", "surrogateescape").lstrip(b"/")
    tokens = _TOKENS.findall(text + b"**" if text.endswith(b"/") else text)
    return tuple(b"**" if token.startswith(b"**") and token != b"**/" else token for token in tokens)


class _Letters:
    """Where in a path each letter stands, as bits."""

    def __init__(self, path: bytes) -> None:
        self._path = path
        self._known: dict[int, int] = {}
        self._all = (1 << len(path) + 1) - 1
        self.plain = ~self.of(_SLASH) & (self._all >> 1)
        """Where no slash is."""

    def of(self, letter: int) -> int:
        """Return the places of one letter."""
        if letter not in self._known:
            bits = "".join("1" if one == letter else "0" for one in reversed(self._path))
            self._known[letter] = int(bits or "0", 2)
        return self._known[letter]

    def rest(self, reached: int) -> int:
        """Return everything from the first position on."""
        return self._all & -(reached & -reached)

    def within(self, reached: int) -> int:
        """Return everything that can be reached over bytes that are no slash: in steps of 1, 2, 4, ... bytes."""
        free, step = self.plain, 1
        while free and step <= len(self._path):
            reached |= (reached & free) << step
            free &= free >> step
            step *= 2
        return reached
