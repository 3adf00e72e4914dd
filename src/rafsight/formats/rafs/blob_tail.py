"""The parts that follow the chunks in a blob: the chunk-info array, the digest array, the blob's own bootstrap.

This module alone decides how these parts are stored, and what the blob table says of them (sections 4.1, 4.6 and 5.3 of
the format reference).
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rafsight.formats.compression import Encoder
from rafsight.formats.rafs import blob_meta_layout as layout
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import toc
from rafsight.formats.rafs.blob_meta import MAX_RATIO
from rafsight.formats.rafs.blob_parts import PartsWriter
from rafsight.formats.tables import BlobEntry, ChunkTable, Compressor

_BLOCK: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaTable:
    """A chunk-info array before it is stored."""

    content: bytes
    """Records, then contexts and dictionaries if there are any."""
    chunk_count: int
    context_offset: int = 0
    """[bytes] of the contexts in `content`, or 0."""
    context_size: int = 0
    """[bytes] of contexts and dictionaries, or 0."""
    context_count: int = 0


def write_meta(parts: PartsWriter, entry: BlobEntry, table: MetaTable, encoder: Encoder) -> tuple[BlobEntry, bytes]:
    """Write a chunk-info array and its header; with tar headers, end the part and enter both into the ToC.

    Args:
        parts: the file; a part begins here.
        entry: the blob's; its features are those of the header.
        table: the array.
        encoder: makes its stored form, which is not used if it is no smaller, or smaller than readers believe.
    Returns: the entry with the place of the array, and the array as bootstrap layers bundle it: expanded, whole blocks,
        its header behind it.
    """
    content, offset = table.content, parts.size
    packed = encoder.compress(content)
    is_smaller = len(packed) < len(content) <= MAX_RATIO * len(packed)
    stored, compressor = (packed, encoder.compressor) if is_smaller else (content, Compressor.NONE)
    row = np.zeros(1, layout.HEADER.dtype)
    row["magic"] = row["end_magic"] = layout.HEADER_MAGIC
    row["features"], row["compressor"], row["chunk_count"] = entry.features, compressor, table.chunk_count
    row["offset"], row["compressed_size"], row["uncompressed_size"] = offset, len(stored), len(content)
    row["context_offset"], row["context_size"] = table.context_offset, table.context_size
    row["context_count"] = table.context_count
    header = row.tobytes()
    parts.write(stored)
    parts.write(header)
    if entry.features & shared.HAS_TAR_HEADER:
        parts.end_part(toc.META)
        parts.add_entry(toc.META, content, stored=len(stored), offset=offset, compressor=compressor)
        after = offset + len(stored)
        parts.add_entry(toc.META_HEADER, header, stored=len(header), offset=after, compressor=Compressor.NONE)
    entry = replace(
        entry,
        meta_offset=offset,
        meta_compressed_size=len(stored),
        meta_uncompressed_size=len(content),
        meta_compressor=compressor,
    )
    return entry, content.ljust(-(-len(content) // _BLOCK) * _BLOCK, b"\0") + header


def write_digests(parts: PartsWriter, chunks: ChunkTable) -> None:
    """Write the digest array of a blob as a part of its own."""
    digests, offset = chunks.digest.tobytes(), parts.size
    parts.write(digests)
    parts.end_part(toc.DIGESTS)
    parts.add_entry(toc.DIGESTS, digests, stored=len(digests), offset=offset, compressor=Compressor.NONE)


def write_bootstrap(parts: PartsWriter, content: bytes) -> None:
    """Write a bootstrap as a part of a file with a table of contents; readers of that form know zstd alone."""
    stored, offset = Encoder(Compressor.ZSTD).compress(content), parts.size
    parts.write(stored)
    parts.end_part(toc.BOOTSTRAP)
    parts.add_entry(toc.BOOTSTRAP, content, stored=len(stored), offset=offset, compressor=Compressor.ZSTD)
