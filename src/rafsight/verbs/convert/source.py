"""Which plain images a conversion is about: those of the wanted platforms, or the only one."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rafsight.access.backend import Document
from rafsight.access.cache import Cache
from rafsight.access.connect import Source
from rafsight.access.objects import fetch_document, fetch_verified
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.limits import Limits
from rafsight.formats.oci.classify import NydusManifest, OciManifest
from rafsight.formats.oci.config import ImageConfig, parse_config
from rafsight.formats.oci.manifest import Index, parse_document
from rafsight.formats.oci.platform import Platform, parse_platform
from rafsight.formats.oci.resolve import hold, image_platforms, resolve


class AlreadyNydus(CallerError):
    """What should be converted is a Nydus image."""

    code = "already-nydus"
    template = "{reference} is a Nydus image already"
    remedy = "`rafsight convert REF DST --to-oci` makes a plain image of it; `rafsight repair` changes its files."
    exit_status = ExitStatus.UNSUPPORTED


class NotPlatforms(CallerError):
    """Platforms were asked for where there is one image, or none."""

    code = "no-index"
    template = "{reference} is no list of images, so that there are no platforms to choose from"
    remedy = (
        "Leave --all-platforms out, and name no list of platforms; of an index that lists others name one of those."
    )
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainImage:
    """A plain image that is converted."""

    manifest: OciManifest
    document: Document
    """The manifest as it came."""
    config: ImageConfig
    platform: Platform

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """Digests of the uncompressed layers, if config and manifest agree about their number."""
        return self.config.diff_ids if len(self.config.diff_ids) == len(self.manifest.layers) else ()


@dataclass(slots=True, kw_only=True)
class SourceImages:
    """The images of a reference."""

    source: Source
    reference: str
    limits: Limits
    _documents: dict[str, Document] = field(default_factory=dict)

    def find(self, platforms: Sequence[str], *, every: bool, default: str) -> list[PlainImage]:
        """Find the images, each once.

        Args:
            platforms: wanted ones; empty: the default.
            every: all platforms of an index.
            default: platform that is chosen from an index.
        Raises: AlreadyNydus, NotPlatforms, NoMatchingPlatform, MalformedPlatform; RegistryFault, ImageFault.
        """
        document = self._fetch(self.source.name)
        parsed = parse_document(document.content, media_type=document.media_type, digest=document.digest)
        wanted = [parse_platform(text) for text in platforms or (default,)]
        if (every or len(wanted) > 1) and not isinstance(parsed, Index):
            raise NotPlatforms(reference=self.reference)
        if every and isinstance(parsed, Index):
            wanted = image_platforms(parsed)
        if not wanted:
            raise NotPlatforms(reference=self.reference)
        found = [self._find(document, platform) for platform in wanted]
        return list({image.document.digest: image for image in found}.values())

    def _find(self, document: Document, platform: Platform) -> PlainImage:
        resolved = hold(resolve(document, platform=platform, prefer="oci", limits=self.limits), self._fetch)
        image = resolved.image
        if isinstance(image, NydusManifest):
            raise AlreadyNydus(reference=self.reference)
        descriptor = image.manifest.config
        content = fetch_verified(self.source.backend, descriptor.digest, descriptor.size)
        config = parse_config(content, digest=descriptor.digest, limits=self.limits)
        stated = Platform(os=config.os, architecture=config.architecture, variant=config.variant)
        return PlainImage(
            manifest=image,
            document=self._documents[image.manifest.digest],
            config=config,
            platform=resolved.platform or stated,
        )

    def _fetch(self, name: str) -> Document:
        document = fetch_document(self.source.backend, name, Cache(None))
        self._documents[document.digest] = document
        return document
