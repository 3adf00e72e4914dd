"""Chunks of one blob that one plan brings, and those who wait for them."""

import threading
from collections.abc import Iterable
from enum import Enum

from rafsight.access.chunk_store.shelf import Shelf
from rafsight.base.errors import RafsightError


class Fate(Enum):
    """What became of a chunk that is no error and not in memory."""

    ON_DISK = 1
    """It was brought."""
    FOUND = 2
    """Somebody else had brought it."""
    LEFT = 3
    """It is not here, and nobody is to blame: ask again."""


Result = Fate | bytes | memoryview | RafsightError


class Run:
    """Some chunks on their way. Each is settled once."""

    def __init__(self, shelf: Shelf, numbers: Iterable[int], *, signals: bool = False) -> None:
        """Begin.

        Args:
            shelf: their blob.
            numbers: the chunks, at least one.
            signals: whoever touches the first of them shall be seen.
        """
        self.shelf = shelf
        self.wanted = list(numbers)
        """What was asked for."""
        self.asked = frozenset(self.wanted)
        self.along: list[int] = []
        """What comes for nothing."""
        self.signal = self.wanted[0] if signals else -1
        self._results: dict[int, Result] = {}
        self._changed = threading.Condition()

    def settle(self, numbers: Iterable[int], result: Result) -> None:
        """Say what became of some chunks."""
        with self._changed:
            for number in numbers:
                self._results.setdefault(number, result)
            self._changed.notify_all()

    def is_settled(self, number: int) -> bool:
        """Tell whether it is known what became of a chunk."""
        with self._changed:
            return number in self._results

    def result(self, number: int) -> Result:
        """Wait for a chunk."""
        with self._changed:
            self._changed.wait_for(lambda: number in self._results)
            return self._results[number]
