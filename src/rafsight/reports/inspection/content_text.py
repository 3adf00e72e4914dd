"""Answers about blobs, layers, large files and shared content as text for people.

This module alone decides how they look. `~` stands before an estimate.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from rafsight.base.units import format_size
from rafsight.image.usage import BlobUsage, Overlap
from rafsight.reports.inspection.bounded import Fact, facts, heading, table, wrapped
from rafsight.reports.inspection.content import (
    BlobFigures,
    BlobUse,
    Dedupe,
    LargeEntry,
    Largest,
    LayerFigures,
    Layers,
)
from rafsight.reports.inspection.fact_lines import shown_path
from rafsight.reports.inspection.renderer import Sheet
from rafsight.reports.paint import Line, Style

_ESTIMATES: Final = (
    "~ marks estimates: the bootstrap does not know what batched chunks, zran slices or members of layers take."
)
_COLUMNS: Final = ("stored", "exclusive", "content", "files", "path")
_MOST_TEXT: Final = 400
"""[characters] of a build step."""


def blob_use(answer: BlobUse, sheet: Sheet) -> Iterator[Line]:
    """Write what is used of each blob, then the sums."""
    if not answer.blobs:
        yield from wrapped("The image has no blobs.", sheet)
        return
    for blob in answer.blobs:
        yield from _blob(blob, sheet)
        yield ()
    yield from wrapped(_used_sentence([blob.usage for blob in answer.blobs]), sheet, style=Style.BOLD)
    yield from _explain(sheet, all(blob.usage.is_exact for blob in answer.blobs))


def _blob(blob: BlobFigures, sheet: Sheet) -> Iterator[Line]:
    yield from wrapped(f"Blob {blob.index}  {sheet.painter.safe(blob.blob_id)}", sheet, style=Style.BOLD, rest="  ")
    layer = blob.layer
    place: list[Fact] = [
        ("Layer", "in no layer of a manifest" if layer is None else str(layer.index)),
        ("Its digest", "" if layer is None or layer.digest.endswith(blob.blob_id) else layer.digest),
        ("Data in", "" if layer is None or not layer.original else f"{layer.original}, which is not in the manifest"),
        ("Compressor", blob.compressor),
    ]
    yield from facts([*place, *_usage(blob.usage)], sheet)


def _usage(usage: BlobUsage) -> list[Fact]:
    known = "" if usage.known_chunk_count == usage.chunk_count else f" ({usage.known_chunk_count:,} in the bootstrap)"
    ratio = "" if usage.ratio is None else f", stored as {_percent(usage.stored_size, usage.content_size)} of it"
    content, addressed = _size(usage.content_size), _size(usage.addressed_size)
    repeats = "" if content == addressed else f", of which files make {addressed}"
    return [
        ("Chunks", f"{usage.used_chunk_count:,} of {usage.chunk_count:,} used{known}"),
        ("Files", f"{usage.file_count:,} in {usage.extent_count:,} extents"),
        ("Stored", f"{_size(usage.stored_size, usage.is_exact)} of {_size(usage.data_size)} used"),
        ("Unused", _size(usage.unused_size, usage.is_exact)),
        ("Content", f"{content}{ratio}{repeats}"),
    ]


def layers(answer: Layers, sheet: Sheet) -> Iterator[Line]:
    """Write a block for each layer, then the blobs that lie in none, then the sums."""
    for layer in answer.layers:
        yield from _layer(layer, sheet)
        yield ()
    if answer.elsewhere:
        text = "Blobs in no layer of the manifest" if answer.has_manifest else "No manifest: the blobs of the bootstrap"
        yield from wrapped(text, sheet, style=Style.BOLD)
        for blob in answer.elsewhere:
            yield ()
            yield from _blob(blob, sheet)
        yield ()
    used = {layer.blob_index: layer.usage for layer in answer.layers if layer.usage is not None}
    usages = [*used.values(), *(blob.usage for blob in answer.elsewhere)]
    size = sum(layer.size for layer in answer.layers)
    count = f"{len(answer.layers):,} layer{'' if len(answer.layers) == 1 else 's'}, {_size(size)}. "
    yield from wrapped((count if answer.has_manifest else "") + _used_sentence(usages), sheet, style=Style.BOLD)
    yield from _explain(sheet, all(usage.is_exact for usage in usages))


def _layer(layer: LayerFigures, sheet: Sheet) -> Iterator[Line]:
    safe = sheet.painter.safe
    yield from wrapped(f"Layer {layer.index}  {layer.digest}", sheet, style=Style.BOLD, rest="  ")
    row = "" if layer.blob_index is None else f", row {layer.blob_index} of the blob table"
    is_idle = layer.usage is None and layer.holding.value != "bootstrap"
    rows: list[Fact] = [
        ("Holds", f"{layer.holding.value}, {_size(layer.size)}{row}"),
        ("Data in", f"{layer.original}, which is not in the manifest" if layer.original else ""),
        ("Media type", safe(layer.media_type)),
        ("Made by", safe(layer.created_by, _MOST_TEXT)),
        ("Used", "no: it is in no row of the blob table" if is_idle else ""),
    ]
    yield from facts([*rows, *(_usage(layer.usage) if layer.usage else [])], sheet)


def largest(answer: Largest, sheet: Sheet) -> Iterator[Line]:
    """Write the largest files and directories, then what they are part of."""
    total = answer.total
    if answer.directories:
        yield from wrapped(f"Largest directories of {answer.directory_count:,}", sheet, style=Style.BOLD)
        yield from _entries(answer.directories, sheet)
        yield ()
    if answer.files:
        yield from wrapped(f"Largest files of {total.file_count:,}", sheet, style=Style.BOLD)
        yield from _entries(answer.files, sheet)
        yield ()
    own = f"{_size(total.stored_size, total.is_exact)} of blobs, {_size(total.exclusive_size, total.is_exact)} of it"
    text = f"{shown_path(total.path, sheet.painter)}: {total.file_count:,} files with {_size(total.content_size)} take"
    yield from wrapped(f"{text} {own} used by nothing else.", sheet, style=Style.BOLD)
    yield from _explain(sheet, total.is_exact)


def _entries(entries: Sequence[LargeEntry], sheet: Sheet) -> Iterator[Line]:
    rows = [
        (
            _size(entry.stored_size, entry.is_exact),
            _size(entry.exclusive_size, entry.is_exact),
            _size(entry.content_size),
            f"{entry.file_count:,}",
            shown_path(entry.path, sheet.painter),
        )
        for entry in entries
    ]
    yield from table(_COLUMNS, rows, sheet)


def dedupe(answer: Dedupe, sheet: Sheet) -> Iterator[Line]:
    """Write what is stored once for many uses, what is stored again, and what another image has, too."""
    repeats = answer.repeats
    again = f"{_size(repeats.stored_again_size)}"
    again += f", {_size(repeats.stored_again_stored_size)} as stored" if repeats.stored_again_size else ""
    yield from wrapped(sheet.painter.safe(answer.reference), sheet, style=Style.BOLD)
    yield from facts(
        [
            ("Files hold", _size(repeats.addressed_size)),
            ("Repeated inside files", f"{_size(repeats.within_files_size)} not stored"),
            ("Repeated between files", f"{_size(repeats.between_files_size)} not stored"),
            ("Stored more than once", again),
            (
                "Distinct content",
                f"{_size(repeats.distinct_size)}{_share(repeats.distinct_size, repeats.addressed_size)}",
            ),
        ],
        sheet,
    )
    if answer.overlap is not None:
        yield from heading(f"Shared with {sheet.painter.safe(answer.other)}", sheet)
        yield from _overlap(answer, answer.overlap, sheet)


def _overlap(answer: Dedupe, overlap: Overlap, sheet: Sheet) -> Iterator[Line]:
    exact = overlap.is_exact
    share = f"{_size(overlap.stored_size, exact)}{_share(overlap.stored_size, overlap.stored_total)}"
    at_hand = f"{_size(overlap.same_blob_stored_size, exact)} stored"
    uncompared = f"{_size(overlap.uncompared_size)} of content: no digests, or of another algorithm"
    yield from facts(
        [
            ("Chunks", f"{overlap.chunk_count:,} of {overlap.chunk_total:,}"),
            ("Content", f"{_size(overlap.content_size)}{_share(overlap.content_size, overlap.content_total)}"),
            ("Stored", share),
            ("In the same blobs", f"{at_hand}, {overlap.same_blob_chunk_count:,} chunks: no download for who has both"),
            ("Not comparable", uncompared if overlap.uncompared_size else ""),
            ("Blobs of both", ", ".join(sheet.painter.safe(blob) for blob in answer.shared_blobs) or "none"),
            ("Note", "" if answer.same_chunk_size else "the chunk sizes differ: equal content is cut otherwise"),
        ],
        sheet,
    )
    yield from _explain(sheet, exact)


def _used_sentence(usages: Sequence[BlobUsage]) -> str:
    exact = all(usage.is_exact for usage in usages)
    stored, data = sum(usage.stored_size for usage in usages), sum(usage.data_size for usage in usages)
    unused, addressed = sum(usage.unused_size for usage in usages), sum(usage.addressed_size for usage in usages)
    return (
        f"Files use {_size(stored, exact)} of {_size(data)} in {len(usages):,} blob{'' if len(usages) == 1 else 's'} "
        f"for {_size(addressed)}; {_size(unused, exact)} are used by none."
    )


def _explain(sheet: Sheet, exact: bool) -> Iterator[Line]:
    if not exact:
        yield from wrapped(_ESTIMATES, sheet, style=Style.DIM)


def _size(size: int, exact: bool = True) -> str:
    return format_size(size) if exact else f"~{format_size(size)}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f}%"


def _share(part: int, whole: int) -> str:
    return f" ({_percent(part, whole)})" if whole else ""
