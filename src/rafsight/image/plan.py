"""From wanted files to ranges of blobs, with a price, before a byte is fetched.

This module alone decides what is fetched together. It does no I/O. Every knob is a required keyword, so that policy has
one home: the caller's.
"""

from collections.abc import Sequence
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
    """[bytes] of the units inside them; the rest lies between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobRange:
    """One read of one blob."""

    blob_index: int
    offset: int
    size: int
    units: RowArray
    """Unit rows inside, ordered by offset."""


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

    def chunks_of(self, unit: int) -> RowArray:
        """Return the wanted chunk rows of a unit."""
        low, high = np.searchsorted(self.chunk_units, [unit, unit + 1])
        return self.chunks[low:high]


def wanted_extents(tree: ImageTree, wanted: Sequence[FileRange]) -> list[RowArray]:
    """Return the extent rows that each file range touches, in file order.

    Cost: no I/O. Linear in the extents of the wanted files.
    """
    extents = tree.tables.extents
    result = []
    for part in wanted:
        rows = tree.extent_rows(part.row)
        offsets = extents.file_offset[rows.start : rows.stop]
        ends = offsets + extents.size[rows.start : rows.stop]
        stop = int(tree.entries.size[part.row]) if part.size is None else part.offset + part.size
        result.append(rows.start + np.flatnonzero((offsets < stop) & (ends > part.offset)))
    return result


def plan_reads(
    tree: ImageTree,
    placement: Placement,
    extent_rows: RowArray,
    *,
    max_gap: int,
    max_waste: float,
    max_request: int,
) -> ReadPlan:
    """Work out the blob ranges that hold some extents.

    Args:
        tree: the tree.
        placement: where its chunks lie; the chunks of the extents have to be placed.
        extent_rows: (e,) rows of the extent table, in any order, repeated or not.
        max_gap: [bytes] neighbours further apart are never fetched together.
        max_waste: bytes between units that may be fetched for nothing, as a fraction of the bytes needed.
        max_request: [bytes] a range ends where it would grow larger (a single unit may be larger).
    Returns: Ranges ordered by (blob_index, offset).
    Raises: Defect, if a chunk was not placed.
    Cost: No I/O. Linear in the extents, but for sorting.
    """
    chunks = np.unique(tree.tables.extents.chunk[extent_rows]).astype(np.int64)
    units = placement.unit_index[chunks]
    if (units < 0).any():
        raise Defect(what="a chunk is planned before its blob was placed")
    order = np.lexsort((chunks, units))
    chunks, units = chunks[order], units[order]
    table = placement.units
    rows = np.unique(units)
    streaming = table.form[rows] == UnitForm.STREAM
    ranges = _coalesce(placement, rows[~streaming], max_gap=max_gap, max_waste=max_waste, max_request=max_request)
    return ReadPlan(
        ranges=tuple(ranges),
        streams=tuple(_streams(placement, rows[streaming])),
        chunks=chunks,
        chunk_units=units,
        price=Price(
            requests=len(ranges),
            bytes_fetched=sum(part.size for part in ranges),
            bytes_needed=int(table.stored_size[rows[~streaming]].sum()),
        ),
    )


def _coalesce(
    placement: Placement, units: RowArray, *, max_gap: int, max_waste: float, max_request: int
) -> list[BlobRange]:
    """Join neighbouring units, the smallest gaps first, while the budget of wasted bytes lasts."""
    table = placement.units
    units = units[np.lexsort((table.offset[units], table.blob_index[units]))]
    if not len(units):
        return []
    blobs, starts = table.blob_index[units], table.offset[units]
    ends = starts + table.stored_size[units]
    reach = _running_end(blobs, ends)
    gaps = np.maximum(starts[1:] - reach[:-1], 0)
    joined = (blobs[1:] == blobs[:-1]) & (gaps <= max_gap)
    by_size = np.flatnonzero(joined)[np.argsort(gaps[joined], kind="stable")]
    budget = int(max_waste * int(table.stored_size[units].sum()))
    joined[by_size[np.cumsum(gaps[by_size]) > budget]] = False
    ranges, first = [], 0
    for index in range(1, len(units) + 1):
        grown = index < len(units) and joined[index - 1] and max(ends[index], reach[index - 1]) - starts[first]
        if grown and grown <= max_request:
            continue
        ranges.append(
            BlobRange(
                blob_index=int(blobs[first]),
                offset=int(starts[first]),
                size=int(ends[first:index].max() - starts[first]),
                units=units[first:index],
            )
        )
        first = index
    return ranges


def _running_end(blobs: NDArray[np.int32], ends: RowArray) -> RowArray:
    """Return, for each unit, the furthest end so far in its blob (units may overlap: zran slices do)."""
    result = ends.copy()
    borders = np.flatnonzero(np.diff(blobs)) + 1
    for part in np.split(np.arange(len(ends)), borders):
        result[part] = np.maximum.accumulate(ends[part])
    return result


def _streams(placement: Placement, units: RowArray) -> list[BlobRange]:
    table = placement.units
    result = []
    for blob in np.unique(table.blob_index[units]).tolist():
        mine = units[table.blob_index[units] == blob]
        mine = mine[np.argsort(table.offset[mine], kind="stable")]
        start = int(table.offset[mine[0]])
        size = int((table.offset[mine] + table.stored_size[mine]).max()) - start
        result.append(BlobRange(blob_index=blob, offset=start, size=size, units=mine))
    return result
