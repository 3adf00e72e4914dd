"""A plain image, or a folder, becomes a Nydus image in a registry or an OCI layout.

    source -> layers, one at a time -> blobs -> merged bootstrap -> config, manifest -> index, tag

Layers are streamed, packed and pushed side by side; nothing has a tag before all that it needs is there. This module
alone knows the order of the steps.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rafsight.access.connect import Destination, Source, check_login, connect, open_target
from rafsight.access.counting import Meter
from rafsight.access.layer_packing import PackingBase
from rafsight.access.options import Options
from rafsight.access.packing import CompressionPool
from rafsight.access.transfer import copy_blob, push_bytes
from rafsight.access.work_folder import WorkFolder, open_work_folder
from rafsight.base.events import Listener, silent
from rafsight.base.limits import Limits
from rafsight.formats.oci import media_types
from rafsight.formats.oci.annotations import NO_ANNOTATIONS
from rafsight.formats.oci.documents import write_index
from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.oci.platform import parse_platform
from rafsight.formats.oci.reference import (
    DEFAULT_TAG,
    DirectoryReference,
    LayoutReference,
    RegistryReference,
    parse_reference,
)
from rafsight.reports.conversion import Converted, ConvertedImage, ConvertedLayer
from rafsight.verbs.convert.dictionary import ChunkDictionary, open_dictionary
from rafsight.verbs.convert.folder import folder_config, pack_folder
from rafsight.verbs.convert.image import BuiltImage, Plan, SourceImage, build_image
from rafsight.verbs.convert.layers import DoneLayer, LayerWork
from rafsight.verbs.convert.source import PlainImage, SourceImages
from rafsight.verbs.convert.terms import ConvertTerms, UnsuitableTerms


def convert_image(
    source: str,
    target: str,
    *,
    terms: ConvertTerms | None = None,
    options: Options | None = None,
    target_options: Options | None = None,
    listener: Listener = silent,
) -> Converted:
    """Convert a plain image, or a folder, to a Nydus image.

    Args:
        source: a registry reference, `oci:DIR`, `docker-archive:FILE`, `oci-archive:FILE` or `dir:PATH`.
        target: a registry reference or `oci:DIR[:TAG]`; what has that tag loses it once the new image is whole.
        terms: how.
        options: how to reach the source, and the chunk dictionary.
        target_options: how to reach the target; None: as the source.
        listener: told how far it is.
    Raises: UnsuitableTerms, AlreadyNydus, MalformedReference, NoMatchingPlatform: before any layer is read;
        RegistryFault, ImageFault, HostLimit.
    Cost: all layers of the source are streamed once; blobs lie in the work folder until the end. Memory: bounded, but
        for the columns of the tree.
    """
    terms, options = terms or ConvertTerms(), options or Options()
    packing, started = terms.packing(), time.monotonic()
    if _is_same(source, target) and not terms.merge_platform:
        raise UnsuitableTerms(what=f"{source} cannot be replaced by its own conversion; choose another tag")
    if target_options is None:
        check_login(options, source, target, terms.chunk_dict)
    is_folder = isinstance(parse_reference(source), DirectoryReference)
    fetched, sent = Meter(), Meter()
    pool = CompressionPool(packing.compressor, packing.level, os.cpu_count() or 1)
    try:
        with (
            open_dictionary(terms.chunk_dict, packing, options=options, listener=listener) as dictionary,
            open_target(target, target_options or options, sent) as destination,
            open_work_folder(terms.work_dir, keeps=not is_folder) as work,
        ):
            base = PackingBase(
                terms=packing, pool=pool, dictionary=dictionary.chunks, known=dictionary.known, limits=Limits()
            )
            job = _Job(source, terms, options, base, dictionary, destination, work, listener)
            digest, media_type, images = job.run(fetched)
            work.drop()
    finally:
        pool.close()
    return Converted(
        source=source,
        target=target,
        digest=digest,
        media_type=media_type,
        images=images,
        bytes_fetched=fetched.cost.bytes_fetched,
        bytes_sent=sent.cost.bytes_sent,
        elapsed=time.monotonic() - started,
    )


@dataclass(slots=True)
class _Job:
    """One conversion."""

    reference: str
    terms: ConvertTerms
    options: Options
    base: PackingBase
    dictionary: ChunkDictionary
    destination: Destination
    work: WorkFolder
    listener: Listener

    def run(self, meter: Meter) -> tuple[str, str, tuple[ConvertedImage, ...]]:
        """Convert; return digest and media type of what has the tag, and the images."""
        parsed = parse_reference(self.reference)
        if isinstance(parsed, DirectoryReference):
            return self._folder(Path(parsed.directory))
        with connect(self.reference, self.options, meter) as source:
            images = SourceImages(source=source, reference=self.reference, limits=self.base.limits).find(
                self.terms.platforms, every=self.terms.all_platforms, default=self.options.platform
            )
            built = [self._convert(source, image) for image in images]
            if self.terms.merge_platform:
                for image in images:
                    self._copy(source, image)
        return self._name(images, built)

    def _folder(self, path: Path) -> tuple[str, str, tuple[ConvertedImage, ...]]:
        if self.terms.merge_platform or self.terms.with_referrer or self.terms.oci_ref:
            raise UnsuitableTerms(what="a folder is no image that an index, a subject or a chunk could refer to")
        if self.terms.all_platforms or self.terms.platforms:
            raise UnsuitableTerms(what="a folder is of one platform, which --platform names")
        done, left_out = pack_folder(path, self.base, self.work, self.destination.target, self.listener)
        platform = parse_platform(self.options.platform)
        source = SourceImage(
            descriptor=Descriptor(media_type="", digest="", size=0),
            reference="",
            config=folder_config(platform),
            is_docker=False,
        )
        built = self._build(source, [done], None)
        digest = self.destination.target.push_manifest(
            built.manifest, built.descriptor.media_type, tag=self.destination.tag
        )
        image = _describe(built, [done], platform=str(platform), source_size=0)
        return digest, built.descriptor.media_type, (replace(image, left_out=image.left_out + left_out),)

    def _convert(self, source: Source, image: PlainImage) -> tuple[BuiltImage, list[DoneLayer]]:
        document = image.document
        subject = Descriptor(
            media_type=image.manifest.manifest.media_type, digest=document.digest, size=len(document.content)
        )
        is_docker = image.manifest.manifest.media_type == media_types.DOCKER_MANIFEST and not (
            self.terms.oci or self.terms.oci_ref or self.terms.merge_platform
        )
        described = SourceImage(
            descriptor=subject,
            reference=self.reference if source.repository else "",
            config=image.config.raw,
            is_docker=is_docker,
        )
        work = LayerWork(
            backend=source.backend,
            target=self.destination.target,
            base=self.base,
            work=self.work,
            dictionary=self.dictionary.key,
            refers=self.terms.oci_ref,
            repository=source.repository,
            listener=self.listener,
            operation=f"layers of {self.reference} for {image.platform}",
        )
        done = work.run(image.manifest.layers, image.diff_ids)
        return self._build(described, done, subject if self.terms.with_referrer else None), done

    def _build(self, source: SourceImage, done: Sequence[DoneLayer], subject: Descriptor | None) -> BuiltImage:
        plan = Plan(
            terms=self.base.terms,
            prefetch=self.terms.prefetch,
            subject=subject,
            is_merged=self.terms.merge_platform,
            limits=self.base.limits,
        )
        return build_image(source, done, self.dictionary, plan, target=self.destination.target, listener=self.listener)

    def _copy(self, source: Source, image: PlainImage) -> None:
        """Bring the source itself to the target, as it is."""
        manifest = image.manifest.manifest
        push_bytes(self.destination.target, image.config.raw)
        for layer in image.manifest.layers:
            copy_blob(source.backend, source.repository, layer.digest, layer.size, self.destination.target)
        self.destination.target.push_manifest(image.document.content, manifest.media_type)

    def _name(
        self, images: Sequence[PlainImage], built: Sequence[tuple[BuiltImage, list[DoneLayer]]]
    ) -> tuple[str, str, tuple[ConvertedImage, ...]]:
        """Push manifests, and an index where there is more than one; the last of them gets the tag."""
        target, tag = self.destination.target, self.destination.tag
        described = tuple(
            _describe(one, done, platform=str(image.platform), source_size=_size(image))
            for image, (one, done) in zip(images, built, strict=True)
        )
        if len(built) == 1 and not self.terms.merge_platform:
            one = built[0][0]
            return (
                target.push_manifest(one.manifest, one.descriptor.media_type, tag=tag),
                one.descriptor.media_type,
                described,
            )
        entries: list[Descriptor] = []
        for image, (one, _) in zip(images, built, strict=True):
            target.push_manifest(one.manifest, one.descriptor.media_type)
            entry = replace(one.descriptor, platform=image.platform)
            if self.terms.merge_platform:
                plain = image.document
                entries.append(
                    Descriptor(
                        media_type=image.manifest.manifest.media_type,
                        digest=plain.digest,
                        size=len(plain.content),
                        platform=image.platform,
                    )
                )
                entry = replace(entry, artifact_type=media_types.NYDUS_MANIFEST)
            entries.append(entry)
        is_docker = all(entry.media_type == media_types.DOCKER_MANIFEST for entry in entries)
        kind = media_types.DOCKER_INDEX if is_docker else media_types.OCI_INDEX
        index = write_index(entries, NO_ANNOTATIONS, media_type=kind)
        return target.push_manifest(index, kind, tag=tag), kind, described


def _is_same(source: str, target: str) -> bool:
    """Tell whether two references name one tag of one place, however they are written."""
    one, other = parse_reference(source), parse_reference(target)
    if isinstance(one, RegistryReference) and isinstance(other, RegistryReference):
        return replace(one, digest=None, tag=one.tag or DEFAULT_TAG) == replace(other, tag=other.tag or DEFAULT_TAG)
    if isinstance(one, LayoutReference) and isinstance(other, LayoutReference):
        is_one_place = os.path.realpath(one.directory) == os.path.realpath(other.directory)
        return is_one_place and (one.tag or DEFAULT_TAG) == (other.tag or DEFAULT_TAG)
    return source == target


def _size(image: PlainImage) -> int:
    """Return the [bytes] of config and layers of a source."""
    return image.manifest.manifest.config.size + sum(layer.size for layer in image.manifest.layers)


def _describe(built: BuiltImage, done: Sequence[DoneLayer], *, platform: str, source_size: int) -> ConvertedImage:
    own = {one.files.summary.blob_digest for one in done}
    left_out: dict[str, int] = {}
    for one in done:
        for what, count in one.files.summary.left_out:
            left_out[what] = left_out.get(what, 0) + count
    return ConvertedImage(
        platform=platform,
        digest=built.descriptor.digest,
        config_digest=built.config_digest,
        bootstrap_digest=built.bootstrap.digest,
        bootstrap_size=built.bootstrap.size,
        layers=tuple(_describe_layer(one) for one in done),
        dictionary_layers=tuple(layer.digest for layer in built.layers[:-1] if layer.digest not in own),
        entry_count=built.entry_count,
        chunk_count=built.chunk_count,
        content_size=sum(one.files.summary.content_size for one in done),
        source_size=source_size,
        target_size=sum(layer.size for layer in built.layers) + built.config_size,
        unread=built.unread,
        unread_count=built.unread_count,
        left_out=tuple(left_out.items()),
    )


def _describe_layer(one: DoneLayer) -> ConvertedLayer:
    return ConvertedLayer(
        source_digest=one.source.digest,
        source_size=one.source.size,
        digest=one.files.summary.blob_digest,
        size=one.files.summary.blob_size,
        how=one.pushed.how if one.pushed else "",
        is_resumed=one.is_resumed,
    )
