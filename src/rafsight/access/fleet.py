"""Many images, opened for little: connections and tokens are shared, and configs stay where they are.

The config of a Nydus image would only say once more what the digests of manifest and bootstrap layer have proven, so a
fleet does without it. Bootstraps are taken out of the cache, and not put there: ten thousand of them nobody wants on
disk. This module alone decides what of an image is fetched before anybody asks for its content.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from rafsight.access.backend import Backend, Document
from rafsight.access.bootstrap import load_bootstrap
from rafsight.access.cache import Cache
from rafsight.access.connect import Source, connect, find_registry
from rafsight.access.contents import Contents
from rafsight.access.counting import Cost, Meter
from rafsight.access.finding import FoundImage, Identity
from rafsight.access.layers import Keep, keep_nothing, stream_layers
from rafsight.access.objects import fetch_document
from rafsight.access.oci_layout import LayoutBackend
from rafsight.access.options import Offline, Options
from rafsight.access.pace import LONGEST_HOLD, Pace
from rafsight.access.registry.shared_lines import SharedLines
from rafsight.access.retry import Retrier, RetryPolicy
from rafsight.access.session import Grown, Image, UnreadPart
from rafsight.base.digest import digest_of
from rafsight.base.events import Listener, silent
from rafsight.base.limits import Limits
from rafsight.base.text import escape
from rafsight.formats.oci.annotations import NO_ANNOTATIONS
from rafsight.formats.oci.classify import ClassifiedManifest, NydusManifest
from rafsight.formats.oci.manifest import Descriptor, Index, parse_document
from rafsight.formats.oci.platform import parse_platform
from rafsight.formats.oci.reference import RegistryReference, parse_reference
from rafsight.formats.oci.resolve import hold, image_platforms, resolve
from rafsight.formats.rafs.codec import read_bootstrap
from rafsight.formats.records import Buffer
from rafsight.image.tree import ImageTree

_ANY: Final = "catalog"
"""A repository that stands for the whole registry, where one is needed."""

_POLICY: Final = RetryPolicy(patience=LONGEST_HOLD)
"""Many images take their time: a quarter of an hour is better than an image that was not looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """An image of which is known what has to be fetched to open it: little, since there may be very many."""

    reference: str
    """One of its names; where it is fetched from."""
    digest: str
    """Of the manifest; of a bare bootstrap its own."""
    platform: str = ""
    """As its index says; empty if it was named directly."""
    bootstrap: Descriptor | None = None
    """The bootstrap layer of a Nydus image."""
    layers: tuple[Descriptor, ...] = ()
    """Of a plain image."""
    index_digest: str = ""
    """Of the index that has it; empty if it was named directly."""


class Fleet:
    """The way to many images. Thread-safe."""

    def __init__(self, options: Options, *, pool: ThreadPoolExecutor, pace: Pace | None = None) -> None:
        """Ask nothing yet.

        Args:
            options: how to reach the images.
            pool: fetches content; nobody who uses the fleet runs in it.
            pace: how often a host may be asked; None: as often as it lets us.
        """
        self._options = options
        self._pool = pool
        self._meter = Meter()
        self._limits = Limits()
        self._cache = Cache(options.cache_dir)
        self._lines = SharedLines(meter=self._meter, limits=self._limits, pace=pace or Pace())

    @property
    def cost(self) -> Cost:
        """What all of it cost so far."""
        return self._meter.cost

    def close(self) -> None:
        """Close all connections."""
        self._lines.close()

    def repositories(self, host: str) -> tuple[str, ...]:
        """List the repositories of a registry.

        Args:
            host: with its port.
        Raises: RegistryFault; Offline.
        Cost: as `list_repositories`.
        """
        from rafsight.access.registry.repositories import list_repositories

        if self._options.offline:
            raise Offline(reference=host)
        place = RegistryReference(host=host, repository=_ANY, tag=None, digest=None)
        endpoint, credentials = find_registry(place, self._options)
        line = self._lines.line(endpoint, credentials, place=host)
        return list_repositories(line, lambda: credentials(host, ""), Retrier(policy=_POLICY))

    def tags(self, place: str) -> tuple[str, ...]:
        """List the tags of a repository or a layout.

        Args:
            place: `HOST/REPO`, or `oci:DIR`.
        Raises: RegistryFault, ImageFault; MalformedReference, Offline.
        Cost: one request for 1,000 tags.
        """
        from rafsight.access.registry.client import RegistryBackend

        with self._source(place) as source:
            backend = source.backend
            return backend.tags() if isinstance(backend, RegistryBackend | LayoutBackend) else ()

    def resolve(self, reference: str, *, all_platforms: bool = False, keep: bool = False) -> tuple[Lead, ...]:
        """Find the images that a reference means: one, or one for each platform of an index.

        Args:
            reference: as `open_image` takes it.
            all_platforms: all of an index, not only that of the wanted platform.
            keep: put documents into the cache, for `find`.
        Raises: CallerError, RegistryFault, ImageFault.
        Cost: one request for a manifest; an index costs one more for each platform, or as `resolve` says.
        """
        with self._source(reference) as source:
            if source.bootstrap is not None:
                return (Lead(reference=reference, digest=digest_of(source.bootstrap)),)

            def fetch(name: str) -> Document:
                return fetch_document(source.backend, name, self._cache, keep=keep)

            document = fetch(source.name)
            name = f"manifest of {source.name}" if source.name else ""
            platforms = [parse_platform(self._options.platform)]
            if all_platforms:
                parsed = parse_document(
                    document.content, media_type=document.media_type, digest=document.digest, limits=self._limits
                )
                platforms = (image_platforms(parsed) if isinstance(parsed, Index) else []) or platforms
            leads: dict[str, Lead] = {}
            for platform in platforms:
                conversation = resolve(document, platform=platform, limits=self._limits, name=name)
                found = hold(conversation, fetch)
                lead = _lead(reference, found.image, str(found.platform or ""))
                if lead.digest != document.digest:
                    lead = replace(lead, index_digest=document.digest)
                leads.setdefault(lead.digest, lead)
            return tuple(leads.values())

    @contextmanager
    def open(self, lead: Lead, *, keep: Keep = keep_nothing) -> Iterator[Image]:
        """Open an image.

        Args:
            lead: as `resolve` gave it.
            keep: tells which files' content to keep from the pass over plain layers.
        Raises: RegistryFault, ImageFault.
        Cost: one request for the bootstrap, none if it is in the cache; of a plain image all layers.
        """
        with self._source(lead.reference) as source:
            if lead.bootstrap is not None or source.bootstrap is not None:
                yield self._nydus(lead, source)
                return
            layers = stream_layers(source.backend, lead.layers, (), keep=keep, limits=self._limits, listener=silent)
            try:
                tree = ImageTree(layers.tables, self._limits)
                contents = Contents(tree, source.backend, None, self._pool, self._limits)
                contents.use_layers(layers.placement, layers)
                unread = tuple(
                    UnreadPart(what=escape(member.path), why=member.why, is_missing=False) for member in layers.unread
                )
                yield self._image(lead, source, tree, contents, unread)
            finally:
                layers.close()

    @contextmanager
    def find(self, lead: Lead, listener: Listener = silent) -> Iterator[FoundImage]:
        """Find an image again, as `find_image` does: its cost is its own, and counts for the fleet, too.

        Args:
            lead: as `resolve` gave it.
            listener: told about long work.
        Raises: RegistryFault, ImageFault.
        Cost: none where `resolve` was told to keep; else its manifest, and its index if it has one.
        """
        options = replace(self._options, platform=lead.platform or self._options.platform)
        with self._source(lead.reference, Meter(whole=self._meter)) as source:
            name = (lead.index_digest or lead.digest) if source.repository else source.name  # a tag may have moved
            with FoundImage(lead.reference, replace(source, name=name), options, listener, self._pool) as found:
                yield found

    def _nydus(self, lead: Lead, source: Source) -> Image:
        parts = None
        bootstrap: Buffer | None = source.bootstrap
        if lead.bootstrap is not None:
            parts = load_bootstrap(source.backend, lead.bootstrap, self._cache, self._limits)
            bootstrap = parts.bootstrap
        assert bootstrap is not None  # the caller has seen one
        tree = ImageTree(read_bootstrap(bootstrap, name=source.bootstrap_name, limits=self._limits), self._limits)
        return self._image(lead, source, tree, Contents(tree, source.backend, parts, self._pool, self._limits), ())

    def _image(
        self, lead: Lead, source: Source, tree: ImageTree, contents: Contents, unread: tuple[UnreadPart, ...]
    ) -> Image:
        return Image(
            identity=Identity(reference=lead.reference, platform=lead.platform, repository=source.repository),
            head=tree.tables.head,
            grow=lambda: Grown(tree=tree, contents=contents),
            backend=source.backend,
            unread=unread,
        )

    @contextmanager
    def _source(self, reference: str, meter: Meter | None = None) -> Iterator[Source]:
        """Find the place that a reference names; the way to a registry stays open for the next.

        Args:
            reference: a place or an image.
            meter: counts what is asked there; None: that of the fleet.
        """
        meter = meter or self._meter
        parsed = parse_reference(reference)
        if not isinstance(parsed, RegistryReference) or Path(reference).is_file():
            with connect(reference, self._options, meter) as source:
                yield source
            return
        if self._options.offline:
            raise Offline(reference=reference)
        yield Source(
            backend=self._backend(parsed, meter),
            name=parsed.name,
            repository=f"{parsed.host}/{parsed.repository}",
            tag=parsed.tag or "",
        )

    def _backend(self, reference: RegistryReference, meter: Meter) -> Backend:
        from rafsight.access.registry.client import RegistryBackend

        endpoint, credentials = find_registry(reference, self._options)
        line = self._lines.line(endpoint, credentials)
        return RegistryBackend(endpoint, retrier=Retrier(policy=_POLICY), meter=meter, line=line)


def _lead(reference: str, image: ClassifiedManifest, platform: str) -> Lead:
    """Keep what is needed of a manifest."""
    digest = image.manifest.digest
    if isinstance(image, NydusManifest):
        bootstrap = replace(image.bootstrap_layer, annotations=NO_ANNOTATIONS)
        return Lead(reference=reference, digest=digest, platform=platform, bootstrap=bootstrap)
    layers = tuple(replace(layer, annotations=NO_ANNOTATIONS) for layer in image.layers)
    return Lead(reference=reference, digest=digest, platform=platform, layers=layers)
