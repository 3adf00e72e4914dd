"""Data blobs: chunks one behind the other, and what the versions and forms of RAFS keep behind them.

This module alone decides how chunks are stored: compressed if that makes them smaller, numbered in their order, placed
in the uncompressed space as the version wants it; and which parts follow: the chunk-info array of RAFS v6, and in the
inlined form that registries hold the blob's own bootstrap. Nothing is kept but the numbers: the bytes go to a sink.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.formats.compression import Encoder
from rafsight.formats.rafs import blob_meta_layout as layout
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import toc
from rafsight.formats.rafs.blob_parts import PartsWriter, Sink
from rafsight.formats.rafs.blob_tail import MetaTable, write_bootstrap, write_digests, write_meta
from rafsight.formats.tables import BlobEntry, ChunkFlag, ChunkTable, Cipher, Compressor, Digester

_BLOCK: Final = 4096
_LOW: Final = 0xF_FFFF
"""The low 20 bits of a size, which records v1 keep apart."""
_MAP_SIZES: Final = np.uint64(0xF0_0000)
MOST_CHUNKS: Final = 0xFF_FFFF
"""Numbers of chunks have 24 bits, and the peer's builder leaves the last one out."""


_MOST_STORED: Final = 1 << 40
"""[bytes] Chunk-info records have 40 bits for where a chunk is stored, and four more for its uncompressed place."""


class TooManyChunks(CallerError):
    """A blob would have more chunks than RAFS can number."""

    code = "too-many-chunks"
    template = "a blob of more than {most} chunks cannot be written"
    remedy = "Choose a larger --chunk-size."
    exit_status = ExitStatus.UNSUPPORTED


class BlobTooLarge(CallerError):
    """The chunks of a blob would lie farther from its start than RAFS can say."""

    code = "blob-too-large"
    template = "a blob of more than {most} bytes cannot be written"
    remedy = "Split the layer."
    exit_status = ExitStatus.UNSUPPORTED


MakeBootstrap = Callable[[BlobEntry, ChunkTable], bytes]
"""Makes the bootstrap that goes into a blob, from the blob's entry as it stands there and its chunks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenBlob:
    """A finished blob."""

    entry: BlobEntry
    """As it stands in the bootstrap of an image."""
    chunks: ChunkTable
    size: int
    """[bytes] of the file; 0: there is nothing in it, and no file."""
    meta: bytes = b""
    """The chunk-info array as bootstrap layers bundle it: expanded, whole blocks, its header behind it; empty: none."""


class BlobWriter:
    """Writes one blob."""

    def __init__(self, sink: Sink, encoder: Encoder, *, digester: Digester, aligned: bool) -> None:
        """Begin.

        Args:
            sink: takes the bytes of the file in their order.
            encoder: makes the stored form of a chunk.
            digester: of the image.
            aligned: every chunk begins on a block of the uncompressed space, and a chunk-info array follows (RAFS v6).
        """
        self._parts = PartsWriter(sink)
        self._encoder = encoder
        self._digester = digester
        self._aligned = aligned
        self._room = 0
        self._rows: list[tuple[bytes, int, int, int, int, int]] = []

    def add(self, content: bytes, digest: bytes) -> int:
        """Store one chunk; return its number.

        Args:
            content: its bytes.
            digest: of them, 32 bytes.
        Raises: TooManyChunks.
        """
        return self.add_stored(content, digest, self._encoder.compress(content))

    def add_stored(self, content: bytes, digest: bytes, compressed: bytes) -> int:
        """Store one chunk that was compressed already, by the same encoder's rules; return its number.

        Args:
            content: its bytes.
            digest: of them, 32 bytes.
            compressed: the same bytes, compressed; not stored if that is not smaller.
        Raises: TooManyChunks, BlobTooLarge.
        """
        if len(self._rows) >= MOST_CHUNKS:
            raise TooManyChunks(most=MOST_CHUNKS)
        if self._aligned and max(self._parts.size + len(content), self._room >> 4) > _MOST_STORED:
            raise BlobTooLarge(most=_MOST_STORED)
        is_smaller = len(compressed) < len(content)
        stored = compressed if is_smaller else content
        flags = ChunkFlag.COMPRESSED if is_smaller else 0
        self._rows.append((digest, int(flags), len(content), len(stored), self._parts.size, self._room))
        self._parts.write(stored)
        self._room += -(-len(content) // _BLOCK) * _BLOCK if self._aligned else len(content)
        return len(self._rows) - 1

    def finish(self, *, chunk_size: int, index: int = 0, bootstrap: MakeBootstrap | None = None) -> WrittenBlob:
        """Write what follows the chunks.

        Args:
            chunk_size: [bytes] of the image.
            index: row of the blob table that the entry is for.
            bootstrap: makes the one that is inlined; None: the separate form.
        """
        chunks = self._table(index)
        entry = self._entry(index, chunk_size, len(chunks.size), is_inlined=bootstrap is not None)
        meta = b""
        if bootstrap is not None and len(chunks.size):
            self._parts.end_data(self._room)
        if self._aligned and len(chunks.size):
            table = MetaTable(content=_records(chunks).tobytes(), chunk_count=len(chunks.size))
            entry, meta = write_meta(self._parts, replace(entry, meta_id=entry.blob_id), table, self._encoder)
            if bootstrap is not None:
                write_digests(self._parts, chunks)
        entry = replace(entry, compressed_size=self._parts.size)
        if bootstrap is not None:
            self._inline(bootstrap(entry, chunks))
        name = self._parts.digest
        entry = replace(
            entry,
            blob_id=name,
            data_id=name,
            meta_id=name if meta else "",
            features=entry.features & ~shared.INLINED_FS_META,
        )
        return WrittenBlob(entry=entry, chunks=chunks, size=self._parts.size, meta=meta)

    def _entry(self, index: int, chunk_size: int, count: int, *, is_inlined: bool) -> BlobEntry:
        """Begin the entry of the blob, with the placeholder for its id."""
        features = shared.CAP_TAR_TOC | (shared.ALIGNED if self._aligned else 0)
        if is_inlined:
            features |= shared.INLINED_FS_META | shared.HAS_TAR_HEADER
            if self._aligned:
                features |= shared.HAS_TOC | (shared.INLINED_CHUNK_DIGEST if count else 0)
        return BlobEntry(
            index=index,
            blob_id=shared.PLACEHOLDER_ID,
            data_id=shared.PLACEHOLDER_ID,
            meta_id="",
            compressor=self._encoder.compressor,
            digester=self._digester,
            cipher=Cipher.NONE,
            features=features,
            feature_names=(),
            chunk_size=chunk_size,
            chunk_count=count,
            compressed_size=0,
            uncompressed_size=self._room,
            meta_offset=0,
            meta_compressed_size=0,
            meta_uncompressed_size=0,
            meta_compressor=Compressor.NONE,
            needs_meta=False,
        )

    def _inline(self, bootstrap: bytes) -> None:
        """Write the bootstrap as the last part of the chosen version's form."""
        if self._aligned:
            write_bootstrap(self._parts, bootstrap)
            self._parts.end_toc()
        else:
            self._parts.write(bootstrap)
            self._parts.end_part(toc.BOOTSTRAP)

    def _table(self, index: int) -> ChunkTable:
        count = len(self._rows)
        columns = list(zip(*self._rows, strict=True)) or [()] * 6
        return ChunkTable(
            blob_index=np.full(count, index, np.int32),
            number=np.arange(count, dtype=np.uint32),
            digest=np.frombuffer(b"".join(columns[0]), np.uint8).reshape(count, 32),
            crc32=np.zeros(count, np.uint32),
            flags=np.array(columns[1], np.uint32),
            size=np.array(columns[2], np.int64),
            compressed_size=np.array(columns[3], np.int64),
            compressed_offset=np.array(columns[4], np.int64),
            uncompressed_offset=np.array(columns[5], np.int64),
        )


def _records(chunks: ChunkTable) -> np.ndarray:
    """Make the chunk-info records, version 1 (section 4.2)."""
    rows = np.zeros(len(chunks.size), layout.CHUNK_V1.dtype)
    size = (chunks.size - 1).astype(np.uint64)
    stored = (chunks.compressed_size - 1).astype(np.uint64)
    twelve, twenty, forty_four = np.uint64(12), np.uint64(20), np.uint64(44)
    rows["uncompressed"] = (
        ((size & np.uint64(_LOW)) << forty_four)
        | chunks.uncompressed_offset.astype(np.uint64)
        | ((size & _MAP_SIZES) >> twelve)
    )
    rows["compressed"] = (
        ((stored & np.uint64(_LOW)) << forty_four)
        | ((stored & _MAP_SIZES) << twenty)
        | chunks.compressed_offset.astype(np.uint64)
    )
    return rows
