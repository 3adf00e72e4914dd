"""Runs of which somebody wants one chunk: the others are decoded and written when readers make a pause.

A small file of some kilobytes comes with a megabyte of neighbours. To decode them takes longer than to fetch them, and
who reads files here and there would wait for that each time. This module alone decides how much of it is put off, and
for how long.
"""

import threading
import time
from collections import deque
from typing import Final

from rafsight.access.chunk_store.delivery import Delivery
from rafsight.access.chunk_store.run import Run
from rafsight.base.units import MiB

MOST: Final = 128 * MiB
"""[bytes] that may wait, as stored."""
PAUSE: Final = 0.02
"""[s] without a question for a chunk that is not on disk."""
LAST: Final = 3.0
"""[s] that the end of a store takes for what waits; what is left then has to be fetched again."""


class Later:
    """Finishes runs, in a thread of its own."""

    def __init__(self, delivery: Delivery) -> None:
        """Start."""
        self._delivery = delivery
        self._runs: deque[tuple[Run, int]] = deque()
        self._size = 0
        self._changed = threading.Condition()
        self._asked = 0.0
        self._wants_all = 0
        self._is_busy = self._is_over = False
        self._thread = threading.Thread(target=self._work, name="rafsight-later", daemon=True)
        self._thread.start()

    def note(self) -> None:
        """Take note that somebody asks for a chunk that is not on disk."""
        self._asked = time.monotonic()

    def put(self, run: Run) -> None:
        """Finish a run later; now, if too many wait.

        Args:
            run: its stored bytes are there, or all of it is settled.
        """
        size = run.held_size
        with self._changed:
            has_room = self._size + size <= MOST
            if has_room:
                self._size += size
                self._runs.append((run, size))
                self._changed.notify_all()
        if not has_room:
            self._delivery.finish(run)

    def finish(self, patience: float | None = None) -> None:
        """Have all that waits finished, pause or not.

        Args:
            patience: [s]; None waits for ever.
        """
        with self._changed:
            self._wants_all += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._runs and not self._is_busy, patience)
            self._wants_all -= 1

    def close(self) -> None:
        """Finish what can be finished soon, and end."""
        self.finish(LAST)
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        self._thread.join()
        for run, _ in self._runs:
            self._delivery.abandon(run)

    def _work(self) -> None:
        while (run := self._next()) is not None:
            try:
                self._delivery.finish(run)
            except Exception:  # noqa: BLE001, S112 - its chunks are settled as a defect, and the next run is to come
                continue

    def _next(self) -> Run | None:
        """Wait for a run and for a pause; None: it is over."""
        with self._changed:
            self._is_busy = False
            self._changed.notify_all()
            while not self._is_over:
                left = 0.0 if self._wants_all else self._asked + PAUSE - time.monotonic()
                if self._runs and left <= 0:
                    self._is_busy = True
                    run, size = self._runs.popleft()
                    self._size -= size
                    return run
                self._changed.wait(left if self._runs else None)
            return None
