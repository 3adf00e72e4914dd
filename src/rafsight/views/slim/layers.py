"""The layers of a slim archive: which entries each has, and what the image's config says of them.

This module alone decides both. Each blob that has files in the tree gives one layer of them, in the order of the
image's layers (blobs that the manifest does not list come last); a file belongs to the blob of its first chunk. These
layers hold files only: what they are depends on nothing but the blob's own files, so that images which share a blob
share the layer, and a scanner's cache of layers hits. The last layer has everything else: folders, links, devices,
empty files. It is on top, so that whoever unpacks the layers gets the folders as the image has them, though the layers
below named none.
"""

import stat as st
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rafsight.access.fetch import blob_name
from rafsight.access.session import Identity
from rafsight.formats.oci.manifest import decode
from rafsight.image.tree import ImageTree

_NO_BLOB: Final = -1
_STEP: Final = {"created_by": "rafsight export --slim"}
"""A step of the history that stands for a layer which no step of the image made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlan:
    """One layer to be written."""

    blob: str
    """Digest of the blob whose files these are; empty for the layer of everything else."""
    rows: NDArray[np.int32]
    """Entries, depth first, each folder by name."""


def plan_layers(tree: ImageTree, identity: Identity) -> list[LayerPlan]:
    """Share the entries of a tree out among layers.

    Cost: no I/O. Linear in the entries.
    """
    rows = np.fromiter(tree.walk(), dtype=np.int32, count=len(tree))
    blobs = _blobs(tree)[rows]
    plans = [
        LayerPlan(blob=blob_name(tree.tables.blobs[blob].data_id), rows=rows[blobs == blob])
        for blob in np.unique(blobs[blobs != _NO_BLOB]).tolist()
    ]
    places = {digest: place for place, digest in enumerate(_manifest_layers(identity))}
    plans.sort(key=lambda plan: places.get(plan.blob, len(places)))
    return [*plans, LayerPlan(blob="", rows=rows[blobs == _NO_BLOB])]


def write_config(identity: Identity, blobs: Sequence[str], diff_ids: Sequence[str]) -> bytes:
    """Write the image's config, with layers and history made to fit.

    Args:
        identity: of the image.
        blobs: digest of each layer's blob, as planned.
        diff_ids: digest of each layer.

    Returns: JSON; all other members as they came. An image without a config gets a small one.
    Raises: MalformedDocument.
    """
    import msgspec

    members: dict[str, Any] = {"architecture": "unknown", "os": "linux"}
    history: list[dict[str, Any]] = []
    if identity.config is not None:
        members |= decode(identity.config.raw, dict[str, msgspec.Raw], "config")
        if "history" in members:
            history = decode(bytes(members["history"]), _history_shape(), "config") or []
    members["rootfs"] = {"type": "layers", "diff_ids": list(diff_ids)}
    members["history"] = _fit_history(history, identity, blobs)
    return msgspec.json.encode(members)


def _history_shape() -> Any:
    import msgspec

    return list[dict[str, msgspec.Raw]] | None


def _blobs(tree: ImageTree) -> NDArray[np.int64]:
    """Return the blob of each row: (n,), of the first chunk; `_NO_BLOB` for what has none."""
    entries, tables = tree.entries, tree.tables
    result = np.full(len(tree), _NO_BLOB, dtype=np.int64)
    is_file = ((entries.mode & 0o170000) == st.S_IFREG) & (entries.extent_count > 0) & (entries.size > 0)
    rows = np.flatnonzero(is_file)
    result[rows] = tables.chunks.blob_index[tables.extents.chunk[entries.extent_start[rows]]]
    return result


def _fit_history(history: Sequence[dict[str, Any]], identity: Identity, blobs: Sequence[str]) -> list[dict[str, Any]]:
    """Mark the steps that made one of the layers; the others made none, as far as this archive goes."""
    made = _steps_of_layers(history, identity)
    steps = [made.get(blob, -1) for blob in blobs if blob]
    is_known = all(step >= 0 for step in steps) and all(one < other for one, other in pairwise(steps))
    fitted = [_mark(step, is_empty=not (is_known and index in steps)) for index, step in enumerate(history)]
    return [*fitted, *([_STEP] if is_known else [_STEP] * len(blobs))]


def _steps_of_layers(history: Sequence[dict[str, Any]], identity: Identity) -> dict[str, int]:
    """Return which step of the history made a layer, by the layer's digest; nothing if that cannot be told."""
    if identity.config is None:
        return {}
    layers = _manifest_layers(identity)
    making = [index for index, step in enumerate(identity.config.history) if not step.empty_layer]
    if len(making) != len(layers) or len(identity.config.history) != len(history):
        return {}
    return dict(zip(layers, making, strict=True))


def _manifest_layers(identity: Identity) -> list[str]:
    """Return the digests of the image's layers, the lowest first; none for a bare bootstrap."""
    return [layer.digest for layer in identity.classified.manifest.layers] if identity.classified else []


def _mark(step: dict[str, Any], *, is_empty: bool) -> dict[str, Any]:
    rest = {name: value for name, value in step.items() if name != "empty_layer"}
    return rest | {"empty_layer": True} if is_empty else rest
