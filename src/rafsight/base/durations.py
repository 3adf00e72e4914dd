"""Spans of time as people write them: `7d`, `12h`.

This module alone decides which units there are.
"""

import re
from typing import Final

UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
"""[s] of each unit."""
DAY: Final = UNITS["d"]
_EXACT_DAYS: Final = 30
_SPAN: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) *([smhdw])\Z")


def parse_duration(text: str) -> float | None:
    """Read a span of time in [s]: a number and one of the units s, m, h, d and w; None if it is none."""
    found = _SPAN.match(text.strip().lower())
    return float(found[1]) * UNITS[found[2]] if found else None


def format_duration(seconds: float) -> str:
    """Write a span of time, rounded down: `94 days`; below a month with its hours, `7 days and 3 hours`."""
    days, hours = divmod(int(max(seconds, 0)) // UNITS["h"], 24)
    if days >= _EXACT_DAYS or (days and not hours):
        return _amount(days, "day")
    if days:
        return f"{_amount(days, 'day')} and {_amount(hours, 'hour')}"
    for name, size in (("hour", UNITS["h"]), ("minute", UNITS["m"])):
        if seconds >= 2 * size:
            return _amount(int(seconds // size), name)
    return _amount(int(max(seconds, 0)), "second")


def _amount(count: int, name: str) -> str:
    return f"{count:,} {name}{'' if count == 1 else 's'}"
