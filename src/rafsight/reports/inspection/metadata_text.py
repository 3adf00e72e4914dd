"""Answers about entries, inodes and chunks as text for people.

This module alone decides how an entry and its chunks look. Every fact of the peer's text is there; numbers are exact.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from stat import filemode
from typing import Final

from rafsight.reports.inspection.fact_lines import Fact, fact_lines, moment, shown, shown_path, sized, table_lines
from rafsight.reports.inspection.metadata import (
    ChunkFacts,
    ChunkUses,
    EntryAttributes,
    EntryFacts,
    InodeContent,
    InodeFacts,
    Listing,
    PrefetchList,
)
from rafsight.reports.inspection.metadata_json import sign_of
from rafsight.reports.inspection.renderer import Sheet
from rafsight.reports.paint import Line, Painter, Span, Style, right, styled

_INODE_WIDTH: Final = 8
_LABEL_WIDTH: Final = len("Inode number")
"""[columns] of the longest label of an entry's attributes."""
_STYLES: Final = {"directory": Style.BOLD, "symlink": Style.UNKNOWN}
_CHUNK_HEADINGS: Final = ("File offset", "Chunk", "Compressed", "Size", "Decompressed", "Size", "Chunk id")
_NOT_THERE: Final = "no such inode in the image"


def listing(answer: Listing, sheet: Sheet) -> Iterator[Line]:
    """Write a line for each entry: sign, inode number, name; or that a search found none."""
    if answer.has_paths and not answer.entries:
        yield (Span("Nothing found."),)
    for entry in answer.entries:
        name = shown_path(entry.name, sheet.painter) if answer.has_paths else shown(entry.name, sheet.painter)
        yield (
            Span(f"{sign_of(entry.kind)} {entry.ino:>{_INODE_WIDTH}}  "),
            Span(name, _STYLES.get(entry.kind, Style.PLAIN)),
        )


def entry(answer: EntryFacts, sheet: Sheet) -> Iterator[Line]:
    """Write everything about one entry."""
    yield from fact_lines([*_attributes(answer.attributes, sheet.painter), *_content(answer.content, sheet.painter)])
    yield from _chunks(answer.content.chunks)


def inode(answer: InodeFacts, sheet: Sheet) -> Iterator[Line]:
    """Write the names of an inode, each with what is found there, and then what they share."""
    shared = _content(answer.content, sheet.painter)
    is_one = len(answer.names) == 1
    for name in answer.names:
        yield (Span(shown_path(name.path, sheet.painter), Style.BOLD),)
        facts = _attributes(name, sheet.painter)[1:]
        yield from fact_lines([*facts, *shared] if is_one else facts, indent=2)
        if not is_one:
            yield ()
    if not is_one:
        yield (Span("All names share", Style.BOLD),)
        yield from fact_lines(shared, indent=2, room=_LABEL_WIDTH)
    yield from _chunks(answer.content.chunks)


def prefetch(answer: PrefetchList, sheet: Sheet) -> Iterator[Line]:
    """Write the prefetch table, every path of an inode on a line of its own."""
    entries = answer.entries
    yield from fact_lines([("Total prefetching files", str(len(entries)))])
    for entry in entries:
        is_all = len(entries) == 1 and entry.paths == (b"",)
        number = right(str(entry.ino), 10)
        if not entry.paths:
            yield (Span(f"{number}  "), Span(_NOT_THERE, Style.WARNING))
        for path in entry.paths:
            yield (Span(f"{number}  {shown_path(path, sheet.painter)}{' (the whole image)' if is_all else ''}"),)
            number = " " * len(number)


def chunk_uses(answer: ChunkUses, sheet: Sheet) -> Iterator[Line]:
    """Write which files use chunks at a place, every name of a file on a line of its own."""
    where = f"of blob {answer.blob_id}" if answer.blob_id else "of any blob"
    if not answer.files:
        yield (Span(f"No file uses a chunk at compressed offset {answer.compressed_offset} {where}."),)
    for index, use in enumerate(answer.files):
        if index:
            yield ()
        for path in use.paths:
            yield (Span(shown_path(path, sheet.painter), Style.BOLD), Span(f"  inode {use.ino}", Style.DIM))
        yield from _chunk_tables(use.chunks)


def _attributes(entry: EntryAttributes, painter: Painter) -> list[Fact]:
    return [
        ("Path", shown_path(entry.path, painter)),
        ("Inode number", str(entry.ino)),
        ("Name", shown(entry.name, painter)),
        ("Kind", entry.kind),
        ("Size", sized(entry.size)),
        ("Parent", f"{entry.parent_ino}"),
        ("Mode", f"0x{entry.mode:04X}"),
        ("Permissions", f"{filemode(entry.mode)} ({entry.mode:o})"),
        ("Links", str(entry.nlink)),
        ("UID", str(entry.uid)),
        ("GID", str(entry.gid)),
        ("Modified", f"{entry.mtime}{moment(entry.mtime)}"),
        ("Nanoseconds", str(entry.mtime_nsec)),
        ("Blocks", str(entry.blocks)),
    ]


def _content(content: InodeContent, painter: Painter) -> list[Fact]:
    facts = [("Names", str(content.name_count))]
    if content.target is not None:
        facts.append(("Target", shown(content.target, painter)))
    if content.device is not None:
        facts.append(("Device", "{}, {}".format(*content.device)))
    facts += [("Xattr", f"{shown(one.name, painter)} = {shown(one.value, painter)}") for one in content.xattrs]
    if content.digest:
        facts.append(("Digest", content.digest.hex()))
    return facts


def _chunks(chunks: Sequence[ChunkFacts] | None) -> Iterator[Line]:
    if chunks and chunks[0].compressed_offset is None:
        yield from styled(["Chunks: none, the content lies in a tar layer"], Style.DIM)
        for chunk in chunks:
            place = f"  at {chunk.decompressed_offset} of the decompressed layer"
            yield (Span(f"  Blob {chunk.blob_index}  ", Style.DIM), Span(chunk.blob_id), Span(place))
    elif chunks is not None:
        yield from styled([f"Chunks: {len(chunks)}" if chunks else "Chunks: none"], Style.DIM)
        yield from _chunk_tables(chunks)


def _chunk_tables(chunks: Sequence[ChunkFacts]) -> Iterator[Line]:
    """Write neighbouring chunks of one blob as a table."""
    for (index, blob_id), group in groupby(chunks, lambda chunk: (chunk.blob_index, chunk.blob_id)):
        yield (Span(f"  Blob {index}  ", Style.DIM), Span(blob_id))
        yield from table_lines(_CHUNK_HEADINGS, [_chunk_row(chunk) for chunk in group], indent=4)


def _chunk_row(chunk: ChunkFacts) -> tuple[str, ...]:
    return (
        str(chunk.file_offset),
        str(chunk.number),
        str(chunk.compressed_offset),
        str(chunk.compressed_size),
        str(chunk.decompressed_offset),
        str(chunk.decompressed_size),
        chunk.digest.hex() if any(chunk.digest) else "none",
    )
