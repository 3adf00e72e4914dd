"""The layers of a slim archive: which entries each has, and what the image's config says of them.

This module alone decides both. Each blob that has files in the tree gives one layer of them, in the order of the
image's layers (blobs that the manifest does not list come last). These layers hold files only: what they are depends on
nothing but the blob's own files, so that images which share a blob share the layer, and a scanner's cache of layers
hits. The last layer has everything else: folders, links, devices, empty files. It is on top, so that whoever unpacks
the layers gets the folders as the image has them, though the layers below named none. Names that begin with `.wh.` are
in no layer: there they would hide other files from a scanner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.access.finding import Identity
from rafsight.image.tree import ImageTree
from rafsight.views import layer_config
from rafsight.views.layer_shares import NO_PLACE, LayerPlan, blob_at, layer_digests, place_files
from rafsight.views.reserved_names import reserved_rows

_STEP: Final = "rafsight export --slim"
"""Stands in the history for a layer which no step of the image made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlimLayers:
    """What layers an image is shown in."""

    plans: tuple[LayerPlan, ...]
    """The lowest first; the last has what is in no blob."""
    reserved: frozenset[int]
    """Rows that are left out, since their names would delete something: a scanner would not see what is there."""


def plan_layers(tree: ImageTree, identity: Identity) -> SlimLayers:
    """Share the entries of a tree out among layers.

    Cost: no I/O. Linear in entries and extents.
    """
    reserved = reserved_rows(tree)
    rows = np.fromiter(tree.walk(), dtype=np.int32, count=len(tree))
    rows = rows[~reserved[rows]]
    layers = layer_digests(identity)
    places = place_files(tree, layers)[rows]
    plans = [
        LayerPlan(blob=blob_at(tree, layers, place), rows=rows[places == place])
        for place in np.unique(places[places != NO_PLACE]).tolist()
    ]
    rest = LayerPlan(blob="", rows=rows[places == NO_PLACE])
    return SlimLayers(plans=(*plans, rest), reserved=frozenset(np.flatnonzero(reserved).tolist()))


def write_config(identity: Identity, blobs: Sequence[str], diff_ids: Sequence[str]) -> bytes:
    """Write the image's config, with layers and history made to fit.

    Args:
        identity: of the image.
        blobs: digest of each layer's blob, as planned.
        diff_ids: digest of each layer.

    Returns: JSON; all other members as they came. An image without a config gets a small one.
    Raises: MalformedDocument.
    """
    return layer_config.write_config(identity, blobs, diff_ids, step=_STEP)
