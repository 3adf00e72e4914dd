"""From the registry to the disk: what one run is to bring is looked for, fetched, and written or held in memory.

This module alone decides what is tried when there is no room, and how long a failure counts.
"""

import errno
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import numpy as np

from rafsight.access.chunk_store.eviction import Room
from rafsight.access.chunk_store.labels import blocks_of
from rafsight.access.chunk_store.notices import Notices
from rafsight.access.chunk_store.overflow import OVERFLOW_SIZE, Overflow
from rafsight.access.chunk_store.run import Fate, Result, Run
from rafsight.access.chunk_store.shelf import Shelf
from rafsight.access.decoding import Outcome
from rafsight.access.session import Image
from rafsight.base.errors import Defect, RafsightError, RegistryFault
from rafsight.base.units import KiB, MiB
from rafsight.formats.rafs.erofs_packing import BLOCK
from rafsight.formats.records import Buffer
from rafsight.image.plan import RowArray

FULL: Final = 1.0
"""[s] after a write that there was no room for in which nothing is written."""
_PRESENT: Final = (Fate.ON_DISK, Fate.FOUND)
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
_BATCH: Final = 1 * MiB
"""[bytes] of chunks that are written at once, at least."""
_FIRST_BATCH: Final = 32 * KiB
"""[bytes] likewise, of those that come first: somebody waits for one of them."""


class Delivery:
    """Does what runs are for. Thread-safe."""

    def __init__(self, image: Image, overflow: Overflow, room: Room, notices: Notices) -> None:
        self._image = image
        self._overflow = overflow
        self._room = room
        self._notices = notices
        self._full_until = 0.0

    @property
    def is_full(self) -> bool:
        """True if nothing can be written now."""
        return time.monotonic() < self._full_until

    def execute(self, run: Run) -> None:
        """Settle every chunk of a run.

        Cost: the requests of one plan.
        """
        try:
            missing = self._missing(run)
            if missing:
                self._fetch(run, missing)
        except RafsightError as error:
            self._settle_rest(run, error)
        finally:
            self.abandon(run)

    def begin(self, run: Run) -> None:
        """Have the stored bytes of a run come; who waits for one of its chunks decodes it. `finish` is to follow.

        Where that is not possible, every chunk is settled.

        Cost: the requests of one plan.
        """
        shelf, fetched = run.shelf, None
        try:
            missing = self._missing(run)
            if missing and shelf.file is not None and not self.is_full:
                fetched = self._image.fetch_chunks(shelf.rows[missing])
            if fetched is not None and fetched.is_whole:
                run.have(fetched)
            elif fetched is not None:
                self._settle_each(run, self._numbers(run, missing), fetched.read_all())
            elif missing:
                self._fetch(run, missing)
        except RafsightError as error:
            self._settle_rest(run, error)
        finally:
            if fetched is None or not fetched.is_whole:
                self.abandon(run)

    def settle(self, run: Run, number: int) -> Result:
        """Wait until a chunk is settled, and see to it if its stored bytes are there."""
        run.wait(number)
        self.finish(run)
        return run.result(number)

    def finish(self, run: Run) -> None:
        """Settle what `begin` left, unless somebody does already."""
        fetched = run.claim()
        if fetched is None:
            return
        try:
            self._settle_each(run, self._numbers(run, run.unsettled()), fetched.read_all())
        except RafsightError as error:
            self._settle_rest(run, error)
        finally:
            self.abandon(run)

    def abandon(self, run: Run) -> None:
        """Settle what is left of a run that nobody executes any more."""
        self._settle_rest(run, Defect(what="a chunk did not come and nobody said why"))
        run.drop()

    def look(self, run: Run) -> None:
        """Settle every chunk of a run by what is on disk, and fetch nothing."""
        try:
            self._find(run)
        finally:
            self._settle_rest(run, Fate.LEFT)

    def _missing(self, run: Run) -> list[int]:
        """Return what is to be fetched of a run; the rest of it is settled."""
        missing, fault = self._find(run), run.shelf.current_fault()
        if fault is None:
            return missing
        self._settle_rest(run, fault)
        return []

    def _find(self, run: Run) -> list[int]:
        """Look which chunks of a run are here after all, and return the others."""
        shelf = run.shelf
        on_disk = shelf.find_on_disk(sorted(run.wanted))
        self._settle(run, on_disk, Fate.FOUND)
        absent = sorted(run.asked.difference(on_disk))
        if self._overflow.is_empty:
            return absent
        missing = []
        for number in absent:
            content = self._overflow.get((shelf.index, number))
            if content is None:
                missing.append(number)
            else:
                self._settle(run, (number,), content)
        return missing

    def _fetch(self, run: Run, missing: list[int]) -> None:
        shelf, rows = run.shelf, run.shelf.rows[missing]
        if shelf.file is not None and not self.is_full:  # what cannot be put anywhere is not worth its way
            rows = self._with_companions(run, rows)
        numbers = dict(zip(rows.tolist(), shelf.numbers_of(rows).tolist(), strict=True))
        self._settle_each(run, numbers, self._image.read_chunks(rows))

    def _numbers(self, run: Run, numbers: list[int]) -> dict[int, int]:
        """Return numbers of chunks by their rows of the chunk table."""
        return dict(zip(run.shelf.rows[numbers].tolist(), numbers, strict=True))

    def _settle_each(self, run: Run, numbers: Mapping[int, int], outcomes: Iterable[Outcome]) -> None:
        """Put chunks where they can be, as they come.

        Args:
            run: what they belong to.
            numbers: by row of the chunk table.
            outcomes: the chunks.
        """
        shelf = run.shelf
        batch: list[tuple[int, Buffer]] = []
        size, room = 0, _FIRST_BATCH
        for row, outcome in outcomes:
            number = numbers[row]
            if isinstance(outcome, RegistryFault):
                shelf.hold(outcome)
            if isinstance(outcome, RafsightError):
                self._settle(run, (number,), outcome)
                continue
            batch.append((number, outcome))
            size += len(outcome)
            if size >= room:
                self._put(run, batch)
                batch, size, room = [], 0, _BATCH
        self._put(run, batch)

    def _with_companions(self, run: Run, rows: RowArray) -> RowArray:
        """Take along what comes for nothing and is missing, too."""
        shelf = run.shelf
        every = self._image.companions(rows)
        if len(every) == len(rows):
            return rows
        numbers = np.unique(shelf.numbers_of(every))
        with shelf.lock:
            free = [number for number in numbers[numbers >= 0].tolist() if shelf.is_free(number)]
            run.along += free
            shelf.pending.update(dict.fromkeys(free, run))
        return np.concatenate([rows, shelf.rows[free]])

    def _put(self, run: Run, batch: list[tuple[int, Buffer]]) -> None:
        """Put verified chunks where they can be."""
        shelf, kept = run.shelf, frozenset[int]()
        batch.sort(key=_number_of)
        if batch and shelf.file is not None and not self.is_full:
            kept = self._write(shelf, batch)
            self._settle(run, kept, Fate.ON_DISK)
        for number, content in batch if len(kept) < len(batch) else ():
            if number in kept:
                continue
            if number not in run.asked:
                self._settle(run, (number,), Fate.LEFT)
            elif len(content) > OVERFLOW_SIZE // 2:
                self._settle(run, (number,), content)
            else:
                held = bytes(content)
                self._overflow.put((shelf.index, number), held)
                self._settle(run, (number,), held)

    def _write(self, shelf: Shelf, batch: list[tuple[int, Buffer]]) -> frozenset[int]:
        """Write chunks; what is too much at once is tried in halves.

        Returns: the numbers of those that are on disk.
        """
        size = sum(blocks_of(len(content)) * BLOCK for _, content in batch)
        why = "the chunk store has reached its size"
        if self._room.admit(size):
            try:
                kept = frozenset(self._keep(shelf, batch))
            except OSError as error:
                why = f"{shelf.folder.parent} takes no more content: {error.strerror}"
            else:
                self._tell_taken(shelf, batch, kept)
                return kept
            finally:
                self._room.written(size)
        if len(batch) > 1:
            half = len(batch) // 2
            kept = self._write(shelf, batch[:half])
            return kept if self.is_full else kept | self._write(shelf, batch[half:])
        self._full_until = time.monotonic() + FULL
        self._notices.say_once("full", f"{why}; what is fetched from now on is served from memory")
        return frozenset()

    def _keep(self, shelf: Shelf, batch: list[tuple[int, Buffer]]) -> list[int]:
        """Write; where the disk is full, blobs that nobody uses make room."""
        while True:
            begun = time.monotonic()
            try:
                return shelf.keep(batch)
            except OSError as error:
                if error.errno not in _NO_ROOM or not self._room.drop_oldest(begun):
                    raise

    def _tell_taken(self, shelf: Shelf, batch: list[tuple[int, Buffer]], kept: frozenset[int]) -> None:
        if len(kept) < len(batch):
            message = f"another image has other content at places of blob {shelf.blob.blob_id}"
            self._notices.say_once(f"taken {shelf.index}", f"{message}: some of it is served from memory")

    def _settle(self, run: Run, numbers: Collection[int], result: Result) -> None:
        if numbers:
            run.shelf.settled(numbers, are_present=result in _PRESENT, signal=run.signal)
            run.settle(numbers, result)

    def _settle_rest(self, run: Run, result: Result) -> None:
        self._settle(run, run.unsettled(), result)


def _number_of(chunk: tuple[int, Buffer]) -> int:
    return chunk[0]
