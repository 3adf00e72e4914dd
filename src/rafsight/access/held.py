"""Stored bytes of the units that were fetched last, for a next question that wants more of them.

One wave of an analysis often asks for neighbours of what the wave before it read: other chunks of a zran slice, the
rest of a file whose head was looked at. This module alone decides how much of that is held, and for how long.
"""

from collections import OrderedDict
from threading import Lock
from typing import Final

from rafsight.base.units import MiB

HELD_SIZE: Final = 8 * MiB
"""[bytes]"""
HELD_COUNT: Final = 4096

Place = tuple[int, int, int]
"""Blob, offset and stored size of a unit."""


class HeldUnits:
    """Units by their place; the oldest go first. Thread-safe."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self._units: OrderedDict[Place, bytes] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def put(self, place: Place, stored: memoryview) -> None:
        """Hold a unit that could be decoded and verified."""
        if len(stored) > HELD_SIZE // 2:
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
