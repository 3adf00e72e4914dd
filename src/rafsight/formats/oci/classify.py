"""What kind of image a manifest describes: Nydus, plain OCI layers, or none at all.

This module alone decides that. A Nydus image is known by its *last* layer: a tar (of any compression) with a non-empty
`nydus-bootstrap` annotation. nydusify wants the text `true` there and the snapshotter takes any; we take any. What the
superblock of the bootstrap says about its version wins over the annotation, except where the annotation names a version
that older readers would misread (7).
"""

import re
from dataclasses import dataclass
from typing import Final

from rafsight.base.digest import is_digest
from rafsight.base.limits import Limits
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.errors import EncryptedLayer, MalformedDocument, NotAnImage, UnsupportedFormat
from rafsight.formats.oci.manifest import Descriptor, Manifest

_LAST_KNOWN_VERSION: Final = 6
_VERSION: Final = re.compile(r"\s*v?([0-9]{1,9})\s*\Z")
_HEX_DIGEST: Final = re.compile(r"(?:sha256:)?([0-9a-f]{64})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReference:
    """A zran blob layer and the tar.gz layer that it is the index of."""

    layer: Descriptor
    original: str
    """Digest of the tar.gz layer, which is not in the manifest and lies in the same repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NydusManifest:
    """A manifest whose tree lies in a bootstrap."""

    manifest: Manifest
    bootstrap_layer: Descriptor
    blob_layers: tuple[Descriptor, ...]
    """Nydus blobs, in the order of the layers, which is not that of the blob table. Empty if they lie elsewhere."""
    other_layers: tuple[Descriptor, ...]
    """Layers that are neither: the files of a model artifact."""
    references: tuple[LayerReference, ...]
    """Not empty for a zran image."""
    fs_version: int | None
    """As annotated; None if nobody says. For people: the superblock decides."""
    is_model: bool
    looks_like_dictionary: bool
    """The marks of a dedicated chunk dictionary; any Nydus image may serve as one."""
    prefetch_blob: str
    """Hex digest of the blob that `optimize` added; empty if it did not."""
    commit_blobs: tuple[str, ...]
    """Digests of the blobs that `commit` added."""
    source_digest: str
    """Digest of the OCI manifest that was converted; empty if nobody says."""
    source_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OciManifest:
    """A manifest of plain layers."""

    manifest: Manifest
    layers: tuple[Descriptor, ...]
    """Tars, the lowest first."""


ClassifiedManifest = NydusManifest | OciManifest


def classify(manifest: Manifest, *, limits: Limits | None = None) -> ClassifiedManifest:
    """Say what kind of image a manifest describes.

    Raises: NotAnImage, UnsupportedFormat (Nydus v3), EncryptedLayer, MalformedDocument (a Nydus image without its
        bootstrap, a config or bootstrap that is too large).
    """
    limits = limits or Limits()
    found = survey(manifest)
    if isinstance(found, NydusManifest):
        found = _require_sound(found, limits)
    if manifest.config.size > limits.config_size:
        raise MalformedDocument(
            document=manifest.digest,
            what=f"its config has {manifest.config.size} bytes, more than {limits.config_size}",
        )
    return found


def survey(manifest: Manifest) -> ClassifiedManifest:
    """Say what kind of image a manifest describes, or means to: a Nydus image with faults is a Nydus image, too.

    Where the last layer is not marked as the bootstrap, one that is, or the last tar, is taken for it.

    Raises: NotAnImage, UnsupportedFormat (Nydus v3), EncryptedLayer, MalformedDocument (Nydus blobs, and nothing that
        could be their bootstrap).
    """
    _refuse_cache(manifest)
    bootstrap = _meant_bootstrap(manifest)
    return _plain(manifest) if bootstrap is None else _nydus(manifest, bootstrap)


def _meant_bootstrap(manifest: Manifest) -> Descriptor | None:
    """Find the bootstrap layer; None if the manifest is of no Nydus image.

    Raises: MalformedDocument: nothing can be it.
    """
    layers = manifest.layers
    if layers and _is_bootstrap(layers[-1]):
        return layers[-1]
    marked = [layer for layer in layers if _is_bootstrap(layer)]
    if marked:
        return marked[-1]
    if manifest.config.media_type not in media_types.IMAGE_CONFIGS:
        return None
    if layers and layers[-1].annotations.get(keys.NYDUS_BOOTSTRAP):  # of a media type that no layer has
        return layers[-1]
    if not any(layer.media_type == media_types.NYDUS_BLOB for layer in layers):
        return None
    tars = [layer for layer in layers if layer.media_type in media_types.TAR_LAYERS]
    if not tars:
        raise MalformedDocument(document=manifest.digest, what="it has Nydus blobs and no bootstrap")
    return tars[-1]


def _require_sound(found: NydusManifest, limits: Limits) -> ClassifiedManifest:
    """Refuse what `survey` was lenient about.

    Raises: MalformedDocument, NotAnImage.
    """
    manifest, bootstrap = found.manifest, found.bootstrap_layer
    if not _is_bootstrap(bootstrap):
        if any(layer.media_type == media_types.NYDUS_BLOB for layer in manifest.layers):
            raise MalformedDocument(document=manifest.digest, what="it has Nydus blobs and no bootstrap")
        return _plain(manifest)
    if bootstrap is not manifest.layers[-1]:
        raise MalformedDocument(document=manifest.digest, what="its Nydus bootstrap is not the last layer")
    if bootstrap.size > limits.bootstrap_size:
        raise MalformedDocument(document=manifest.digest, what=f"a bootstrap of {bootstrap.size} bytes is too large")
    for layer in found.blob_layers:
        original = layer.annotations.get(keys.NYDUS_REF)
        if original and not is_digest(original):
            what = f"layer {layer.digest} refers to '{original}', which is not a digest"
            raise MalformedDocument(document=manifest.digest, what=what)
    return found


def _is_bootstrap(layer: Descriptor) -> bool:
    """Apply the last-layer rule; an encrypted layer passes, so that it can be called by its name."""
    if not layer.annotations.get(keys.NYDUS_BOOTSTRAP):
        return False
    return layer.media_type in media_types.TAR_LAYERS or _is_encrypted(layer)


def _is_encrypted(layer: Descriptor) -> bool:
    return media_types.is_encrypted_layer(layer.media_type) or layer.annotations.has_family(keys.OCICRYPT_FAMILY)


def _refuse_cache(manifest: Manifest) -> None:
    """Build caches first: the records of old ones end with a bootstrap layer."""
    for key in (keys.NYDUS_CACHE_VERSION, keys.NYDUS_CACHE):
        if manifest.annotations.get(key) is not None:
            raise NotAnImage(document=manifest.digest, what="a Nydus build cache")


def _nydus(manifest: Manifest, bootstrap: Descriptor) -> NydusManifest:
    version = _fs_version(manifest, bootstrap)
    if _is_encrypted(bootstrap):
        raise EncryptedLayer(document=manifest.digest, which="bootstrap", digest=bootstrap.digest)
    others = tuple(layer for layer in manifest.layers if layer is not bootstrap)
    blobs = tuple(layer for layer in others if _is_blob(layer))
    model = (manifest.artifact_type, manifest.config.media_type, bootstrap.annotations.get(keys.NYDUS_ARTIFACT_TYPE))
    return NydusManifest(
        manifest=manifest,
        bootstrap_layer=bootstrap,
        blob_layers=blobs,
        other_layers=tuple(layer for layer in others if not _is_blob(layer)),
        references=_references(blobs),
        fs_version=version,
        is_model=media_types.MODEL_MANIFEST in model or media_types.MODEL_CONFIG in model,
        looks_like_dictionary=bootstrap.annotations.get(keys.NYDUS_FS_VERSION) == ""
        or bootstrap.annotations.get(keys.NYDUS_REFERENCE_BLOB_IDS) is not None,
        prefetch_blob=_hex(bootstrap.annotations.get(keys.NYDUS_PREFETCH_BLOB)),
        commit_blobs=_digests(bootstrap.annotations.get(keys.NYDUS_COMMIT_BLOBS)),
        source_digest=manifest.annotations.get(keys.NYDUS_SOURCE_DIGEST) or "",
        source_reference=manifest.annotations.get(keys.NYDUS_SOURCE_REFERENCE) or "",
    )


def _is_blob(layer: Descriptor) -> bool:
    return layer.media_type == media_types.NYDUS_BLOB or bool(layer.annotations.get(keys.NYDUS_BLOB))


def _fs_version(manifest: Manifest, bootstrap: Descriptor) -> int | None:
    """Read the annotated version: the layer's word, else the manifest's.

    Raises: UnsupportedFormat: a version whose superblock an older reader would misread.
    """
    for where in (bootstrap.annotations, manifest.annotations):
        version = annotated_version(where.get(keys.NYDUS_FS_VERSION))
        if version is None:
            continue
        if version > _LAST_KNOWN_VERSION:
            what = f"Nydus file system version {version} (Nydus v3) is not supported"
            raise UnsupportedFormat(document=manifest.digest, what=what)
        return version
    return None


def annotated_version(text: str | None) -> int | None:
    """Read a version as annotations state it; None if it is no number."""
    match = _VERSION.match(text or "")
    return int(match[1]) if match else None


def _references(blobs: tuple[Descriptor, ...]) -> tuple[LayerReference, ...]:
    originals = ((layer, layer.annotations.get(keys.NYDUS_REF) or "") for layer in blobs)
    return tuple(LayerReference(layer=layer, original=original) for layer, original in originals if is_digest(original))


def _hex(text: str | None) -> str:
    match = _HEX_DIGEST.match(text or "")
    return match[1] if match else ""


def _digests(text: str | None) -> tuple[str, ...]:
    parts = (part.strip() for part in (text or "").split(","))
    return tuple(part for part in parts if is_digest(part))


def _plain(manifest: Manifest) -> OciManifest:
    encrypted = next((layer for layer in manifest.layers if _is_encrypted(layer)), None)
    if encrypted is not None:
        raise EncryptedLayer(document=manifest.digest, which="layer", digest=encrypted.digest)
    layers_are_tars = all(layer.media_type in media_types.TAR_LAYERS for layer in manifest.layers)
    if manifest.config.media_type in media_types.IMAGE_CONFIGS and layers_are_tars:
        return OciManifest(manifest=manifest, layers=manifest.layers)
    raise NotAnImage(document=manifest.digest, what=_describe(manifest))


def _describe(manifest: Manifest) -> str:
    """Say what an artifact is, from the most telling of its media types."""
    odd_layers = tuple(layer.media_type for layer in manifest.layers if layer.media_type not in media_types.TAR_LAYERS)
    telling = (manifest.artifact_type, manifest.config.media_type, *odd_layers)
    known = media_types.describe_artifact(telling)
    if known is not None:
        return known
    plain = (*media_types.IMAGE_CONFIGS, media_types.OCI_EMPTY, "")
    unknown = next((media_type for media_type in telling if media_type not in plain), "unknown")
    return f"an artifact of type {unknown}"
