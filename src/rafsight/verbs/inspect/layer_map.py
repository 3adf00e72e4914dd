"""Which layer of a manifest holds which blob of the table, and which build step made it.

This module alone decides that. Layers and blobs are matched by name, since their orders differ.
"""

from dataclasses import dataclass
from typing import Final

from rafsight.access.session import Image
from rafsight.formats.oci.classify import NydusManifest
from rafsight.formats.oci.config import ImageConfig
from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.tables import BlobEntry
from rafsight.reports.inspection.content import Holding

_BOOTSTRAP_STEP: Final = "Nydus Bootstrap Layer"
"""Comment of the step that converters append."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedLayer:
    """One layer of the manifest."""

    index: int
    descriptor: Descriptor
    holding: Holding
    original: str
    blob_index: int | None
    created_by: str


def map_layers(image: Image) -> tuple[MappedLayer, ...]:
    """Describe the layers of an image, the lowest first; none for a bare bootstrap. Cost: none."""
    classified = image.identity.classified
    if classified is None:
        return ()
    layers = classified.manifest.layers
    steps = _steps(image.identity.config, len(layers))
    if not isinstance(classified, NydusManifest):
        held: list[tuple[Holding, str, int | None]] = [(Holding.OCI_LAYER, "", index) for index in range(len(layers))]
    else:
        held = _nydus(classified, image.head.blobs)
    return tuple(
        MappedLayer(
            index=index, descriptor=layer, holding=holding, original=original, blob_index=blob, created_by=created_by
        )
        for index, (layer, (holding, original, blob), created_by) in enumerate(zip(layers, held, steps, strict=True))
    )


def _nydus(manifest: NydusManifest, blobs: tuple[BlobEntry, ...]) -> list[tuple[Holding, str, int | None]]:
    rows: dict[str, int] = {}
    for blob in blobs:
        for name in (blob.data_id, blob.blob_id, blob.meta_id):
            if name:
                rows.setdefault(name, blob.index)
    originals = {id(reference.layer): reference.original for reference in manifest.references}
    blob_layers = {id(layer) for layer in manifest.blob_layers}
    held: list[tuple[Holding, str, int | None]] = []
    for layer in manifest.manifest.layers[:-1]:
        original = originals.get(id(layer), "")
        holding = Holding.NYDUS_BLOB if id(layer) in blob_layers else Holding.OTHER
        row = next((rows[name] for name in map(_hex, (layer.digest, original)) if name in rows), None)
        held.append((holding, original, row))
    return [*held, (Holding.BOOTSTRAP, "", None)]


def _hex(digest: str) -> str:
    return digest.partition(":")[2]


def _steps(config: ImageConfig | None, layer_count: int) -> list[str]:
    """Return the build step of each layer, where the history tells.

    Blobs that a converter appended (dictionaries, commits) have no step of their own: they lie between those of the
    source and the bootstrap.
    """
    steps = [step for step in config.history if not step.empty_layer] if config else []
    texts = [step.created_by for step in steps]
    missing = layer_count - len(steps)
    if steps and missing > 0 and steps[-1].comment == _BOOTSTRAP_STEP and len(steps) > 1:
        return [*texts[:-1], *[""] * missing, texts[-1]]
    return texts if missing == 0 else [""] * layer_count
