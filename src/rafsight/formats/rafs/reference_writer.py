"""Reference blobs: the chunks stay in the original layer, and a small file says where in it they lie.

This module alone decides what such a file has (sections 4.3, 4.5 and 5.7 of the format reference): a record for each
chunk, and for gzip layers the places where inflating begins, with what was inflated before. Nothing of a layer is
changed or copied but these windows.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.compression import Encoder
from rafsight.formats.rafs import blob_meta_layout as layout
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.blob_parts import PartsWriter, Sink
from rafsight.formats.rafs.blob_tail import MetaTable, write_bootstrap, write_digests, write_meta
from rafsight.formats.rafs.blob_writer import MOST_CHUNKS, MakeBootstrap, TooManyChunks, WrittenBlob
from rafsight.formats.rafs.zran import decode_slice
from rafsight.formats.rafs.zran_points import GzipPoints, NotReferable
from rafsight.formats.rafs.zran_slices import Slices, cut_slices
from rafsight.formats.records import Buffer
from rafsight.formats.tables import BlobEntry, ChunkFlag, ChunkTable, Cipher, Compressor, Digester, MalformedImage

_BLOCK: Final = 4096
_MOST_STORED: Final = 0xFF_FFFF
"""[bytes] of a stored chunk that a record can say."""
_PLAIN_FEATURES: Final = shared.SEPARATE | shared.CHUNK_INFO_V2 | shared.ALIGNED | shared.CAP_TAR_TOC


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """The original layer."""

    blob_id: str
    """Hex SHA-256 of its stored bytes."""
    size: int
    """[bytes] as stored."""
    read: Callable[[int, int], Buffer]
    """(offset, size) to exactly so many of the stored bytes."""
    points: GzipPoints | None
    """None: it is a plain tar."""


class ReferenceBlobWriter:
    """Writes the file that refers to one layer."""

    def __init__(self, sink: Sink, archive: Archive, *, digester: Digester, limits: Limits) -> None:
        """Begin.

        Args:
            sink: takes the bytes of the file in their order.
            archive: the layer.
            digester: of the image.
            limits: what readers accept.
        """
        self._parts = PartsWriter(sink)
        self._archive = archive
        self._digester = digester
        self._limits = limits
        self._room = 0
        self._rows: list[tuple[int, int, int, bytes]] = []

    def add(self, offset: int, size: int, digest: bytes) -> int:
        """Take note of one chunk; return its number.

        Args:
            offset: [bytes] in the uncompressed layer; not before the end of the chunk before.
            size: [bytes] of it, not 0.
            digest: of it, 32 bytes.
        Raises: TooManyChunks. NotReferable: it is larger than chunks of a plain tar can be.
        """
        if len(self._rows) >= MOST_CHUNKS:
            raise TooManyChunks(most=MOST_CHUNKS)
        if self._archive.points is None and size > _MOST_STORED:
            raise NotReferable(layer=self._archive.blob_id, why=f"a chunk of it has more than {_MOST_STORED} bytes")
        self._rows.append((offset, size, self._room, digest))
        self._room += -(-size // _BLOCK) * _BLOCK
        return len(self._rows) - 1

    def finish(self, *, chunk_size: int, index: int = 0, bootstrap: MakeBootstrap | None = None) -> WrittenBlob:
        """Write the file.

        Args:
            chunk_size: [bytes] of the image.
            index: row of the blob table that the entry is for.
            bootstrap: makes the one that is inlined, in the form that registries hold; None: the separate form.
        Returns: the entry names the layer; `meta_digest` and `meta_size` are those of the file.
        Raises: NotReferable. Defect: the chunks were not added in the order of the layer.
        Cost: linear in the chunks; memory for 32 KiB of each slice.
        """
        points = self._archive.points
        offset, size = (np.array([row[column] for row in self._rows], np.int64) for column in (0, 1))
        slices = None if points is None else cut_slices(points, offset, size, self._limits, self._archive.blob_id)
        chunks = self._table(index, slices)
        entry = self._entry(index, chunk_size, is_inlined=bootstrap is not None)
        meta = b""
        if self._rows:
            entry, meta = write_meta(self._parts, entry, self._meta(chunks, slices), Encoder(Compressor.ZSTD))
        if bootstrap is not None:
            if self._rows:
                write_digests(self._parts, chunks)
            write_bootstrap(self._parts, bootstrap(entry, chunks))
            digest, toc_size = self._parts.end_toc()
            entry = replace(entry, toc_digest=digest, toc_size=toc_size)
        if self._parts.size:
            name = self._parts.digest
            meta_id = name if meta else ""
            entry = replace(entry, meta_id=meta_id, meta_digest=bytes.fromhex(name), meta_size=self._parts.size)
        entry = replace(entry, features=entry.features & ~shared.INLINED_FS_META)
        return WrittenBlob(entry=entry, chunks=chunks, size=self._parts.size, meta=meta)

    def _entry(self, index: int, chunk_size: int, *, is_inlined: bool) -> BlobEntry:
        """Make the entry as it stands in the bootstrap that is inlined: the file's own name is not known yet."""
        is_zran, count = self._archive.points is not None, len(self._rows)
        features = _PLAIN_FEATURES | (shared.ZRAN if is_zran else 0)
        if is_inlined:
            features |= shared.INLINED_FS_META | shared.HAS_TAR_HEADER | shared.HAS_TOC
            features |= shared.INLINED_CHUNK_DIGEST if count else 0
        return BlobEntry(
            index=index,
            blob_id=self._archive.blob_id,
            data_id=self._archive.blob_id,
            meta_id="",
            compressor=Compressor.GZIP,
            digester=self._digester,
            cipher=Cipher.NONE,
            features=features,
            feature_names=(),
            chunk_size=chunk_size,
            chunk_count=count,
            compressed_size=self._archive.size,
            uncompressed_size=self._room,
            meta_offset=0,
            meta_compressed_size=0,
            meta_uncompressed_size=0,
            meta_compressor=Compressor.NONE,
            needs_meta=is_zran and count > 0,
        )

    def _table(self, index: int, slices: Slices | None) -> ChunkTable:
        count = len(self._rows)
        offset, size, room, digest = list(zip(*self._rows, strict=True)) or [()] * 4
        sizes, offsets = np.array(size, np.int64), np.array(offset, np.int64)
        flags = int(ChunkFlag.COMPRESSED | ChunkFlag.ZRAN) if slices is not None else 0
        return ChunkTable(
            blob_index=np.full(count, index, np.int32),
            number=np.arange(count, dtype=np.uint32),
            digest=np.frombuffer(b"".join(digest), np.uint8).reshape(count, 32),
            crc32=np.zeros(count, np.uint32),
            flags=np.full(count, flags, np.uint32),
            size=sizes,
            compressed_size=sizes if slices is None else np.minimum(slices.near_size, _MOST_STORED),
            compressed_offset=offsets if slices is None else slices.near_offset,
            uncompressed_offset=np.array(room, np.int64),
        )

    def _meta(self, chunks: ChunkTable, slices: Slices | None) -> MetaTable:
        """Make the chunk-info array."""
        records, count, points = _records(chunks, slices), len(self._rows), self._archive.points
        if slices is None or points is None:
            return MetaTable(content=records.tobytes(), chunk_count=count)
        self._check_crossings(slices, points)
        contexts, dictionaries = self._contexts(slices, points)
        content = b"".join((records.tobytes(), contexts.tobytes(), *dictionaries))
        if len(content) > self._limits.blob_meta_size:
            most = self._limits.blob_meta_size
            raise NotReferable(layer=self._archive.blob_id, why=f"its index would have more than {most} bytes")
        return MetaTable(
            content=content,
            chunk_count=count,
            context_offset=records.nbytes,
            context_size=len(content) - records.nbytes,
            context_count=len(contexts),
        )

    def _contexts(self, slices: Slices, points: GzipPoints) -> tuple[np.ndarray, list[memoryview]]:
        """Make the contexts, and what was inflated before them; the same bytes are kept once."""
        rows = np.zeros(len(slices.point), layout.ZRAN_CONTEXT.dtype)
        rows["compressed_offset"] = points.compressed_offset[slices.point]
        rows["uncompressed_offset"] = points.uncompressed_offset[slices.point]
        rows["compressed_size"], rows["uncompressed_size"] = slices.stored_size, slices.decoded_size
        rows["bits"] = points.bits[slices.point]
        known: dict[bytes, int] = {}
        dictionaries, size = [], 0
        for row, point in zip(rows, slices.point.tolist(), strict=True):
            if row["bits"]:
                row["previous_byte"] = self._archive.read(int(row["compressed_offset"]) - 1, 1)[0]
            window = points.window(point)
            if not window:
                continue
            offset = known.setdefault(hashlib.sha256(window).digest(), size)
            row["dictionary_offset"], row["dictionary_size"] = offset, len(window)
            if offset == size:
                dictionaries.append(window)
                size += len(window)
        return rows, dictionaries

    def _check_crossings(self, slices: Slices, points: GzipPoints) -> None:
        """Make sure that slices over the end of a member can be inflated: members may be padded, and slices not."""
        for number in np.flatnonzero(slices.crosses).tolist():
            point = int(slices.point[number])
            start, bits = int(points.compressed_offset[point]), int(points.bits[point])
            word = (self._archive.read(start - 1, 1)[0] << 8 | bits) if bits else 0
            stored = self._archive.read(start, int(slices.stored_size[number]))
            try:
                decode_slice(stored, int(slices.decoded_size[number]), points.window(point), word)
            except MalformedImage:
                why = "a file goes on over the end of a gzip member, and something lies between the members"
                raise NotReferable(layer=self._archive.blob_id, why=why) from None


def _records(chunks: ChunkTable, slices: Slices | None) -> np.ndarray:
    """Make the chunk-info records, version 2 (section 4.3)."""
    rows = np.zeros(len(chunks.size), layout.CHUNK_V2.dtype)
    flags = layout.V2_COMPRESSED | layout.V2_ZRAN if slices is not None else 0
    size = (chunks.size - 1).astype(np.uint64)
    address = (chunks.uncompressed_offset // _BLOCK).astype(np.uint64)
    rows["uncompressed"] = (np.uint64(flags) << np.uint64(56)) | (size << np.uint64(32)) | address
    stored = chunks.compressed_size.astype(np.uint64) << np.uint64(40)
    rows["compressed"] = stored | chunks.compressed_offset.astype(np.uint64)
    if slices is not None:
        context = slices.slice_index.astype(np.uint64) << np.uint64(32)
        rows["data"] = context | slices.slice_offset.astype(np.uint64)
    return rows
