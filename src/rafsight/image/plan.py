"""From wanted files to ranges of blobs, with a price, before a byte is fetched.

This module alone decides what is fetched together. It does no I/O. Every knob is a required keyword, so that policy has
one home: the caller's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rafsight.base.errors import Defect
from rafsight.formats.tables import Placement, UnitForm
from rafsight.image.tree import ImageTree

RowArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRange:
    """A part of a file that somebody wants."""

    row: int
    offset: int = 0
    """[bytes] from the start of the file."""
    size: int | None = None
    """[bytes]; None: to the end of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a plan will cost."""

    requests: int
    bytes_fetched: int
    """[bytes] of all ranges."""
    bytes_needed: int
    """[bytes] of the units inside them, overlaps counted once; the rest lies between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobRange:
    """One read of one blob."""

    blob_index: int
    offset: int
    size: int
    units: RowArray
    """Unit rows inside, ordered by offset."""
    content_size: int
    """[bytes] that the units become: what a compressed range is in memory may be a thousand times its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPlan:
    """What to fetch for some files: ranges ordered by (blob, offset), and the chunks that come out of each unit."""

    ranges: tuple[BlobRange, ...]
    streams: tuple[BlobRange, ...]
    """Layers that can only be read from their start; `units` tells which of their content is wanted."""
    chunks: RowArray
    """(c,) wanted chunk rows, ordered by unit."""
    chunk_units: RowArray
    """(c,) unit of each of them."""
    price: Price

    def chunks_of(self, units: RowArray) -> list[list[int]]:
        """Return the wanted chunk rows of some units.

        Args:
            units: (u,) rows of the unit table.
        """
        lows = np.searchsorted(self.chunk_units, units)
        highs = np.searchsorted(self.chunk_units, units, side="right")
        if bool((highs - lows == 1).all()):
            return self.chunks[lows].reshape(-1, 1).tolist()
        return [self.chunks[low:high].tolist() for low, high in zip(lows.tolist(), highs.tolist(), strict=True)]


def wanted_extents(tree: ImageTree, wanted: Sequence[FileRange]) -> list[RowArray]:
    """Return the extent rows that each file range touches, in file order.

    Cost: no I/O. Linear in the extents that are touched, whatever the size of the file.
    """
    extents = tree.tables.extents
    result = []
    for part in wanted:
        rows = tree.extent_rows(part.row)
        offsets = extents.file_offset[rows.start : rows.stop]
        length = range_length(tree, part)
        first = max(int(np.searchsorted(offsets, part.offset, side="right")) - 1, 0)
        last = int(np.searchsorted(offsets, part.offset + length)) if length else first
        if first < last and offsets[first] + extents.size[rows.start + first] <= part.offset:
            first += 1  # what begins before the range ends before it, too
        result.append(np.arange(rows.start + first, rows.start + last, dtype=np.int64))
    return result


def range_length(tree: ImageTree, part: FileRange) -> int:
    """Return how many bytes a file range has: what lies behind the end of the file is not part of it."""
    size = int(tree.entries.size[part.row])
    end = size if part.size is None else min(part.offset + part.size, size)
    return max(end - part.offset, 0)


def plan_reads(
    placement: Placement,
    chunks: RowArray,
    *,
    max_gap: int,
    max_waste: float,
    spare: int,
    max_request: int,
    max_content: int,
) -> ReadPlan:
    """Work out the blob ranges that hold some chunks.

    Args:
        placement: where they lie; all of them have to be placed.
        chunks: (c,) rows of the chunk table, in any order, repeated or not.
        max_gap: [bytes] neighbours further apart are never fetched together.
        max_waste: bytes between units that may be fetched for nothing, as a fraction of the bytes needed.
        spare: [bytes] the same, on top: what plans before this one might have wasted, and did not.
        max_request: [bytes] a range ends where it would grow larger (a single unit may be larger).
        max_content: [bytes] the same for what the units of a range become.
    Returns: Ranges ordered by (blob_index, offset).
    Raises: Defect, if a chunk was not placed.
    Cost: No I/O. Linear in the chunks, but for sorting.
    """
    chunks = np.unique(chunks).astype(np.int64)
    units = placement.unit_index[chunks]
    if (units < 0).any():
        raise Defect(what="a chunk is planned before its blob was placed")
    order = np.lexsort((chunks, units))
    chunks, units = chunks[order], units[order]
    rows = np.unique(units)
    streaming = placement.units.form[rows] == UnitForm.STREAM
    spans = _spans(placement, rows[~streaming])
    budget = int(max_waste * int(spans.news.sum())) + spare
    joined = _joined(spans, max_gap=max_gap, budget=budget)
    ranges = list(_cut(spans, joined, max_request=max_request, max_content=max_content))
    return ReadPlan(
        ranges=tuple(ranges),
        streams=tuple(_streams(placement, rows[streaming])),
        chunks=chunks,
        chunk_units=units,
        price=Price(
            requests=len(ranges),
            bytes_fetched=sum(part.size for part in ranges),
            bytes_needed=int(spans.news.sum()),
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spans:
    """Where some units lie, ordered by blob and offset; u rows."""

    units: RowArray
    blobs: NDArray[np.int32]
    starts: RowArray
    ends: RowArray
    contents: RowArray
    """[bytes] after decoding."""
    gaps: RowArray
    """(u - 1,) [bytes] between a unit and the furthest end before it: units may overlap, as zran slices do."""
    news: RowArray
    """[bytes] of each unit that no unit before it has."""


def _spans(placement: Placement, units: RowArray) -> _Spans:
    table = placement.units
    units = units[np.lexsort((table.offset[units], table.blob_index[units]))]
    blobs, starts = table.blob_index[units], table.offset[units]
    ends = starts + table.stored_size[units]
    reach = ends.copy()
    for part in np.split(np.arange(len(ends)), np.flatnonzero(np.diff(blobs)) + 1):
        reach[part] = np.maximum.accumulate(ends[part])
    news = ends - starts
    same = blobs[1:] == blobs[:-1]
    news[1:][same] = np.maximum(ends[1:] - np.maximum(starts[1:], reach[:-1]), 0)[same]
    return _Spans(
        units=units,
        blobs=blobs,
        starts=starts,
        ends=ends,
        contents=table.decoded_size[units],
        gaps=np.maximum(starts[1:] - reach[:-1], 0),
        news=news,
    )


def _joined(spans: _Spans, *, max_gap: int, budget: int) -> NDArray[np.bool_]:
    """Choose which neighbours are fetched together: the smallest gaps first, while the budget of waste lasts."""
    joined: NDArray[np.bool_] = (spans.blobs[1:] == spans.blobs[:-1]) & (spans.gaps <= max_gap)
    by_size = np.flatnonzero(joined)[np.argsort(spans.gaps[joined], kind="stable")]
    joined[by_size[np.cumsum(spans.gaps[by_size]) > budget]] = False
    return joined


def _cut(spans: _Spans, joined: NDArray[np.bool_], *, max_request: int, max_content: int) -> Iterator[BlobRange]:
    """Yield ranges of joined neighbours, cut where they would grow too large."""
    starts, ends, contents = spans.starts.tolist(), spans.ends.tolist(), spans.contents.tolist()
    together = [*joined.tolist(), False]
    first = end = content = 0
    for index in range(len(starts)):
        if index == first:
            end = content = 0
        end, content = max(end, ends[index]), content + contents[index]
        if together[index]:
            grown = max(end, ends[index + 1]) - starts[first]
            if grown <= max_request and content + contents[index + 1] <= max_content:
                continue
        yield BlobRange(
            blob_index=int(spans.blobs[first]),
            offset=starts[first],
            size=end - starts[first],
            units=spans.units[first : index + 1],
            content_size=content,
        )
        first = index + 1


def _streams(placement: Placement, units: RowArray) -> list[BlobRange]:
    table = placement.units
    result = []
    for blob in np.unique(table.blob_index[units]).tolist():
        mine = units[table.blob_index[units] == blob]
        mine = mine[np.argsort(table.offset[mine], kind="stable")]
        start = int(table.offset[mine[0]])
        size = int((table.offset[mine] + table.stored_size[mine]).max()) - start
        content_size = int(table.decoded_size[mine].sum())
        result.append(BlobRange(blob_index=blob, offset=start, size=size, units=mine, content_size=content_size))
    return result
