"""Answers about superblock and blob table as text for people.

This module alone decides how they look. Every fact of the peer's text is there; numbers are exact.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from rafsight.base.units import KiB, MiB
from rafsight.reports.inspection.fact_lines import Fact, fact_lines, sized, word_lines
from rafsight.reports.inspection.metadata import BlobFacts, BlobList, Stats, SuperblockFacts, TablePlace
from rafsight.reports.inspection.renderer import Sheet
from rafsight.reports.paint import Line, Span, Style

_NONE: Final = "none"
_ROOM: Final = 32
"""[columns] that labels of a superblock or blob take at most."""


def stats(answer: Stats, sheet: Sheet) -> Iterator[Line]:
    """Write the image in numbers."""
    count = f", {answer.prefetch_count} entries" if answer.prefetch_table else ""
    yield from fact_lines(
        [
            ("Format", answer.format),
            ("Version", str(answer.version)),
            ("Inodes count", str(answer.inode_count)),
            ("Chunk size", _binary(answer.chunk_size)),
            ("Root inode", str(answer.root_ino)),
            *_words("Flags", answer.flag_names, sheet),
            ("Blob table", _place(answer.blob_table)),
            ("Prefetch table", _place(answer.prefetch_table) + count),
            ("Chunk table", _place(answer.chunk_table)),
        ]
    )


def superblock(answer: SuperblockFacts, sheet: Sheet) -> Iterator[Line]:
    """Write every number of the superblock; the last ones stand under their names in the format reference."""
    yield from fact_lines(
        [
            ("Format", answer.format),
            ("Version", str(answer.version)),
            ("Chunk size", _binary(answer.chunk_size)),
            ("Flags", f"{answer.flags:#x}"),
            *_words("", answer.flag_names, sheet),
            ("Inodes count", str(answer.inode_count)),
            ("Root inode", str(answer.root_ino)),
            ("Blobs", str(answer.blob_count)),
            ("Prefetch entries", str(answer.prefetch_count)),
            *((name, _number(value)) for name, value in answer.fields),
            *((name, value or "-") for name, value in answer.texts),
        ]
    )


def blobs(answer: BlobList, sheet: Sheet) -> Iterator[Line]:
    """Write a block of facts for each blob."""
    if not answer.blobs:
        yield (Span("The image has no blobs."),)
    for blob in answer.blobs:
        if blob.index:
            yield ()
        yield (Span(f"Blob {blob.index}  ", Style.DIM), Span(blob.blob_id, Style.BOLD))
        yield from fact_lines([*_blob(blob, sheet), *_parts(blob)], indent=2)


def _blob(blob: BlobFacts, sheet: Sheet) -> list[Fact]:
    return [
        ("Blob index", str(blob.index)),
        ("Blob id", blob.blob_id),
        ("Id in the table", "a placeholder: the bootstrap lies in the blob" if blob.is_placeholder else "the same"),
        ("Blob size", sized(blob.compressed_size)),
        ("Compressed data size", sized(blob.data_size)),
        ("Uncompressed data size", sized(blob.uncompressed_size)),
        ("Mapped block address", str(blob.mapped_block_address)),
        ("Features", f"{blob.features:#x}"),
        *_words("", blob.feature_names, sheet),
        ("Compressor", blob.compressor),
        ("Digester", blob.digester),
        ("Cipher", blob.cipher),
        ("Chunk size", _binary(blob.chunk_size)),
        ("Chunk count", str(blob.chunk_count)),
        ("Prefetch offset", str(blob.prefetch_offset)),
        ("Prefetch size", sized(blob.prefetch_size)),
    ]


def _parts(blob: BlobFacts) -> list[Fact]:
    """Tell where the chunk-info array and the table of contents are."""
    return [
        ("Meta in", blob.meta_id or _NONE),
        ("Meta compressor", blob.meta_compressor),
        ("Meta offset", str(blob.meta_offset)),
        ("Meta compressed size", sized(blob.meta_compressed_size)),
        ("Meta uncompressed size", sized(blob.meta_uncompressed_size)),
        ("ToC digest", blob.toc_digest.hex() or _NONE),
        ("ToC size", sized(blob.toc_size)),
        ("Meta blob digest", blob.meta_digest.hex() or _NONE),
        ("Meta blob size", sized(blob.meta_size)),
    ]


def _words(label: str, words: Sequence[str], sheet: Sheet) -> list[Fact]:
    lines = word_lines(words, sheet, _ROOM)
    return [(label if line is lines[0] else "", line) for line in lines]


def _place(table: TablePlace | None) -> str:
    return _NONE if table is None else f"at {_number(table.offset)}, {sized(table.size, ' bytes')}"


def _number(value: int) -> str:
    return f"{value:#x} ({value})" if value > 9 else str(value)


def _binary(size: int) -> str:
    """Write a power of two as such."""
    for unit, name in ((MiB, "MiB"), (KiB, "KiB")):
        if size and size % unit == 0:
            return f"{size} ({size // unit} {name})"
    return str(size)
