r"""A request as words: quotes, blanks and escapes, in the manner of a POSIX shell.

This module alone decides how a request is taken apart. Words are bytes, so that every name of an image can be written:
`\xNN` is a byte and `\uNNNN` a character, as `base.text.escape` shows them, outside of quotes and within `"..."`; in
`'...'` everything is what it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus

_ESCAPE: Final = (
    rb"\\(?:x(?P<byte>[0-9A-Fa-f]{2})|u(?P<short>[0-9A-Fa-f]{4})|U(?P<long>[0-9A-Fa-f]{8})|(?P<other>[^xuU]))"
)
_TOKENS: Final[Mapping[bytes, re.Pattern[bytes]]] = {
    b"": re.compile(rb"(?P<blank>\s+)|(?P<text>[^\s'\"\\]+)|(?P<mark>['\"])|" + _ESCAPE, re.DOTALL),
    b"'": re.compile(rb"(?P<text>[^']+)|(?P<mark>')"),
    b'"': re.compile(rb'(?P<text>[^"\\]+)|(?P<mark>")|' + _ESCAPE, re.DOTALL),
}
"""What may come next, by the quote that is open."""
_UNFINISHED: Final = re.compile(rb"\\(?:x[0-9A-Fa-f]?|u[0-9A-Fa-f]{0,3}|U[0-9A-Fa-f]{0,7})?\Z")
_NAMED: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_ESCAPABLE_IN_QUOTES: Final = b'"\\$`'
_NEEDS_BACKSLASH: Final = " '\"\\"
_SHOWN: Final = 24
"""[bytes] of a request that a message shows."""


class MalformedRequest(CallerError):
    """A request cannot be taken apart into words."""

    code = "malformed-request"
    template = "the request cannot be read: {why}"
    remedy = r"Quote names as a shell would: 'a b', a\ b, \xff for a byte; a quote or a backslash itself is \' or \\."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """A request as far as it goes; it need not be complete."""

    words: tuple[bytes, ...]
    """The words that a blank or the end of the request ends; not the one in progress."""
    start: int
    """[bytes] from the start of the request to the word in progress; its size if there is none."""
    partial: bytes | None
    """The value of the word in progress: the last one, if no blank follows it."""
    tail: bytes
    """An escape that ends too early, as it was written."""
    open_quote: bytes
    """The quote that is open at the end."""


def split(request: bytes) -> tuple[bytes, ...]:
    r"""Take a request apart into words.

    Args:
        request: `stat "a b"`, `cat a\ b`, `stat raw-\xff`.
    Raises: MalformedRequest.
    Cost: linear.
    """
    scanned = scan(request)
    if scanned.tail:
        raise MalformedRequest(why=f"it ends within the escape {scanned.tail.decode()}")
    if scanned.open_quote:
        raise MalformedRequest(why=f"the quote {scanned.open_quote.decode()} is opened and not closed")
    return scanned.words if scanned.partial is None else (*scanned.words, scanned.partial)


def scan(request: bytes) -> Scanned:
    """Take a request apart as far as it goes, for who still writes it.

    Raises: MalformedRequest: an escape in it stands for nothing.
    Cost: linear.
    """
    words: list[bytes] = []
    value = bytearray()
    start: int | None = None
    quote, tail = b"", b""
    position = 0
    while position < len(request):
        token = _TOKENS[quote].match(request, position)
        if token is not None and token.lastgroup == "blank":
            if start is not None:
                words.append(bytes(value))
                value.clear()
                start = None
        else:
            start = position if start is None else start
            if token is None:
                tail = _unfinished(request, position)
                break
            if token.lastgroup == "mark":
                quote = b"" if quote else token["mark"]
            else:
                value += _meaning(token, quoted=bool(quote))
        position = token.end()
    return Scanned(
        words=tuple(words),
        start=len(request) if start is None else start,
        partial=None if start is None else bytes(value),
        tail=tail,
        open_quote=quote,
    )


def quote(value: bytes) -> bytes:
    r"""Write a word so that `split` returns it: `plain`, `with\ blank`, `raw-\xff`.

    What is written begins with what the characters that the word begins with are written as; only the empty word is
    different, as it has to be seen: `''`.

    Args:
        value: any bytes.
    """
    if not value:
        return b"''"
    return "".join(_quoted(character) for character in value.decode("utf-8", "surrogateescape")).encode()


def _quoted(character: str) -> str:
    if character in _NEEDS_BACKSLASH:
        return "\\" + character
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def _unfinished(request: bytes, position: int) -> bytes:
    """Return the escape that the request ends within.

    Raises: MalformedRequest: it goes on, and the escape is none.
    """
    if _UNFINISHED.match(request, position):
        return request[position:]
    raise MalformedRequest(why=_no_escape(request[position:]))


def _meaning(token: re.Match[bytes], *, quoted: bool) -> bytes:
    """Return the bytes that a token stands for."""
    if token.lastgroup == "text":
        return token["text"]
    if token.lastgroup == "byte":
        return bytes.fromhex(token["byte"].decode())
    if token.lastgroup == "other":
        other = token["other"]
        keeps_backslash = quoted and other not in _NAMED and other not in _ESCAPABLE_IN_QUOTES
        return b"\\" + other if keeps_backslash else _NAMED.get(other, other)
    number = int(token["short"] or token["long"], 16)
    if number > 0x10FFFF or 0xD800 <= number < 0xE000:
        raise MalformedRequest(why=_no_escape(token[0]))
    return chr(number).encode()


def _no_escape(text: bytes) -> str:
    shown = text[:_SHOWN].decode("utf-8", "surrogateescape")
    return rf"{shown} begins with no escape; there are \xNN, \uNNNN, \UNNNNNNNN, \n, \r, \t"
