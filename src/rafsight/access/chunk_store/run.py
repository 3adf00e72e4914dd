"""Chunks of one blob that one plan brings, and those who wait for them.

Between the arrival of the stored bytes and the end of the run, a reader decodes the chunk that he waits for himself.
"""

import threading
from collections.abc import Iterable
from enum import Enum

from rafsight.access.chunk_store.shelf import Shelf
from rafsight.access.fetched import FetchedChunks
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

    def __init__(self, shelf: Shelf, numbers: Iterable[int], *, signals: bool = False, may_wait: bool = False) -> None:
        """Begin.

        Args:
            shelf: their blob.
            numbers: the chunks, at least one.
            signals: whoever touches the first of them shall be seen.
            may_wait: one of them is wanted, and perhaps none of the others.
        """
        self.shelf = shelf
        self.wanted = list(numbers)
        """What was asked for."""
        self.asked = frozenset(self.wanted)
        self.along: list[int] = []
        """What comes for nothing."""
        self.signal = self.wanted[0] if signals else -1
        self.may_wait = may_wait
        self._fetched: FetchedChunks | None = None
        self._is_claimed = False
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

    def unsettled(self) -> list[int]:
        """Return the chunks of which it is not known yet what became of them."""
        with self._changed:
            return [number for number in (*self.wanted, *self.along) if number not in self._results]

    def have(self, fetched: FetchedChunks) -> None:
        """Say that the stored bytes of all that is not settled are there."""
        with self._changed:
            self._fetched = fetched
            self._changed.notify_all()

    @property
    def held_size(self) -> int:
        """[bytes] that are held as they are stored."""
        fetched = self._fetched
        return fetched.stored_size if fetched is not None else 0

    def claim(self) -> FetchedChunks | None:
        """Take over what came, to settle the rest of the run: somebody has to, and only one can."""
        with self._changed:
            if self._is_claimed or self._fetched is None:
                return None
            self._is_claimed = True
            return self._fetched

    def drop(self) -> None:
        """Give up what came: all is settled."""
        with self._changed:
            self._fetched = None

    def result(self, number: int) -> Result:
        """Wait until a chunk is settled."""
        with self._changed:
            self._changed.wait_for(lambda: number in self._results)
            return self._results[number]

    def wait(self, number: int) -> None:
        """Wait until a chunk is settled, or its stored bytes are there."""
        with self._changed:
            self._changed.wait_for(lambda: number in self._results or self._fetched is not None)

    def content(self, number: int) -> Result:
        """Wait likewise, and decode the stored bytes."""
        self.wait(number)
        with self._changed:
            found, fetched = self._results.get(number), self._fetched
        if found is not None:
            return found
        return Fate.LEFT if fetched is None else fetched.read(int(self.shelf.rows[number]))
