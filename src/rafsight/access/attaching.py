"""The places where artifacts about an image are put and found: the image's own repository, or its layout.

This module alone decides what a reference has to be for that, and which document of the place the artifacts are about.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rafsight.access.backend import Document, NoSuchTag
from rafsight.access.connect import find_registry
from rafsight.access.counting import Meter
from rafsight.access.options import Offline, Options
from rafsight.access.registry.referrers import Referred
from rafsight.access.target import OpenPieces, Pushed
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.limits import Limits
from rafsight.formats.oci.manifest import Descriptor, Index, parse_document
from rafsight.formats.oci.platform import parse_platform
from rafsight.formats.oci.reference import LayoutReference, PathReference, RegistryReference, parse_reference
from rafsight.formats.oci.resolve import hold, resolve


class NotAttachable(CallerError):
    """A reference names a place where nothing can refer to an image."""

    code = "not-attachable"
    template = "nothing can be attached to {reference}: it is neither in a registry nor in an OCI layout"
    remedy = "Name a registry, HOST/REPOSITORY:TAG, or an OCI layout, oci:DIR:TAG."
    exit_status = ExitStatus.REFERENCE


class Documents(Protocol):
    """What manifests are read from."""

    place: str
    """What people call it."""

    def fetch_manifest(self, name: str) -> Document:
        """Fetch a manifest or index by tag or digest; an empty name means the only image, or all of a layout."""
        ...

    def has_manifest(self, digest: str) -> bool:
        """Tell whether a manifest or index is there."""
        ...


class ReferrerTarget(Documents, Protocol):
    """A place that takes artifacts about its images. Every method raises RegistryFault, CallerError and HostLimit."""

    def push_blob(self, digest: str, size: int, content: OpenPieces) -> Pushed:
        """Make sure that a blob is there."""
        ...

    def push_referrer(self, content: bytes, media_type: str) -> Referred:
        """Put a manifest that refers to another one, and have it listed."""
        ...


class ReferrerSource(Documents, Protocol):
    """A place that tells what refers to its images. Every method raises RegistryFault and ImageFault."""

    def list_referrers(self, digest: str) -> tuple[Descriptor, ...]:
        """List what refers to a manifest or index."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What an artifact is about."""

    descriptor: Descriptor
    is_index: bool


def find_subject(documents: Documents, name: str, *, platform: str = "", limits: Limits | None = None) -> Subject:
    """Find the manifest that artifacts about an image name as their subject.

    Args:
        documents: where the image is.
        name: tag or digest; what it names counts, whether that is a manifest or an index.
        platform: of an index, the image for this platform instead; empty: what is named.
        limits: what to accept.
    Raises: RegistryFault, ImageFault; NoMatchingPlatform, MalformedPlatform; NoSuchTag: a layout without tags.
    Cost: one request; one or two more for an image of an index.
    """
    limits = limits or Limits()
    called = f"manifest of {name}" if name else "manifest"
    document = documents.fetch_manifest(name)
    parsed = parse_document(
        document.content, media_type=document.media_type, digest=document.digest, name=called, limits=limits
    )
    sizes = {document.digest: len(document.content)}
    if isinstance(parsed, Index) and platform:

        def fetch(digest: str) -> Document:
            fetched = documents.fetch_manifest(digest)
            sizes[digest] = len(fetched.content)
            return fetched

        resolved = hold(resolve(document, platform=parse_platform(platform), name=called, limits=limits), fetch)
        parsed = resolved.image.manifest
    if not name and not documents.has_manifest(parsed.digest):  # a layout's `index.json` changes with each artifact
        raise NoSuchTag(what="single image; name one by its tag or digest", place=documents.place)
    descriptor = Descriptor(media_type=parsed.media_type, digest=parsed.digest, size=sizes[parsed.digest])
    return Subject(descriptor=descriptor, is_index=isinstance(parsed, Index))


@contextmanager
def open_referrer_target(reference: str, options: Options, meter: Meter) -> Iterator[tuple[ReferrerTarget, str]]:
    """Open the place of an image to put artifacts there; it is closed at the end of the block.

    Yields: It, and the name of the image there.
    Raises: MalformedReference, NotAttachable, Offline; what the constructor of LayoutTarget raises.
    Cost: none for a registry: nothing is asked before the first object.
    """
    parsed = _parse(reference, options)
    if isinstance(parsed, LayoutReference):
        from rafsight.access.layout_target import LayoutTarget

        yield LayoutTarget(Path(parsed.directory), meter=meter), parsed.name or ""
        return
    from rafsight.access.registry.push import RegistryTarget

    endpoint, credentials = find_registry(parsed, options)
    target = RegistryTarget(endpoint, credentials=credentials, meter=meter)
    try:
        yield target, parsed.name
    finally:
        target.close()


@contextmanager
def open_referrer_source(reference: str, options: Options, meter: Meter) -> Iterator[tuple[ReferrerSource, str]]:
    """Open the place of an image to see what refers to it, without the right to push; closed at the end of the block.

    Yields: It, and the name of the image there.
    Raises: MalformedReference, NotAttachable, Offline.
    Cost: none: nothing is asked yet.
    """
    parsed = _parse(reference, options)
    if isinstance(parsed, LayoutReference):
        from rafsight.access.layout_referrers import LayoutSource

        yield LayoutSource(Path(parsed.directory), meter), parsed.name or ""
        return
    from rafsight.access.registry.referrer_lists import RegistrySource

    endpoint, credentials = find_registry(parsed, options)
    source = RegistrySource(endpoint, credentials, meter)
    try:
        yield source, parsed.name
    finally:
        source.close()


def _parse(reference: str, options: Options) -> RegistryReference | LayoutReference:
    parsed = parse_reference(reference)
    if isinstance(parsed, PathReference) and Path(parsed.path).is_dir():
        parsed = LayoutReference(directory=parsed.path, tag=None, digest=None)
    if not isinstance(parsed, RegistryReference | LayoutReference):
        raise NotAttachable(reference=reference)
    if isinstance(parsed, RegistryReference) and options.offline:
        raise Offline(reference=reference)
    return parsed
