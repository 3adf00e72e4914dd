"""Open a blob's files on disk, whatever state they are in, while other processes may have them open too.

This module alone decides what becomes of files that are dirty, cut, or of another size than they should be.
"""

import errno
import fcntl
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from rafsight.access.chunk_store.blob_file import (
    DATA,
    LABELS,
    BlobFile,
    is_untouched,
    read_labels,
    write_clean_header,
    write_header,
)
from rafsight.access.chunk_store.labels import (
    HEADER_SIZE,
    LABEL_SIZE,
    Header,
    blocks_of,
    find_present,
    keep_only,
    label_offset,
    labels_size,
    read_header,
    stamp_of,
)
from rafsight.access.chunk_store.locking import exclusive, is_at, lock, try_lock
from rafsight.formats.tables import Octets, Offsets

ASIDE: Final = ".gone-"
"""Folders that are being removed begin so."""
_TRIES: Final = 100
_FOR_WRITING: Final = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Does not wait for those who hold a lease on the file."""
_FLAGS: Final = os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunks:
    """The chunks of one blob, ordered by place; d rows."""

    names: Octets
    """(d, 28)"""
    blocks: Offsets
    """(d,) first block of each."""
    counts: Offsets
    """(d,) how many blocks each takes."""
    can_verify: NDArray[np.bool_]
    """(d,) False without a digest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A blob's files, and what they hold."""

    file: BlobFile
    present: NDArray[np.bool_]
    """(d,) chunks with their label."""
    is_trusted: bool
    """False: each of them has to be verified before it counts."""


def open_blob_file(folder: Path, size: int, chunks: Chunks) -> Opened:
    """Open the files of a blob, or make them.

    Args:
        folder: of this blob alone.
        size: [bytes] the least that the data file has.
        chunks: what this image has there.
    Raises: OSError.
    Cost: reads the labels: 32 bytes a block.
    """
    for _ in range(_TRIES):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held: list[int] = []
        try:
            held.append(os.open(folder / LABELS, os.O_RDWR | _FLAGS, 0o600))
            held.append(os.open(folder / DATA, os.O_RDONLY | _FLAGS, 0o600))
            with exclusive(held[0]):
                opened = _settle(folder, held, size, chunks)
            if opened is not None:
                held.clear()
                return opened
        except FileNotFoundError:
            continue  # somebody removed the folder at this moment
        finally:
            for descriptor in held:
                os.close(descriptor)
    raise OSError(errno.EBUSY, "it is removed again and again")


def _settle(folder: Path, held: list[int], size: int, chunks: Chunks) -> Opened | None:
    """Look at the files and bring them into order; None if they were removed or set aside."""
    labels, data = held
    is_alone = try_lock(data, fcntl.LOCK_EX)
    if not is_alone:
        lock(data, fcntl.LOCK_SH)
    if not (is_at(folder / LABELS, labels) and is_at(folder / DATA, data)):
        return None
    header, stamp = read_header(labels), stamp_of(data)
    is_whole = (
        header is not None
        and header.data_size == stamp.size
        and os.fstat(labels).st_size >= labels_size(header.data_size)
    )
    if not is_whole and not is_alone:  # others read it and trust what they know: leave it to them
        set_aside(folder)
        return None
    if header is None:
        is_trusted = is_clean = True
        _begin(folder, labels, size)
    else:
        is_trusted = is_whole and is_untouched(header, labels, stamp)
        full = max(size, header.data_size)
        if full != stamp.size or os.fstat(labels).st_size < labels_size(full):
            _resize(folder, labels, full, is_dirty=not is_trusted)
        is_clean = is_trusted
    present = _look(labels, os.fstat(data).st_size, chunks)
    if not is_trusted:
        if is_alone:
            _disown(labels, data, chunks, present & chunks.can_verify)
        present &= chunks.can_verify
    if is_alone:
        lock(data, fcntl.LOCK_SH)
        if not is_at(folder / DATA, data):  # a lock is not changed in one step
            return None
    writable = -1
    if not (is_trusted and present.all()):
        writable = os.open(folder / DATA, _FOR_WRITING)
    file = BlobFile(folder, data=data, writable=writable, labels=labels, may_clean=is_clean, was_alone=is_alone)
    if not is_trusted and not present.any():
        file.vouch()
    return Opened(file=file, present=present, is_trusted=is_trusted)


def _look(labels: int, data_size: int, chunks: Chunks) -> NDArray[np.bool_]:
    if not len(chunks.blocks):
        return np.zeros(0, np.bool_)
    return find_present(_table(labels, data_size), chunks.names, chunks.blocks)


def _table(labels: int, data_size: int) -> Octets:
    return np.frombuffer(read_labels(labels, 0, blocks_of(data_size)), np.uint8).reshape(-1, LABEL_SIZE)


def _begin(folder: Path, labels: int, size: int) -> None:
    """Make new files out of whatever is there."""
    os.ftruncate(labels, 0)
    data = os.open(folder / DATA, _FOR_WRITING)
    try:
        os.ftruncate(data, 0)
    finally:
        os.close(data)
    _resize(folder, labels, size, is_dirty=False)


def _resize(folder: Path, labels: int, size: int, *, is_dirty: bool) -> None:
    """Bring both files to the size that they should have."""
    data = os.open(folder / DATA, _FOR_WRITING)
    try:
        os.ftruncate(data, size)
        os.ftruncate(labels, labels_size(size))
        if is_dirty:
            write_header(labels, Header(is_dirty=True, data_size=size, stamp=stamp_of(data)))
        else:
            write_clean_header(labels, stamp_of(data))
    finally:
        os.close(data)


def _disown(labels: int, data: int, chunks: Chunks, present: NDArray[np.bool_]) -> None:
    """Take away the labels of chunks that nobody here can verify, so that the file can be clean again."""
    stamp = stamp_of(data)
    write_header(labels, Header(is_dirty=True, data_size=stamp.size, stamp=stamp))
    table = _table(labels, stamp.size)
    kept = keep_only(table, chunks.names[present], chunks.blocks[present], chunks.counts[present])
    for first in range(0, len(table), HEADER_SIZE):
        part = slice(first, first + HEADER_SIZE)
        if not np.array_equal(table[part], kept[part]):
            os.pwrite(labels, kept[part].tobytes(), label_offset(first))


def set_aside(folder: Path) -> None:
    """Take a folder out of the store and remove it; who has its files open keeps them.

    Raises: OSError.
    """
    aside = folder.with_name(f"{ASIDE}{uuid4().hex}")
    with suppress(FileNotFoundError):
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
