"""Content that nobody has asked for yet, brought in the background.

This module alone decides how prefetching gives way: it waits for readers who wait for the registry, stops where nothing
can be kept, and gives up where the registry does.
"""

import threading
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from rafsight.access.chunk_store.filler import Filler
from rafsight.access.chunk_store.shelf import HOLD, Shelf
from rafsight.base.errors import RegistryFault
from rafsight.base.events import Advanced, Finished, Listener, Started
from rafsight.base.units import MiB
from rafsight.image.plan import RowArray

OPERATION: Final = "prefetch"
PIECE: Final = 4 * MiB
"""[bytes] as stored, that one plan brings."""
_CONTENT: Final = 32 * MiB
_PATIENCE: Final = 0.25
"""[s] that each plan waits for readers at the most."""
_TRIES: Final = 5
"""Failures of the registry, one after the other, that it takes to give up."""
_THREADS: Final = 2


class Prefetch:
    """Brings chunks in some order, from threads of its own."""

    def __init__(self, filler: Filler, shelves: Sequence[Shelf], order: RowArray, listener: Listener) -> None:
        """Begin.

        Args:
            filler: brings them.
            shelves: by blob.
            order: (p,) ordinals of chunks in `Backing.order`.
            listener: told about progress (operation `prefetch`, unit `chunks`).
        """
        self._filler = filler
        self._listener = listener
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._pieces = _cut(shelves, order)
        self._left = _THREADS
        self._tries = _TRIES
        self.total = len(order)
        self.done = 0
        """Chunks that were looked after: brought, found, or failed."""
        self.failed = 0
        """Plans of which something did not come."""
        listener(Started(operation=OPERATION, title="prefetching", total=self.total, unit="chunks"))
        self._threads = [
            threading.Thread(target=self._work, name=f"rafsight-prefetch-{number}", daemon=True)
            for number in range(_THREADS)
        ]
        for thread in self._threads:
            thread.start()

    def cancel(self) -> None:
        """Begin nothing more."""
        self._stop.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; False if it does not come in time [s]."""
        for thread in self._threads:
            thread.join(timeout)
        return self.is_over

    @property
    def is_over(self) -> bool:
        """True if nothing more is going to come."""
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                self._filler.wait_for_calm(_PATIENCE)
                with self._lock:
                    piece = next(self._pieces, None)
                if piece is None or self._filler.is_full:
                    return
                shelf, numbers = piece
                error = self._filler.bring_all(shelf, numbers)
                with self._lock:
                    self.done += len(numbers)
                    self.failed += error is not None
                    self._tries = self._tries - 1 if isinstance(error, RegistryFault) else _TRIES
                    if self._tries <= 0:
                        self._stop.set()
                self._listener(Advanced(operation=OPERATION, amount=len(numbers)))
                if isinstance(error, RegistryFault):
                    self._stop.wait(HOLD)
        finally:
            with self._lock:
                self._left -= 1
                is_last = not self._left
            if is_last:
                self._listener(Finished(operation=OPERATION))


def _cut(shelves: Sequence[Shelf], order: RowArray) -> Iterator[tuple[Shelf, list[int]]]:
    """Cut chunks, in their order, into pieces of one blob each."""
    firsts = np.array([shelf.first for shelf in shelves], np.int64)
    blobs = (np.searchsorted(firsts, order, side="right") - 1).tolist() if len(order) else []
    numbers: list[int] = []
    current, weight, content = -1, 0, 0
    for blob, ordinal in zip(blobs, order.tolist(), strict=True):
        shelf = shelves[blob]
        number = ordinal - shelf.first
        weight, content = weight + shelf.weights[number], content + shelf.sizes[number]
        if numbers and (blob != current or weight > PIECE or content > _CONTENT):
            yield shelves[current], numbers
            numbers, weight, content = [], shelf.weights[number], shelf.sizes[number]
        current = blob
        numbers.append(number)
    if numbers:
        yield shelves[current], numbers
