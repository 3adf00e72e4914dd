"""What a version scheme is: versions become bytes whose order is the order of the versions.

This module alone decides how numbers and text are laid into keys. A key has three promises: comparing two keys byte by
byte compares their versions; no key is the beginning of another one of the same scheme; and every key lies above
`LOWEST` and below `HIGHEST`. So a half-open interval of versions is two byte strings, and a database can filter by
itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rafsight.base.errors import ExitStatus, ImageFault

LOWEST: Final = b""
"""Below every version: the `0` of an `introduced` event."""
HIGHEST: Final = b"\xff"
"""Above every version."""
VERSION_LENGTH: Final = 512
"""[characters] the longest version that is compared."""

_LONG_NUMBER: Final = 0xF0


class UncomparableVersion(ImageFault):
    """A text is no version of its scheme, so that nothing can be said about its place in an order."""

    code = "uncomparable-version"
    template = "'{version}' is no version as {scheme} orders them"
    remedy = "Look at the package by hand: its version cannot be compared with advisories."
    exit_status = ExitStatus.INCOMPLETE


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """The order of one kind of version."""

    name: str
    """`dpkg`, `apk`, `rpm`, ..."""
    key: Callable[[str], bytes]
    """Order-preserving bytes of a version. Raises: UncomparableVersion."""
    after: Callable[[str], bytes]
    """The least bytes above all versions that count as this one. Raises: UncomparableVersion."""


def scheme_of(name: str, key: Callable[[str], bytes]) -> Scheme:
    """Make the scheme of a key whose equality is the equality of versions."""
    return Scheme(name=name, key=key, after=lambda version: key(version) + b"\x00")


def plain(version: str, scheme: str) -> str:
    """Return the version without surrounding blanks if it may be looked at at all.

    Raises: UncomparableVersion: empty, too long, or anything but printable ASCII.
    """
    text = version.strip(" \t\r\n")
    if not text or len(text) > VERSION_LENGTH or not text.isascii() or not text.isprintable():
        raise UncomparableVersion(version=version, scheme=scheme)
    return text


def number(digits: str) -> bytes:
    """Encode a number of any length: its length, then its digits, leading zeros left out."""
    significant = digits.lstrip("0")
    size = len(significant)
    if size < _LONG_NUMBER:
        return bytes((size,)) + significant.encode("ascii")
    return bytes((_LONG_NUMBER,)) + size.to_bytes(4) + significant.encode("ascii")


def text(characters: str) -> bytes:
    """Encode text that holds no NUL: a shorter text is lower than its continuations."""
    return characters.encode("ascii") + b"\x00"
