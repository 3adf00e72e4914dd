"""The stored bytes of a range become verified chunks.

This module alone decides how many units are decoded at once, and by how many threads.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Final

import numpy as np

from rafsight.base.errors import ImageFault, RafsightError
from rafsight.base.units import KiB
from rafsight.formats.checksum import digests
from rafsight.formats.compression import Decoder
from rafsight.formats.rafs.placement import decode_unit, decode_units, verify_chunk
from rafsight.formats.records import Buffer
from rafsight.formats.tables import BlobEntry, MalformedImage, Placement, TreeTables
from rafsight.image.plan import BlobRange, ReadPlan, RowArray

Outcome = tuple[int, bytes | memoryview | RafsightError]
"""A chunk, and its verified content or why there is none."""

_FIRST_BATCH: Final = 16
"""Units of a range that are decoded at once, to begin with: somebody may wait for one of them."""
_NEXT_BATCH: Final = 128
"""Units that are decoded at once."""
_SMALL: Final = 32 * KiB
"""[bytes] of content: with units up to here most of the time is Python's own, and threads side by side would only
hinder each other."""


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


class RangeDecoder:
    """Decodes and verifies what was fetched of one image. Thread-safe."""

    def __init__(self, tables: TreeTables) -> None:
        """Take the image."""
        self._tables = tables
        self._local = threading.local()
        self._turn = threading.Lock()

    def decode(
        self, placement: Placement, plan: ReadPlan, part: BlobRange, stored: memoryview | RafsightError
    ) -> Iterator[tuple[int, list[Outcome]]]:
        """Yield the units of a range, each with the wanted chunks that it holds.

        Args:
            placement: where they lie.
            plan: says which chunks are wanted.
            part: the range.
            stored: its bytes, or why they could not be had.
        """
        units, members = part.units.tolist(), plan.chunks_of(part.units)
        if isinstance(stored, RafsightError):
            for unit, chunks in zip(units, members, strict=True):
                yield unit, [(chunk, stored) for chunk in chunks]
            return
        low, high = 0, _FIRST_BATCH
        while low < len(units):
            batch = self._decode_batch(placement, part, part.units[low:high], members[low:high], stored)
            yield from zip(units[low:high], batch, strict=True)
            low, high = high, high + _NEXT_BATCH

    def decode_chunk(
        self, placement: Placement, part: BlobRange, unit: int, chunk: int, stored: memoryview | RafsightError
    ) -> Buffer | RafsightError:
        """Decode a unit of a range for the sake of one chunk; return that, or why it cannot be had.

        Args:
            placement: where they lie.
            part: the range.
            unit: one of its units.
            chunk: which of the unit's chunks is wanted.
            stored: the range's bytes, or why they could not be had.
        """
        if isinstance(stored, RafsightError):
            return stored
        blob = self._tables.blobs[part.blob_index]
        at = int(placement.units.offset[unit]) - part.offset
        piece = stored[at : at + int(placement.units.stored_size[unit])]
        try:
            content: Buffer | ImageFault = decode_unit(placement, unit, piece, blob, self._decoder())
        except ImageFault as error:
            content = error
        ((_, outcome),) = self._verify(placement, unit, content, [chunk], blob)
        return outcome

    def _decode_batch(
        self, placement: Placement, part: BlobRange, units: RowArray, members: list[list[int]], stored: memoryview
    ) -> list[list[Outcome]]:
        blob = self._tables.blobs[part.blob_index]
        is_small = int(placement.units.decoded_size[units].max()) <= _SMALL
        with self._turn if is_small else nullcontext():
            contents = decode_units(placement, units, stored, start=part.offset, blob=blob, decoder=self._decoder())
            found = self._verify_whole(placement, units, contents, members, blob)
            if found is not None:
                return found
            each = zip(units.tolist(), contents, members, strict=True)
            return [self._verify(placement, unit, content, chunks, blob) for unit, content, chunks in each]

    def _verify_whole(
        self,
        placement: Placement,
        units: RowArray,
        contents: Sequence[Buffer | ImageFault],
        members: list[list[int]],
        blob: BlobEntry,
    ) -> list[list[Outcome]] | None:
        """Verify units that are one chunk each, all at once; None if they are not, or one is not what it should be."""
        whole = [content for content in contents if not isinstance(content, ImageFault)]
        if len(whole) < len(contents) or any(len(chunks) != 1 for chunks in members):
            return None
        rows, table = np.array(members, np.int64)[:, 0], self._tables.chunks
        are_whole = (placement.unit_offset[rows] == 0) & (table.size[rows] == placement.units.decoded_size[units])
        if not (are_whole & table.digest[rows].any(axis=1)).all():
            return None
        if digests(blob.digester, whole) != table.digest[rows].tobytes():
            return None
        return [[(row, memoryview(content))] for row, content in zip(rows.tolist(), whole, strict=True)]

    def _verify(
        self, placement: Placement, unit: int, content: Buffer | ImageFault, chunks: list[int], blob: BlobEntry
    ) -> list[Outcome]:
        """Cut the content of a unit into chunks, and compare each with its digest."""
        table = self._tables.chunks
        if isinstance(content, MalformedImage):
            offset, why = int(placement.units.offset[unit]), f"{content.details['where']}: {content.details['what']}"
            number = int(table.number[chunks[0]]) if chunks else 0
            damage = UndecodableChunk(index=number, blob=blob.blob_id, offset=offset, why=why)
            return [(chunk, damage) for chunk in chunks]
        if isinstance(content, ImageFault):
            return [(chunk, content) for chunk in chunks]
        view = memoryview(content)
        result: list[Outcome] = []
        for chunk in chunks:
            offset, size = int(placement.unit_offset[chunk]), int(table.size[chunk])
            piece = view[offset : offset + size]  # a view: chunks of one unit may overlap as often as they like
            if len(piece) == size and verify_chunk(piece, table.digest[chunk].tobytes(), blob.digester):
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
