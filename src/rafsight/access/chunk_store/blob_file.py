"""One blob on disk: `data`, sparse and of full size from the start, and `labels`, that say what of it is there.

This module alone decides the order of writes and when what is on disk is believed. Data are written before labels. Many
chunks are written at a time, since the lock and the labels cost more than the data of small ones. The header is made
dirty, and that on stable storage, before the first of them; it is clean again once all is on stable storage. Who opens
a dirty file, or one that was touched since, verifies each chunk before it counts. Labels are never taken over while
another process has the file open.
"""

import os
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.access.chunk_store.labels import (
    LABEL_SIZE,
    Header,
    Stamp,
    blocks_of,
    find_present,
    is_taken,
    label,
    label_offset,
    labels_of,
    pack_header,
    read_header,
    stamp_of,
    without,
)
from rafsight.access.chunk_store.locking import exclusive
from rafsight.formats.rafs.erofs_packing import BLOCK
from rafsight.formats.records import Buffer, Indexes
from rafsight.formats.tables import Octets, Offsets

DATA: Final = "data"
LABELS: Final = "labels"
_CHECKED: Final = 1 << 15
"""[blocks] whose labels are read at a time."""
_ZEROS: Final = bytes(BLOCK)
_PIECES: Final = 512
"""Pieces of one write; the system takes 1024."""
_LABEL_GAP: Final = 128
"""[blocks] between chunks whose labels are still read and written as one piece: a page of labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keepsakes:
    """Verified chunks that are to be written, ordered by place; k of them, none of which overlap."""

    names: Octets
    """(k, 28)"""
    blocks: Offsets
    """(k,) first block of each."""
    counts: Offsets
    """(k,) how many blocks each takes."""
    contents: Sequence[Buffer]
    anew: NDArray[np.bool_]
    """(k,) write it even if the labels say that it is there."""


class BlobFile:
    """An open pair of files, made by `opening.open_blob_file`. Thread-safe."""

    def __init__(
        self, folder: Path, *, data: int, writable: int, labels: int, may_clean: bool, was_alone: bool
    ) -> None:
        """Take over the descriptors.

        Args:
            folder: holds the files.
            data: read-only, with a shared lock.
            writable: the same file; -1 if nothing has to be written.
            labels: for reading and writing.
            may_clean: everything that is labelled is known to be there.
            was_alone: nobody else had the files open, and no label is left that is not a chunk of this image.
        """
        self.path = folder / DATA
        self.descriptor = data
        self._labels_path = folder / LABELS
        self._writable = writable
        self._labels = labels
        self._may_clean = may_clean
        self._was_alone = was_alone
        self._has_written = False
        self._lock = threading.Lock()

    def find_labelled(self, names: Octets, blocks: Offsets) -> NDArray[np.bool_]:
        """Tell which chunks are said to be there.

        Args:
            names: (k, 28) of the chunks.
            blocks: (k,) where each begins, in order.
        """
        found = np.zeros(len(blocks), np.bool_)
        for part in _groups(blocks, blocks + 1):
            start, end = int(blocks[part.start]), int(blocks[part.stop - 1]) + 1
            labels = np.frombuffer(self._read_labels(start, end - start), np.uint8).reshape(-1, LABEL_SIZE)
            found[part] = find_present(labels, names[part], blocks[part] - start)
        return found

    def keep(self, chunks: Keepsakes) -> NDArray[np.bool_]:
        """Write verified chunks.

        Returns: (k,) which are there now; in the places of the others lie other chunks.
        Raises: OSError: there is no room, or the disk fails; of what is labelled then all is there.
        """
        kept = np.zeros(len(chunks.blocks), np.bool_)
        if self._writable >= 0:
            with self._writing():
                for part in _groups(chunks.blocks, chunks.blocks + chunks.counts):
                    kept[part] = self._keep_group(chunks, part)
        return kept

    def _keep_group(self, chunks: Keepsakes, part: slice) -> NDArray[np.bool_]:
        """Write chunks whose labels are one piece; data first, then the labels of all."""
        blocks, counts = chunks.blocks[part], chunks.counts[part]
        start, end = int(blocks[0]), int(blocks[-1] + counts[-1])
        there = np.frombuffer(self._read_labels(start, end - start), np.uint8).reshape(-1, LABEL_SIZE)
        chunk, block, labels = label(chunks.names[part], blocks - start, counts)
        is_other = (there[block] != labels).any(axis=1)
        taken = np.zeros(len(blocks), np.bool_)
        taken[chunk[is_other & there[block].any(axis=1)]] = True
        missing = chunks.anew[part].copy()
        missing[chunk[is_other]] = True
        wanted = np.flatnonzero(missing & ~taken)
        if wanted.size:
            self._make_dirty()
            self._write_data(chunks, wanted + part.start)
            is_written = np.isin(chunk, wanted)
            changed = there.copy()
            changed[block[is_written]] = labels[is_written]
            low, high = int(block[is_written].min()), int(block[is_written].max()) + 1
            _write(self._labels, changed[low:high].tobytes(), label_offset(start + low))
        return ~taken

    def _write_data(self, chunks: Keepsakes, wanted: Indexes) -> None:
        """Write the content of some chunks, neighbours together, each with zeros up to the end of its last block."""
        pieces: list[Buffer] = []
        first = end = 0
        blocks, counts = chunks.blocks[wanted].tolist(), chunks.counts[wanted].tolist()
        for row, block, count in zip(wanted.tolist(), blocks, counts, strict=True):
            if pieces and (block != end or len(pieces) >= _PIECES):
                _write_pieces(self._writable, pieces, first * BLOCK)
                pieces = []
            if not pieces:
                first = block
            content = chunks.contents[row]
            pieces.append(content)
            if len(content) < count * BLOCK:
                pieces.append(_ZEROS[: count * BLOCK - len(content)])
            end = block + count
        _write_pieces(self._writable, pieces, first * BLOCK)

    def confirm(self, name: bytes, block: int, count: int, is_sound: Callable[[], bool]) -> bool:
        """Look into the claim that a chunk is there: mend its labels, or take them away.

        Args:
            name: its name.
            block: where it begins.
            count: how many blocks it takes.
            is_sound: verifies what is there.
        Raises: OSError.
        """
        own = labels_of(name, count)
        if self._read_labels(block, count) == own and is_sound():
            return True
        if self._writable < 0:
            return False
        with self._writing():  # somebody may have mended it meanwhile, and rely on it
            there = self._read_labels(block, count)
            self._make_dirty()
            if not is_taken(there, own) and is_sound():
                _write(self._labels, own, label_offset(block))
                return True
            left = without(there, own)
            _write(self._labels, left[:LABEL_SIZE], label_offset(block))
            _write(self._labels, left[LABEL_SIZE:], label_offset(block + 1))
        return False

    def vouch(self) -> None:
        """Say that every claim was looked into. It counts if all labels were claims: if nobody else had it open."""
        with self._lock:
            if self._was_alone:
                self._may_clean = self._has_written = True

    def sync(self) -> None:
        """Bring everything to stable storage, and say in the header that it is there.

        Raises: OSError: the disk failed: what was written since the last time may be lost.
        Cost: waits for the disk.
        """
        if not self._has_written or self._writable < 0:
            return
        os.fsync(self._writable)  # the bulk of it, while others may write
        with self._writing():
            os.fsync(self._writable)
            os.fdatasync(self._labels)
            if self._may_clean:
                write_clean_header(self._labels, stamp_of(self.descriptor))
                os.fdatasync(self._labels)
            self._has_written = False

    def close(self) -> None:
        """Give the files back; remember when they were used last."""
        with suppress(OSError):
            os.utime(self._labels)
        data, self.descriptor = self.descriptor, -1  # who comes late finds no other file under the number
        for descriptor in (data, self._writable, self._labels):
            if descriptor >= 0:
                os.close(descriptor)
        self._writable = self._labels = -1

    def read_all_labels(self, data_size: int) -> bytes:
        """Read the labels of all blocks; what is missing is zeros."""
        return read_labels(self._labels, 0, blocks_of(data_size))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock, exclusive(self._labels):
            yield

    def _read_labels(self, block: int, count: int) -> bytes:
        return read_labels(self._labels, block, count)

    def _make_dirty(self) -> None:
        self._has_written = True
        header = read_header(self._labels)
        if header is not None and header.is_dirty:
            return
        stamp = stamp_of(self.descriptor)
        # whoever made it clean knew that all was there; if somebody else has touched it since, nobody knows
        self._may_clean = header is not None and is_untouched(header, self._labels, stamp)
        write_header(self._labels, Header(is_dirty=True, data_size=stamp.size, stamp=stamp))
        os.fdatasync(self._labels)


def read_labels(descriptor: int, block: int, count: int) -> bytes:
    """Read the labels of some blocks; what is missing is zeros."""
    size = count * LABEL_SIZE
    pieces = bytearray()
    while len(pieces) < size:
        piece = os.pread(descriptor, size - len(pieces), label_offset(block) + len(pieces))
        if not piece:
            break
        pieces += piece
    return bytes(pieces) + bytes(size - len(pieces))


def is_untouched(header: Header, labels: int, stamp: Stamp) -> bool:
    """Tell whether both files are as they were when their header was made clean.

    Cost: reads all labels.
    """
    return not header.is_dirty and header.stamp == stamp and header.labels_check == _check(labels, stamp.size)


def write_clean_header(labels: int, stamp: Stamp) -> None:
    """Say that everything that is labelled is there.

    Raises: OSError.
    Cost: reads all labels.
    """
    check = _check(labels, stamp.size)
    write_header(labels, Header(is_dirty=False, data_size=stamp.size, stamp=stamp, labels_check=check))


def _check(labels: int, data_size: int) -> int:
    check, count = 0, blocks_of(data_size)
    for block in range(0, count, _CHECKED):
        check = zlib.crc32(read_labels(labels, block, min(_CHECKED, count - block)), check)
    return check


def write_header(descriptor: int, header: Header) -> None:
    """Write the header of a labels file.

    Raises: OSError.
    """
    _write(descriptor, pack_header(header), 0)


def _write(descriptor: int, content: bytes, offset: int) -> None:
    """Write all of it.

    Raises: OSError.
    """
    _write_pieces(descriptor, [content], offset)


def _write_pieces(descriptor: int, pieces: Sequence[Buffer], offset: int) -> None:
    """Write pieces one behind the other, all of them.

    Raises: OSError.
    """
    size = sum(map(len, pieces))
    done = os.pwritev(descriptor, pieces, offset)
    while done < size:  # a disk that is nearly full takes a part
        left = memoryview(b"".join(pieces))[done:]
        done += os.pwrite(descriptor, left, offset + done)


def _groups(starts: Offsets, ends: Offsets) -> Iterator[slice]:
    """Cut pieces [blocks] into groups without long gaps, and not too long, of one piece at least."""
    if not len(starts):
        return
    far = np.flatnonzero(starts[1:] - ends[:-1] > _LABEL_GAP) + 1
    for low, high in pairwise((0, *far.tolist(), len(starts))):
        first = low
        while first < high:
            limit = int(np.searchsorted(ends[first:high], starts[first] + _CHECKED, side="right"))
            last = first + max(limit, 1)
            yield slice(first, last)
            first = last
