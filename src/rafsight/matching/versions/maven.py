"""Maven's order of versions (ComparableVersion of Maven 3.8).

A version is a list of numbers and words that may end in a list of its own, and so on: a hyphen opens the next list, and
so does a change between digits and letters. Two lists compare item by item, and a missing item is null.

Maven ranks every word below every list and every list below every number, whatever they mean, so its comparison has
cycles where a word meets a list: `1a` < `1-0-SNAPSHOT` < `1` < `1a`, or with a word in the middle as in `1.x.2`. No key
can repeat them. This module alone decides those cases: a word or a list that is lower than null lies below the end, one
that is higher above it, and a number above both. Everywhere else the keys order as Maven compares.
"""

import re
from typing import Final

from rafsight.matching.versions.scheme import number, plain, scheme_of, text

_TOKEN: Final = re.compile(r"[0-9]+|[^0-9.\-]+|[.\-]")
_WORDS: Final = ("alpha", "beta", "milestone", "rc", "snapshot", "", "sp")
_ALIASES: Final = {"ga": "", "final": "", "release": "", "cr": "rc"}
_SHORT: Final = {"a": "alpha", "b": "beta", "m": "milestone"}
_NULL_WORD: Final = _WORDS.index("")

_LOW_WORD: Final = b"\x10"
_LOW_LIST: Final = b"\x20"
_LOW_AFTER_ZEROS: Final = b"\x30"
_END: Final = b"\x40"
_NULL_IN_MIDDLE: Final = b"\x48"
_HIGH_WORD: Final = b"\x50"
_HIGH_LIST: Final = b"\x60"
_NUMBER: Final = b"\x70"


def key(version: str) -> bytes:
    """Encode a version so that bytes order as Maven orders versions.

    Raises: UncomparableVersion: empty, too long, or not printable ASCII.
    """
    lists = _read(plain(version, "maven").lower())
    below = b""  # the key of the list that the current one ends in
    high = False
    for items in reversed(lists):
        while items and _is_null(items[-1]):
            items.pop()
        if not items and not below:
            continue
        ending = (_HIGH_LIST if high else _LOW_LIST) + below if below else b""
        sign = next((_sign(item) for item in items if _sign(item)), 0)
        below = _items(items) + ending + _END
        high = sign > 0 if sign else high
    return below or _END


def _read(version: str) -> list[list[str]]:
    """Split a version into its lists, outermost first; each but the last ends in the next one."""
    lists: list[list[str]] = [[]]
    pieces = _TOKEN.findall(version)
    before = "."
    for index, piece in enumerate(pieces):
        if piece in ".-":
            if before in ".-":
                lists[-1].append("0")
            if piece == "-":
                lists.append([])
        elif piece.isdigit():
            if before not in ".-":
                lists.append([])
            lists[-1].append(piece)
        else:
            following = pieces[index + 1] if index + 1 < len(pieces) else ""
            counted = following.isdigit()
            if lists[-1] and (before not in ".-" or counted or not following):
                lists.append([])
            lists[-1].append(_word(piece, counted=counted))
        before = piece
    return lists


def _word(token: str, *, counted: bool) -> str:
    """Return the word that a token means; letters stand for words only directly before a number."""
    if counted and token in _SHORT:
        return _SHORT[token]
    return _ALIASES.get(token, token)


def _is_null(item: str) -> bool:
    return not item.strip("0")


def _sign(item: str) -> int:
    """Compare an item with null."""
    if _is_null(item):
        return 0
    return -1 if not item.isdigit() and item in _WORDS[:_NULL_WORD] else 1


def _items(items: list[str]) -> bytes:
    pieces: list[bytes] = []
    zeros = 0
    for item in items:
        if item.isdigit():
            zeros = 0 if item.strip("0") else zeros + 1
            pieces.append(_NUMBER + number(item))
            continue
        if zeros and _sign(item) < 0:
            pieces[-zeros:] = [_LOW_AFTER_ZEROS + zeros.to_bytes(2)]
        zeros = 0
        pieces.append(_NULL_IN_MIDDLE if not item else _word_key(item))
    return b"".join(pieces)


def _word_key(item: str) -> bytes:
    if item in _WORDS:
        rank = _WORDS.index(item)
        return (_LOW_WORD if rank < _NULL_WORD else _HIGH_WORD) + bytes((rank + 1,))
    return _HIGH_WORD + bytes((len(_WORDS) + 1,)) + text(item)


MAVEN: Final = scheme_of("maven", key)
