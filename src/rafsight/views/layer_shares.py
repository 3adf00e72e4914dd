"""Which layer a file belongs to, if a tree is taken apart into layers again.

This module alone decides it: that of the last blob, in the order of the image's layers, which has a piece of it. A
file that shares pieces with those of the layers below came with the layer above them. All names of a file share its
layer, since a hard link can only be unpacked beside its target.
"""

import stat as st
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.access.fetch import blob_name
from rafsight.access.finding import Identity
from rafsight.formats.oci.classify import NydusManifest
from rafsight.formats.records import ragged
from rafsight.image.tree import ImageTree

NO_PLACE: Final = -1
"""Place of what has no content: folders, links, devices, empty files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlan:
    """One layer to be written."""

    blob: str
    """Digest of the blob whose files these are; empty for a layer of what is in no blob."""
    rows: NDArray[np.int32]
    """Entries, depth first, each folder by name."""


def layer_digests(identity: Identity) -> list[str]:
    """Return for each layer of the manifest what holds its data, the lowest first; nothing for a bare bootstrap.

    That is the layer itself, but for zran: there it is the tar.gz layer that it is the index of.
    """
    found = identity.classified
    if found is None:
        return []
    originals = {one.layer.digest: one.original for one in found.references} if isinstance(found, NydusManifest) else {}
    return [originals.get(layer.digest, layer.digest) for layer in found.manifest.layers]


def place_files(tree: ImageTree, layers: Sequence[str]) -> NDArray[np.int64]:
    """Find out whose layer each entry's content is in.

    Args:
        tree: the image's tree.
        layers: digests of blobs, the lowest first.

    Returns: (n,) for each row a position in `layers`; for content of a blob that is not among them, `len(layers)` and
        more, by its row in the blob table; `NO_PLACE` for what has no content.
    Cost: no I/O. Linear in entries and extents.
    """
    entries, tables = tree.entries, tree.tables
    known = {digest: place for place, digest in enumerate(layers)}
    blobs = [known.get(blob_name(blob.data_id), len(layers) + blob.index) for blob in tables.blobs]
    places = np.full(len(tree), NO_PLACE, dtype=np.int64)
    is_file = ((entries.mode & 0o170000) == st.S_IFREG) & (entries.extent_count > 0) & (entries.size > 0)
    rows = np.flatnonzero(is_file & (entries.link_row == np.arange(len(tree))))
    if len(rows):
        counts = entries.extent_count[rows].astype(np.int64)
        group, ordinal = ragged(counts)
        chunks = tables.extents.chunk[entries.extent_start[rows].astype(np.int64)[group] + ordinal]
        of_extents = np.array(blobs, dtype=np.int64)[tables.chunks.blob_index[chunks]]
        places[rows] = np.maximum.reduceat(of_extents, np.cumsum(counts) - counts)
    result: NDArray[np.int64] = places[entries.link_row]
    return result


def blob_at(tree: ImageTree, layers: Sequence[str], place: int) -> str:
    """Return the digest of the blob that a place of `place_files` stands for."""
    if place < len(layers):
        return layers[place]
    return blob_name(tree.tables.blobs[place - len(layers)].data_id)
