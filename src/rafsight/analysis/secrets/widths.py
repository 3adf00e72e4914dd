"""How much of a text a pattern can match, and whether it can take too long: rules come from users, too.

Python's engine backtracks. This module alone decides which patterns are safe: where a repetition can give back what it
took, and more of the pattern follows that would want it, the ways to share the text multiply; a pattern with too many
ways is refused. `++`, `*+`, `{m,n}+` and `(?>...)` never give back.
"""

import re
from importlib import import_module
from typing import Any, Final

from rafsight.base.units import KiB

WAYS: Final = 200_000
"""How many ways a pattern may have to share one stretch of text."""
_UNBOUNDED: Final = 4 * KiB
"""What a repetition without an end counts as [bytes]."""
_MOST: Final = 1 << 30


def pattern_width(pattern: bytes) -> int:
    """Return how many bytes a pattern matches at most; a very large number if there is no end.

    Args:
        pattern: a valid regular expression.
    """
    _, most = import_module("re._parser").parse(pattern).getwidth()
    return min(int(most), _MOST)


def count_ways(pattern: bytes) -> int:
    """Estimate from above in how many ways a pattern can share one stretch of text, from one start.

    Args:
        pattern: a valid regular expression.
    """
    return _ways(list(import_module("re._parser").parse(pattern)), frozenset())


_Bytes = frozenset[int]
_ALL: Final[_Bytes] = frozenset(range(256))


def _ways(items: list[Any], after: _Bytes) -> int:
    """Multiply the ways of the parts of a sequence; `after` is what may follow it."""
    ways = 1
    following = after
    for name, argument in reversed(items):
        ways = min(ways * _part_ways(str(name), argument, following), _MOST)
        first, can_be_empty = _first(str(name), argument)
        following = first | following if can_be_empty else first
    return ways


def _part_ways(name: str, argument: Any, following: _Bytes) -> int:
    if name in {"MAX_REPEAT", "MIN_REPEAT"}:
        low, high, body = argument
        inner = _ways(list(body), _ALL)
        first, _ = _sequence_first(list(body))
        steps = min(int(high), _UNBOUNDED) - int(low) + 1
        if len(body) == 1 and _is_single(str(body[0][0])):
            return 1 if not first & following or steps <= 1 else steps
        rounds = min(int(low if steps <= 1 else high), 8)
        if steps <= 1 or inner > 1 or _is_loose(list(body)):
            return min(steps * int(inner**rounds), _MOST)
        return steps
    if name == "SUBPATTERN":
        return _ways(list(argument[-1]), following)
    if name == "BRANCH":
        return _branch_ways([list(branch) for branch in argument[1]], following)
    if name == "POSSESSIVE_REPEAT":
        return _ways(list(argument[2]), frozenset())
    if name == "ATOMIC_GROUP":
        return _ways(list(argument), frozenset())
    if name in {"ASSERT", "ASSERT_NOT"}:
        return _ways(list(argument[1]), _ALL)
    return 1


def _branch_ways(branches: list[list[Any]], following: _Bytes) -> int:
    """Only one of the branches can match where each begins with bytes of its own."""
    ways = [_ways(branch, following) for branch in branches]
    firsts = [_sequence_first(branch) for branch in branches]
    union = frozenset().union(*(first for first, _ in firsts))
    is_exclusive = sum(len(first) for first, _ in firsts) == len(union) and not any(empty for _, empty in firsts)
    return max(ways) if is_exclusive else min(sum(ways), _MOST)


def _is_loose(body: list[Any]) -> bool:
    """Tell whether a repeated group can be of several lengths, so that its rounds can share a text in many ways."""
    return any(
        str(name) in {"MAX_REPEAT", "MIN_REPEAT"} and argument[0] != argument[1] and not _is_fenced(body, index)
        for index, (name, argument) in enumerate(body)
    )


def _is_fenced(body: list[Any], index: int) -> bool:
    """Tell whether what follows a repetition inside its group, or begins the next round, cannot be taken by it."""
    first, _ = _sequence_first(list(body[index][1][2]))
    rest, can_be_empty = _sequence_first(body[index + 1 :])
    if can_be_empty:
        again, _ = _sequence_first(body)
        rest |= again
    return not first & rest


def _is_single(name: str) -> bool:
    return name in {"LITERAL", "NOT_LITERAL", "ANY", "IN"}


def _sequence_first(items: list[Any]) -> tuple[_Bytes, bool]:
    """Return the bytes that a sequence may begin with, and whether it may be empty."""
    found: _Bytes = frozenset()
    for name, argument in items:
        first, can_be_empty = _first(str(name), argument)
        found |= first
        if not can_be_empty:
            return found, False
    return found, True


def _first(name: str, argument: Any) -> tuple[_Bytes, bool]:
    if name == "LITERAL":
        return _both_cases(int(argument)), False
    if name == "NOT_LITERAL":
        return _ALL - {int(argument)}, False
    if name == "ANY":
        return _ALL - {10}, False
    if name == "IN":
        return _set(argument), False
    if name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
        first, can_be_empty = _sequence_first(list(argument[2]))
        return first, can_be_empty or not argument[0]
    if name == "SUBPATTERN":
        return _sequence_first(list(argument[-1]))
    if name == "ATOMIC_GROUP":
        return _sequence_first(list(argument))
    if name == "BRANCH":
        parts = [_sequence_first(list(branch)) for branch in argument[1]]
        return frozenset().union(*(first for first, _ in parts)), any(empty for _, empty in parts)
    if name in {"AT", "ASSERT", "ASSERT_NOT"}:
        return frozenset(), True
    return _ALL, True


def _set(items: Any) -> _Bytes:
    found: set[int] = set()
    negated = False
    for kind, argument in items:
        name = str(kind)
        if name == "NEGATE":
            negated = True
        elif name == "LITERAL":
            found |= _both_cases(int(argument))
        elif name == "RANGE":
            found.update(range(int(argument[0]), int(argument[1]) + 1))
        elif name == "CATEGORY":
            found |= _category(str(argument))
    return _ALL - found if negated else frozenset(found)


def _both_cases(byte: int) -> _Bytes:
    return frozenset((byte, *bytes((byte,)).swapcase()))


def _category(name: str) -> _Bytes:
    forms = {"DIGIT": rb"\d", "SPACE": rb"\s", "WORD": rb"\w"}
    kind = name.removeprefix("CATEGORY_").removeprefix("NOT_")
    if kind not in forms:
        return _ALL
    matches = re.compile(forms[kind]).match
    inside = frozenset(byte for byte in range(256) if matches(bytes((byte,))))
    return _ALL - inside if "NOT_" in name else inside
