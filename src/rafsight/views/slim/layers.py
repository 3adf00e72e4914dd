"""The layers of a slim archive: which entries each has, and what the image's config says of them.

This module alone decides both. Each blob that has files in the tree gives one layer of them, in the order of the
image's layers (blobs that the manifest does not list come last). These layers hold files only: what they are depends on
nothing but the blob's own files, so that images which share a blob share the layer, and a scanner's cache of layers
hits. The last layer has everything else: folders, links, devices, empty files. It is on top, so that whoever unpacks
the layers gets the folders as the image has them, though the layers below named none.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from rafsight.access.session import Identity
from rafsight.image.tree import ImageTree
from rafsight.views import layer_config
from rafsight.views.layer_shares import NO_PLACE, LayerPlan, blob_at, layer_digests, place_files

_STEP: Final = "rafsight export --slim"
"""Stands in the history for a layer which no step of the image made."""


def plan_layers(tree: ImageTree, identity: Identity) -> list[LayerPlan]:
    """Share the entries of a tree out among layers.

    Cost: no I/O. Linear in entries and extents.
    """
    rows = np.fromiter(tree.walk(), dtype=np.int32, count=len(tree))
    layers = layer_digests(identity)
    places = place_files(tree, layers)[rows]
    plans = [
        LayerPlan(blob=blob_at(tree, layers, place), rows=rows[places == place])
        for place in np.unique(places[places != NO_PLACE]).tolist()
    ]
    return [*plans, LayerPlan(blob="", rows=rows[places == NO_PLACE])]


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
