"""How bytes and text from strangers become something safe to print.

This module alone decides what a hostile name looks like on a terminal and in a report.
"""

import unicodedata
from typing import Final

MESSAGE_LENGTH: Final = 240
"""[characters] the most that one foreign value may add to a message."""

_CONTROL_CATEGORIES: Final = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def escape(value: str | bytes) -> str:
    r"""Make a value printable without losing information.

    Undecodable bytes become `\xNN`; control characters `\xNN` below 0x80 and `\uNNNN` from there on, so that the two
    never look alike.
    """
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
    if text.isprintable() and text.isascii():
        return text
    return "".join(_escape_character(character) for character in text)


def printable(value: str | bytes, limit: int = MESSAGE_LENGTH) -> str:
    """Escape a value and cut it to `limit` characters; what was cut is shown by an ellipsis."""
    cut = value[: limit + 1]
    text = escape(cut)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _escape_character(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # surrogateescape: an undecodable byte
        return f"\\x{number - 0xDC00:02x}"
    if character in " \u00ad" or unicodedata.category(character) not in _CONTROL_CATEGORIES:
        return character
    return f"\\x{number:02x}" if number < 0x80 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
