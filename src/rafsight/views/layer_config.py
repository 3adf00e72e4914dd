"""The config of an image whose layers were made anew: layers and history fit them, all else is as it came.

This module alone decides which steps of a history stay the maker of a layer.
"""

from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any, Final

from rafsight.access.finding import Identity
from rafsight.formats.oci.classify import NydusManifest
from rafsight.formats.oci.documents import BOOTSTRAP_STEP, history_steps, rewrite_config, write_json
from rafsight.formats.oci.platform import Platform
from rafsight.views.layer_shares import layer_digests

_UNKNOWN: Final = Platform(os="linux", architecture="unknown")


def write_config(
    identity: Identity,
    blobs: Sequence[str],
    diff_ids: Sequence[str],
    *,
    step: str,
    drops_bootstrap: bool = False,
    platform: Platform = _UNKNOWN,
) -> bytes:
    """Write the image's config for other layers.

    Args:
        identity: of the image.
        blobs: for each layer, the lowest first, the digest of the blob whose files it has; empty if it has none's.
        diff_ids: digest of each layer.
        step: what made the layers that no step of the image made.
        drops_bootstrap: leave out the step that stands for the bootstrap.
        platform: of the small config that an image without one gets.

    Returns: JSON; all other members as they came.
    Raises: MalformedDocument.
    """
    raw = identity.config.raw if identity.config else _small_config(platform)
    history = history_steps(raw)
    dropped = _bootstrap_steps(history, identity) if drops_bootstrap else frozenset()
    fitted = _fit_history(history, identity, blobs, {"created_by": step}, dropped)
    return rewrite_config(raw, diff_ids=diff_ids, history=fitted)


def _small_config(platform: Platform) -> bytes:
    members = {"architecture": platform.architecture, "os": platform.os, "variant": platform.variant}
    return write_json({name: value for name, value in members.items() if value})


def _fit_history(
    history: Sequence[dict[str, Any]],
    identity: Identity,
    blobs: Sequence[str],
    added: dict[str, Any],
    dropped: Collection[int],
) -> list[dict[str, Any]]:
    """Mark the steps that made one of the layers; the others made none, as far as these layers go."""
    made = _steps_of_layers(history, identity)
    steps = [made.get(blob, -1) for blob in blobs if blob]
    is_known = all(step >= 0 for step in steps) and all(one < other for one, other in pairwise(steps))
    left = [index for index in range(len(history)) if index not in dropped]
    if left and not is_known and len(steps) == len(blobs) == _count_layers(identity, left):
        return [history[index] for index in left]
    fitted = [_mark(history[index], is_empty=not (is_known and index in steps)) for index in left]
    return [*fitted, *[added] * (len(blobs) - len(steps) if is_known else len(blobs))]


def _steps_of_layers(history: Sequence[dict[str, Any]], identity: Identity) -> dict[str, int]:
    """Return which step of the history made a layer, by what holds its data; nothing if that cannot be told."""
    if identity.config is None:
        return {}
    layers = layer_digests(identity)
    making = [index for index, step in enumerate(identity.config.history) if not step.empty_layer]
    if len(making) != len(layers) or len(identity.config.history) != len(history):
        return {}
    return dict(zip(layers, making, strict=True))


def _bootstrap_steps(history: Sequence[dict[str, Any]], identity: Identity) -> frozenset[int]:
    """Return the steps that stand for the bootstrap of a Nydus image, and for nothing that a container would see."""
    if identity.config is None or not isinstance(identity.classified, NydusManifest):
        return frozenset()
    by_name = {index for index, step in enumerate(identity.config.history) if step.comment == BOOTSTRAP_STEP["comment"]}
    by_layer = _steps_of_layers(history, identity).get(identity.classified.bootstrap_layer.digest)
    return frozenset(by_name if by_layer is None else by_name | {by_layer})


def _count_layers(identity: Identity, steps: Sequence[int]) -> int:
    """Return how many of some steps say that they made a layer."""
    assert identity.config is not None  # there would be no steps
    return sum(not identity.config.history[index].empty_layer for index in steps)


def _mark(step: dict[str, Any], *, is_empty: bool) -> dict[str, Any]:
    rest = {name: value for name, value in step.items() if name != "empty_layer"}
    return rest | {"empty_layer": True} if is_empty else rest
