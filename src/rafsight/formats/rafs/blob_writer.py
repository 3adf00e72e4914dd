"""Data blobs: chunks one behind the other, and the chunk-info array that RAFS v6 keeps behind them.

This module alone decides how chunks are stored: compressed if that makes them smaller, numbered in their order, placed
in the uncompressed space as the version wants it. Nothing is kept but the numbers: the bytes go to a sink.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.formats.compression import Encoder
from rafsight.formats.rafs import blob_meta_layout as layout
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.tables import BlobEntry, ChunkFlag, ChunkTable, Cipher, Compressor, Digester

_BLOCK: Final = 4096
_LOW: Final = 0xF_FFFF
"""The low 20 bits of a size, which records v1 keep apart."""
_MAP_SIZES: Final = np.uint64(0xF0_0000)

Sink = Callable[[bytes], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenBlob:
    """A finished blob."""

    entry: BlobEntry
    chunks: ChunkTable
    size: int
    """[bytes] of the file."""


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
        self._sink = sink
        self._encoder = encoder
        self._digester = digester
        self._aligned = aligned
        self._hash = hashlib.sha256()
        self._size = 0
        self._room = 0
        self._rows: list[tuple[bytes, int, int, int, int, int]] = []

    def add(self, content: bytes, digest: bytes) -> int:
        """Store one chunk; return its number.

        Args:
            content: its bytes.
            digest: of them, 32 bytes.
        """
        stored = self._encoder.compress(content)
        is_smaller = len(stored) < len(content)
        stored = stored if is_smaller else content
        flags = ChunkFlag.COMPRESSED if is_smaller else 0
        self._rows.append((digest, int(flags), len(content), len(stored), self._size, self._room))
        self._write(stored)
        self._room += -(-len(content) // _BLOCK) * _BLOCK if self._aligned else len(content)
        return len(self._rows) - 1

    def finish(self, *, chunk_size: int, index: int = 0) -> WrittenBlob:
        """Write what follows the chunks.

        Args:
            chunk_size: [bytes] of the image.
            index: row of the blob table that the entry is for.
        """
        chunks = self._table(index)
        data_size = self._size
        stored, compressor, table_size = b"", Compressor.NONE, 0
        features = shared.CAP_TAR_TOC | (shared.ALIGNED if self._aligned else 0)
        if self._aligned and len(chunks.size):
            table = _records(chunks).tobytes()
            packed = self._encoder.compress(table)
            is_smaller = len(packed) < len(table)
            stored, compressor = (packed, self._encoder.compressor) if is_smaller else (table, Compressor.NONE)
            table_size = len(table)
            header = np.zeros(1, layout.HEADER.dtype)
            header["magic"] = header["end_magic"] = layout.HEADER_MAGIC
            header["features"], header["compressor"], header["chunk_count"] = features, compressor, len(chunks.size)
            header["offset"], header["compressed_size"] = data_size, len(stored)
            header["uncompressed_size"] = table_size
            self._write(stored)
            self._write(header.tobytes())
        name = self._hash.hexdigest()
        entry = BlobEntry(
            index=index,
            blob_id=name,
            data_id=name,
            meta_id=name if stored else "",
            compressor=self._encoder.compressor,
            digester=self._digester,
            cipher=Cipher.NONE,
            features=features,
            feature_names=(),
            chunk_size=chunk_size,
            chunk_count=len(chunks.size),
            compressed_size=self._size,
            uncompressed_size=self._room,
            meta_offset=data_size if stored else 0,
            meta_compressed_size=len(stored),
            meta_uncompressed_size=table_size,
            meta_compressor=compressor,
            needs_meta=False,
        )
        return WrittenBlob(entry=entry, chunks=chunks, size=self._size)

    def _write(self, part: bytes) -> None:
        self._hash.update(part)
        self._size += len(part)
        self._sink(part)

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
