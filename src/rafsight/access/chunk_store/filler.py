"""Who brings a missing chunk: each comes once, however many ask for it.

This module alone decides how much is brought at a time: a miss brings its missing neighbours, too, and who reads on
from where the last miss ended finds the next two runs on their way already. Of many small chunks, he who reads here and
there waits for none but his own.
"""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from rafsight.access.chunk_store.delivery import Delivery
from rafsight.access.chunk_store.later import Later
from rafsight.access.chunk_store.notices import Notices
from rafsight.access.chunk_store.run import Fate, Run
from rafsight.access.chunk_store.shelf import Shelf
from rafsight.access.chunk_store.tally import Counts
from rafsight.access.fetch import MAX_CONTENT
from rafsight.base.errors import RafsightError
from rafsight.base.units import KiB, MiB
from rafsight.formats.records import Buffer

RUN: Final = 1 * MiB
"""[bytes] as stored, that one miss brings; a single chunk may be larger."""
NEAR: Final = 1 * MiB
"""[bytes] behind the end of the last run in which a miss is that of somebody who reads on."""
AHEAD: Final = 2
"""Runs that are on their way before somebody who reads on."""
MANY: Final = 16
"""Chunks of a run from which on those that nobody has asked for are decoded later..."""
TINY: Final = 12 * KiB
"""[bytes] on disk, if they are no larger than this on average: of others, there is little to put off."""
SMALL: Final = 64 * KiB
"""[bytes] of content: larger ones are read piece by piece, and not to be decoded for each of these."""
MAX_PACE: Final = 4
"""So many times a run is the longest for those who have read on for a while."""


class Filler:
    """Brings chunks. Thread-safe."""

    def __init__(self, delivery: Delivery, later: Later, notices: Notices, ahead: ThreadPoolExecutor) -> None:
        """Take what brings, who hears of failures, and threads for what follows on what somebody reads."""
        self._delivery = delivery
        self._later = later
        self._notices = notices
        self._ahead = ahead
        self._readers = 0
        self._calm = threading.Condition()

    def bring(self, shelf: Shelf, number: int, counts: Counts, *, to_disk: bool = False) -> Buffer | None:
        """Bring a chunk.

        Args:
            shelf: its blob.
            number: its number there.
            counts: of this thread.
            to_disk: its content alone is not enough, if it can be on disk.
        Returns: None if it is on disk, otherwise its content.
        Raises: RafsightError: it could not be had.
        Cost: the requests of one plan, unless somebody else has asked for it already.
        """
        result: object = Fate.LEFT
        to_disk = to_disk or shelf.sizes[number] > SMALL
        self._later.note()
        while result is Fate.LEFT:
            run, is_mine = self._join(shelf, number)
            if run is None:
                counts.hits += 1
                return None
            with self._reading():
                if is_mine and run.may_wait and not to_disk:
                    self._delivery.begin(run)
                    self._later.put(run)
                elif is_mine:  # here: to hand it to another thread costs more than it gives
                    self._delivery.execute(run)
                result = run.content(number) if not to_disk else self._delivery.settle(run, number)
        if result is Fate.FOUND:
            counts.hits += 1
            return None
        counts.misses += 1
        if isinstance(result, RafsightError):
            counts.failed += 1
            self._notices.failed(shelf.blob.blob_id, result)
            raise result.with_traceback(None)
        if isinstance(result, (bytes, memoryview)):
            counts.from_memory += run is not None and run.is_settled(number)  # otherwise it will be on disk
            return result
        return None

    def bring_all(self, shelf: Shelf, numbers: Iterable[int]) -> RafsightError | None:
        """Bring those of some chunks that are missing and that nobody else brings; return a failure, if there is one.

        Cost: the requests of one plan.
        """
        with shelf.lock:
            missing = [number for number in numbers if shelf.is_free(number)]
            run = _begin(shelf, missing) if missing else None
        if run is None:
            return None
        self._delivery.execute(run)
        results = [run.result(number) for number in run.wanted]
        return next((result for result in results if isinstance(result, RafsightError)), None)

    def confirm(self, shelf: Shelf, number: int) -> None:
        """Verify a chunk that is only claimed to be on disk, unless somebody does already."""
        with shelf.lock:
            pending = shelf.pending.get(number)
            mine = _begin(shelf, [number]) if shelf.is_free(number) else None
        if mine is not None:
            self._delivery.look(mine)
        elif pending is not None:
            pending.result(number)

    @property
    def is_full(self) -> bool:
        """True if nothing can be written now."""
        return self._delivery.is_full

    def wait_for_calm(self, patience: float) -> None:
        """Wait until no reader waits for the registry, but no longer than some time [s]."""
        with self._calm:
            self._calm.wait_for(lambda: not self._readers, patience)

    def finish(self) -> None:
        """See to it that all that has come is settled."""
        self._later.finish()

    def abandon(self, shelf: Shelf) -> None:
        """Let nobody wait for runs that were not begun."""
        for run in set(shelf.pending.values()):
            self._delivery.abandon(run)

    def _join(self, shelf: Shelf, number: int) -> tuple[Run | None, bool]:
        """Find who brings a chunk, or begin to; None if it is here. Sends for what follows, if somebody reads on."""
        with shelf.lock:
            if shelf.present[number]:
                return None, False
            following: list[Run] = []
            run, is_mine, is_here = shelf.pending.get(number), False, number in shelf.ready
            if is_here:
                shelf.ready.discard(number)
                shelf.present[number] = 1
                shelf.ahead = max(shelf.ahead - 1, 0)
                following = _follow(shelf)
            elif run is not None and run.signal >= 0:  # it is on its way, and its reader is here already
                run.signal, shelf.ahead = -1, max(shelf.ahead - 1, 0)
                following = _follow(shelf)
            elif run is None:
                is_mine, reads_on = True, 0 <= shelf.starts[number] - shelf.reached <= NEAR and shelf.reached >= 0
                shelf.ahead, shelf.pace = 0, shelf.pace if reads_on else 1
                numbers = _neighbours(shelf, number, RUN)
                run = _begin(shelf, numbers, may_wait=not reads_on and _are_many_tiny(shelf, numbers))
                following = _follow(shelf) if reads_on and not self.is_full else []
        for other in following:
            self._send(other)
        return (None, False) if is_here else (run, is_mine)

    def _send(self, run: Run) -> None:
        try:
            self._ahead.submit(self._delivery.execute, run)
        except RuntimeError:  # the store is being closed
            self._delivery.abandon(run)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._calm:
            self._readers += 1
        try:
            yield
        finally:
            with self._calm:
                self._readers -= 1
                self._calm.notify_all()


def _begin(shelf: Shelf, numbers: list[int], *, signals: bool = False, may_wait: bool = False) -> Run:
    run = Run(shelf, numbers, signals=signals, may_wait=may_wait)
    shelf.pending.update(dict.fromkeys(numbers, run))
    return run


def _neighbours(shelf: Shelf, number: int, most: int) -> list[int]:
    """Choose the missing chunks from some number on, as many as some bytes hold, and note how far they reach."""
    weights, sizes = shelf.weights, shelf.sizes
    numbers, weight, content = [number], weights[number], sizes[number]
    following = number + 1
    while following < len(sizes) and shelf.is_free(following):
        weight, content = weight + weights[following], content + sizes[following]
        if weight > most or content > MAX_CONTENT:
            break
        numbers.append(following)
        following += 1
    shelf.reached, shelf.following = shelf.ends[following - 1], following
    return numbers


def _are_many_tiny(shelf: Shelf, numbers: list[int]) -> bool:
    """Tell whether the chunks of a run cost more to decode than to fetch."""
    size = shelf.ends[numbers[-1]] - shelf.starts[numbers[0]]
    return len(numbers) >= MANY and size <= TINY * len(numbers)


def _follow(shelf: Shelf) -> list[Run]:
    """Begin the runs that somebody who reads on will want next."""
    runs = []
    while shelf.ahead < AHEAD and shelf.following < len(shelf.starts) and shelf.is_free(shelf.following):
        runs.append(_begin(shelf, _neighbours(shelf, shelf.following, RUN * shelf.pace), signals=True))
        shelf.ahead += 1
    if runs:
        shelf.pace = min(shelf.pace * 2, MAX_PACE)
    return runs
