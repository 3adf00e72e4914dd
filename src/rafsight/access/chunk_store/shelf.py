"""One blob of an open store: where its chunks are, which of them are here, and which are on their way.

The columns are arrays of plain numbers, and what is here is a byte for each chunk: a read of what is here looks at
those and at nothing else. This module alone decides when a chunk on disk counts as being here.
"""

import os
import threading
import time
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from rafsight.access.chunk_store.blob_file import BlobFile, Keepsakes
from rafsight.access.chunk_store.labels import LABEL_SIZE, blocks_of, find_present, name_chunks
from rafsight.access.chunk_store.opening import Chunks, open_blob_file
from rafsight.base.errors import RegistryFault
from rafsight.base.units import MiB
from rafsight.formats.checksum import hasher
from rafsight.formats.rafs.erofs_packing import BLOCK
from rafsight.formats.records import Buffer
from rafsight.formats.tables import BlobEntry, Octets, Offsets, TreeTables
from rafsight.image.backing import Backing
from rafsight.image.plan import RowArray

if TYPE_CHECKING:
    from rafsight.access.chunk_store.run import Run

HOLD: Final = 2.0
"""[s] after a failure of the registry in which it is not asked again for the same blob."""


@dataclass(slots=True, kw_only=True, eq=False)
class Shelf:
    """The chunks of one blob, by number: their order in the backing file."""

    index: int
    blob: BlobEntry
    rows: RowArray
    """(d,) of the chunk table."""
    ordinal: RowArray
    """(m,) `Backing.ordinal`."""
    first: int
    """Of the chunk numbered 0."""
    chunks: Chunks
    digests: Octets
    """(d, 32)"""
    starts: "array[int]"
    """[bytes]"""
    sizes: "array[int]"
    """[bytes] of content."""
    ends: "array[int]"
    """[bytes] of the last block of each."""
    stretches: "array[int]"
    """Chunks between which no block is free have the same number here."""
    weights: "array[int]"
    """[bytes] as stored."""
    present: bytearray
    """1 for each chunk that is on disk and has been verified."""
    claimed: bytearray
    """1 for each chunk that is said to be on disk; nobody knows whether it is."""
    file: BlobFile | None = None
    """None if nothing can be on disk."""
    folder: Path
    descriptor: int = -1
    """For reading what is present."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held while the fields below, `present` and `claimed` change; never while anything is waited for."""
    pending: "dict[int, Run]" = field(default_factory=dict)
    """Who brings which chunk."""
    ready: set[int] = field(default_factory=set)
    """Chunks that are present; who touches them first shall be seen, for he reads on."""
    reached: int = -1
    """[bytes] end of what was asked for last."""
    following: int = 0
    """Number of the chunk after that."""
    ahead: int = 0
    """Runs ahead of the reader that he has not touched."""
    pace: int = 1
    """How long these runs are; grows while he reads on."""
    doubts: int = 0
    """Claims that nobody has looked into."""
    fault: RegistryFault | None = None
    held_until: float = 0.0

    def numbers_of(self, rows: RowArray) -> RowArray:
        """Return the numbers of chunk rows of this blob; of those that no file uses, something negative."""
        return self.ordinal[rows] - self.first

    def is_free(self, number: int) -> bool:
        """Tell, under the lock, whether a chunk is missing and nobody brings it."""
        return not self.present[number] and number not in self.pending and number not in self.ready

    def settled(self, numbers: Iterable[int], *, are_present: bool, signal: int = -1) -> None:
        """Take note that nobody brings some chunks any more.

        Args:
            numbers: of the chunks.
            are_present: whether they are on disk now.
            signal: one whose first reader shall be seen.
        """
        with self.lock:
            for number in numbers:
                self.pending.pop(number, None)
                if are_present and self.file is not None:
                    if number == signal:
                        self.ready.add(number)
                    else:
                        self.present[number] = 1

    def current_fault(self) -> RegistryFault | None:
        """Return why the registry is not to be asked now."""
        return self.fault if self.fault is not None and time.monotonic() < self.held_until else None

    def hold(self, fault: RegistryFault) -> None:
        """Ask no more for a while."""
        self.fault, self.held_until = fault, time.monotonic() + HOLD

    def find_on_disk(self, numbers: Sequence[int]) -> list[int]:
        """Look which chunks are on disk after all; those that are only claimed are verified.

        Args:
            numbers: in order.

        Cost: a small read for all; where one is claimed, all of it.
        """
        if self.file is None:
            return []
        try:
            wanted = np.array(numbers, np.int64)
            is_claimed = np.frombuffer(self.claimed, np.uint8)[wanted] != 0
            plain = wanted[~is_claimed]
            labelled = self.file.find_labelled(self.chunks.names[plain], self.chunks.blocks[plain])
            claimed = [number for number in wanted[is_claimed].tolist() if self._confirm(self.file, number)]
        except OSError:
            return []
        return [*plain[labelled].tolist(), *claimed]

    def keep(self, chunks: Sequence[tuple[int, Buffer]]) -> list[int]:
        """Write verified chunks to disk.

        Args:
            chunks: numbers and contents, ordered by number.
        Returns: the numbers of those that are there now; in the places of the others lie other chunks.
        Raises: OSError.
        """
        if self.file is None:
            return []
        numbers = np.array([number for number, _ in chunks], np.int64)
        is_claimed = np.frombuffer(self.claimed, np.uint8)[numbers] != 0
        kept = self.file.keep(
            Keepsakes(
                names=self.chunks.names[numbers],
                blocks=self.chunks.blocks[numbers],
                counts=self.chunks.counts[numbers],
                contents=[content for _, content in chunks],
                anew=is_claimed,
            )
        )
        for number in numbers[kept & is_claimed].tolist():
            self._resolve(self.file, number)
        result: list[int] = numbers[kept].tolist()
        return result

    def name(self, number: int) -> bytes:
        """Return the name of a chunk."""
        return bytes(self.chunks.names[number])

    def look_again(self) -> None:
        """Take note of the chunks that other processes have brought meanwhile."""
        if self.file is None or self.is_complete:
            return
        size = os.fstat(self.file.descriptor).st_size
        labels = np.frombuffer(self.file.read_all_labels(size), np.uint8).reshape(-1, LABEL_SIZE)
        found = find_present(labels, self.chunks.names, self.chunks.blocks)
        with self.lock:
            for number in np.flatnonzero(found & (np.frombuffer(self.present, np.uint8) == 0)).tolist():
                if not self.claimed[number] and number not in self.pending and number not in self.ready:
                    self.present[number] = 1

    @property
    def is_complete(self) -> bool:
        """True if all chunks are present."""
        with self.lock:
            return self.present.count(1) + len(self.ready) == len(self.present)

    def lose(self) -> None:
        """Believe nothing of what is on disk any more, and put nothing there."""
        with self.lock:
            self.file, self.descriptor = None, -1
            self.present[:] = bytes(len(self.present))
            self.claimed[:] = bytes(len(self.claimed))
            self.ready.clear()

    def _confirm(self, file: BlobFile, number: int) -> bool:
        """Verify a chunk that is only claimed."""
        block, count = self.starts[number] // BLOCK, blocks_of(self.sizes[number])
        is_there = file.confirm(self.name(number), block, count, lambda: self._is_sound(file, number))
        self._resolve(file, number)
        return is_there

    def _resolve(self, file: BlobFile, number: int) -> None:
        with self.lock:
            if not self.claimed[number]:
                return
            self.claimed[number] = 0
            self.doubts -= 1
            is_last = not self.doubts
        if is_last:
            file.vouch()

    def _is_sound(self, file: BlobFile, number: int) -> bool:
        """Read a chunk, and compare it with its digest; what is behind it in its last block has to be zeros."""
        running = hasher(self.blob.digester)
        position, left = self.starts[number], self.sizes[number]
        end = self.ends[number]
        while position < end:
            piece = os.pread(file.descriptor, min(end - position, MiB), position)
            if not piece:
                return False
            running.update(piece[:left])
            if piece[left:].strip(b"\0"):
                return False
            position, left = position + len(piece), max(left - len(piece), 0)
        return running.digest() == bytes(self.digests[number])


def make_shelf(tables: TreeTables, backing: Backing, index: int, folder: Path) -> Shelf:
    """Lay out what a blob's chunks are; nothing is opened.

    Cost: linear in the chunks.
    """
    rows = backing.order[int(backing.first[index]) : int(backing.first[index + 1])].astype(np.int64)
    starts, sizes = backing.address[rows], tables.chunks.size[rows]
    counts = np.maximum(-(-sizes // BLOCK), 1)
    ends = starts + counts * BLOCK
    stretches = np.cumsum(np.concatenate([[0], starts[1:] != ends[:-1]])) if len(rows) else np.zeros(0, np.int64)
    digests = np.ascontiguousarray(tables.chunks.digest[rows])
    return Shelf(
        index=index,
        blob=tables.blobs[index],
        rows=rows,
        ordinal=backing.ordinal,
        first=int(backing.first[index]),
        chunks=Chunks(
            names=name_chunks(tables, rows),
            blocks=starts // BLOCK,
            counts=counts,
            can_verify=np.asarray(digests.any(axis=1)),
        ),
        digests=digests,
        starts=_numbers(starts),
        sizes=_numbers(sizes),
        ends=_numbers(ends),
        stretches=_numbers(stretches),
        weights=_numbers(np.maximum(tables.chunks.compressed_size[rows], 1)),
        present=bytearray(len(rows)),
        claimed=bytearray(len(rows)),
        folder=folder,
    )


def open_shelf(shelf: Shelf, size: int) -> None:
    """Open the files of a blob.

    Args:
        shelf: where the blob is.
        size: [bytes] of the data file.
    Raises: OSError: nothing of it can be on disk.
    """
    opened = open_blob_file(shelf.folder, size, shelf.chunks)
    shelf.file, shelf.descriptor = opened.file, opened.file.descriptor
    found = bytearray(opened.present.astype(np.uint8).tobytes())
    if opened.is_trusted:
        shelf.present[:] = found
    else:
        shelf.claimed[:] = found
        shelf.doubts = found.count(1)


def _numbers(column: Offsets) -> "array[int]":
    return array("q", column.astype(np.int64).tobytes())
