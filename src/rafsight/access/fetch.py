"""A plan of reads becomes verified chunks, and chunks become file content.

Ranges are fetched by a few threads, decoded and verified there, and handed over in the plan's order. What is in flight
(stored bytes and what they become) is bounded by a window, what is being put together by a batch of files, whatever the
size of the image. This module alone decides how many requests run at a time, and how much memory they take.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from typing import Final, Protocol, TypeVar

import numpy as np

from rafsight.access.backend import Backend
from rafsight.access.held import HeldUnits, Place
from rafsight.base.errors import CallerError, ExitStatus, ImageFault, RafsightError, RegistryFault
from rafsight.base.limits import Limits
from rafsight.base.units import KiB, MiB
from rafsight.formats.checksum import digests
from rafsight.formats.compression import Decoder
from rafsight.formats.rafs.placement import decode_units, verify_chunk
from rafsight.formats.records import Buffer
from rafsight.formats.tables import MalformedImage, Placement
from rafsight.image.assemble import Assembler
from rafsight.image.plan import BlobRange, FileRange, ReadPlan, RowArray, plan_reads, range_length
from rafsight.image.tree import ImageTree

MAX_GAP: Final = 256 * KiB
"""[bytes] About what a link of 100 Mbit/s carries in one round trip of 20 ms."""
MAX_WASTE: Final = 0.15
"""A plan fetches at most this much more than it needs."""
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
FIRST_BATCH: Final = 16
"""Units of a range that are decoded at once, to begin with."""
NEXT_BATCH: Final = 128
"""Units that are decoded at once."""
SMALL: Final = 32 * KiB
"""[bytes] of content: with units up to here most of the time is Python's own, and threads side by side would only
hinder each other."""

Cut = tuple[int, int, int, bytes]
"""A chunk, its offset in a unit's content and its size [bytes], and its digest."""
Outcome = tuple[int, bytes | memoryview | RafsightError]
"""A chunk, and its verified content or why there is none."""


class StreamReader(Protocol):
    """Reads the wanted chunks of layers that have no random access."""

    def read(self, plan: ReadPlan) -> Iterator[Outcome]:
        """Yield every chunk of the plan's streams once."""
        ...


class ChunkDigestMismatch(ImageFault):
    """A chunk is not what the bootstrap says."""

    code = "chunk-digest-mismatch"
    template = "chunk {index} of blob {blob}: the bytes do not have the digest that the bootstrap states"
    remedy = "The blob is damaged in the registry or on the way: try again, then push the image again."


class UndecodableChunk(ImageFault):
    """The stored bytes of a chunk (or of the batch or slice that holds it) do not become what they should."""

    code = "undecodable-chunk"
    template = "chunk {index} of blob {blob}, at byte {offset} of it: {why}"
    remedy = "The blob is damaged in the registry or on the way: try again, then push the image again."


@dataclass(frozen=True, slots=True, kw_only=True)
class FileContent:
    """A wanted range of a file, or why it could not be had."""

    index: int
    """Position in the sequence of wanted ranges."""
    wanted: FileRange
    content: bytes
    error: RafsightError | None = None


@contextmanager
def threads(count: int, *, name: str) -> Iterator[ThreadPoolExecutor]:
    """Give some threads; at the end calls that have not begun are dropped, and those that have are waited for.

    They are not waited for when the process is to end (Ctrl-C): a registry that does not answer must not hold it.
    """
    pool = ThreadPoolExecutor(count, thread_name_prefix=name)
    is_ending = True
    try:
        yield pool
        is_ending = False
    except Exception:
        is_ending = False
        raise
    finally:
        pool.shutdown(wait=not is_ending, cancel_futures=True)


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
        self._local = threading.local()
        self._lock = threading.Lock()
        self._held = HeldUnits()
        self._turn = threading.Lock()
        self._paid = np.empty(0, dtype=np.uint64)

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
        holds: bool,
    ) -> Iterator[Outcome]:
        """Fetch chunks; each comes once, verified, in the order of the blobs, or with the error that keeps it away.

        Args:
            placement: where the chunks lie.
            chunks: (c,) rows of the chunk table.
            why_unplaced: says why a chunk has no place.
            streams: reads what only a pass over a layer can give.
            holds: hold what is fetched for a next question, and answer from what is held; for those who keep chunks
                themselves that is a waste.
        Cost: one request a range of the plan. Memory: the window.
        """
        placed = placement.unit_index[chunks] >= 0
        for chunk in np.unique(chunks[~placed]).tolist():
            yield chunk, why_unplaced(chunk)
        yield from self._outcomes(placement, chunks[placed], streams, holds=holds)

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
        for chunk, outcome in self.read_chunks(placement, chunks, why_unplaced, streams, holds=True):
            if isinstance(outcome, RafsightError):
                yield from _failed(assembler, wanted, chunk, outcome)
                continue
            for index in assembler.add(chunk, outcome):
                yield FileContent(index=index, wanted=wanted[index], content=assembler.content(index))

    def _outcomes(
        self, placement: Placement, chunks: RowArray, streams: StreamReader | None, *, holds: bool
    ) -> Iterator[Outcome]:
        """Yield chunks: those of units that are held already, then those that have to come."""
        if holds:
            chunks = yield from self._recalled(placement, chunks)
        plan = self._plan(placement, chunks)
        self._count(placement, plan)
        if holds:
            work = partial(self._fetch_and_decode, placement, plan)
            for _, found in self._windowed(plan, work):
                yield from found
        else:  # who keeps chunks waits for the first of a range: they are decoded here, one by one
            for part, stored in self._windowed(plan, self._fetch):
                yield from self._decoded(placement, plan, part, stored, holds=False)
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
            max_request=MAX_REQUEST,
            max_content=MAX_CONTENT,
        )

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
        needed = plan.price.bytes_needed - int(table.stored_size[units[known]].sum())
        self._backend.meter.count(needed=max(needed, 0))

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
        blob = self._tree.tables.blobs[part.blob_index]
        for unit, chunks in zip(part.units, plan.chunks_of(part.units), strict=True):
            place = _place_of(placement, int(unit))
            stored = memoryview(held[place])
            (content,) = decode_units(
                placement, np.array([unit]), stored, start=place[1], blob=blob, decoder=self._decoder()
            )
            (cuts,) = self._cuts(placement, [chunks])
            result += self._verified(placement, int(unit), content, cuts)
        return result

    def _fetch_and_decode(self, placement: Placement, plan: ReadPlan, part: BlobRange) -> list[Outcome]:
        return list(self._decoded(placement, plan, part, self._fetch(part), holds=True))

    def _fetch(self, part: BlobRange) -> memoryview | RafsightError:
        """Fetch the bytes of a range, or say why they cannot be had."""
        blob = self._tree.tables.blobs[part.blob_index]
        try:
            return memoryview(self._backend.fetch_range(blob_name(blob.data_id), part.offset, part.size))
        except (RegistryFault, ImageFault) as error:
            return error

    def _decoded(
        self, placement: Placement, plan: ReadPlan, part: BlobRange, stored: memoryview | RafsightError, *, holds: bool
    ) -> Iterator[Outcome]:
        """Yield the chunks of a range."""
        members = plan.chunks_of(part.units)
        if isinstance(stored, RafsightError):
            yield from ((chunk, stored) for chunks in members for chunk in chunks)
            return
        blob = self._tree.tables.blobs[part.blob_index]
        low, high = 0, FIRST_BATCH
        while low < len(part.units):  # somebody waits for the first ones
            units, chunks = part.units[low:high], members[low:high]
            is_small = int(placement.units.decoded_size[units].max()) <= SMALL
            with self._turn if is_small else nullcontext():
                contents = decode_units(placement, units, stored, start=part.offset, blob=blob, decoder=self._decoder())
                found = self._verified_whole(placement, units, contents, chunks)
                if found is None:
                    cuts = self._cuts(placement, chunks)
                    found = [
                        self._verified(placement, unit, content, next(cuts))
                        for unit, content in zip(units.tolist(), contents, strict=True)
                    ]
            for unit, outcomes in zip(units.tolist(), found, strict=True):
                if holds and not any(isinstance(outcome, RafsightError) for _, outcome in outcomes):
                    place = _place_of(placement, unit)
                    self._held.put(place, stored[place[1] - part.offset :][: place[2]])
                yield from outcomes
            low, high = high, high + NEXT_BATCH

    def _verified_whole(
        self, placement: Placement, units: RowArray, contents: Sequence[Buffer | ImageFault], chunks: list[list[int]]
    ) -> list[list[Outcome]] | None:
        """Verify units that are one chunk each, all at once; None if they are not, or one is not what it should be."""
        if any(len(members) != 1 for members in chunks):
            return None
        rows = np.array(chunks, np.int64)[:, 0]
        table = self._tree.tables.chunks
        sizes = placement.units.decoded_size[units]
        are_whole = (placement.unit_offset[rows] == 0) & (table.size[rows] == sizes) & table.digest[rows].any(axis=1)
        whole = [content for content in contents if not isinstance(content, ImageFault)]
        if not are_whole.all() or len(whole) < len(contents):
            return None
        blob = self._tree.tables.blobs[int(table.blob_index[rows[0]])]
        if digests(blob.digester, whole) != table.digest[rows].tobytes():
            return None
        return [[(row, memoryview(content))] for row, content in zip(rows.tolist(), whole, strict=True)]

    def _cuts(self, placement: Placement, members: Sequence[Sequence[int]]) -> Iterator[list[Cut]]:
        """Look up where the chunks of units lie in them, and their digests: of all at once, since there are many."""
        rows = np.fromiter(chain.from_iterable(members), np.int64)
        table = self._tree.tables.chunks
        digests = table.digest[rows].tobytes()
        size = len(digests) // max(len(rows), 1)
        each = zip(
            rows.tolist(),
            placement.unit_offset[rows].tolist(),
            table.size[rows].tolist(),
            (digests[at : at + size] for at in range(0, len(digests), size or 1)),
            strict=True,
        )
        for chunks in members:
            yield list(islice(each, len(chunks)))

    def _verified(
        self, placement: Placement, unit: int, content: Buffer | ImageFault, chunks: Sequence[Cut]
    ) -> list[Outcome]:
        """Cut the content of a unit into chunks, and compare each with its digest."""
        blob = self._tree.tables.blobs[int(placement.units.blob_index[unit])]
        if isinstance(content, MalformedImage):
            offset, why = int(placement.units.offset[unit]), f"{content.details['where']}: {content.details['what']}"
            number = int(self._tree.tables.chunks.number[chunks[0][0]]) if chunks else 0
            damage = UndecodableChunk(index=number, blob=blob.blob_id, offset=offset, why=why)
            return [(chunk, damage) for chunk, *_ in chunks]
        if isinstance(content, ImageFault):
            return [(chunk, content) for chunk, *_ in chunks]
        view = memoryview(content)
        result: list[Outcome] = []
        for chunk, offset, size, digest in chunks:
            piece = view[offset : offset + size]  # a view: chunks of one unit may overlap as often as they like
            if len(piece) == size and verify_chunk(piece, digest, blob.digester):
                result.append((chunk, piece))
            else:
                number = int(self._tree.tables.chunks.number[chunk])
                result.append((chunk, ChunkDigestMismatch(index=number, blob=blob.blob_id)))
        return result

    def _decoder(self) -> Decoder:
        """Return this thread's decoder: its zstd context is not thread-safe and costly to make."""
        decoder: Decoder | None = getattr(self._local, "decoder", None)
        if decoder is None:
            decoder = self._local.decoder = Decoder()
        return decoder


def _place_of(placement: Placement, unit: int) -> Place:
    table = placement.units
    return int(table.blob_index[unit]), int(table.offset[unit]), int(table.stored_size[unit])


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
