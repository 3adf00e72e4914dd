"""The content of an image as files on disk, filled as they are read.

Each blob has a sparse file of full size (`image/backing.py` says what lies where). A read of what is there is a read of
that file; what is missing is fetched, verified and written first. The files outlive the store and are shared by all
images and processes that use the same folder. This module is the front; the others of this package decide.
"""

import errno
import os
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from rafsight.access.chunk_store.delivery import Delivery
from rafsight.access.chunk_store.errors import NotKept
from rafsight.access.chunk_store.eviction import Room
from rafsight.access.chunk_store.files import FileMap
from rafsight.access.chunk_store.filler import Filler
from rafsight.access.chunk_store.keys import folder_names
from rafsight.access.chunk_store.later import Later
from rafsight.access.chunk_store.notices import Notices
from rafsight.access.chunk_store.overflow import Overflow
from rafsight.access.chunk_store.prefetch import Prefetch
from rafsight.access.chunk_store.shelf import Shelf, make_shelf, open_shelf
from rafsight.access.chunk_store.tally import Counts, StoreTally, ThreadCounts, add_up
from rafsight.access.session import Image
from rafsight.access.threads import threads
from rafsight.base.errors import Defect, RafsightError
from rafsight.base.events import Listener, silent
from rafsight.formats.records import Buffer
from rafsight.image.backing import Backing, lay_out
from rafsight.image.plan import RowArray

SYNC_PAUSE: Final = 5.0
"""[s] between two times that what was written is brought to stable storage."""
_AHEAD_THREADS: Final = 2
_TRIES: Final = 4


class ChunkStore:
    """Content of one image, made by `open_chunk_store`. Thread-safe; nobody may read any more when it is closed."""

    def __init__(
        self, image: Image, backing: Backing, shelves: Sequence[Shelf], filler: Filler, notices: Notices
    ) -> None:
        self.backing = backing
        self._image = image
        self._shelves = shelves
        self._filler = filler
        self._notices = notices
        self._files = FileMap(image.tree, backing)
        self._all_counts: list[Counts] = []
        self._here = ThreadCounts(self._all_counts)
        self._prefetches: list[Prefetch] = []

    @property
    def tally(self) -> StoreTally:
        """What was done so far."""
        return add_up(self._all_counts)

    def read(self, blob: int, offset: int, size: int) -> bytes | bytearray:
        """Read a piece of a backing file; what is missing is brought, what lies between chunks is zeros.

        Args:
            blob: row of the blob table.
            offset: [bytes]
            size: [bytes] as much memory is taken.
        Raises: RafsightError: content could not be had.
        Cost: a read of the file if all of it is there; otherwise the requests of a plan for each run of what is not.
        """
        shelf = self._shelves[blob]
        low, high = max(bisect_right(shelf.starts, offset) - 1, 0), bisect_left(shelf.starts, offset + size)
        if low < high and shelf.present.find(0, low, high) < 0:
            content = os.pread(shelf.descriptor, size, offset)
            if len(content) == size:
                counts = self._here.counts
                counts.served += size
                counts.hits += high - low
                is_one = shelf.starts[low] <= offset and offset + size <= shelf.ends[high - 1]
                if is_one and shelf.stretches[low] == shelf.stretches[high - 1]:
                    return content
                return _without_gaps(shelf, range(low, high), offset, content)
        return self._read_slowly(shelf, offset, size)

    def read_row(self, row: int, offset: int, size: int) -> bytes | bytearray:
        """Read a piece of a regular file.

        Args:
            row: its entry.
            offset: [bytes]
            size: [bytes] as much memory is taken, unless the file ends before.
        Returns: fewer bytes where the file ends.
        Raises: RafsightError: content could not be had.
        """
        length, stretches = self._files.find(row, offset, size)
        result = bytearray()
        for part in stretches:
            if part.address >= 0 and part.size == length:
                return self.read(part.blob, part.address, length)
            if not result:
                result = bytearray(length)
            at = part.offset - offset
            if part.address >= 0:
                result[at : at + part.size] = self.read(part.blob, part.address, part.size)
            else:
                start = -1 - part.address
                result[at : at + part.size] = self._unplaced(part.chunk)[start : start + part.size]
        return result or bytes(length)

    def fill(self, blob: int, offset: int, size: int) -> None:
        """Make sure that a piece of a backing file is on disk and verified.

        Raises: RafsightError: content could not be had. NotKept: it cannot be on disk.
        """
        shelf, counts = self._shelves[blob], self._here.counts
        for number in _numbers_in(shelf, offset, size):
            if shelf.present[number]:
                counts.hits += 1
            elif self._filler.bring(shelf, number, counts, to_disk=True) is not None:
                raise NotKept(
                    blob=shelf.blob.blob_id, folder=str(shelf.folder.parent), why="there is no place for them"
                )

    def is_complete(self, blob: int | None = None) -> bool:
        """Tell whether every chunk of a blob (or of all) that the image uses is on disk and verified.

        Cost: may have to decode and write what was fetched.
        """
        self._filler.finish()
        shelves = self._shelves if blob is None else [self._shelves[blob]]
        for shelf in shelves:
            shelf.look_again()
        return all(shelf.is_complete for shelf in shelves)

    def paths(self) -> list[Path]:
        """Return the backing files, by blob.

        Raises: NotKept: there is no place for one of them.
        """
        for shelf in self._shelves:
            if shelf.file is None:
                raise NotKept(blob=shelf.blob.blob_id, folder=str(shelf.folder.parent), why="its file cannot be made")
        return [shelf.file.path for shelf in self._shelves if shelf.file is not None]

    def prefetch(self, chunks: RowArray, listener: Listener = silent) -> Prefetch:
        """Bring chunks in the background, in their order, behind those who read.

        Args:
            chunks: (c,) rows of the chunk table.
            listener: told about progress.
        """
        ordinals = self.backing.ordinal[chunks]
        _, first = np.unique(ordinals, return_index=True)
        order = ordinals[np.sort(first)]
        prefetch = Prefetch(self._filler, self._shelves, order[order >= 0], listener)
        self._prefetches.append(prefetch)
        return prefetch

    def confirm_all(self) -> None:
        """Verify everything that is on disk and was not verified since a crash; bring it to stable storage.

        Cost: reads what is in doubt, mostly nothing.
        """
        doubts = [(shelf, number) for shelf in self._shelves for number in _doubts(shelf)]
        with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="rafsight-confirm") as pool:
            list(pool.map(lambda doubt: self._filler.confirm(*doubt), doubts))
        self.sync()

    def sync(self) -> None:
        """Bring what was written to stable storage; a blob whose disk fails is served from memory from then on."""
        for shelf in self._shelves:
            try:
                if shelf.file is not None:
                    shelf.file.sync()
            except OSError as error:
                if error.errno != errno.EBUSY:  # another process holds the lock and does not go on: later, then
                    self._lose(shelf, f"cannot be written: {error.strerror}")

    def close(self) -> None:
        """End what runs in the background, and give the files back."""
        for prefetch in self._prefetches:
            prefetch.cancel()
        for prefetch in self._prefetches:
            prefetch.wait()
        self.sync()
        for shelf in self._shelves:
            self._filler.abandon(shelf)
            file, shelf.file, shelf.descriptor = shelf.file, None, -1
            if file is not None:
                file.close()

    def _read_slowly(self, shelf: Shelf, offset: int, size: int) -> bytearray:
        """Read chunk by chunk."""
        counts = self._here.counts
        result = bytearray(size)
        for number in _numbers_in(shelf, offset, size):
            start = shelf.starts[number]
            low, high = max(offset, start), min(offset + size, start + shelf.sizes[number])
            if low < high:
                result[low - offset : high - offset] = self._piece(shelf, number, low - start, high - low, counts)
        counts.served += size
        return result

    def _piece(self, shelf: Shelf, number: int, start: int, size: int, counts: Counts) -> Buffer:
        for _ in range(_TRIES):
            if shelf.present[number]:
                counts.hits += 1
            else:
                content = self._filler.bring(shelf, number, counts)
                if content is not None:
                    return content[start : start + size]
            try:
                piece = os.pread(shelf.descriptor, size, shelf.starts[number] + start)
            except OSError as error:
                self._lose(shelf, f"cannot be read: {error.strerror}")
                continue
            if len(piece) == size:
                return piece
            self._lose(shelf, "was cut by somebody else")
        raise Defect(what=f"chunk {number} of blob {shelf.blob.blob_id} is here and cannot be read")

    def _lose(self, shelf: Shelf, why: str) -> None:
        shelf.lose()
        message = f"the file of blob {shelf.blob.blob_id} {why}; its content is served from memory"
        self._notices.say_once(f"lost {shelf.index}", message)

    def _unplaced(self, chunk: int) -> Buffer:
        """Fetch a chunk for which no backing file has a place."""
        for _, outcome in self._image.read_chunks(np.array([chunk])):
            if not isinstance(outcome, RafsightError):
                return outcome
            self._here.counts.failed += 1
            raise outcome
        raise Defect(what=f"chunk {chunk} did not come")


def _without_gaps(shelf: Shelf, numbers: range, offset: int, content: bytes) -> bytearray:
    """Clear what lies between chunks: chunks of other images may be there."""
    result, position, end = bytearray(content), offset, offset + len(content)
    for number in numbers:
        start = shelf.starts[number]
        if start > position:
            result[position - offset : start - offset] = bytes(start - position)
        position = max(position, shelf.ends[number])
    if position < end:
        result[position - offset :] = bytes(end - position)
    return result


def _numbers_in(shelf: Shelf, offset: int, size: int) -> range:
    low = bisect_right(shelf.starts, offset) - 1
    return range(max(low, 0), bisect_left(shelf.starts, offset + size) if size > 0 else 0)


def _doubts(shelf: Shelf) -> list[int]:
    claimed = np.frombuffer(bytes(shelf.claimed), np.uint8)
    return [int(number) for number in np.flatnonzero(claimed)]


@contextmanager
def open_chunk_store(image: Image, folder: Path, *, limit: int, listener: Listener = silent) -> Iterator[ChunkStore]:
    """Open the chunk store of an image.

    Args:
        image: open as long as the store.
        folder: of all images; made if it is not there.
        limit: [bytes] that the folder may take.
        listener: told what cannot be had, and what cannot be kept.
    Cost: reads the labels: 32 bytes for each 4096 of content.
    """
    notices, room = Notices(listener), Room(folder, limit)
    tables = image.tree.tables
    backing = lay_out(tables)
    names = folder_names(image, backing)
    shelves = [make_shelf(tables, backing, index, folder / name) for index, name in enumerate(names)]
    for shelf in shelves:
        try:
            open_shelf(shelf, int(backing.sizes[shelf.index]))
        except OSError as error:
            notices.say_once("unusable", f"{folder} takes no content ({error.strerror}): it is served from memory")
    room.make()
    with threads(_AHEAD_THREADS, name="rafsight-ahead") as ahead:
        delivery = Delivery(image, Overflow(), room, notices)
        later = Later(delivery)
        filler = Filler(delivery, later, notices, ahead)
        store = ChunkStore(image, backing, shelves, filler, notices)
        ending = threading.Event()
        syncing = threading.Thread(target=_sync_now_and_then, args=(store, ending), name="rafsight-sync", daemon=True)
        syncing.start()
        try:
            yield store
        finally:
            ending.set()
            ahead.shutdown(wait=True, cancel_futures=True)
            syncing.join()
            later.close()
            store.close()


def _sync_now_and_then(store: ChunkStore, ending: threading.Event) -> None:
    while not ending.wait(SYNC_PAUSE):
        store.sync()
