"""The Nydus twin of an image of plain layers: the same image in a form of which little has to be fetched.

A twin is found in three places, all in the image's own repository: in the index that its tag names, among what refers
to it, under its tag with a suffix. This module alone decides which of them is believed.

What a twin says of itself (that it was made from the manifest with this digest) is a claim, no proof: only whoever
reads all layers could tell. So a twin is as trustworthy as those who may push to the repository. Who pushes an image
could leave its package database out of it just as well; but where one builds and another scans, a third with the right
to push could show the scanner another image than runs. Hence every report says that it was made through a twin, each
place can be switched off, and nothing is ever taken from another repository.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from rafsight.access.attaching import ReferrerSource, open_referrer_source
from rafsight.access.counting import Meter
from rafsight.access.options import Options
from rafsight.base.errors import ImageFault, RegistryFault
from rafsight.base.limits import Limits
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.classify import NydusManifest, OciManifest, classify
from rafsight.formats.oci.manifest import Descriptor, Index, Manifest, parse_document
from rafsight.formats.oci.platform import parse_platform
from rafsight.formats.oci.reference import RegistryReference, parse_reference
from rafsight.formats.oci.resolve import Resolved, hold, resolve

_MOST: Final = 16
"""Referrers that are looked at; an image has one twin, and a few reports and signatures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinTerms:
    """Where a twin is looked for."""

    in_index: bool = True
    """In the index that the tag names."""
    in_referrers: bool = True
    """Among what refers to the image."""
    tag_suffix: str = ""
    """Under the tag with this behind it; empty: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """A Nydus image that says that it was made from another one."""

    reference: str
    """`HOST/REPO@DIGEST`."""
    original: str
    """`HOST/REPO@DIGEST` of what was asked for."""
    note: str
    """For the report: which artifact was read, and who says that it is the same."""


def find_twin(reference: str, *, terms: TwinTerms, options: Options) -> Twin | None:
    """Find the Nydus twin of an image.

    Args:
        reference: of an image in a registry; whatever else it names has no twin.
        terms: where to look; the tag of the reference is used for that.
        options: how to reach it.
    Returns: None if there is none that says so, or the image is a Nydus image itself.
    Raises: MalformedReference, Offline; RegistryFault, ImageFault: the image itself is not to be had.
    Cost: the manifest, and one to three requests for each place; no layer.
    """
    parsed = parse_reference(reference)
    if not isinstance(parsed, RegistryReference) or not (terms.in_index or terms.in_referrers or terms.tag_suffix):
        return None
    with open_referrer_source(reference, options, Meter()) as (source, name):
        search = _Search(source, options)
        named, found = search.resolve(name)
        if not isinstance(found.image, OciManifest):
            return None
        original = found.image.manifest
        for look in _places(search, original, parsed.tag or "", terms):
            with suppress(RegistryFault, ImageFault):  # a place that has nothing to say has no twin
                if (twin := look()) is not None:
                    return Twin(
                        reference=f"{parsed.host}/{parsed.repository}@{twin.digest}",
                        original=f"{parsed.host}/{parsed.repository}@{named}",
                        note=f"Read through its Nydus twin {twin.digest} ({twin.place}), which says that it was made "
                        f"from {original.digest}; the layers themselves were not read.",
                    )
    return None


@dataclass(frozen=True, slots=True)
class _Found:
    """A twin, and where it was."""

    digest: str
    place: str


def _places(search: "_Search", original: Manifest, tag: str, terms: TwinTerms) -> Iterator[Callable[[], _Found | None]]:
    if terms.in_index and tag:
        yield lambda: search.in_index(original, tag)
    if terms.in_referrers:
        yield lambda: search.in_referrers(original)
    if terms.tag_suffix and tag:
        yield lambda: search.under_tag(original, tag + terms.tag_suffix)


class _Search:
    """One repository."""

    def __init__(self, source: ReferrerSource, options: Options) -> None:
        self._source = source
        self._platform = parse_platform(options.platform)
        self._limits = Limits()

    def resolve(self, name: str) -> tuple[str, Resolved]:
        """Find the image that a name means, and the digest of what it names; a Nydus image of an index is preferred."""
        document = self._source.fetch_manifest(name)
        conversation = resolve(document, platform=self._platform, limits=self._limits, name=f"manifest of {name}")
        return document.digest, hold(conversation, self._source.fetch_manifest)

    def in_index(self, original: Manifest, tag: str) -> _Found | None:
        """Look into the index that a tag names; it has to list the image, too, or it is not about that."""
        index = self._parse(tag)
        if not isinstance(index, Index) or all(one.digest != original.digest for one in index.manifests):
            return None
        return self._claimed(self.resolve(index.digest)[1], original, f"in the index {index.digest} of tag {tag}")

    def in_referrers(self, original: Manifest) -> _Found | None:
        """Look at what refers to the image."""
        listed = [one for one in self._source.list_referrers(original.digest) if _may_be_image(one)]
        for descriptor in listed[:_MOST]:
            with suppress(RegistryFault, ImageFault):
                manifest = self._parse(descriptor.digest)
                if not isinstance(manifest, Manifest) or manifest.subject is None:
                    continue
                image = classify(manifest, limits=self._limits)
                says_other = isinstance(image, NydusManifest) and image.source_digest not in ("", original.digest)
                if isinstance(image, NydusManifest) and manifest.subject.digest == original.digest and not says_other:
                    return _Found(digest=manifest.digest, place="a referrer of it")
        return None

    def under_tag(self, original: Manifest, tag: str) -> _Found | None:
        """Look at what another tag names."""
        return self._claimed(self.resolve(tag)[1], original, f"tag {tag}")

    def _claimed(self, found: Resolved, original: Manifest, place: str) -> _Found | None:
        """Return a Nydus image that says that it was made from the image, or from what that was made from itself."""
        sources = {original.digest, original.annotations.get(keys.NYDUS_SOURCE_DIGEST) or original.digest}
        image = found.image
        if not isinstance(image, NydusManifest) or image.source_digest not in sources:
            return None
        return _Found(digest=image.manifest.digest, place=place)

    def _parse(self, name: str) -> Manifest | Index:
        document = self._source.fetch_manifest(name)
        return parse_document(
            document.content,
            media_type=document.media_type,
            digest=document.digest,
            name=f"manifest of {name}",
            limits=self._limits,
        )


def _may_be_image(descriptor: Descriptor) -> bool:
    """Tell whether a referrer may be an image: tools name the config's media type as its kind, or none."""
    kinds = ("", media_types.NYDUS_MANIFEST, media_types.NYDUS_CONFIG, *media_types.IMAGE_CONFIGS)
    return descriptor.media_type not in media_types.INDEXES and descriptor.artifact_type in kinds
