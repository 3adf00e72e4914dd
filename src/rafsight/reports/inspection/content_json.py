"""Answers about content as JSON.

This module alone decides the keys. Sizes are exact numbers of bytes; `exact` beside them tells an estimate. Paths have
a leading slash. A key is always there; what is not known is null.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rafsight.formats.tables import Rows
from rafsight.image.tree import ImageTree
from rafsight.image.usage import BlobUsage
from rafsight.reports.inspection.content import (
    BlobFigures,
    BlobUse,
    Dedupe,
    ImageDifference,
    LargeEntry,
    Largest,
    Layers,
)
from rafsight.reports.inspection.difference_values import (
    FIELDS,
    FieldChange,
    Value,
    changed_entries,
    lonely_entries,
    name_of,
    paths_of,
)
from rafsight.reports.names import named


def blob_use(answer: BlobUse) -> dict[str, Any]:
    """Write what is used of each blob, and sums."""
    return {"blobs": [_blob(blob) for blob in answer.blobs], "total": _sums(blob.usage for blob in answer.blobs)}


def _blob(blob: BlobFigures) -> dict[str, Any]:
    return {
        "index": blob.index,
        "blob_id": blob.blob_id,
        "compressor": blob.compressor or None,
        "layer": None if blob.layer is None else blob.layer.index,
        "layer_digest": None if blob.layer is None else blob.layer.digest,
        "original_layer": (blob.layer.original or None) if blob.layer else None,
        **_usage(blob.usage),
    }


def _usage(usage: BlobUsage) -> dict[str, Any]:
    return {
        "chunks": usage.chunk_count if usage.has_chunks else None,
        "known_chunks": usage.known_chunk_count if usage.has_chunks else None,
        "used_chunks": usage.used_chunk_count if usage.has_chunks else None,
        "extents": usage.extent_count,
        "files": usage.file_count,
        "data_size": usage.data_size,
        "stored_size": usage.stored_size,
        "unused_size": usage.unused_size,
        "exact": usage.is_exact,
        "content_size": usage.content_size,
        "addressed_size": usage.addressed_size,
        "ratio": usage.ratio,
    }


def _sums(usages: Iterable[BlobUsage]) -> dict[str, Any]:
    """Add up what can be added; a file that lies in two blobs would count twice, so files are not."""
    parts = list(usages)
    return {
        "used_chunks": sum(one.used_chunk_count for one in parts) if all(one.has_chunks for one in parts) else None,
        "data_size": sum(one.data_size for one in parts),
        "stored_size": sum(one.stored_size for one in parts),
        "unused_size": sum(one.unused_size for one in parts),
        "exact": all(one.is_exact for one in parts),
        "content_size": sum(one.content_size for one in parts),
        "addressed_size": sum(one.addressed_size for one in parts),
    }


def layers(answer: Layers) -> dict[str, Any]:
    """Write the layers, and the blobs that lie in none."""
    return {
        "layers": [
            {
                "index": layer.index,
                "digest": layer.digest,
                "media_type": layer.media_type,
                "size": layer.size,
                "holds": layer.holding.value,
                "original_layer": layer.original or None,
                "blob_index": layer.blob_index,
                "created_by": layer.created_by or None,
                "use": None if layer.usage is None else _usage(layer.usage),
            }
            for layer in answer.layers
        ],
        "blobs_in_no_layer": [_blob(blob) for blob in answer.elsewhere],
        "total_size": sum(layer.size for layer in answer.layers),
    }


def largest(answer: Largest) -> dict[str, Any]:
    """Write the largest files and directories."""
    return {
        "total": _large_entry(answer.total),
        "directory_count": answer.directory_count,
        "files": [_large_entry(entry) for entry in answer.files],
        "directories": [_large_entry(entry) for entry in answer.directories],
    }


def _large_entry(entry: LargeEntry) -> dict[str, Any]:
    return {
        **named("path", b"/" + entry.path),
        "kind": entry.kind,
        "stored_size": entry.stored_size,
        "exclusive_size": entry.exclusive_size,
        "exact": entry.is_exact,
        "content_size": entry.content_size,
        "files": entry.file_count,
    }


def dedupe(answer: Dedupe) -> dict[str, Any]:
    """Write what is held more than once or shared."""
    overlap = answer.overlap
    return {
        "image": answer.reference,
        **asdict(answer.repeats),
        "other": None if overlap is None else _other(answer),
    }


def _other(answer: Dedupe) -> dict[str, Any]:
    assert answer.overlap is not None
    figures = asdict(answer.overlap)
    del figures["obstacle"]  # told by the nulls, and by `same_chunk_size`
    return {
        "image": answer.other,
        "same_chunk_size": answer.same_chunk_size,
        "shared_blobs": list(answer.shared_blobs),
        "exact": figures.pop("is_exact"),
        **figures,
    }


def difference(answer: ImageDifference) -> dict[str, Any]:
    """Write every entry that differs.

    Cost: some microseconds for each of them.
    """
    found, pairs = answer.difference, answer.difference.pairs
    return {
        "left": answer.left,
        "right": answer.right,
        "counts": {
            "left_entries": len(answer.left_tree),
            "right_entries": len(answer.right_tree),
            "common": len(pairs.left),
            "removed": len(pairs.only_left),
            "added": len(pairs.only_right),
            "changed": len(found.changed),
            "content_unknown": len(found.unknown),
            "changed_fields": {name_of(field): found.count(field) for field in FIELDS},
        },
        "removed": _lonely(answer.left_tree, pairs.only_left),
        "added": _lonely(answer.right_tree, pairs.only_right),
        "changed": [
            {**named("path", b"/" + entry.path), "kind": entry.kind, "fields": [_field(one) for one in entry.fields]}
            for entry in changed_entries(answer, found.changed)
        ],
        "content_unknown": [
            named("path", b"/" + path) for path in paths_of(answer.left_tree, pairs.left[found.unknown])
        ],
    }


def _lonely(tree: ImageTree, rows: Rows) -> list[dict[str, Any]]:
    return [
        {**named("path", b"/" + entry.path), "kind": entry.kind, "size": entry.size}
        for entry in lonely_entries(tree, rows)
    ]


def _field(change: FieldChange) -> dict[str, Any]:
    return {"field": name_of(change.field), **_value("left", change.left), **_value("right", change.right)}


def _value(key: str, value: Value) -> dict[str, Any]:
    return named(key, value) if isinstance(value, bytes) else {key: value}
