"""What a report says about the image itself: digests, layers, sizes."""

from collections.abc import Iterator

from rafsight.access.session import Image
from rafsight.analysis.inventory import Gap, GapReason
from rafsight.formats.oci.classify import ClassifiedManifest, NydusManifest
from rafsight.formats.oci.config import ImageConfig
from rafsight.reports.document import ImageFacts, LayerFacts
from rafsight.reports.folders import folders_of


def describe_image(image: Image) -> ImageFacts:
    """Collect the facts about an open image. Cost: no I/O; linear in the entries, by columns."""
    identity, tables = image.identity, image.tree.tables
    classified, config = identity.classified, identity.config
    manifest = classified.manifest if classified else None
    is_nydus = isinstance(classified, NydusManifest)
    return ImageFacts(
        name=identity.reference,
        format=tables.superblock.format,
        manifest_digest=manifest.digest if manifest else "",
        index_digest=identity.index_digest,
        bootstrap_digest=classified.bootstrap_layer.digest if isinstance(classified, NydusManifest) else "",
        config_digest=manifest.config.digest if manifest else "",
        config=config.raw if config else b"",
        layers=_layers(classified, config),
        platform=identity.platform,
        repo_tags=(f"{identity.repository}:{identity.tag}",) if identity.repository and identity.tag else (),
        repo_digests=(f"{identity.repository}@{manifest.digest}",) if identity.repository and manifest else (),
        image_size=_pull_size(image),
        entry_count=len(image.tree),
        notes=_notes(image) if is_nydus or classified is None else (),
        folders=folders_of(image.tree),
    )


def unread_gaps(image: Image) -> Iterator[Gap]:
    """Say what could not be looked at when the image was opened."""
    for part in image.unread:
        reason = GapReason.UNREADABLE if part.is_missing else GapReason.UNSUPPORTED
        yield Gap(reason=reason, subject=part.what, detail=part.why)


def _layers(classified: ClassifiedManifest | None, config: ImageConfig | None) -> tuple[LayerFacts, ...]:
    if classified is None:
        return ()
    layers = classified.manifest.layers
    diff_ids = config.diff_ids if config and len(config.diff_ids) == len(layers) else ("",) * len(layers)
    steps = [step.created_by for step in config.history if not step.empty_layer] if config else []
    created_by = steps if len(steps) == len(layers) else [""] * len(layers)
    return tuple(
        LayerFacts(
            digest=layer.digest, size=layer.size, media_type=layer.media_type, diff_id=diff_id, created_by=created
        )
        for layer, diff_id, created in zip(layers, diff_ids, created_by, strict=True)
    )


def _pull_size(image: Image) -> int:
    """Return what pulling the image would cost [bytes]: its layers, and for zran images the layers they refer to."""
    classified = image.identity.classified
    if classified is None:
        return len(image.tree.buffer) + sum(blob.compressed_size for blob in image.tree.tables.blobs)
    size = sum(layer.size for layer in classified.manifest.layers)
    if isinstance(classified, NydusManifest):
        listed = {layer.digest for layer in classified.manifest.layers}
        blobs = image.tree.tables.blobs
        size += sum(blob.compressed_size for blob in blobs if f"sha256:{blob.data_id}" not in listed)
    return size


def _notes(image: Image) -> tuple[str, ...]:
    """Say what cannot be verified: chunks without a digest (tarfs, external blobs)."""
    digests = image.tree.tables.chunks.digest
    bare = int((~digests.any(axis=1)).sum()) if len(digests) else 0
    if not bare:
        return ()
    return (f"{bare} of {len(digests)} chunks have no digest in the bootstrap: their bytes cannot be verified",)
