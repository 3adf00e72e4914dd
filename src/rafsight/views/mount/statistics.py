"""What a view did so far, in numbers, for its end and for those who look at it from outside.

This module alone decides what is counted, and where it is written.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from rafsight.views.mount.records import STATISTICS, read_small, write_small

_KINDS: Final = {"seconds": (int, float), "files_opened": (int, type(None))}
"""Numbers that are not always whole, or not always there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewStatistics:
    """What a view did."""

    seconds: float
    """[s] since it was mounted."""
    files_opened: int | None
    """Different files; None if nobody counts them with this engine."""
    bytes_served: int
    """[bytes] handed to the kernel by us; what it reads from a complete cache or has in memory does not pass here."""
    bytes_fetched: int
    """[bytes] that came in, opening the image included."""
    requests: int
    chunk_hits: int
    """Chunks that were there when they were asked for."""
    chunk_misses: int
    """Chunks that had to be fetched first."""
    failed: int
    """Chunks that were asked for and could not be had or kept: their readers got an input/output error."""


class StatisticsFile:
    """Keeps the file in a view's folder up to date."""

    def __init__(self, folder: Path, gather: Callable[[], ViewStatistics]) -> None:
        """Take the folder of a view and the way to its numbers."""
        self._path = folder / STATISTICS
        self.gather = gather
        self._written: tuple[object, ...] = ()

    def refresh(self) -> None:
        """Write the numbers if one of them, but for the time, has changed. A full disk is no reason to end a view."""
        now = self.gather()
        values = tuple(value for name, value in asdict(now).items() if name != "seconds")
        if values != self._written:
            with suppress(OSError):
                write_small(self._path, json.dumps(asdict(now)))
                self._written = values


def read_statistics(folder: Path, *, started: int) -> ViewStatistics | None:
    """Read the numbers of a view, which another process may serve; None if there are none yet.

    Args:
        folder: of the view.
        started: [s since 1970] when it was mounted.
    """
    try:
        said = json.loads(read_small(folder / STATISTICS))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(said, dict) or set(said) != {field.name for field in fields(ViewStatistics)}:
        return None
    if any(type(value) not in _KINDS.get(name, (int,)) for name, value in said.items()):
        return None
    said["seconds"] = max(float(said["seconds"]), time.time() - started)
    return ViewStatistics(**said)
