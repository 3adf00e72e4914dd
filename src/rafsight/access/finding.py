"""Which image does a reference mean? Its manifest is fetched, and nothing else yet.

Much can be answered with a manifest's digest alone, by those who have seen it before: so this module imports nothing
that is needed for trees and contents. What opens the image is imported when somebody asks for it, and meanwhile the
registry can be at work already.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rafsight.access.ahead import BlobsAhead
from rafsight.access.cache import Cache
from rafsight.access.connect import Source, connect
from rafsight.access.counting import Cost, Meter
from rafsight.access.objects import fetch_document
from rafsight.access.options import Options
from rafsight.access.threads import threads
from rafsight.base.events import Listener, Noticed, silent
from rafsight.base.limits import Limits
from rafsight.formats.oci.classify import ClassifiedManifest, NydusManifest
from rafsight.formats.oci.config import ImageConfig
from rafsight.formats.oci.platform import differs, parse_platform
from rafsight.formats.oci.resolve import Resolved, hold, resolve

if TYPE_CHECKING:
    from rafsight.access.layers import Keep
    from rafsight.access.session import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the manifest says about an image; all but `reference` empty for a bare bootstrap."""

    reference: str
    """As the user typed it."""
    classified: ClassifiedManifest | None = None
    index_digest: str = ""
    config: ImageConfig | None = None
    platform: str = ""
    repository: str = ""
    """`HOST/REPO` of a registry reference."""
    tag: str = ""


class FoundImage:
    """An image whose manifest is known, made by `find_image`; a context manager, which closes what was opened."""

    def __init__(
        self,
        reference: str,
        source: Source,
        options: Options,
        listener: Listener,
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        """Fetch the manifest.

        Args:
            reference: as the user typed it.
            source: where the image is; who opened it closes it.
            options: how it is reached.
            listener: told about long work.
            pool: fetches content, for other images, too; None: threads of its own.
        Raises: RegistryFault, ImageFault.
        """
        self.source = source
        self.options = options
        self.listener = listener
        self.cache = Cache(options.cache_dir)
        self.limits = Limits()
        self._reference = reference
        self._index_digest = ""
        self._resolved = None if source.bootstrap is not None else self._resolve()
        self._opened = ExitStack()
        self._pool = pool
        self._blobs: BlobsAhead | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what was opened."""
        self._opened.__exit__(kind, error, trace)

    @property
    def classified(self) -> ClassifiedManifest | None:
        """The manifest; None for a bare bootstrap."""
        return self._resolved.image if self._resolved else None

    @property
    def digest(self) -> str:
        """Of the manifest: it names all bytes of the image; empty for a bare bootstrap."""
        return self._resolved.image.manifest.digest if self._resolved else ""

    @property
    def cost(self) -> Cost:
        """What was paid so far."""
        return self.source.backend.meter.cost

    def identify(self, config: ImageConfig | None) -> Identity:
        """Say which image it is; the listener is told if its platform is another than the wanted one.

        Args:
            config: the image's; None if it cannot be had.
        """
        if self._resolved is None:
            return Identity(reference=self._reference)
        wanted = parse_platform(self.options.platform)
        if config is not None and differs(wanted, config.os, config.architecture, config.variant):
            self.listener(Noticed(message=f"the image is for {_platform_of(config)}, not for {wanted}"))
        platform = self._resolved.platform
        return Identity(
            reference=self._reference,
            classified=self._resolved.image,
            index_digest=self._index_digest,
            config=config,
            platform=str(platform) if platform else _platform_of(config),
            repository=self.source.repository,
            tag=self.source.tag,
        )

    def fetchers(self) -> ThreadPoolExecutor:
        """Return the threads that fetch content; those of its own begin with this, and are closed with it."""
        if self._pool is None:
            self._pool = self._opened.enter_context(threads(self.options.connections, name="rafsight-fetch"))
        return self._pool

    def fetch_ahead(self) -> BlobsAhead:
        """Begin to fetch what `open` reads first, once; it comes while the caller does other things.

        Returns: The image's blobs, some of them on their way.
        Cost: as of `open`, for a Nydus image; for others the config.
        """
        if self._blobs is None:
            self._blobs = BlobsAhead(self.source.backend, self.fetchers())
            if self.classified is not None:
                self._begin(self._blobs, self.classified)
        return self._blobs

    def _begin(self, blobs: BlobsAhead, classified: ClassifiedManifest) -> None:
        config = classified.manifest.config
        if self.cache.document(config.digest) is None:
            blobs.begin(config.digest, config.size)
        if isinstance(classified, NydusManifest):
            layer = classified.bootstrap_layer
            if not self.cache.has_bootstrap(layer.digest):
                blobs.begin(layer.digest, layer.size)

    def open(self, keep: "Keep | None" = None, *, lazy: bool = False) -> "Image":
        """Open the image, once; it is closed with this.

        Args:
            keep: as of `open_image`.
            lazy: as of `open_image`.
        Raises: RegistryFault, ImageFault.
        Cost: config and bootstrap, or all plain layers, unless the cache has them.
        """
        from rafsight.access.session import open_found

        return self._opened.enter_context(open_found(self, keep, lazy=lazy))

    def close(self) -> None:
        """Close what was opened."""
        self._opened.close()

    def _resolve(self) -> Resolved:
        name = self.source.name
        document = fetch_document(self.source.backend, name, self.cache)
        conversation = resolve(
            document,
            platform=parse_platform(self.options.platform),
            limits=self.limits,
            name=f"manifest of {name}" if name else "",
        )
        resolved = hold(conversation, lambda digest: fetch_document(self.source.backend, digest, self.cache))
        for candidate in resolved.candidates:
            if candidate.outcome and candidate.says_nydus and not isinstance(resolved.image, NydusManifest):
                self.listener(Noticed(message=f"a Nydus image was passed over: {candidate.outcome}"))
        if document.digest != resolved.image.manifest.digest:
            self._index_digest = document.digest
        return resolved


@contextmanager
def find_image(reference: str, *, options: Options | None = None, listener: Listener = silent) -> Iterator[FoundImage]:
    """Find out which image a reference means.

    Args:
        reference: as `open_image` takes it.
        options: how to reach it.
        listener: told about long work, there and later.
    Raises: CallerError, RegistryFault, ImageFault.
    Cost: the manifest: one request, for an index one or two more; none for a manifest that is named by its digest and
        lies in the cache. What `connect` costs.
    """
    with find_image_ahead(reference, options=options, listener=listener) as find:
        yield find()


@contextmanager
def find_image_ahead(
    reference: str, *, options: Options | None = None, listener: Listener = silent
) -> Iterator[Callable[[], FoundImage]]:
    """Begin to find out which image a reference means: a thread asks, while the caller does other things.

    Gives what waits for the image: to be called once, when it is needed. Arguments and cost as of `find_image`; errors
    of the reference come at once, those of the registry with that call.
    """
    options = options or Options()
    with ExitStack() as opened:
        source = opened.enter_context(connect(reference, options, Meter()))
        pool = opened.enter_context(threads(1, name="rafsight-find"))
        if Cache(options.cache_dir).document(source.name) is None:
            source.warm_up()
        coming = pool.submit(FoundImage, reference, source, options, listener)
        yield lambda: opened.enter_context(coming.result())


def _platform_of(config: ImageConfig | None) -> str:
    if config is None or not config.os:
        return ""
    return "/".join(part for part in (config.os, config.architecture, config.variant) if part)
