"""Questions about content that metadata alone answers: what is used, large, shared, or different.

This module alone decides which entries are the largest. No question fetches content.
"""

from collections.abc import Iterable

import numpy as np

from rafsight.access.session import Image
from rafsight.formats.oci.media_types import compression_of
from rafsight.formats.rafs.blob_sizes import has_chunks
from rafsight.formats.records import Indexes
from rafsight.formats.tables import BlobEntry
from rafsight.image.chunk_identity import identify_chunks, knows_content
from rafsight.image.difference import compare_trees
from rafsight.image.tree import ImageTree
from rafsight.image.usage import BlobUsage, find_extents, measure_overlap, measure_repeats, measure_usage
from rafsight.image.weight import Weights, weigh
from rafsight.reports.inspection.content import (
    BlobFigures,
    BlobUse,
    Dedupe,
    ImageDifference,
    LargeEntry,
    Largest,
    LayerFigures,
    LayerPlace,
    Layers,
)
from rafsight.verbs.inspect.layer_map import MappedLayer, map_layers


def measure_blobs(image: Image) -> BlobUse:
    """Say what the files of an image use of each blob.

    Raises: ImageFault, if the tree is not read yet.
    Cost: no I/O.
    """
    tables = image.tree.tables
    return BlobUse(blobs=_figures(tables.blobs, measure_usage(tables), map_layers(image)))


def list_layers(image: Image) -> Layers:
    """Describe every layer of an image, and the blobs that lie in none.

    Raises: ImageFault, if the tree is not read yet.
    Cost: no I/O.
    """
    tables = image.tree.tables
    usage, layers = measure_usage(tables), map_layers(image)
    return Layers(
        has_manifest=image.identity.classified is not None,
        layers=tuple(
            LayerFigures(
                index=layer.index,
                digest=layer.descriptor.digest,
                media_type=layer.descriptor.media_type,
                size=layer.descriptor.size,
                holding=layer.holding,
                original=layer.original,
                blob_index=layer.blob_index,
                created_by=layer.created_by,
                usage=None if layer.blob_index is None else usage[layer.blob_index],
            )
            for layer in layers
        ),
        elsewhere=tuple(blob for blob in _figures(tables.blobs, usage, layers) if blob.layer is None),
    )


def _figures(
    blobs: Iterable[BlobEntry], usage: Iterable[BlobUsage], layers: Iterable[MappedLayer]
) -> tuple[BlobFigures, ...]:
    places: dict[int, LayerPlace] = {}
    compressions: dict[int, str] = {}
    for layer in layers:
        if layer.blob_index is not None:
            place = LayerPlace(index=layer.index, digest=layer.descriptor.digest, original=layer.original)
            places.setdefault(layer.blob_index, place)
            compressions.setdefault(layer.blob_index, compression_of(layer.descriptor.media_type))
    return tuple(
        BlobFigures(
            index=blob.index,
            blob_id=blob.blob_id,
            compressor=blob.compressor.name.lower() if has_chunks(blob) else compressions.get(blob.index, ""),
            layer=places.get(blob.index),
            usage=figures,
        )
        for blob, figures in zip(blobs, usage, strict=True)
    )


def list_largest(image: Image, count: int, row: int) -> Largest:
    """Find the largest files and directories below a row.

    Args:
        image: the image.
        count: how many of each.
        row: where to look.
    Raises: ImageFault, if the tree is not read yet.
    Cost: no I/O.
    """
    tree = image.tree
    weights = weigh(tree, row)
    below = weights.below[1:] if tree.is_directory(row) else weights.below
    is_directory = (tree.entries.mode[below] & np.uint32(0o170000)) == np.uint32(0o040000)
    directories = below[is_directory]
    is_known = knows_content(tree.tables)
    return Largest(
        total=_large_entry(tree, weights, row, is_known=is_known),
        files=_take(tree, weights, below[~is_directory & (weights.files[below] > 0)], count, is_known=is_known),
        directories=_take(tree, weights, directories, count, is_known=is_known),
        directory_count=len(directories),
    )


def _take(tree: ImageTree, weights: Weights, rows: Indexes, count: int, *, is_known: bool) -> tuple[LargeEntry, ...]:
    """Take the largest by stored size, then by content, then in path order."""
    order = np.lexsort((-weights.content[rows], -weights.used[rows]))[:count]
    return tuple(_large_entry(tree, weights, row, is_known=is_known) for row in rows[order].tolist())


def _large_entry(tree: ImageTree, weights: Weights, row: int, *, is_known: bool) -> LargeEntry:
    return LargeEntry(
        path=tree.path(row),
        kind=tree.kind(row),
        stored_size=int(weights.used[row]),
        exclusive_size=int(weights.exclusive[row]) if is_known else None,
        content_size=int(weights.content[row]),
        file_count=int(weights.files[row]),
        is_exact=bool(weights.is_exact[row]),
    )


def find_shared(image: Image, other: Image | None) -> Dedupe:
    """Say what an image holds more than once, and what another one has, too.

    Raises: ImageFault, if a tree is not read yet.
    Cost: no I/O.
    """
    tables = image.tree.tables
    shared_blobs: tuple[str, ...] = ()
    same_chunk_size: bool | None = True
    if other is None:
        (identity,) = identify_chunks((tables,))
        overlap = None
    else:
        others = other.tree.tables
        identity, other_identity = identify_chunks((tables, others))
        overlap = measure_overlap(tables, others, identity, other_identity)
        theirs = set(_used_blobs(other.tree))
        shared_blobs = tuple(sorted(set(_used_blobs(image.tree)) & theirs))
        sizes = tables.superblock.chunk_size, others.superblock.chunk_size
        same_chunk_size = sizes[0] == sizes[1] if all(sizes) else None
    return Dedupe(
        reference=image.identity.reference,
        of_layers=not all(map(has_chunks, tables.blobs)),
        repeats=measure_repeats(tables, identity),
        other="" if other is None else other.identity.reference,
        overlap=overlap,
        shared_blobs=shared_blobs,
        same_chunk_size=same_chunk_size,
    )


def _used_blobs(tree: ImageTree) -> Iterable[str]:
    tables = tree.tables
    used = np.unique(tables.chunks.blob_index[find_extents(tables).chunks]).tolist()
    return (tables.blobs[index].blob_id for index in used)


def compare_images(image: Image, other: Image) -> ImageDifference:
    """Compare two images path by path.

    Args:
        image: the left one.
        other: the right one, which may be closed afterwards.
    Raises: ImageFault, if a tree is not read yet, or if the extended attributes of an entry are malformed.
    Cost: no I/O. A second for some 400,000 entries.
    """
    left, right = image.tree, other.tree
    return ImageDifference(
        left=image.identity.reference,
        right=other.identity.reference,
        left_tree=left,
        right_tree=right,
        difference=compare_trees(left, right),
    )
