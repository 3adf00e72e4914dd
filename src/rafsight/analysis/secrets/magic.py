"""How files begin, in hex digits: `7f454c46??01` stands for bytes with one that may be any."""

import re
from collections.abc import Iterable
from typing import Final

MAGIC: Final = re.compile(r"[0-9a-f?]{2,128}\Z")


def begins_like(content: bytes, magics: Iterable[str]) -> bool:
    """Tell whether a content begins like one of some hex texts.

    Args:
        content: the first bytes at least.
        magics: lower-case hex digits; `?` for any.
    """
    digits = content[:64].hex()
    return any(
        len(digits) >= len(magic) and all(wanted in ("?", digit) for wanted, digit in zip(magic, digits, strict=False))
        for magic in magics
    )
