"""A plan of reads becomes verified chunks, and chunks become file content.

Ranges are fetched by a few threads, decoded and verified there, and handed over in the plan's order. What is in flight
(stored bytes and what they become) is bounded by a window, what is being put together by a batch of files, whatever the
size of the image. This module alone decides how many requests run at a time, and how much memory they take.
"""

import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol, TypeVar

import numpy as np

from rafsight.access.backend import Backend
from rafsight.access.decoding import Outcome, RangeDecoder
from rafsight.access.fetched import FetchedChunks
from rafsight.access.held import HeldUnits, Place
from rafsight.access.threads import threads as threads  # noqa: PLC0414 - the hunt takes it from here
from rafsight.base.errors import CallerError, ExitStatus, ImageFault, RafsightError, RegistryFault
from rafsight.base.limits import Limits
from rafsight.base.units import KiB, MiB
from rafsight.formats.tables import Placement
from rafsight.image.assemble import Assembler
from rafsight.image.plan import BlobRange, FileRange, ReadPlan, RowArray, plan_reads, range_length
from rafsight.image.tree import ImageTree

MAX_GAP: Final = 64 * KiB
"""[bytes] A link of 100 Mbit/s carries four times that in a round trip of 20 ms, but several requests share a trip."""
MAX_WASTE: Final = 0.15
"""An image costs at most this much more than was needed of it."""
MAX_REQUEST: Final = 4 * MiB
MAX_CONTENT: Final = 16 * MiB
"""[bytes] that the units of one range may become, but for a single unit."""
WINDOW: Final = 48 * MiB
"""[bytes] stored and decoded, that may be fetched ahead of the consumer; a single range may be larger."""
BATCH: Final = 48 * MiB
"""[bytes] of file ranges that are planned together; a single file range may be larger."""

_OFFSET_BITS: Final = np.uint64(52)
"""No place in a blob has more."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class StreamReader(Protocol):
    """Reads the wanted chunks of layers that have no random access."""

    def read(self, plan: ReadPlan) -> Iterator[Outcome]:
        """Yield every chunk of the plan's streams once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """A wanted range of a file, or why it could not be had."""

    index: int
    """Position in the sequence of wanted ranges."""
    wanted: FileRange
    content: bytes
    error: RafsightError | None = None


class RangeTooLarge(CallerError):
    """More is asked for as one piece of memory than anybody should hold."""

    code = "range-too-large"
    template = "{path}: {size} bytes are asked for as one piece, and {limit} are the most"
    remedy = "Read the file piece by piece, as `rafsight cat` does, or ask for a part of it."
    exit_status = ExitStatus.UNSUPPORTED


class Fetcher:
    """Fetches file content of one image. Thread-safe."""

    def __init__(self, tree: ImageTree, backend: Backend, pool: ThreadPoolExecutor, limits: Limits) -> None:
        self._tree = tree
        self._backend = backend
        self._limits = limits
        self._pool = pool
        self._decoding = RangeDecoder(tree.tables)
        self._lock = threading.Lock()
        self._held = HeldUnits()
        self._paid = np.empty(0, dtype=np.uint64)
        self._wasted = 0

    def side_by_side(self, call: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Make a call for each item, as many at a time as there are connections; return the results in order."""
        return list(self._pool.map(call, items))

    def read(
        self,
        placement: Placement,
        wanted: Sequence[FileRange],
        extents: Sequence[RowArray],
        why_unplaced: Callable[[int], RafsightError],
        streams: StreamReader | None,
    ) -> Iterator[FileContent]:
        """Fetch file ranges; each is yielded as soon as it is complete, failed ones with their error.

        Args:
            placement: where the chunks lie.
            wanted: what to fetch.
            extents: what `wanted_extents` returned for it.
            why_unplaced: says why a chunk has no place.
            streams: reads what only a pass over a layer can give; then nothing is batched, as each pass is a whole one.
        Cost: one request a range of the plan. Memory: the window, and a batch of file ranges.
        """
        lengths = [range_length(self._tree, part) for part in wanted]
        fitting = []
        for index, length in enumerate(lengths):
            if length > self._limits.whole_file_size:
                path = b"/" + self._tree.path(wanted[index].row)
                error = RangeTooLarge(path=path, size=length, limit=self._limits.whole_file_size)
                yield FileContent(index=index, wanted=wanted[index], content=b"", error=error)
            else:
                fitting.append(index)
        for batch in [fitting] if streams else _batches(fitting, lengths):
            parts, rows = [wanted[index] for index in batch], [extents[index] for index in batch]
            for found in self._read_batch(placement, parts, rows, why_unplaced, streams):
                yield replace(found, index=batch[found.index])

    def read_chunks(
        self,
        placement: Placement,
        chunks: RowArray,
        why_unplaced: Callable[[int], RafsightError],
        streams: StreamReader | None,
        *,
        partly: Collection[int] | None,
    ) -> Iterator[Outcome]:
        """Fetch chunks; each comes once, verified, in the order of the blobs, or with the error that keeps it away.

        Args:
            placement: where the chunks lie.
            chunks: (c,) rows of the chunk table.
            why_unplaced: says why a chunk has no place.
            streams: reads what only a pass over a layer can give.
            partly: chunks of files of which only a part is wanted now: these above all are held for a next question,
                and what is held already is not fetched. None: hold nothing; for those who keep chunks themselves it
                would be a waste.
        Cost: one request a range of the plan. Memory: the window.
        """
        placed = placement.unit_index[chunks] >= 0
        for chunk in np.unique(chunks[~placed]).tolist():
            yield chunk, why_unplaced(chunk)
        yield from self._outcomes(placement, chunks[placed], streams, partly)

    def fetch_chunks(self, placement: Placement, chunks: RowArray) -> FetchedChunks:
        """Fetch chunks of one blob, and decode none of them yet.

        Args:
            placement: where they lie; all of them are placed, and none is in a stream.
            chunks: (c,) rows of the chunk table.
        Cost: one request a range of the plan. Memory: all that is stored of them.
        """
        plan = self._plan(placement, chunks)
        self._count(placement, plan)
        return FetchedChunks(placement, plan, list(self._windowed(plan, self._fetch)), self._decoding)

    def _read_batch(
        self,
        placement: Placement,
        wanted: Sequence[FileRange],
        extents: Sequence[RowArray],
        why_unplaced: Callable[[int], RafsightError],
        streams: StreamReader | None,
    ) -> Iterator[FileContent]:
        assembler = Assembler(self._tree, wanted, extents)
        for index in assembler.ready_at_once():
            yield FileContent(index=index, wanted=wanted[index], content=assembler.content(index))
        rows = np.concatenate([*extents, np.empty(0, dtype=np.int64)])
        chunks = np.unique(self._tree.tables.extents.chunk[rows])
        partly = _read_in_part(self._tree, wanted, extents)
        for chunk, outcome in self.read_chunks(placement, chunks, why_unplaced, streams, partly=partly):
            if isinstance(outcome, RafsightError):
                yield from _failed(assembler, wanted, chunk, outcome)
                continue
            for index in assembler.add(chunk, outcome):
                yield FileContent(index=index, wanted=wanted[index], content=assembler.content(index))

    def _outcomes(
        self, placement: Placement, chunks: RowArray, streams: StreamReader | None, partly: Collection[int] | None
    ) -> Iterator[Outcome]:
        """Yield chunks: those of units that are held already, then those that have to come."""
        if partly is not None:
            chunks = yield from self._recalled(placement, chunks)
        plan = self._plan(placement, chunks)
        self._count(placement, plan)
        if partly is not None:
            work = partial(self._fetch_and_decode, placement, plan, partly)
            for _, found in self._windowed(plan, work):
                yield from found
        else:  # who keeps chunks waits for the first of a range: they are decoded here, one by one
            for part, stored in self._windowed(plan, self._fetch):
                for _, found in self._decoding.decode(placement, plan, part, stored):
                    yield from found
        if plan.streams and streams is not None:
            yield from streams.read(plan)

    def _recalled(self, placement: Placement, chunks: RowArray) -> Generator[Outcome, None, RowArray]:
        """Yield chunks of units that are held already; return the others."""
        held = self._held.snapshot()
        distinct, unit = np.unique(placement.unit_index[chunks], return_inverse=True)
        is_held = np.array([_place_of(placement, one) in held for one in distinct.tolist()], np.bool_)[unit]
        if is_held.any():
            plan = self._plan(placement, chunks[is_held])
            for _, found in self._windowed(plan, lambda part: self._recall(placement, plan, part, held)):
                yield from found
        return chunks[~is_held]

    def _plan(self, placement: Placement, chunks: RowArray) -> ReadPlan:
        return plan_reads(
            placement,
            chunks,
            max_gap=MAX_GAP,
            max_waste=MAX_WASTE,
            spare=self._spare(),
            max_request=MAX_REQUEST,
            max_content=MAX_CONTENT,
        )

    def _spare(self) -> int:
        """Return how many bytes may be wasted on account of what the image cost so far, its bootstrap included."""
        needed = self._backend.meter.cost.bytes_needed
        with self._lock:
            return max(int(MAX_WASTE * needed) - self._wasted, 0)

    def _count(self, placement: Placement, plan: ReadPlan) -> None:
        """Count what a plan needs; a unit that an earlier plan had is not counted again, though it is fetched again."""
        table = placement.units
        units = np.concatenate([*(part.units for part in plan.ranges), np.empty(0, dtype=np.int64)])
        places = (table.blob_index[units].astype(np.uint64) << _OFFSET_BITS) | table.offset[units].astype(np.uint64)
        with self._lock:  # by place in a sorted column: a store of chunks makes a thousand small plans
            at = np.searchsorted(self._paid, places)
            known = np.zeros(len(places), np.bool_)
            known[at < len(self._paid)] = self._paid[at[at < len(self._paid)]] == places[at < len(self._paid)]
            self._paid = np.insert(self._paid, at[~known], places[~known])
            needed = max(plan.price.bytes_needed - int(table.stored_size[units[known]].sum()), 0)
            self._wasted += plan.price.bytes_fetched - needed
        self._backend.meter.count(needed=needed)

    def _windowed(self, plan: ReadPlan, work: Callable[[BlobRange], Result]) -> Iterator[tuple[BlobRange, Result]]:
        """Yield what threads make of the ranges of a plan, in its order, no further ahead than the window."""
        waiting: deque[tuple[BlobRange, Future[Result]]] = deque()
        in_flight = 0
        try:
            for part in plan.ranges:
                weight = part.size + part.content_size
                while waiting and in_flight + weight > WINDOW:
                    done, future = waiting.popleft()
                    yield done, future.result()
                    in_flight -= done.size + done.content_size
                waiting.append((part, self._pool.submit(work, part)))
                in_flight += weight
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _, future in waiting:
                future.cancel()

    def _recall(
        self, placement: Placement, plan: ReadPlan, part: BlobRange, held: Mapping[Place, bytes]
    ) -> list[Outcome]:
        result: list[Outcome] = []
        for unit in part.units:
            place = _place_of(placement, int(unit))
            alone = BlobRange(
                blob_index=part.blob_index, offset=place[1], size=place[2], units=np.array([unit]), content_size=0
            )
            for _, outcomes in self._decoding.decode(placement, plan, alone, memoryview(held[place])):
                result += outcomes
        return result

    def _fetch_and_decode(
        self, placement: Placement, plan: ReadPlan, partly: Collection[int], part: BlobRange
    ) -> list[Outcome]:
        """Fetch and decode a range; hold its units, unless one of their chunks is not what it should be."""
        stored = self._fetch(part)
        result: list[Outcome] = []
        for unit, outcomes in self._decoding.decode(placement, plan, part, stored):
            result += outcomes
            sizes = [len(content) for _, content in outcomes if not isinstance(content, RafsightError)]
            if len(sizes) == len(outcomes):
                place = _place_of(placement, unit)
                assert not isinstance(stored, RafsightError)
                has_more = sum(sizes) < placement.units.decoded_size[unit] or any(row in partly for row, _ in outcomes)
                self._held.put(place, stored[place[1] - part.offset :][: place[2]], has_more=has_more)
        return result

    def _fetch(self, part: BlobRange) -> memoryview | RafsightError:
        """Fetch the bytes of a range, or say why they cannot be had."""
        blob = self._tree.tables.blobs[part.blob_index]
        try:
            return memoryview(self._backend.fetch_range(blob_name(blob.data_id), part.offset, part.size))
        except (RegistryFault, ImageFault) as error:
            return error


def _place_of(placement: Placement, unit: int) -> Place:
    table = placement.units
    return int(table.blob_index[unit]), int(table.offset[unit]), int(table.stored_size[unit])


def _read_in_part(tree: ImageTree, wanted: Sequence[FileRange], extents: Sequence[RowArray]) -> frozenset[int]:
    """Return the chunks of file ranges that are not the whole file."""
    rows = [
        rows
        for part, rows in zip(wanted, extents, strict=True)
        if range_length(tree, part) < int(tree.entries.size[part.row])
    ]
    return frozenset(tree.tables.extents.chunk[np.concatenate([*rows, np.empty(0, dtype=np.int64)])].tolist())


def _failed(
    assembler: Assembler, wanted: Sequence[FileRange], chunk: int, error: RafsightError
) -> Iterator[FileContent]:
    for index in assembler.users_of(chunk):
        yield FileContent(index=index, wanted=wanted[index], content=b"", error=error)


def _batches(indexes: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Cut indexes, in their order, into batches of about BATCH bytes."""
    batch: list[int] = []
    size = 0
    for index in indexes:
        if batch and size + lengths[index] > BATCH:
            yield batch
            batch, size = [], 0
        batch.append(index)
        size += lengths[index]
    if batch:
        yield batch


def blob_name(blob_id: str) -> str:
    """Return the digest under which a registry keeps a blob of the blob table."""
    return blob_id if ":" in blob_id else "sha256:" + blob_id
