"""The rules of each version order, written as comparisons in the plainest way: judges for the keys."""

import re
from collections.abc import Callable
from typing import Any


def by_tuple(key: Callable[[str], Any]) -> Callable[[str, str], int]:
    """Compare by a key that Python can compare."""

    def compare(one: str, other: str) -> int:
        left, right = key(one), key(other)
        return (left > right) - (left < right)

    return compare


def _dpkg_part(part: str) -> tuple[Any, ...]:
    weights = {"~": -1}
    pieces: list[Any] = []
    for letters, digits in re.findall(r"([^0-9]*)([0-9]*)", part):
        if letters or digits:
            codes = [weights.get(letter, ord(letter) + (0 if letter.isalpha() else 256)) for letter in letters]
            pieces += [(*codes, 0), int(digits or 0)]
    return (*pieces, (0,), 0)


def dpkg_key(version: str) -> tuple[Any, ...]:
    epoch, _, rest = version.rpartition(":") if ":" not in version else version.partition(":")
    upstream, hyphen, revision = rest.rpartition("-")
    upstream, revision = (upstream, revision) if hyphen else (rest, "0")
    return int(epoch or 0), _dpkg_part(upstream), _dpkg_part(revision)


def _rpm_part(part: str) -> tuple[Any, ...]:
    pieces: list[Any] = [
        (0,) if item == "~" else (2,) if item == "^" else (4, int(item)) if item.isdigit() else (3, item)
        for item in re.findall(r"[0-9]+|[A-Za-z]+|~|\^", part)
    ]
    return (*pieces, (1,))


def rpm_key(version: str) -> tuple[Any, ...]:
    epoch, colon, rest = version.partition(":")
    epoch, rest = (epoch, rest) if colon else ("0", version)
    upstream, hyphen, release = rest.rpartition("-")
    upstream, release = (upstream, release) if hyphen else (rest, "")
    return int(epoch), _rpm_part(upstream), _rpm_part(release)


def apk_compare(one: str, other: str) -> int:
    left, right = _apk_parse(one), _apk_parse(other)
    for index in range(max(len(left[0]), len(right[0]))):
        if index >= len(left[0]) or index >= len(right[0]):
            return 1 if index < len(left[0]) else -1
        a, b = left[0][index], right[0][index]
        as_text = index > 0 and (a.startswith("0") or b.startswith("0"))
        x, y = (a, b) if as_text else (int(a), int(b))
        if x != y:
            return 1 if x > y else -1  # type: ignore[operator]
    rest, other_rest = left[1:], right[1:]
    return (rest > other_rest) - (rest < other_rest)


def _apk_parse(version: str) -> tuple[Any, ...]:
    match = re.fullmatch(r"([0-9.]+)([a-z]?)((?:_[a-z]+[0-9]*)*)(?:-r([0-9]+))?", version)
    assert match is not None
    order = ["alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"]
    suffixes = [(order.index(kind), int(digits or 0)) for kind, digits in re.findall(r"_([a-z]+)([0-9]*)", match[3])]
    return match[1].split("."), match[2], [*suffixes, (order.index(""), 0)], int(match[4] or 0)


def composer_key(version: str) -> tuple[Any, ...]:
    match = re.fullmatch(
        r"v?([0-9.]+?)(?:[.-]?(alpha|a|beta|b|rc|patch|pl|p)((?:[.-]?[0-9]+)*))?(-dev)?", version.lower()
    )
    assert match is not None
    numbers = [int(part) for part in match[1].split(".")]
    numbers += [0] * (4 - len(numbers))
    ranks = {"alpha": 1, "a": 1, "beta": 2, "b": 2, "rc": 3, None: 4, "patch": 5, "pl": 5, "p": 5}
    if match[4] and not match[2]:
        return numbers, 0, [], 0
    return numbers, ranks[match[2]], [int(part) for part in re.findall("[0-9]+", match[3] or "")], 0 if match[4] else 1


WORDS = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"]


def maven_compare(one: str, other: str) -> int:
    return _maven_items(_maven_parse(one), _maven_parse(other))


def _maven_parse(version: str) -> list[Any]:  # noqa: C901, PLR0912 - one loop, as ComparableVersion has it
    """Read as ComparableVersion does: numbers are ints, words are strings, lists are lists."""
    root: list[Any] = []
    current, opened = root, [root]

    def descend() -> None:
        nonlocal current
        current.append([])
        current = current[-1]
        opened.append(current)

    def word(text: str, *, counted: bool) -> str:
        short = {"a": "alpha", "b": "beta", "m": "milestone"}
        alias = {"ga": "", "final": "", "release": "", "cr": "rc"}
        return short[text] if counted and text in short else alias.get(text, text)

    start, digits = 0, False
    version = version.lower()
    for index, letter in enumerate(version):
        piece = version[start:index]
        if letter in ".-":
            current.append(0 if not piece else int(piece) if digits else word(piece, counted=False))
            start = index + 1
            if letter == "-":
                descend()
        elif letter.isdigit():
            if not digits and piece:
                if current:
                    descend()
                current.append(word(piece, counted=True))
                start = index
                descend()
            digits = True
        else:
            if digits and piece:
                current.append(int(piece))
                start = index
                descend()
            digits = False
    piece = version[start:]
    if piece:
        if not digits and current:
            descend()
        current.append(int(piece) if digits else word(piece, counted=False))
    for items in reversed(opened):
        for index in range(len(items) - 1, -1, -1):
            if items[index] in (0, "", []):
                del items[index]
            elif not isinstance(items[index], list):
                break
    return root


def _maven_items(left: Any, right: Any) -> int:
    if left is None or right is None:
        return 0 if left is right else -_maven_items(right, None) if left is None else _maven_to_null(left)
    kinds = (str, list, int)
    one, other = kinds.index(type(left)), kinds.index(type(right))
    if one != other:
        return 1 if one > other else -1
    if isinstance(left, list):
        for index in range(max(len(left), len(right))):
            a = left[index] if index < len(left) else None
            b = right[index] if index < len(right) else None
            result = _maven_items(a, b)
            if result:
                return result
        return 0
    if isinstance(left, str):
        left, right = _maven_word(left), _maven_word(right)
    return (left > right) - (left < right)


def _maven_to_null(item: Any) -> int:
    if isinstance(item, list):
        return next((result for result in map(_maven_to_null, item) if result), 0)
    if isinstance(item, int):
        return 1 if item else 0
    rank, null = _maven_word(item), _maven_word("")
    return (rank > null) - (rank < null)


def _maven_word(word: str) -> tuple[int, str]:
    return (WORDS.index(word), "") if word in WORDS else (len(WORDS), word)
