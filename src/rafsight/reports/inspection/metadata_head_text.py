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
_BITS: Final = ("magic", "checksum", "feature_")
"""How names of stored fields begin that are bits rather than numbers."""
_ROOM: Final = 32
"""[columns] that labels of a superblock or blob take at most."""


def stats(answer: Stats, sheet: Sheet) -> Iterator[Line]:
    """Write the image in numbers."""
    facts = [
        ("Format", answer.format),
        *_known("Version", answer.version),
        ("Inodes count", str(answer.inode_count)),
        *_sized("Chunk size", answer.chunk_size),
        ("Root inode", str(answer.root_ino)),
    ]
    if answer.flag_names is not None:
        count = f", {answer.prefetch_count} entries" if answer.prefetch_table else ""
        facts += [
            *_words("Flags", answer.flag_names, sheet),
            ("Blob table", _place(answer.blob_table)),
            ("Prefetch table", _place(answer.prefetch_table) + count),
            ("Chunk table", _place(answer.chunk_table)),
        ]
    yield from fact_lines(facts)


def superblock(answer: SuperblockFacts, sheet: Sheet) -> Iterator[Line]:
    """Write every number of the superblock: what it means, then what is stored, by its name in the format reference."""
    flags = [] if answer.flags is None else [("Flags", f"{answer.flags:#x}")]
    yield from fact_lines(
        [
            ("Format", answer.format),
            *_known("Version", answer.version),
            *_sized("Chunk size", answer.chunk_size),
            *flags,
            *([] if answer.flag_names is None else _words("", answer.flag_names, sheet)),
            ("Inodes count", str(answer.inode_count)),
            ("Root inode", str(answer.root_ino)),
            ("Blobs" if flags else "Layers", str(answer.blob_count)),
            *_known("Prefetch entries", answer.prefetch_count),
        ]
    )
    if flags:
        yield ()
        yield (Span("Stored fields", Style.BOLD),)
        stored = [(name, _stored(name, value)) for name, value in answer.fields]
        yield from fact_lines([*stored, *((name, value or "-") for name, value in answer.texts)], indent=2)


def blobs(answer: BlobList, sheet: Sheet) -> Iterator[Line]:
    """Write a block of facts for each blob."""
    if not answer.blobs:
        yield (Span("The image has no blobs."),)
    for blob in answer.blobs:
        if blob.index:
            yield ()
        yield (Span(f"Blob {blob.index}  ", Style.DIM), Span(blob.blob_id, Style.BOLD))
        facts = [*_blob(blob, sheet), *_parts(blob)] if blob.has_chunks else _layer(blob)
        yield from fact_lines(facts, indent=2)


def _layer(blob: BlobFacts) -> list[Fact]:
    """Tell what a tar layer has; it has no chunks, nor anything that serves them."""
    return [
        ("Blob index", str(blob.index)),
        ("Blob id", blob.blob_id),
        ("Blob size", sized(blob.compressed_size)),
        ("Compressor", blob.compressor or "-"),
    ]


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
    return _NONE if table is None else f"at {table.offset}, {sized(table.size, ' bytes')}"


def _stored(name: str, value: int) -> str:
    """Write bits in hexadecimal, all else in plain digits."""
    is_bits = value > 9 and name.startswith(_BITS)
    return f"{value:#x} ({value})" if is_bits else str(value)


def _known(label: str, value: int | None) -> list[Fact]:
    return [] if value is None else [(label, str(value))]


def _sized(label: str, size: int | None) -> list[Fact]:
    return [] if size is None else [(label, _binary(size))]


def _binary(size: int) -> str:
    """Write a power of two as such."""
    for unit, name in ((MiB, "MiB"), (KiB, "KiB")):
        if size and size % unit == 0:
            return f"{size} ({size // unit} {name})"
    return str(size)
