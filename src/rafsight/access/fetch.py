"""A plan of reads becomes verified chunks, and chunks become file content.

Ranges are fetched by a few threads, decoded and verified there, and handed over in the plan's order. The bytes in
flight are bounded by a window, whatever the size of the image. This module alone decides how many requests run at a
time.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.access.backend import Backend
from rafsight.base.errors import ImageFault, RafsightError, RegistryFault
from rafsight.base.units import KiB, MiB
from rafsight.formats.compression import Decoder
from rafsight.formats.rafs.placement import decode_unit, verify_chunk
from rafsight.formats.tables import Placement
from rafsight.image.assemble import Assembler
from rafsight.image.plan import BlobRange, FileRange, ReadPlan, RowArray, plan_reads
from rafsight.image.tree import ImageTree

MAX_GAP: Final = 256 * KiB
"""[bytes] About what a link of 100 Mbit/s carries in one round trip of 20 ms."""
MAX_WASTE: Final = 0.15
"""A plan fetches at most this much more than it needs."""
MAX_REQUEST: Final = 4 * MiB
WINDOW: Final = 48 * MiB
"""[bytes] stored bytes that may be fetched ahead of the consumer."""

StreamReader = Callable[[ReadPlan], Iterator[tuple[int, bytes | RafsightError]]]
"""Reads the wanted chunks of layers that have no random access."""


class ChunkDigestMismatch(ImageFault):
    """A chunk is not what the bootstrap says."""

    code = "chunk-digest-mismatch"
    template = "chunk {index} of blob {blob}: the bytes do not have the digest that the bootstrap states"
    remedy = "The blob is damaged in the registry or on the way: try again, then push the image again."


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """A wanted range of a file, or why it could not be had."""

    index: int
    """Position in the sequence of wanted ranges."""
    wanted: FileRange
    content: bytes
    error: RafsightError | None = None


class Fetcher:
    """Fetches file content of one image. Owns its threads: close it."""

    def __init__(self, tree: ImageTree, backend: Backend, *, connections: int) -> None:
        self._tree = tree
        self._backend = backend
        self._connections = connections
        self._pool: ThreadPoolExecutor | None = None
        self._local = threading.local()

    def close(self) -> None:
        """End the threads; requests that have not begun are dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def read(
        self,
        placement: Placement,
        wanted: Sequence[FileRange],
        extents: Sequence[RowArray],
        why_unplaced: Callable[[int], RafsightError],
        read_streams: StreamReader,
    ) -> Iterator[FileContent]:
        """Fetch file ranges; each is yielded as soon as it is complete, failed ones with their error.

        Args:
            placement: where the chunks lie.
            wanted: what to fetch.
            extents: what `wanted_extents` returned for it.
            why_unplaced: says why a chunk has no place.
            read_streams: reads what only a pass over a layer can give.
        Cost: one request a range of the plan. Memory: the window, and the ranges that are not complete.
        """
        assembler = Assembler(self._tree, wanted, extents)
        for index in assembler.ready_at_once():
            yield FileContent(index=index, wanted=wanted[index], content=assembler.content(index))
        rows = np.unique(np.concatenate([*extents, np.empty(0, dtype=np.int64)]).astype(np.int64))
        placed = placement.unit_index[self._tree.tables.extents.chunk[rows]] >= 0
        for chunk in np.unique(self._tree.tables.extents.chunk[rows[~placed]]).tolist():
            yield from self._failed(assembler, wanted, chunk, why_unplaced(chunk))
        plan = plan_reads(
            self._tree, placement, rows[placed], max_gap=MAX_GAP, max_waste=MAX_WASTE, max_request=MAX_REQUEST
        )
        self._backend.meter.count(needed=plan.price.bytes_needed)
        for chunk, outcome in self._chunks(placement, plan, read_streams):
            if isinstance(outcome, RafsightError):
                yield from self._failed(assembler, wanted, chunk, outcome)
                continue
            for index in assembler.add(chunk, outcome):
                yield FileContent(index=index, wanted=wanted[index], content=assembler.content(index))

    def _failed(
        self, assembler: Assembler, wanted: Sequence[FileRange], chunk: int, error: RafsightError
    ) -> Iterator[FileContent]:
        for index in assembler.users_of(chunk):
            yield FileContent(index=index, wanted=wanted[index], content=b"", error=error)

    def _chunks(
        self, placement: Placement, plan: ReadPlan, read_streams: StreamReader
    ) -> Iterator[tuple[int, bytes | RafsightError]]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._connections, thread_name_prefix="rafsight-fetch")
        waiting: deque[tuple[BlobRange, Future[list[tuple[int, bytes | RafsightError]]]]] = deque()
        in_flight = 0
        try:
            for part in plan.ranges:
                while waiting and in_flight + part.size > WINDOW:
                    done, future = waiting.popleft()
                    yield from future.result()
                    in_flight -= done.size
                waiting.append((part, self._pool.submit(self._fetch_range, placement, plan, part)))
                in_flight += part.size
            while waiting:
                yield from waiting.popleft()[1].result()
        finally:
            for _, future in waiting:
                future.cancel()
        if plan.streams:
            yield from read_streams(plan)

    def _fetch_range(
        self, placement: Placement, plan: ReadPlan, part: BlobRange
    ) -> list[tuple[int, bytes | RafsightError]]:
        blob = self._tree.tables.blobs[part.blob_index]
        chunks = [chunk for unit in part.units.tolist() for chunk in plan.chunks_of(unit).tolist()]
        try:
            stored = memoryview(self._backend.fetch_range(blob_name(blob.data_id), part.offset, part.size))
        except (RegistryFault, ImageFault) as error:
            return [(chunk, error) for chunk in chunks]
        result: list[tuple[int, bytes | RafsightError]] = []
        for unit in part.units.tolist():
            start = int(placement.units.offset[unit]) - part.offset
            piece = stored[start : start + int(placement.units.stored_size[unit])]
            result += self._decode(placement, unit, piece, plan.chunks_of(unit).tolist())
        return result

    def _decode(
        self, placement: Placement, unit: int, stored: memoryview, chunks: list[int]
    ) -> list[tuple[int, bytes | RafsightError]]:
        table = self._tree.tables.chunks
        blob = self._tree.tables.blobs[int(placement.units.blob_index[unit])]
        try:
            content = decode_unit(placement, unit, stored, blob, self._decoder())
        except ImageFault as error:
            return [(chunk, error) for chunk in chunks]
        result: list[tuple[int, bytes | RafsightError]] = []
        for chunk in chunks:
            offset, size = int(placement.unit_offset[chunk]), int(table.size[chunk])
            piece = content if size == len(content) and not offset else content[offset : offset + size]
            digest = table.digest[chunk].tobytes()
            if len(piece) == size and verify_chunk(piece, digest, blob.digester):
                result.append((chunk, piece))
            else:
                fault = ChunkDigestMismatch(index=int(table.number[chunk]), blob=blob.blob_id)
                result.append((chunk, fault))
        return result

    def _decoder(self) -> Decoder:
        """Return this thread's decoder: its zstd context is not thread-safe and costly to make."""
        decoder: Decoder | None = getattr(self._local, "decoder", None)
        if decoder is None:
            decoder = self._local.decoder = Decoder()
        return decoder


def blob_name(blob_id: str) -> str:
    """Return the digest under which a registry keeps a blob of the blob table."""
    return blob_id if ":" in blob_id else "sha256:" + blob_id
