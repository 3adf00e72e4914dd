"""A part of something that was asked for (RFC 9110, section 14): one range of bytes, or all of it.

This module alone decides which wishes are understood. Several ranges at once are not: then all of it is sent, as the
standard allows.
"""

import re
from dataclasses import dataclass
from typing import Final

_RANGE: Final = re.compile(
    r"\s*bytes\s*=\s*(?:(?P<first>[0-9]{1,19})-(?P<last>[0-9]{0,19})|-(?P<tail>[0-9]{1,19}))\s*\Z"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which bytes are sent."""

    start: int
    size: int
    """[bytes]"""
    total: int
    """[bytes] of the whole."""

    @property
    def is_whole(self) -> bool:
        """True if nothing is left out because of a range."""
        return self.size == self.total

    @property
    def content_range(self) -> str:
        """The value of Content-Range."""
        return f"bytes {self.start}-{self.start + self.size - 1}/{self.total}"


def choose_part(wish: str | None, condition: str | None, etag: str, total: int) -> Part | None:
    """Return which bytes are sent; None if what is asked for does not exist.

    Args:
        wish: the value of Range.
        condition: the value of If-Range: the range counts only if it is the tag of what there is.
        etag: of what there is.
        total: [bytes] of it.
    """
    whole = Part(start=0, size=total, total=total)
    match = _RANGE.match(wish) if wish and len(wish) <= 64 else None
    if match is None or (condition is not None and condition.strip() != etag):
        return whole
    if match["tail"] is not None:
        size = min(int(match["tail"]), total)
        return Part(start=total - size, size=size, total=total) if size else None
    first = int(match["first"])
    last = min(int(match["last"]) if match["last"] else total - 1, total - 1)
    if first >= total:
        return None
    return whole if last < first else Part(start=first, size=last - first + 1, total=total)
