"""Sizes as people write them."""

import re
from typing import Final

KiB: Final = 1024
MiB: Final = 1024 * KiB
GiB: Final = 1024 * MiB


def format_size(size: int) -> str:
    """Write a number of bytes with one decimal in the decimal units that registries and docker use."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


_SIZE: Final = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) *([kKMGT]?)(i?)[bB]?\Z")
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def parse_size(text: str) -> int | None:
    """Read a number of bytes as `format_size` writes them, or with binary units (`20GiB`); None if it is none."""
    found = _SIZE.match(text.strip())
    if found is None or (found[3] and not found[2]):
        return None
    return int(float(found[1]) * (1024 if found[3] else 1000) ** _POWERS[found[2].upper()])
