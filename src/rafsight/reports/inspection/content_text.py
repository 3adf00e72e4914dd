"""Answers about blobs, layers, large files and shared content as text for people.

This module alone decides how they look. `~` stands before an estimate.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from rafsight.base.units import format_size
from rafsight.image.chunk_identity import Obstacle
from rafsight.image.usage import BlobUsage, Overlap, Repeats
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
_NO_DIGESTS: Final = "it has no digests"
_NO_MEMBER_DIGESTS: Final = "the files of tar layers have no digests"
_OBSTACLES: Final = {
    Obstacle.NO_DIGESTS: "one of the images has no digests (the files of tar layers have none)",
    Obstacle.ALGORITHM: "their digests are of different algorithms",
    Obstacle.CHUNK_SIZE: "the chunk sizes differ, so that equal content is cut at other places",
}
_LEFT: Final = {
    Obstacle.NO_DIGESTS: "Only what lies in the same blob can be found",
    Obstacle.CHUNK_SIZE: "Only files smaller than a chunk of both can be found",
}
"""What can be told in spite of an obstacle."""
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
        ("Compressor", blob.compressor or "-"),
    ]
    yield from facts([*place, *_usage(blob.usage)], sheet)


def _usage(usage: BlobUsage) -> list[Fact]:
    known = "" if usage.known_chunk_count == usage.chunk_count else f" ({usage.known_chunk_count:,} in the bootstrap)"
    ratio = "" if usage.ratio is None else f", stored as {_percent(usage.stored_size, usage.content_size)} of it"
    content, addressed = _size(usage.content_size), _size(usage.addressed_size)
    repeats = "" if content == addressed else f", of which files make {addressed}"
    chunks = f"{usage.used_chunk_count:,} of {usage.chunk_count:,} used{known}"
    return [
        ("Chunks", chunks if usage.has_chunks else ""),
        ("Files", f"{usage.file_count:,}" + (f" in {usage.extent_count:,} extents" if usage.has_chunks else "")),
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
    in_table = layer.usage is not None and layer.usage.has_chunks
    row = f", row {layer.blob_index} of the blob table" if in_table else ""
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
    counts = _count(total.file_count, "file", "files")
    if total.kind == "directory":
        counts += f" and {_count(answer.directory_count, 'directory', 'directories')}"
    own = f"; how much of it nothing else uses is not known: {_NO_DIGESTS}"
    if total.exclusive_size is not None:
        own = f", {_size(total.exclusive_size, total.is_exact)} of it used by nothing else"
    text = f"{shown_path(total.path, sheet.painter)}: {counts} with {_size(total.content_size)}"
    yield from wrapped(
        f"{text} take {_size(total.stored_size, total.is_exact)} of blobs{own}.", sheet, style=Style.BOLD
    )
    yield from _explain(sheet, total.is_exact)


def _entries(entries: Sequence[LargeEntry], sheet: Sheet) -> Iterator[Line]:
    rows = [
        (
            _size(entry.stored_size, entry.is_exact),
            "-" if entry.exclusive_size is None else _size(entry.exclusive_size, entry.is_exact),
            _size(entry.content_size),
            f"{entry.file_count:,}",
            shown_path(entry.path, sheet.painter),
        )
        for entry in entries
    ]
    yield from table(_COLUMNS, rows, sheet)


def dedupe(answer: Dedupe, sheet: Sheet) -> Iterator[Line]:
    """Write what is stored once for many uses, what is stored again, and what another image has, too."""
    overlap = answer.overlap
    if overlap is not None and overlap.chunk_count is None:
        text = f"The images cannot be compared: {_OBSTACLES[overlap.obstacle]}."
        yield from wrapped(text, sheet, style=Style.WARNING)
        yield ()
    yield from wrapped(sheet.painter.safe(answer.reference), sheet, style=Style.BOLD)
    why = _NO_MEMBER_DIGESTS if answer.of_layers else _NO_DIGESTS
    yield from facts([("Files hold", _size(answer.repeats.addressed_size)), *_repeats(answer.repeats, why)], sheet)
    if overlap is not None:
        yield from heading(f"Shared with {sheet.painter.safe(answer.other)}", sheet)
        yield from _overlap(answer, overlap, sheet)


def _repeats(repeats: Repeats, why: str) -> list[Fact]:
    unknown = f"not known: {why}"
    if repeats.within_files_size is None or repeats.between_files_size is None:
        return [("Repeated content", unknown), ("Distinct content", unknown)]
    again = distinct = "not known: some of the content has no digests"
    if repeats.stored_again_size is not None and repeats.stored_again_stored_size is not None:
        stored = f", {_size(repeats.stored_again_stored_size)} as stored" if repeats.stored_again_size else ""
        again = f"{_size(repeats.stored_again_size)}{stored}"
    if repeats.distinct_size is not None:
        distinct = f"{_size(repeats.distinct_size)}{_share(repeats.distinct_size, repeats.addressed_size)}"
    return [
        ("Repeated inside files", f"{_size(repeats.within_files_size)} not stored"),
        ("Repeated between files", f"{_size(repeats.between_files_size)} not stored"),
        ("Stored more than once", again),
        ("Distinct content", distinct),
    ]


def _overlap(answer: Dedupe, overlap: Overlap, sheet: Sheet) -> Iterator[Line]:
    if overlap.obstacle in _LEFT and overlap.chunk_count is not None:
        text = f"{_LEFT[overlap.obstacle]}: {_OBSTACLES[overlap.obstacle]}."
        yield from wrapped(text, sheet, first="  ", rest="  ")
    uncompared = f"{_size(overlap.uncompared_size)} of content: no digests, or of another algorithm"
    yield from facts(
        [
            *_shared(overlap),
            ("Not comparable", uncompared if overlap.uncompared_size and overlap.chunk_count is not None else ""),
            ("Blobs of both", ", ".join(sheet.painter.safe(blob) for blob in answer.shared_blobs) or "none"),
        ],
        sheet,
    )
    yield from _explain(sheet, overlap.is_exact or overlap.chunk_count is None)


def _shared(overlap: Overlap) -> list[Fact]:
    """Tell what was found; nothing where that is not known."""
    exact, content, stored = overlap.is_exact, overlap.content_size, overlap.stored_size
    at_hand = overlap.same_blob_stored_size
    if content is None or stored is None or at_hand is None:
        return []
    chunks = f"{overlap.same_blob_chunk_count:,} chunks: no download for who has both"
    return [
        ("Chunks", f"{overlap.chunk_count:,} of {overlap.chunk_total:,}"),
        ("Content", f"{_size(content)}{_share(content, overlap.content_total)}"),
        ("Stored", f"{_size(stored, exact)}{_share(stored, overlap.stored_total)}"),
        ("In the same blobs", f"{_size(at_hand, exact)} stored, {chunks}"),
    ]


def _used_sentence(usages: Sequence[BlobUsage]) -> str:
    exact = all(usage.is_exact for usage in usages)
    stored, data = sum(usage.stored_size for usage in usages), sum(usage.data_size for usage in usages)
    unused, addressed = sum(usage.unused_size for usage in usages), sum(usage.addressed_size for usage in usages)
    blobs = ("blob", "blobs") if any(usage.has_chunks for usage in usages) else ("layer", "layers")
    return (
        f"Files use {_size(stored, exact)} of {_size(data)} in {_count(len(usages), *blobs)} "
        f"for {_size(addressed)}; {_size(unused, exact)} are used by none."
    )


def _explain(sheet: Sheet, exact: bool) -> Iterator[Line]:
    if not exact:
        yield from wrapped(_ESTIMATES, sheet, style=Style.DIM)


def _size(size: int, exact: bool = True) -> str:
    return format_size(size) if exact else f"~{format_size(size)}"


def _count(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f}%"


def _share(part: int, whole: int) -> str:
    return f" ({_percent(part, whole)})" if whole else ""
