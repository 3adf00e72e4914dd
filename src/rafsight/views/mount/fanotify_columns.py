"""Events of a fanotify notification group, parsed as columns.

An event is metadata and one record with a file handle, which for EROFS holds the inode number: no file is opened for
us, and a thousand events are parsed as fast as one. This module alone knows the layout of these events
(linux/fanotify.h, FAN_REPORT_FID) and of the two kinds of handle that hold inode numbers (linux/exportfs.h).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.views.mount.fanotify import FAN_Q_OVERFLOW

_SHORTEST: Final = 52
"""[bytes] of an event with a handle of 8 bytes."""
_INO32_GEN: Final = 0x01
_INO64_GEN: Final = 0x81


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEvents:
    """What one read of the group gave, in the kernel's order."""

    mask: NDArray[np.uint64]
    """(k,) FAN_* bits; the kernel merges events of one process and inode that wait in its queue."""
    ino: NDArray[np.uint64]
    """(k,) inode number."""
    gaps: int
    """How often events were lost, or named no inode that we can read."""


def parse_file_events(content: bytes) -> FileEvents:
    """Parse what was read from a notification group.

    Args:
        content: whole events, as the kernel gives them.
    Cost: a few numpy calls for each run of events of one size: as a rule one run.
    """
    octets = np.frombuffer(content, dtype=np.uint8)
    masks, inos, gaps, start = [], [], 0, 0
    while start + 24 <= len(octets):
        size = int.from_bytes(content[start : start + 4], "little")
        if size < 24 or start + size > len(octets):
            gaps += 1
            break
        count = _run(octets, start, size)
        run = octets[start : start + count * size].reshape(count, size)
        start += count * size
        mask = _column(run, 8, 8)
        if size < _SHORTEST:
            gaps += count  # an overflow has no handle
            continue
        kind = _column(run, 40, 4)
        first, second = _column(run, 44, 4), _column(run, 48, 4)
        ino = np.where(kind == _INO64_GEN, first << np.uint64(32) | second, first)  # the upper half stands first
        good = ((kind == _INO64_GEN) | (kind == _INO32_GEN)) & (mask & np.uint64(FAN_Q_OVERFLOW) == 0)
        gaps += count - int(np.count_nonzero(good))
        masks.append(mask[good])
        inos.append(ino[good])
    empty = np.empty(0, dtype=np.uint64)
    return FileEvents(
        mask=np.concatenate(masks) if masks else empty, ino=np.concatenate(inos) if inos else empty, gaps=gaps
    )


def _run(octets: NDArray[np.uint8], start: int, size: int) -> int:
    """Return how many events of one size stand in a row."""
    rest = octets[start:]
    whole = len(rest) // size
    sizes = _column(rest[: whole * size].reshape(whole, size), 0, 4)
    other = np.flatnonzero(sizes != size)
    return int(other[0]) if len(other) else whole


def _column(run: NDArray[np.uint8], offset: int, size: int) -> NDArray[np.uint64]:
    """Return a field of each event, as numbers of this machine."""
    field = np.ascontiguousarray(run[:, offset : offset + size])
    return field.view(np.uint32 if size == 4 else np.uint64)[:, 0].astype(np.uint64)
