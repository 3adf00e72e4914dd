"""Plain images made of what the registry behind has, once for all who ask.

This module alone decides what of a registry is shown as something else: Nydus images of containers, and indexes with
such images. Everything else stays what it is.
"""

import os
from collections import OrderedDict
from collections.abc import Callable
from threading import Event, Lock
from typing import Final

from rafsight.access.backend import Document
from rafsight.access.cache import Cache
from rafsight.access.connect import Source
from rafsight.access.counting import Meter
from rafsight.access.finding import FoundImage
from rafsight.access.options import Options
from rafsight.access.registry.relay import Relay
from rafsight.base.errors import HostLimit, ImageFault
from rafsight.base.events import silent
from rafsight.base.limits import Limits
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.classify import NydusManifest, classify
from rafsight.formats.oci.errors import NotAnImage
from rafsight.formats.oci.manifest import Descriptor, Index, Manifest, parse_document
from rafsight.formats.oci.platform import match_rank, parse_platform
from rafsight.verbs.present.answers import Answer
from rafsight.verbs.present.flights import Flights
from rafsight.verbs.present.statistics import Counter
from rafsight.verbs.present.upstream import Client, Upstream
from rafsight.views.presenting.image import NYDUS_FAMILY, present_again, present_image
from rafsight.views.presenting.index import present_index
from rafsight.views.presenting.recipe import Recipe
from rafsight.views.presenting.shelf import Shelf
from rafsight.views.presenting.shown import Shown, ShownImages, ShownLayer

_MOST_CHILDREN: Final = 256
"""Images of one index that anybody looks into."""
_MOST_VERDICTS: Final = 10_000
_AT_ONCE: Final = min(4, max(2, os.cpu_count() or 2))
"""Images that are made at the same time."""


class PresenterClosed(HostLimit):
    """The presenting registry ends."""

    code = "presenter-closed"
    template = "the presenting registry is being closed"
    remedy = "Start it again; what was made so far is kept."
    permanent = False


class Maker:
    """Makes and remembers plain images. Thread-safe."""

    def __init__(
        self,
        *,
        relay: Relay,
        upstream: Upstream,
        recipe: Recipe,
        shelf: Shelf,
        images: ShownImages,
        options: Options,
    ) -> None:
        """Make nothing yet.

        Args:
            relay: to the registry.
            upstream: the same, as clients are let through.
            recipe: what images hold.
            shelf: takes the layers.
            images: remembers them.
            options: how the registry is reached; where documents and bootstraps are kept.
        """
        self.counter = Counter()
        self.images = images
        self.shelf = shelf
        self._relay = relay
        self._upstream = upstream
        self._recipe = recipe
        self._options = options
        self._cache = Cache(options.cache_dir)
        self._limits = Limits()
        self._made: Flights[Shown] = Flights(_AT_ONCE)
        self._verdicts: OrderedDict[str, bool] = OrderedDict()
        self._lock = Lock()
        self._closing = Event()

    def show(self, client: Client, repository: str, document: Document) -> Shown | None:
        """Return what a document is shown as; None if it is shown as it is.

        Args:
            client: who may have it.
            repository: where it is.
            document: a manifest or an index.
        Raises: NotPresentable, ImageFault, RegistryFault: it cannot be shown. ShelfUnusable, ShelfTooSmall.
        Cost: the first time, what `present_image` costs, for an index once a Nydus image.
        """
        parsed = self._parse(document)
        if isinstance(parsed, Index):
            return self._show_index(client, repository, document, parsed)
        if parsed is None or not self.is_shown(parsed):
            return None
        self._cache.keep_document(document.digest, document.content)
        return self._show_image(client, repository, document.digest)

    def obtain(self, client: Client, repository: str, origin: str) -> Shown | Answer | None:
        """Return what a manifest or index of the registry is shown as, by its digest; else as `show`.

        Args:
            client: of whom is known that it may have it.
            repository: where it is.
            origin: its digest.
        """
        known = self.images.find(origin)
        if known is not None:
            return known
        document = self._upstream.document(client, repository, origin)
        return document if isinstance(document, Answer) else self.show(client, repository, document)

    def children(self, shown: Shown) -> tuple[Shown, ...]:
        """Return the images of an index that were made; none for an image. Cost: no request."""
        if shown.config:
            return ()
        parsed = parse_document(shown.manifest, media_type=shown.media_type, limits=self._limits)
        if not isinstance(parsed, Index):
            return ()
        origins = (origin for child in parsed.manifests for origin in self.images.origins(child.digest)[:1])
        found = (self.images.find(origin) for origin in origins)
        return tuple(one for one in found if one is not None)

    def restore(self, client: Client, repository: str, shown: Shown) -> None:
        """Make the layers of an image that have gone from the shelf; else as `show`."""
        self._made.run(
            f"again {shown.origin}",
            lambda: self._work(client, repository, shown.origin, lambda found: self._again(found, shown)),
        )

    def is_shown(self, manifest: Manifest) -> bool:
        """Tell whether a manifest is shown as something else.

        Raises: ImageFault: it means to be a Nydus image, and is none that can be read.
        """
        try:
            found = classify(manifest, limits=self._limits)
        except NotAnImage:
            return False
        except ImageFault:
            if any(layer.annotations.has_family(NYDUS_FAMILY) for layer in manifest.layers):
                raise
            return False
        return isinstance(found, NydusManifest) and not found.is_model

    def parse_manifest(self, document: Document) -> Manifest | None:
        """Return what a document says if it is an image's manifest; None if it is anything else."""
        parsed = self._parse(document)
        return parsed if isinstance(parsed, Manifest) else None

    def close(self) -> None:
        """End what is being made: those who wait get an error."""
        self._closing.set()

    def _parse(self, document: Document) -> Manifest | Index | None:
        try:
            return parse_document(
                document.content, media_type=document.media_type, digest=document.digest, limits=self._limits
            )
        except ImageFault:  # something that this release does not know, and shows as it is
            return None

    def _show_image(self, client: Client, repository: str, digest: str) -> Shown:
        known = self.images.find(digest)
        if known is not None:
            return known

        def make() -> Shown:
            found = self.images.find(digest)  # somebody may have ended it just now
            return found or self._work(client, repository, digest, self._make)

        return self._made.run(digest, make)

    def _show_index(self, client: Client, repository: str, document: Document, index: Index) -> Shown | None:
        known = self.images.find(document.digest)
        if known is not None:
            return known
        shown: dict[str, Shown] = {}
        dropped = []
        for child in index.manifests[:_MOST_CHILDREN]:
            if not self._is_nydus(client, repository, child):
                continue
            if self._is_wanted(child):
                shown[child.digest] = self._show_image(client, repository, child.digest)
            else:
                dropped.append(child.digest)
        if not shown:
            return None
        result = present_index(document.content, index, shown, dropped)
        self.images.keep(result)
        return result

    def _is_nydus(self, client: Client, repository: str, child: Descriptor) -> bool:
        """Tell whether a child of an index is shown as something else. Cost: one request the first time."""
        if child.media_type not in media_types.MANIFESTS or child.annotations.get(keys.DOCKER_REFERENCE_TYPE):
            return False
        with self._lock:
            known = self._verdicts.get(child.digest)
        if known is not None:
            return known
        content = self._cache.document(child.digest)
        document: Document | Answer
        if content is None:
            document = self._upstream.document(client, repository, child.digest)
        else:
            document = Document(media_type=child.media_type, digest=child.digest, content=content)
        if isinstance(document, Answer):  # a sparse index: whoever asks for this child is told the same
            document.body.close()
            return False
        self._cache.keep_document(child.digest, document.content)
        parsed = self._parse(document)
        verdict = isinstance(parsed, Manifest) and self.is_shown(parsed)
        with self._lock:
            self._verdicts[child.digest] = verdict
            while len(self._verdicts) > _MOST_VERDICTS:
                self._verdicts.popitem(last=False)
        return verdict

    def _is_wanted(self, child: Descriptor) -> bool:
        if not self._recipe.platform or child.platform is None:
            return True
        return match_rank(parse_platform(self._recipe.platform), child.platform) is not None

    def _work(self, client: Client, repository: str, digest: str, work: Callable[[FoundImage], Shown]) -> Shown:
        """Open an image in the name of a client, and do something with it."""
        self._check()
        meter = Meter()
        backend = self._relay.backend(repository, client.authorization, meter)
        place = f"{self._relay.host}/{repository}"
        try:
            source = Source(backend=backend, name=digest, repository=place)
            found = FoundImage(f"{place}@{digest}", source, self._options, silent)
            try:
                return work(found)
            finally:
                found.close()
        finally:
            backend.close()
            cost = meter.cost
            self.counter.add(bytes_fetched=cost.bytes_fetched, registry_requests=cost.requests)

    def _make(self, found: FoundImage) -> Shown:
        """Make a plain image, and remember it."""
        origin = found.digest
        layers = list(self.images.begun(origin))

        def on_layer(index: int, layer: ShownLayer) -> None:
            del layers[index:]
            layers.append(layer)
            self.images.keep_begun(origin, tuple(layers))
            self.counter.add(layers_made=1, made_size=layer.size)

        known = tuple(layers)
        shown = present_image(found.open(), self._recipe, self.shelf, known=known, on_layer=on_layer, check=self._check)
        self.images.keep(shown)
        self.counter.add(images_made=1, original_size=shown.original_size)
        return shown

    def _again(self, found: FoundImage, shown: Shown) -> Shown:
        present_again(found.open(), self._recipe, self.shelf, shown, check=self._check)
        return shown

    def _check(self) -> None:
        if self._closing.is_set():
            raise PresenterClosed
