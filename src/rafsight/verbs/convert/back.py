"""An open Nydus image becomes a plain OCI image: layers, config and manifest go to a target.

This module alone decides the order: each layer is sent while the next one is made; config and manifest come last, so
that nothing is tagged before all is there.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rafsight.access.finding import Identity
from rafsight.access.layer_draft import DraftedLayer, LayerDraft
from rafsight.access.layer_sender import LayerSender, send_layers
from rafsight.access.options import default_platform
from rafsight.access.session import Image, UnreadPart
from rafsight.access.target import Target
from rafsight.access.threads import threads
from rafsight.access.transfer import push_bytes
from rafsight.base.digest import digest_of
from rafsight.base.errors import CallerError, ExitStatus, RegistryFault
from rafsight.base.events import Advanced, Finished, Listener, Started, silent
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.annotations import Annotations
from rafsight.formats.oci.classify import ClassifiedManifest, NydusManifest
from rafsight.formats.oci.documents import write_manifest
from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.oci.platform import Platform, parse_platform
from rafsight.formats.stream_compression import LayerCompression, layer_compression, layer_media_type
from rafsight.reports.conversion import ConvertedBack, PlainLayer
from rafsight.views.export.tally import Omission, Tally
from rafsight.views.layer_config import write_config
from rafsight.views.layer_shares import LayerPlan
from rafsight.views.oci_layers import OciLayers, plan_oci_layers, write_oci_layer

_STEP: Final = "rafsight convert --to-oci"
"""Stands in the history for a layer which no step of the image made."""
_NYDUS_KEYS: Final = keys.NYDUS_BLOB.removesuffix("blob")
"""How annotations begin that say something about a Nydus image."""


class AlreadyPlain(CallerError):
    """The image to make a plain one of is plain."""

    code = "already-plain"
    template = "{reference} is a plain OCI image already"
    remedy = "Copy it as it is: `skopeo copy docker://REF oci:DIR`."
    exit_status = ExitStatus.NOT_AN_IMAGE


class NoContainerImage(CallerError):
    """The artifact has a Nydus bootstrap, and is nothing that a container starts from."""

    code = "no-container-image"
    template = "{reference} is a model artifact, which has no form as a plain image"
    remedy = "`rafsight export REF DIR` writes its files out."
    exit_status = ExitStatus.NOT_AN_IMAGE


class ConfigMissing(RegistryFault):
    """The image's config cannot be had, and a plain image needs it."""

    code = "image-config-missing"
    template = "the config of {reference} cannot be had: {why}"
    remedy = "Push the image again, or write its files out: `rafsight export REF DIR`."
    exit_status = ExitStatus.NOT_FOUND


def convert_image_to_oci(
    image: Image,
    target: Target,
    *,
    tag: str = "",
    compressor: str = "gzip",
    level: int | None = None,
    oci: bool = False,
    platform: str = "",
    work_dir: Path | None = None,
    listener: Listener = silent,
) -> ConvertedBack:
    """Make a plain OCI image of an open Nydus image; see `convert_to_oci`.

    Args:
        image: the open image.
        target: takes it.
        tag: what it is called there.
        compressor: of the layers: `gzip`, `zstd` or `none`.
        level: of gzip (1 to 9) or zstd (1 to 19); None: a fast one.
        oci: media types of OCI's family, though the image's are of Docker's.
        platform: `OS/ARCH[/VARIANT]` of a bare bootstrap, which does not say; empty: that of this machine.
        work_dir: where layers lie until they are sent, in files without names; None: the system's temporary folder.
        listener: told how many bytes are written and sent.

    Raises: NoSuchCompression, UnusableLevel, AlreadyPlain, NoContainerImage, ConfigMissing, LayerTooLarge: before a
        layer is made; WorkFolderUnusable; what the target raises; RegistryFault, ImageFault: a file cannot be read.
        Then nothing is tagged, though layers may be there.
    Cost: all chunks that files need, fetched in plans of some MiB, and all layers, sent. Memory: bounded but for the
        tree. Disk: two layers in temporary files.
    """
    conversion = _Conversion(
        image=image,
        target=target,
        tag=tag,
        compression=layer_compression(compressor, level),
        level=level,
        oci=oci,
        platform=parse_platform(platform or default_platform()),
        work_dir=work_dir,
        listener=listener,
    )
    return conversion.run()


def require_nydus(reference: str, found: ClassifiedManifest) -> None:
    """Refuse what is no Nydus image of a container.

    Raises: AlreadyPlain, NoContainerImage.
    """
    if not isinstance(found, NydusManifest):
        raise AlreadyPlain(reference=reference)
    if found.is_model:
        raise NoContainerImage(reference=reference)


@dataclass(slots=True, kw_only=True)
class _Conversion:
    """One conversion."""

    image: Image
    target: Target
    tag: str
    compression: LayerCompression
    level: int | None
    oci: bool
    platform: Platform
    """Of an image that does not say its own."""
    work_dir: Path | None
    listener: Listener
    tally: Tally = field(default_factory=Tally)

    def run(self) -> ConvertedBack:
        """Make and send layers, config and manifest."""
        identity, before = self.image.identity, self.target.meter.cost.bytes_sent
        _check(identity, self.image.unread)
        planned = plan_oci_layers(self.image.tree, identity)
        for row in planned.reserved:
            self.tally.omit(Omission.WHITEOUT, self.image.tree.path(row))
        family = _family(identity, self.compression, oci=self.oci)
        layers = self._layers(planned, family)
        config = self._config(layers, family)
        outcome = self.tally.result()
        return ConvertedBack(
            source=identity.reference,
            target=self.target.place,
            tag=self.tag,
            platform=identity.platform or str(self.platform),
            digest=self._manifest(layers, config, family),
            media_type=family.manifest,
            config_digest=config.digest,
            layers=tuple(layers),
            entry_count=outcome.entry_count,
            content_size=outcome.size,
            left_out=tuple((str(one.what), one.count) for one in outcome.omitted),
            bytes_fetched=self.image.cost.bytes_fetched,
            bytes_sent=self.target.meter.cost.bytes_sent - before,
        )

    def _config(self, layers: Sequence[PlainLayer], family: "_Family") -> Descriptor:
        """Write and send the config."""
        content = write_config(
            self.image.identity,
            [layer.blob for layer in layers],
            [layer.diff_id for layer in layers],
            step=_STEP,
            drops_bootstrap=True,
            platform=self.platform,
        )
        push_bytes(self.target, content)
        return Descriptor(media_type=family.config, digest=digest_of(content), size=len(content))

    def _manifest(self, layers: Sequence[PlainLayer], config: Descriptor, family: "_Family") -> str:
        """Write and send the manifest, and give it its tag; return its digest."""
        content = write_manifest(
            media_type=family.manifest,
            config=config,
            layers=[Descriptor(media_type=one.media_type, digest=one.digest, size=one.size) for one in layers],
            annotations=_annotations(self.image.identity),
        )
        return self.target.push_manifest(content, family.manifest, tag=self.tag)

    def _layers(self, planned: OciLayers, family: "_Family") -> list[PlainLayer]:
        """Make all layers, each of which is sent while the next one is made."""
        operation = self._operation
        self.listener(Started(operation=operation, title="writing layers", total=planned.content_size, unit="bytes"))
        try:
            with threads(1, name="rafsight-compress") as pool, send_layers(self.target, self.listener) as sender:
                drafted = [self._layer(plan, pool, sender, planned) for plan in planned.plans]
                pushed = sender.finish()
        finally:
            self.listener(Finished(operation=operation))
        return [
            PlainLayer(
                digest=layer.digest,
                size=layer.size,
                media_type=family.layer,
                diff_id=layer.diff_id,
                tar_size=layer.tar_size,
                blob=plan.blob,
                how=one.how,
            )
            for layer, plan, one in zip(drafted, planned.plans, pushed, strict=True)
        ]

    def _layer(
        self, plan: LayerPlan, pool: ThreadPoolExecutor, sender: LayerSender, planned: OciLayers
    ) -> DraftedLayer:
        """Make a layer, and have it sent."""
        draft = LayerDraft(pool, self.compression, self.level, folder=self.work_dir)
        is_top = plan is planned.plans[-1]
        try:
            write_oci_layer(self.image, plan, draft.write, self.tally, is_top=is_top, report=self._report)
            layer = draft.finish()
        except BaseException:
            draft.close()
            raise
        sender.send(draft, layer)
        return layer

    @property
    def _operation(self) -> str:
        return f"layers of {self.image.identity.reference}"

    def _report(self, size: int) -> None:
        self.listener(Advanced(operation=self._operation, amount=size))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """The media types of an image."""

    manifest: str
    config: str
    layer: str


def _family(identity: Identity, compression: LayerCompression, *, oci: bool) -> _Family:
    """Choose Docker's family if the image is of it, and the family has a name for such layers."""
    source = identity.classified.manifest.media_type if identity.classified else ""
    is_docker = source == media_types.DOCKER_MANIFEST and compression is not LayerCompression.ZSTD and not oci
    return _Family(
        manifest=media_types.DOCKER_MANIFEST if is_docker else media_types.OCI_MANIFEST,
        config=media_types.DOCKER_CONFIG if is_docker else media_types.OCI_CONFIG,
        layer=layer_media_type(compression, is_docker=is_docker),
    )


def _check(identity: Identity, unread: Sequence[UnreadPart]) -> None:
    """Refuse what has no form as a plain image."""
    if identity.classified is None:
        return
    require_nydus(identity.reference, identity.classified)
    if identity.config is None:
        why = next((part.why for part in unread), "it is not there")
        raise ConfigMissing(reference=identity.reference, why=why)


def _annotations(identity: Identity) -> Annotations:
    """Return what the manifest says of the image, without what it says of its being one of Nydus."""
    pairs = identity.classified.manifest.annotations.pairs if identity.classified else ()
    return Annotations(tuple(pair for pair in pairs if not pair[0].startswith(_NYDUS_KEYS)))
