"""Values as people read them: times, sizes, counts, text of strangers.

This module alone decides that. Times are of UTC, and stand in `<time>` for machines.
"""

import re
import time
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from rafsight.base.durations import DAY, format_duration
from rafsight.base.text import escape, printable

_STAMP: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?Z?)?\Z")
_SHORT_DIGEST: Final = 12
_CUT: Final = 400
"""[characters] of a foreign text where nobody says how many."""


def shown(value: object) -> object:
    """Return what is written for a value: text with its control characters and marks that turn it around shown.

    It is called for each value of each template; what is not markup of ours is escaped for HTML afterwards.
    """
    if value is None:
        return ""
    if isinstance(value, bytes):
        return escape(value)
    return escape(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def cut(value: str | bytes, limit: int = _CUT) -> str:
    """Return the beginning of a text of a stranger, escaped; what was cut is shown by an ellipsis."""
    return printable(value, limit)


def moment(stamp: int) -> Markup:
    """Write a time to the minute.

    Args:
        stamp: [ms since 1970]
    """
    when = datetime.fromtimestamp(stamp / 1000, UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        when.strftime("%Y-%m-%dT%H:%M:%SZ"), when.strftime("%Y-%m-%d %H:%M")
    )


def day(text: str) -> Markup | str:
    """Write the day of a time that is text (RFC 3339); any other text as it is, cut."""
    if not _STAMP.match(text):
        return cut(text, 40)
    return Markup('<time datetime="{}">{}</time>').format(text.replace(" ", "T"), text[:10])


def ago(stamp: int, now: float | None = None) -> str:
    """Write how long ago something was.

    Args:
        stamp: [ms since 1970]
        now: [s since 1970]; None: the clock.
    """
    seconds = (time.time() if now is None else now) - stamp / 1000
    whole = max(seconds // DAY, 1) * DAY if seconds >= DAY else seconds  # nobody asks for the hours of a day long past
    return f"{format_duration(whole)} ago"


def span(milliseconds: int) -> str:
    """Write how long something took.

    Args:
        milliseconds: [ms]
    """
    seconds = max(milliseconds, 0) / 1000
    return f"{seconds:.1f} s" if seconds < 60 else format_duration(seconds)


def number(count: int) -> str:
    """Write a count."""
    return f"{count:,}"


def counted(count: int, one: str, many: str = "") -> str:
    """Write a count with its noun; the plural has an s where none is given."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def digest_name(digest: str) -> str:
    """Write the beginning of a digest, by which people know it."""
    kind, colon, value = digest.partition(":")
    return f"{kind}{colon}{value[:_SHORT_DIGEST]}" if colon else digest[:_SHORT_DIGEST]
