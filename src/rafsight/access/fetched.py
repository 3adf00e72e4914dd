"""Chunks whose stored bytes have come, and that are decoded when somebody wants them: one by one, or all.

For those who fetch more than is wanted at once: who waits for one chunk does not pay for its neighbours.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from rafsight.access.decoding import Outcome, RangeDecoder
from rafsight.base.errors import RafsightError
from rafsight.formats.records import Buffer
from rafsight.formats.tables import Placement
from rafsight.image.plan import BlobRange, ReadPlan

Stored = memoryview | RafsightError
"""Bytes of a range, or why they could not be had."""


class FetchedChunks:
    """Some chunks of one blob, as stored. Thread-safe; takes their memory as long as it is held."""

    def __init__(
        self, placement: Placement, plan: ReadPlan, ranges: Sequence[tuple[BlobRange, Stored]], decoder: RangeDecoder
    ) -> None:
        """Take what came.

        Args:
            placement: where the chunks lie.
            plan: names them; all of one blob, none of a stream.
            ranges: those of the plan, in its order.
            decoder: decodes and verifies.
        """
        self._placement = placement
        self._plan = plan
        self._ranges = ranges
        self._decoder = decoder
        self._starts = [part.offset for part, _ in ranges]

    @property
    def stored_size(self) -> int:
        """[bytes] of memory that they take, as they are stored."""
        return sum(part.size for part, _ in self._ranges)

    @property
    def is_whole(self) -> bool:
        """False if a range could not be had."""
        return not any(isinstance(stored, RafsightError) for _, stored in self._ranges)

    def read(self, chunk: int) -> Buffer | RafsightError:
        """Decode one of them; return it verified, or why it cannot be had.

        Args:
            chunk: row of the chunk table.
        """
        unit = int(self._placement.unit_index[chunk])
        place = bisect_right(self._starts, int(self._placement.units.offset[unit])) - 1
        part, stored = self._ranges[place]
        return self._decoder.decode_chunk(self._placement, part, unit, chunk, stored)

    def read_all(self) -> Iterator[Outcome]:
        """Decode all of them: each comes once, verified, or with the error that keeps it away."""
        for part, stored in self._ranges:
            for _, found in self._decoder.decode(self._placement, self._plan, part, stored):
                yield from found
