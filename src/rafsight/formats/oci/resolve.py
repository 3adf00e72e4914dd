"""Which manifest of an index is the wanted image.

This module alone decides that, in this order: the wanted platform; then, for a Nydus image, what the descriptor says
(`artifactType`, the OS feature of older converters), then what the manifest itself says (the last-layer rule). Nested
indexes are followed, attestations and other artifacts are passed over. It fetches nothing: it is a conversation that
yields the digest of a document and is sent the document.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, Protocol

from rafsight.base.errors import ImageFault
from rafsight.base.limits import Limits
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.classify import ClassifiedManifest, NydusManifest, classify
from rafsight.formats.oci.errors import MalformedDocument, NoMatchingPlatform, NotAnImage
from rafsight.formats.oci.manifest import Descriptor, Index, Manifest, parse_document
from rafsight.formats.oci.platform import Platform, match_rank

Preference = Literal["nydus", "oci"]

MAX_DOCUMENTS: Final = 64
"""Documents that one conversation fetches at most; an index of honest tools needs two or three."""
_NO_PLATFORM: Final = 10_000
_SEEN_SHOWN: Final = 12


class FetchedDocument(Protocol):
    """A document, verified against its digest (`access.backend.Document` is one)."""

    @property
    def media_type(self) -> str:
        """What its source calls it."""
        ...

    @property
    def digest(self) -> str:
        """Its digest."""
        ...

    @property
    def content(self) -> bytes:
        """Its bytes."""
        ...


Classifier = Callable[[Manifest], ClassifiedManifest]
Conversation = Generator[str, FetchedDocument, "Resolved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One descriptor of an index that could be the wanted image."""

    descriptor: Descriptor
    says_nydus: bool
    """By its artifact type or OS feature."""
    outcome: str
    """What became of it, for people; empty if nobody had to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """The image that was chosen, and what else was looked at on the way."""

    image: ClassifiedManifest
    platform: Platform | None
    """As the index states it; None for a manifest that was named directly."""
    candidates: tuple[Candidate, ...]
    """Those of the right platform, in order of preference."""


def hold(conversation: Conversation, fetch: Callable[[str], FetchedDocument]) -> Resolved:
    """Hold a conversation with something that can fetch documents by digest."""
    try:
        digest = next(conversation)
        while True:
            digest = conversation.send(fetch(digest))
    except StopIteration as end:
        resolved: Resolved = end.value
        return resolved


def resolve(
    document: FetchedDocument,
    *,
    platform: Platform,
    prefer: Preference = "nydus",
    name: str = "",
    limits: Limits | None = None,
    classifier: Classifier | None = None,
) -> Conversation:
    """Find the wanted image in a document: the manifest itself, or the best one of an index.

    A manifest that was named directly is taken whatever the platform. Yields digests to fetch, is sent the documents.

    Args:
        document: what the reference names.
        platform: what to choose from an index.
        prefer: which kind of image, where an index has both.
        name: what people call the document, for messages; empty: a manifest or an index, by its media type.
        limits: what to accept.
        classifier: says what a manifest describes; `classify` if none is given.
    Raises: NoMatchingPlatform; NotAnImage: an index has none for any platform; what `parse_document` and `classify`
            raise.
    Cost: one document for a manifest or a marked index; else one a candidate of the platform, and one a nested index.
    """
    limits = limits or Limits()
    classifier = classifier or partial(classify, limits=limits)
    parsed = _parse(document, limits, name)
    if isinstance(parsed, Manifest):
        return Resolved(image=classifier(parsed), platform=None, candidates=())
    return (yield from _Search(platform, prefer, limits, classifier).search(parsed))


def image_platforms(index: Index) -> list[Platform]:
    """Return the platforms of an index that have an image, each once; nested indexes are not looked into."""
    found = [
        descriptor.platform
        for descriptor in index.manifests
        if descriptor.platform is not None
        and descriptor.media_type not in media_types.INDEXES
        and _is_image(descriptor)
    ]
    bare = [Platform(os=one.os, architecture=one.architecture, variant=one.variant) for one in found]
    return list(dict.fromkeys(bare))


def _parse(document: FetchedDocument, limits: Limits, name: str = "") -> Manifest | Index:
    kind = document.media_type.partition(";")[0].strip().lower()
    if not name and kind in media_types.ACCEPTED:
        name = "index" if kind in media_types.INDEXES else "manifest"
    return parse_document(
        document.content, media_type=document.media_type, digest=document.digest, name=name, limits=limits
    )


class _Search:
    """One search through an index and those below it."""

    def __init__(self, platform: Platform, prefer: Preference, limits: Limits, classifier: Classifier) -> None:
        self._classify = classifier
        self._platform = platform
        self._prefer = prefer
        self._limits = limits
        self._documents = 0
        self._seen: list[str] = []
        self._fallback: tuple[int, ClassifiedManifest] | None = None
        self._fault: ImageFault | None = None

    def search(self, index: Index) -> Conversation:
        """Look for the image, the best candidates first; a worse platform only if a better one has nothing."""
        found: list[tuple[int, Descriptor]] = []
        yield from self._collect(index, found)
        found.sort(key=lambda pair: (pair[0], self._order(pair[1])))
        ordered = [descriptor for _, descriptor in found]
        outcomes = [""] * len(ordered)
        for row, (rank, descriptor) in enumerate(found):
            exhausted = self._documents >= MAX_DOCUMENTS
            if self._fallback is not None and (exhausted or rank != found[self._fallback[0]][0]):
                break
            if exhausted:
                raise MalformedDocument(document=index.digest, what=f"more than {MAX_DOCUMENTS} documents to look at")
            image = yield from self._look(descriptor, row, outcomes)
            if image is not None:
                return self._result(image, row, ordered, outcomes)
        if self._fallback is not None:
            return self._result(self._fallback[1], self._fallback[0], ordered, outcomes)
        if self._fault is not None:
            raise self._fault
        if not self._seen:  # such as the list of what is attached to an image, under a tag of its own
            raise NotAnImage(document=index.digest, what="an index without any image")
        raise NoMatchingPlatform(document=index.digest, wanted=str(self._platform), seen=self._listing())

    def _collect(self, index: Index, found: list[tuple[int, Descriptor]]) -> Generator[str, FetchedDocument, None]:
        """List the descriptors of the platform, level by level of nested indexes."""
        level, visited = [index], {index.digest}
        for depth in range(self._limits.index_depth + 1):
            below: list[Descriptor] = []
            for one in level:
                self._sort_out(one, found, below)
            below = [one for one in {one.digest: one for one in below}.values() if one.digest not in visited]
            if not below:
                return
            if depth == self._limits.index_depth:
                raise MalformedDocument(document=index.digest, what="its indexes are nested too deeply")
            level = []
            for descriptor in below:
                visited.add(descriptor.digest)
                if self._documents >= MAX_DOCUMENTS:
                    raise MalformedDocument(document=index.digest, what=f"more than {MAX_DOCUMENTS} nested indexes")
                parsed = yield from self._fetch(descriptor)
                if not isinstance(parsed, Index):
                    raise MalformedDocument(document=descriptor.digest, what="it is not the index it was said to be")
                level.append(parsed)

    def _sort_out(self, index: Index, found: list[tuple[int, Descriptor]], below: list[Descriptor]) -> None:
        for descriptor in index.manifests:
            platform = descriptor.platform if descriptor.platform and descriptor.platform.architecture else None
            rank = _NO_PLATFORM if platform is None else match_rank(self._platform, platform)
            if descriptor.media_type in media_types.INDEXES:
                if rank is not None:
                    below.append(descriptor)
                else:
                    self._seen.append(str(platform))
            elif _is_image(descriptor):
                self._seen.append("one without a platform" if platform is None else str(platform))
                if rank is not None:
                    found.append((rank, descriptor))

    def _order(self, descriptor: Descriptor) -> int:
        """Rank equals of one platform: those that say they are of the preferred kind first."""
        mark = 2 - _nydus_mark(descriptor)
        return mark if self._prefer == "nydus" else -mark

    def _look(
        self, descriptor: Descriptor, row: int, outcomes: list[str]
    ) -> Generator[str, FetchedDocument, ClassifiedManifest | None]:
        """Fetch one candidate; None if it is not of the preferred kind, or faulty."""
        try:
            parsed = yield from self._fetch(descriptor)
            if not isinstance(parsed, Manifest):
                raise MalformedDocument(document=descriptor.digest, what="it is not the manifest it was said to be")
            image = self._classify(parsed)
        except ImageFault as fault:
            outcomes[row] = str(fault)
            self._fault = self._fault or fault
            return None
        is_nydus = isinstance(image, NydusManifest)
        outcomes[row] = "Nydus" if is_nydus else "OCI layers"
        if is_nydus == (self._prefer == "nydus"):
            return image
        self._fallback = self._fallback or (row, image)
        return None

    def _fetch(self, descriptor: Descriptor) -> Generator[str, FetchedDocument, Manifest | Index]:
        self._documents += 1
        if descriptor.size > self._limits.index_size:
            raise MalformedDocument(document=descriptor.digest, what=f"a document of {descriptor.size} bytes")
        document = yield descriptor.digest
        return _parse(document, self._limits)

    def _result(self, image: ClassifiedManifest, row: int, ordered: list[Descriptor], outcomes: list[str]) -> Resolved:
        return Resolved(
            image=image,
            platform=ordered[row].platform,
            candidates=tuple(
                Candidate(descriptor=descriptor, says_nydus=_nydus_mark(descriptor) > 0, outcome=outcome)
                for descriptor, outcome in zip(ordered, outcomes, strict=True)
            ),
        )

    def _listing(self) -> str:
        names = list(dict.fromkeys(self._seen))
        shown = ", ".join(names[:_SEEN_SHOWN])
        return shown if len(names) <= _SEEN_SHOWN else f"{shown} and {len(names) - _SEEN_SHOWN} more"


def _nydus_mark(descriptor: Descriptor) -> int:
    """Tell how surely a descriptor says that it is a Nydus image: 2 by artifact type, 1 by OS feature, 0 not at all."""
    if descriptor.artifact_type in (media_types.NYDUS_MANIFEST, media_types.NYDUS_CONFIG):
        return 2
    features = descriptor.platform.os_features if descriptor.platform else ()
    return 1 if media_types.NYDUS_OS_FEATURE in features else 0


def _is_image(descriptor: Descriptor) -> bool:
    """Tell whether a descriptor may be an image, and not something that a tool put beside it."""
    if descriptor.annotations.get(keys.DOCKER_REFERENCE_TYPE) is not None:
        return False
    platform = descriptor.platform
    if platform is not None and "unknown" in (platform.os, platform.architecture):
        return False
    return descriptor.artifact_type in media_types.IMAGE_ARTIFACTS
