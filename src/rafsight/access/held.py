"""Stored bytes of the units that were fetched last, for a next question that wants more of them.

One wave of an analysis often asks for neighbours of what the wave before it read: other chunks of a zran slice, the
rest of a file whose head was looked at. This module alone decides what of that is held, how much, and for how long.
"""

from collections import OrderedDict
from threading import Lock
from typing import Final

from rafsight.base.units import KiB, MiB

HELD_SIZE: Final = 32 * MiB
"""[bytes] Both ends of some thirty large archives."""
HELD_COUNT: Final = 4096
_SMALL: Final = 64 * KiB
"""[bytes] Units up to here are held whatever was read of them: somebody else may look at the same small file."""

Place = tuple[int, int, int]
"""Blob, offset and stored size of a unit."""


class HeldUnits:
    """Units by their place; the oldest go first. Thread-safe."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._units: OrderedDict[Place, bytes] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def put(self, place: Place, stored: memoryview, *, has_more: bool) -> None:
        """Hold a unit that could be decoded and verified.

        Args:
            place: where it lies.
            stored: its bytes.
            has_more: there is more in it, or in its file, than was asked for. A large one without is not held: it would
                push out those that are asked for again.
        """
        if len(stored) > (HELD_SIZE // 2 if has_more else _SMALL):
            return
        with self._lock:
            if place in self._units:
                return
            self._units[place] = bytes(stored)
            self._size += len(stored)
            while self._size > HELD_SIZE or len(self._units) > HELD_COUNT:
                self._size -= len(self._units.popitem(last=False)[1])

    def snapshot(self) -> dict[Place, bytes]:
        """Return what is held now; it stays as long as the caller wants it."""
        with self._lock:
            return dict(self._units)
