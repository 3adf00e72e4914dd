"""Foreign text in documents: what may stand in JSON, in an address, in a line.

This module alone decides what becomes of text that a format cannot hold.
"""

import re
from typing import Final

_LONE_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_WEB_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?#][!#-;=?-\[\]_a-z~%]*)?\Z")
_SPACES: Final = re.compile(r"\s+")


def whole(text: str) -> str:
    """Replace what is half a character: no document in UTF-8 can hold it."""
    return _LONE_SURROGATES.sub("\ufffd", text)


def line_of(text: str, limit: int = 1000) -> str:
    """Make one line of a text, at most `limit` characters; what was cut is shown by an ellipsis."""
    line = _SPACES.sub(" ", whole(text[: 4 * limit])).strip()
    return line if len(line) <= limit else line[: limit - 1] + "\u2026"


def cut(text: str, limit: int) -> str:
    """Keep the beginning of a text; what was cut is shown by an ellipsis."""
    text = whole(text)
    return text if len(text) <= limit else text[: limit - 1] + "\u2026"


def web_address(text: str) -> str:
    """Return an address that is safe to follow and to print as it is; empty for anything else."""
    return text if _WEB_ADDRESS.match(text) else ""
