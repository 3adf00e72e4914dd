"""Where do some literals occur in a text? One pass for all of them, so that only few rules are tried.

`ahocorasick-rs` does it at hundreds of megabytes a second. Where it is not installed, a regular expression of all
literals does, about a tenth as fast. This module alone knows which of the two is at work.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any

Occurrence = tuple[int, int]
"""(number of the literal, offset in the text)."""


class LiteralFinder:
    """Finds literals; safe to share between threads."""

    def __init__(self, literals: Sequence[bytes], *, use_automaton: bool = True) -> None:
        """Prepare.

        Args:
            literals: lower case, not empty, each once.
            use_automaton: take `ahocorasick-rs` where it is installed.
        """
        self._find = (_automaton(literals) if use_automaton else None) or _expression(literals)

    def find(self, lowered: bytes) -> Iterable[Occurrence]:
        """Return all occurrences in a lower-case text, overlapping ones too."""
        return self._find(lowered)


def _automaton(literals: Sequence[bytes]) -> Callable[[bytes], Iterable[Occurrence]] | None:
    try:
        automaton: Any = import_module("ahocorasick_rs").BytesAhoCorasick(list(literals))
    except ImportError:
        return None

    def find(lowered: bytes) -> Iterable[Occurrence]:
        return [(index, start) for index, start, _ in automaton.find_matches_as_indexes(lowered, overlapping=True)]

    return find


def _expression(literals: Sequence[bytes]) -> Callable[[bytes], Iterable[Occurrence]]:
    """Make a function that looks for all literals by one expression.

    A literal that begins like a longer one is only found where the longer one is not: so each brings its beginnings.
    """
    numbers = {literal: number for number, literal in enumerate(literals)}
    prefixes = {
        literal: [numbers[literal[:size]] for size in range(1, len(literal)) if literal[:size] in numbers]
        for literal in literals
    }
    search = re.compile(_trie_expression(sorted(literals)) if literals else rb"(?!)").search

    def find(lowered: bytes) -> Iterator[Occurrence]:
        match = search(lowered)
        while match is not None:
            literal, start = match[0], match.start()
            yield numbers[literal], start
            for number in prefixes[literal]:
                yield number, start
            match = search(lowered, start + 1)

    return find


def _trie_expression(literals: Sequence[bytes]) -> bytes:
    """Write an alternation that shares beginnings; longer literals come before their beginnings."""
    groups: dict[bytes, list[bytes]] = {}
    has_end = False
    for literal in literals:
        if literal:
            groups.setdefault(literal[:1], []).append(literal[1:])
        else:
            has_end = True
    forms = [re.escape(first) + _trie_expression(rest) for first, rest in groups.items()]
    if not forms:
        return b""
    if len(forms) == 1 and not has_end:
        return forms[0]
    return b"(?:" + b"|".join(forms) + b")" + (b"?" if has_end else b"")
