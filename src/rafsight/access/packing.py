"""Content becomes chunks of a blob: cut, hashed, each stored once, compressed by other threads.

This module alone decides what is compressed when. Chunks get their numbers in the order of the content, and are written
in that order, whatever the number of threads: the same content gives the same blob. No more than a few MiB for each
thread are under way.
"""

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

import numpy as np

from rafsight.base.units import KiB
from rafsight.formats.checksum import digest as digest_of
from rafsight.formats.compression import Encoder
from rafsight.formats.rafs.blob_writer import BlobWriter
from rafsight.formats.tables import Compressor, Digester, Octets, Offsets

_BATCH: Final = 512 * KiB
"""[bytes] of content that one thread is given at a time: small chunks are not worth a hand-over each."""
_AHEAD: Final = 3
"""Batches under way for each packer, beside the one that is being filled."""
_DIGEST: Final = 32

Job = list[tuple[bytes, bytes]]
"""Contents and digests of chunks."""


class CompressionPool:
    """Threads that compress, shared by all packers of a conversion."""

    def __init__(self, compressor: Compressor, level: int, threads: int) -> None:
        """Begin.

        Args:
            compressor: of chunks.
            level: of zstd.
            threads: how many.
        """
        self.compressor = compressor
        self.level = level
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="rafsight-compress")

    def encoder(self) -> Encoder:
        """Return the encoder of the present thread."""
        found: Encoder | None = getattr(self._local, "encoder", None)
        if found is None:
            found = self._local.encoder = Encoder(self.compressor, self.level)
        return found

    def submit(self, job: Job) -> "Future[list[bytes]]":
        """Have the contents of a job compressed."""
        return self._pool.submit(self._compress, job)

    def close(self) -> None:
        """End the threads; what has not begun is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _compress(self, job: Job) -> list[bytes]:
        compress = self.encoder().compress
        return [compress(content) for content, _ in job]


class KnownChunks:
    """Chunks that need not be stored, since some blob has them already."""

    def __init__(self, digests: Octets, sizes: Offsets) -> None:
        """Take the chunks.

        Args:
            digests: (m, 32) of a chunk table; rows of zeros have no digest and are never found.
            sizes: (m,) [bytes] of content.
        """
        packed = np.ascontiguousarray(digests).tobytes()
        rows = np.flatnonzero(digests.any(axis=1))[::-1].tolist() if len(digests) else []
        self._rows = {packed[row * _DIGEST : (row + 1) * _DIGEST]: row for row in rows}
        self._sizes = sizes

    def find(self, digest: bytes, size: int) -> int | None:
        """Return the first row of a chunk, or None."""
        row = self._rows.get(digest)
        return row if row is not None and int(self._sizes[row]) == size else None


class ContentPacker:
    """Packs the content of files into one blob. For one thread.

    A reference to a chunk is its number in the blob, or -1 - row for a row of the known chunks.
    """

    def __init__(
        self,
        writer: BlobWriter,
        *,
        digester: Digester,
        chunk_size: int,
        known: KnownChunks | None = None,
        pool: CompressionPool | None = None,
    ) -> None:
        """Begin.

        Args:
            writer: takes the chunks that are new.
            digester: of the image.
            chunk_size: [bytes] into which content is cut.
            known: chunks that are not stored.
            pool: threads that compress, with the writer's compressor; None: this thread does it.
        """
        self._writer = writer
        self._digester = digester
        self._chunk_size = chunk_size
        self._known = known
        self._pool = pool
        self._numbers: dict[bytes, int] = {}
        self._job: Job = []
        self._job_size = 0
        self._waiting: deque[tuple[Job, Future[list[bytes]]]] = deque()
        self._zeros: int | None = None
        self._next = 0

    def add(self, pieces: Iterator[bytes], size: int) -> list[int]:
        """Pack the content of one file.

        Args:
            pieces: its bytes, in pieces of any size.
            size: [bytes] of it; the pieces have as many.
        Returns: references to its chunks, in order.
        Raises: TooManyChunks; what the pieces and the writer's sink raise.
        """
        if size <= self._chunk_size:
            content = b"".join(pieces)
            return [self._chunk(content)] if content else []
        return [self._chunk(content) for content in cut(pieces, self._chunk_size)]

    def add_sparse(self, pieces: Iterator[bytes], segments: tuple[tuple[int, int], ...], size: int) -> list[int]:
        """Pack a file with holes, which RAFS stores as zeros: each whole chunk of them is made once.

        Args:
            pieces: the stored bytes, one segment after the other.
            segments: (file offset, size) [bytes] of each.
            size: [bytes] of the file.
        Raises: as of `add`.
        """
        return [
            self._zero_chunk() if content is None else self._chunk(content)
            for content in _spread(pieces, segments, size, self._chunk_size)
        ]

    def finish(self) -> None:
        """Write what is still under way."""
        self._hand_over()
        while self._waiting:
            self._write_oldest()

    def _zero_chunk(self) -> int:
        if self._zeros is None:
            self._zeros = self._chunk(bytes(self._chunk_size))
        return self._zeros

    def _chunk(self, content: bytes) -> int:
        digest = digest_of(self._digester, content)
        number = self._numbers.get(digest)
        if number is not None:
            return number
        if self._known is not None:
            row = self._known.find(digest, len(content))
            if row is not None:
                self._numbers[digest] = -1 - row
                return -1 - row
        if self._pool is None:
            number = self._writer.add(content, digest)
        else:
            number = self._next
            self._next += 1
            self._job.append((content, digest))
            self._job_size += len(content)
            if self._job_size >= _BATCH:
                self._hand_over()
        self._numbers[digest] = number
        return number

    def _hand_over(self) -> None:
        if self._pool is None or not self._job:
            return
        self._waiting.append((self._job, self._pool.submit(self._job)))
        self._job, self._job_size = [], 0
        while len(self._waiting) > _AHEAD:
            self._write_oldest()

    def _write_oldest(self) -> None:
        job, result = self._waiting.popleft()
        for (content, digest), compressed in zip(job, result.result(), strict=True):
            self._writer.add_stored(content, digest, compressed)


def cut(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Cut content into slices of one size; the last may be shorter."""
    held: list[bytes] = []
    room = size
    for piece in pieces:
        start = 0
        while len(piece) - start >= room:
            held.append(piece[start : start + room])
            yield held[0] if len(held) == 1 else b"".join(held)
            start += room
            held, room = [], size
        if start < len(piece):
            held.append(piece[start:])
            room -= len(piece) - start
    if held:
        yield b"".join(held)


def _spread(
    pieces: Iterator[bytes], segments: tuple[tuple[int, int], ...], size: int, chunk_size: int
) -> Iterator[bytes | None]:
    """Cut a file with holes into slices; None stands for a whole one of zeros."""
    source = _Reader(pieces)
    pending = deque((offset, length) for offset, length in segments if length)
    for start in range(0, size, chunk_size):
        end = min(start + chunk_size, size)
        if end - start == chunk_size and (not pending or pending[0][0] >= end):
            yield None
            continue
        content = bytearray(end - start)
        while pending and pending[0][0] < end:
            offset, length = pending.popleft()
            step = min(length, end - offset)
            content[offset - start : offset - start + step] = source.take(step)
            if step < length:
                pending.appendleft((offset + step, length - step))
        yield bytes(content)


class _Reader:
    """Takes exact amounts out of pieces."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""
        self._start = 0

    def take(self, size: int) -> bytes:
        parts, left = [], size
        while left:
            if self._start == len(self._held):
                self._held, self._start = next(self._pieces), 0
            part = self._held[self._start : self._start + left]
            self._start += len(part)
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
