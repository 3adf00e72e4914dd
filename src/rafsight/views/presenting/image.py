"""A plain OCI image of an open Nydus image: layers, config and manifest, by a recipe.

This module alone decides what is in them. The layers are those of the views that there are: with a scanner's rules,
those of a slim archive; with everything, those of `convert --to-oci`. They are not compressed, since compressors give
other bytes from version to version, and the same image has to give the same digests everywhere. The config is the
image's own but for layers and history.

Something that cannot be shown as it is ends the work: whoever scans the image would take it for one without that.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from rafsight.access.session import Image
from rafsight.base.digest import digest_of
from rafsight.base.errors import Defect, ExitStatus, ImageFault
from rafsight.base.text import escape
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.annotations import Annotations
from rafsight.formats.oci.classify import NydusManifest
from rafsight.formats.oci.documents import write_manifest
from rafsight.formats.oci.manifest import Descriptor, Manifest
from rafsight.formats.stream_compression import LayerCompression, layer_media_type
from rafsight.views.export.tally import Tally
from rafsight.views.export.tar_writer import Sink
from rafsight.views.layer_config import write_config
from rafsight.views.layer_shares import LayerPlan
from rafsight.views.oci_layers import plan_oci_layers, write_oci_layer
from rafsight.views.presenting.recipe import Recipe
from rafsight.views.presenting.shelf import Shelf
from rafsight.views.presenting.shown import Shown, ShownLayer
from rafsight.views.slim.content import SlimContent

CONTENT: Final = "rafsight.presented.content"
"""Annotation of a manifest: what is in the layers, by the name of the recipe."""
ORIGIN: Final = "rafsight.presented.origin"
"""Annotation of a manifest: digest of the Nydus manifest that it shows."""
_STEP: Final = "rafsight present"
"""Stands in the history for a layer which no step of the image made."""
NYDUS_FAMILY: Final = keys.NYDUS_BLOB.removesuffix("blob")
"""How annotations begin that say something about a Nydus image."""

OnLayer = Callable[[int, ShownLayer], None]
"""Told that the layer with an index was made."""


class NotPresentable(ImageFault):
    """A Nydus image that cannot be shown as a plain one without hiding something."""

    code = "image-not-presentable"
    template = "{reference} cannot be shown as a plain image: {why}"
    remedy = "Scan it by `rafsight scan`, which needs no plain image; `rafsight check` says what is wrong with it."
    exit_status = ExitStatus.UNSUPPORTED


def present_image(
    image: Image,
    recipe: Recipe,
    shelf: Shelf,
    *,
    known: Sequence[ShownLayer] = (),
    on_layer: OnLayer = lambda index, layer: None,  # noqa: ARG005 - nobody listens
    check: Callable[[], None] = lambda: None,
) -> Shown:
    """Make a plain image, its layers on the shelf.

    Args:
        image: the open image.
        recipe: what the layers hold.
        shelf: takes the layers.
        known: the lowest layers, as they were made before by the same recipe: they are not made again.
        on_layer: told about each layer that was made, in order.
        check: called again and again; raises to end the work.
    Raises: NotPresentable: something that plain images cannot have. RegistryFault, ImageFault: content that cannot be
        had. ShelfUnusable, ShelfTooSmall; what `check` raises.
    Cost: the chunks of what the layers hold. Memory: bounded but for the tree. Disk: the layers.
    """
    manifest = _manifest_of(image)
    work = _Work.plan(image, recipe, check)
    layers = list(known[: len(work.plans)])
    for index in range(len(layers), len(work.plans)):
        layer = _make_layer(work, index, shelf, frozenset(one.digest for one in layers))
        layers.append(layer)
        on_layer(index, layer)
    config = write_config(
        image.identity,
        [plan.blob for plan in work.plans],
        [layer.digest for layer in layers],
        step=_STEP,
        drops_bootstrap=True,
    )
    return Shown(
        origin=manifest.digest,
        media_type=media_types.OCI_MANIFEST,
        manifest=_write_manifest(manifest, recipe, config, layers),
        config=config,
        layers=tuple(layers),
        original_size=sum(layer.size for layer in manifest.layers),
        fetched=image.cost.bytes_fetched,
    )


def present_again(image: Image, recipe: Recipe, shelf: Shelf, shown: Shown, *, check: Callable[[], None]) -> None:
    """Make the layers of an image that are not on the shelf any more.

    Args:
        image: the open image.
        recipe: by which it was made.
        shelf: takes the layers.
        shown: what was made.
        check: called again and again; raises to end the work.
    Raises: as `present_image`; Defect: something else than before came of it.
    Cost: as `present_image`, for the layers that are missing.
    """
    work = _Work.plan(image, recipe, check)
    keep = frozenset(layer.digest for layer in shown.layers)
    for index, layer in enumerate(shown.layers):
        if shelf.has(layer.digest):
            continue
        made = _make_layer(work, index, shelf, keep) if index < len(work.plans) else None
        if made != layer:
            raise Defect(what=f"layer {index} of {shown.origin} was {layer.digest} once, and is not any more")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """The layers that are to be made, and how."""

    plans: tuple[LayerPlan, ...]
    write: Callable[[LayerPlan, Sink], None]

    @classmethod
    def plan(cls, image: Image, recipe: Recipe, check: Callable[[], None]) -> "_Work":
        """Plan by a recipe."""
        work, reserved = _everything(image, check) if recipe.rules is None else _slim(image, recipe, check)
        if reserved:
            first = escape(image.tree.path(min(reserved)))
            why = f"in layers, names such as /{first} hide other files"
            raise NotPresentable(reference=image.identity.reference, why=why)
        return work


def _slim(image: Image, recipe: Recipe, check: Callable[[], None]) -> tuple[_Work, Collection[int]]:
    """Plan the layers that scanners are shown."""
    assert recipe.rules is not None  # the caller has looked
    content = SlimContent(image, recipe.rules, Tally(), keep_going=False)

    def write(plan: LayerPlan, sink: Sink) -> None:
        content.write(plan, sink, lambda size: check())  # noqa: ARG005 - how much does not matter

    return _Work(plans=content.plans, write=write), content.reserved


def _everything(image: Image, check: Callable[[], None]) -> tuple[_Work, Collection[int]]:
    """Plan the layers of the whole image."""
    planned = plan_oci_layers(image.tree, image.identity)

    def write(plan: LayerPlan, sink: Sink) -> None:
        is_top = plan is planned.plans[-1]
        write_oci_layer(image, plan, sink, Tally(), is_top=is_top, report=lambda size: check())  # noqa: ARG005

    return _Work(plans=planned.plans, write=write), planned.reserved


def _make_layer(work: _Work, index: int, shelf: Shelf, keep: frozenset[str]) -> ShownLayer:
    with shelf.draft(keep) as draft:
        work.write(work.plans[index], draft.write)
    return ShownLayer(digest=draft.digest, size=draft.size)


def _manifest_of(image: Image) -> Manifest:
    """Return the manifest of an image of which a plain one can be made.

    Raises: NotPresentable.
    """
    identity = image.identity
    found = identity.classified
    if not isinstance(found, NydusManifest) or found.is_model:
        raise NotPresentable(reference=identity.reference, why="it is no Nydus image of a container")
    if identity.config is None:
        why = next((part.why for part in image.unread), "it is not there")
        raise NotPresentable(reference=identity.reference, why=f"its config cannot be had: {why}")
    return found.manifest


def _write_manifest(manifest: Manifest, recipe: Recipe, config: bytes, layers: Sequence[ShownLayer]) -> bytes:
    pairs = [pair for pair in manifest.annotations.pairs if not pair[0].startswith(NYDUS_FAMILY)]
    media_type = layer_media_type(LayerCompression.NONE, is_docker=False)
    return write_manifest(
        media_type=media_types.OCI_MANIFEST,
        config=Descriptor(media_type=media_types.OCI_CONFIG, digest=digest_of(config), size=len(config)),
        layers=[Descriptor(media_type=media_type, digest=one.digest, size=one.size) for one in layers],
        annotations=Annotations((*pairs, (CONTENT, recipe.name), (ORIGIN, manifest.digest))),
    )
