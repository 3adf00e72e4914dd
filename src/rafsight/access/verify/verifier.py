"""What the threads of a check do with the files of blobs: measure them, read them piece by piece, decode and compare.

This module alone decides how the content of a chunk is verified: by its digest and by its CRC, where it has them.
"""

import threading
from dataclasses import dataclass

import numpy as np

from rafsight.access.backend import Backend
from rafsight.access.fetch import blob_name
from rafsight.access.verify import rules
from rafsight.access.verify.examined import FAULTS
from rafsight.access.verify.ranges import Piece
from rafsight.base.errors import ImageFault, RafsightError
from rafsight.formats.compression import Decoder
from rafsight.formats.crc32c import crc32c
from rafsight.formats.judge import Collector, Rule
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import toc
from rafsight.formats.rafs.placement import decode_unit, verify_chunk
from rafsight.formats.records import Indexes
from rafsight.formats.tables import BlobEntry, ChunkFlag, Placement, TreeTables


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The size of one file, or why nobody knows."""

    size: int = 0
    """[bytes]"""
    uncovered: tuple[int, int] = (0, 0)
    """(offset, size) of what the file's name does not cover: the digest array of blobs with a table of contents."""
    error: RafsightError | None = None


@dataclass(frozen=True, slots=True)
class Damage:
    """One chunk that is not what it should be."""

    chunk: int
    rule: Rule
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one piece of a file."""

    stored: bytes = b""
    verified: int = 0
    """Chunks that have the digest or CRC that they should have."""
    unverifiable: int = 0
    """Chunks that could be decoded, and have neither."""
    damages: tuple[Damage, ...] = ()
    error: RafsightError | None = None
    """Why the piece could not be read."""


class Verifier:
    """Reads and compares. Thread-safe: it tells no judge."""

    def __init__(self, backend: Backend, tables: TreeTables, placement: Placement | None, *, is_bare: bool) -> None:
        """Prepare to find chunks by their unit.

        Args:
            backend: where the blobs lie.
            tables: the image.
            placement: where its chunks lie; None for streams.
            is_bare: files are named by builders, who leave the digest array out of the digest, and not by registries.
        """
        self._backend = backend
        self._tables = tables
        self._placement = placement
        self._is_bare = is_bare
        self._local = threading.local()
        units = np.empty(0, np.int64) if placement is None else placement.unit_index
        self._chunks = np.argsort(units, kind="stable")
        self._units = units[self._chunks]

    def chunks_of(self, unit: int) -> Indexes:
        """Return the chunks in a unit."""
        low, high = np.searchsorted(self._units, [unit, unit + 1])
        return self._chunks[low:high]

    def measure(self, name: str, entry: BlobEntry) -> Measured:
        """Ask for the size of a file, and for what its name does not cover."""
        try:
            size = self._backend.blob_size(blob_name(name))
            has_toc = bool(entry.features & shared.HAS_TOC) and name == entry.meta_id
            return Measured(
                size=size, uncovered=self._find_digests(name, size) if has_toc and self._is_bare else (0, 0)
            )
        except FAULTS as error:
            return Measured(error=error)

    def _find_digests(self, name: str, size: int) -> tuple[int, int]:
        tail_size = min(size, toc.TAIL_SIZE)
        tail = self._backend.fetch_range(blob_name(name), size - tail_size, tail_size)
        parts = toc.find_parts(tail, size, Collector())  # what is wrong with it is no question of this step
        return next(((part.offset, part.stored_size) for part in parts if part.name == toc.DIGESTS), (0, 0))

    def verify(self, name: str, piece: Piece) -> Outcome:
        """Read a piece of a file and look at the chunks in it."""
        try:
            stored = self._backend.fetch_range(blob_name(name), piece.offset, piece.size)
        except FAULTS as error:
            return Outcome(error=error)
        self._backend.meter.count(needed=piece.own_size)
        verified = unverifiable = 0
        damages: list[Damage] = []
        view = memoryview(stored)
        for unit in piece.units.tolist():
            for chunk, damage, is_proof in self._unit(unit, view, piece.offset):
                if damage is not None:
                    damages.append(Damage(chunk, *damage))
                elif is_proof:
                    verified += 1
                else:
                    unverifiable += 1
        kept = stored if piece.own_size == len(stored) else stored[: piece.own_size]
        return Outcome(stored=kept, verified=verified, unverifiable=unverifiable, damages=tuple(damages))

    def _unit(self, unit: int, stored: memoryview, offset: int) -> list[tuple[int, tuple[Rule, str] | None, bool]]:
        """Decode one unit; return (chunk, what is wrong, whether anything could be compared) of all in it."""
        assert self._placement is not None  # no piece has units otherwise
        units, chunks = self._placement.units, self.chunks_of(unit).tolist()
        blob = self._tables.blobs[int(units.blob_index[unit])]
        start = int(units.offset[unit]) - offset
        piece = stored[start : start + int(units.stored_size[unit])]
        try:
            content = memoryview(decode_unit(self._placement, unit, piece, blob, self._decoder()))
        except ImageFault as error:
            why = f"{error.details.get('where', '')}: {error.details.get('what', error)}"
            return [(chunk, (rules.CHUNK_UNDECODABLE, why), False) for chunk in chunks]
        return [(chunk, *self._compare(chunk, content, blob)) for chunk in chunks]

    def _compare(self, chunk: int, unit: memoryview, blob: BlobEntry) -> tuple[tuple[Rule, str] | None, bool]:
        assert self._placement is not None
        table = self._tables.chunks
        start, size = int(self._placement.unit_offset[chunk]), int(table.size[chunk])
        content = unit[start : start + size]
        digest = table.digest[chunk].tobytes()
        if not verify_chunk(content, digest, blob.digester):
            return (rules.CHUNK_DIGEST, ""), True
        has_crc = bool(int(table.flags[chunk]) & ChunkFlag.HAS_CRC32)
        if has_crc and (actual := crc32c(content)) != int(table.crc32[chunk]):
            return (rules.CHUNK_CHECKSUM, f"{actual:#010x}, not {int(table.crc32[chunk]):#010x}"), True
        return None, has_crc or any(digest)

    def _decoder(self) -> Decoder:
        """Return this thread's decoder: its zstd context is not thread-safe and costly to make."""
        decoder: Decoder | None = getattr(self._local, "decoder", None)
        if decoder is None:
            decoder = self._local.decoder = Decoder()
        return decoder
