"""Open an image by its reference: manifest, config and tree are there, content is fetched when it is asked for.

This module alone knows the order of the steps: resolve, choose the manifest, load the bootstrap (or stream the layers),
read the tables, place the chunks of the blobs that are needed.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rafsight.access.backend import Backend, Document
from rafsight.access.bootstrap import BootstrapParts, confirm_bootstrap, load_bootstrap
from rafsight.access.cache import Cache
from rafsight.access.connect import Source, connect
from rafsight.access.contents import Contents
from rafsight.access.counting import Cost, Meter
from rafsight.access.decoding import Outcome
from rafsight.access.fetch import FileContent, threads
from rafsight.access.layers import Keep, LayerStore, keep_nothing, stream_layers
from rafsight.access.objects import fetch_document, fetch_verified
from rafsight.access.options import Options
from rafsight.base.errors import RegistryFault
from rafsight.base.events import Listener, Noticed, silent
from rafsight.base.limits import Limits
from rafsight.base.text import escape
from rafsight.base.units import MiB
from rafsight.formats.oci.classify import ClassifiedManifest, NydusManifest
from rafsight.formats.oci.config import ImageConfig, parse_config
from rafsight.formats.oci.platform import differs, parse_platform
from rafsight.formats.oci.resolve import Resolved, hold, resolve
from rafsight.formats.rafs.codec import read_bootstrap, read_head
from rafsight.formats.records import Buffer
from rafsight.formats.tables import Head, TreeTables
from rafsight.image.plan import FileRange, RowArray
from rafsight.image.tree import ImageTree

READ_AHEAD: Final = 16 * MiB
"""[bytes] content of one file that `read_file` plans at a time."""
PIECE: Final = 1 * MiB
"""[bytes] that `read_file` hands over at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the manifest says about an open image; all but `reference` empty for a bare bootstrap."""

    reference: str
    """As the user typed it."""
    classified: ClassifiedManifest | None = None
    index_digest: str = ""
    config: ImageConfig | None = None
    platform: str = ""
    repository: str = ""
    """`HOST/REPO` of a registry reference."""
    tag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadPart:
    """Something of the image that could not be looked at when it was opened."""

    what: str
    """`image config`, or the path of a member of a layer."""
    why: str
    is_missing: bool
    """True if its bytes could not be had; False if they are there and of an unknown kind."""


class Image:
    """An open image, made by `open_image`. Thread-safe."""

    def __init__(
        self,
        *,
        identity: Identity,
        head: Head,
        grow: Callable[[], "Grown"],
        backend: Backend,
        unread: tuple[UnreadPart, ...] = (),
    ) -> None:
        self.identity = identity
        self.head = head
        """Superblock and blob table."""
        self.unread = unread
        self.backend = backend
        self._grow = grow
        self._grown: Grown | None = None
        self._lock = threading.Lock()
        self.opening_cost = backend.meter.cost

    @property
    def tree(self) -> ImageTree:
        """The file tree.

        Raises: ImageFault: when a lazily opened image (`open_image`) is asked for the first time.
        """
        return self._whole().tree

    def _whole(self) -> "Grown":
        with self._lock:
            if self._grown is None:
                self._grown = self._grow()
            return self._grown

    @property
    def cost(self) -> Cost:
        """What was paid so far; `opening_cost` is what it took to know the tree."""
        return self.backend.meter.cost

    def read(self, wanted: Sequence[FileRange]) -> Iterator[FileContent]:
        """Fetch ranges of files as one plan; each is yielded when it is complete, failed ones with their error.

        Cost: the requests of one plan. Memory: a window, and ranges that are not complete yet.
        """
        return self._whole().contents.read(wanted)

    def read_chunks(self, chunks: RowArray) -> Iterator[Outcome]:
        """Fetch chunks as one plan: each comes once, verified, in the order of the blobs, or with its error.

        Args:
            chunks: (c,) rows of the chunk table.
        Cost: the requests of one plan. Memory: a window.
        """
        return self._whole().contents.read_chunks(chunks)

    def companions(self, chunks: RowArray) -> RowArray:
        """Return the chunks that come for nothing with some chunks of one blob, and those: see `Contents`.

        Args:
            chunks: (c,) rows of the chunk table, not empty.
        """
        return self._whole().contents.companions(chunks)

    def read_file(self, row: int) -> Iterator[bytes]:
        """Read one regular file in order, piece by piece.

        Raises: RegistryFault, ImageFault.
        """
        size = int(self.tree.entries.size[row])
        for start in range(0, size, READ_AHEAD):
            end = min(start + READ_AHEAD, size)
            pieces = [FileRange(row=row, offset=at, size=min(PIECE, end - at)) for at in range(start, end, PIECE)]
            yield from self._in_order(pieces)

    def _in_order(self, pieces: Sequence[FileRange]) -> Iterator[bytes]:
        """Fetch pieces of one file as one plan; yield each as soon as it and all before it are there."""
        waiting: dict[int, bytes] = {}
        following = 0
        for part in self.read(pieces):
            if part.error is not None:
                part.error.add_note(f"while reading /{escape(self.tree.path(part.wanted.row))}")
                raise part.error
            waiting[part.index] = part.content
            while following in waiting:
                yield waiting.pop(following)
                following += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """What an image has once its tables were read."""

    tree: ImageTree
    contents: Contents


@contextmanager
def open_image(
    reference: str,
    *,
    options: Options | None = None,
    listener: Listener = silent,
    keep: Keep = keep_nothing,
    lazy: bool = False,
) -> Iterator[Image]:
    """Open an image by its reference.

    Args:
        reference: `HOST/REPO:TAG[@DIGEST]`, `oci:DIR[:TAG]`, `boot:FILE`, or a path to a layout or a bootstrap.
        options: how to reach it.
        listener: told about long work.
        keep: for plain OCI layers, which have to be streamed whole to know their tree: tells which files' content to
            keep from that pass, so that reading them later costs nothing.
        lazy: read no more of a bootstrap than its head until somebody asks for the tree.
    Raises: CallerError, RegistryFault, ImageFault.
    Cost: manifest, config and bootstrap (the latter two from the cache if they were there before); for plain OCI
        layers, all of them.
    """
    options = options or Options()
    meter = Meter()
    with connect(reference, options, meter) as source, threads(options.connections, name="rafsight-fetch") as pool:
        session = _Session(reference, source, options, listener, keep, lazy=lazy)
        try:
            yield session.open(pool)
        finally:
            session.close()


class _Session:
    """The steps of opening, and what has to be closed."""

    def __init__(
        self, reference: str, source: Source, options: Options, listener: Listener, keep: Keep, *, lazy: bool
    ) -> None:
        self._reference = reference
        self._source = source
        self._backend = source.backend
        self._options = options
        self._listener = listener
        self._keep = keep
        self._lazy = lazy
        self._limits = Limits()
        self._cache = Cache(options.cache_dir)
        self._layers: LayerStore | None = None
        self._unread: list[UnreadPart] = []

    def open(self, pool: ThreadPoolExecutor) -> Image:
        """Do all steps; `pool` fetches what is read later."""
        if self._source.bootstrap is not None:
            seed = self._seed(self._source.bootstrap, self._source.bootstrap_name)
            self._backend.meter.count(needed=len(self._source.bootstrap))
            return self._image(Identity(reference=self._reference), seed, None, pool)
        document, resolved = self._resolve()
        classified = resolved.image
        with threads(1, name="rafsight-config") as aside:
            pending = aside.submit(self._config, classified)
            seed, parts = self._seeds(classified, lambda: _diff_ids(pending.result(), classified))
            config = pending.result()
        self._compare_platform(config)
        identity = Identity(
            reference=self._reference,
            classified=classified,
            index_digest="" if document.digest == classified.manifest.digest else document.digest,
            config=config,
            platform=str(resolved.platform) if resolved.platform else _platform_of(config),
            repository=self._source.repository,
            tag=self._source.tag,
        )
        return self._image(identity, seed, parts, pool)

    def _compare_platform(self, config: ImageConfig | None) -> None:
        """Say if an image that was named directly is of another platform than the wanted one."""
        wanted = parse_platform(self._options.platform)
        if config is not None and differs(wanted, config.os, config.architecture, config.variant):
            self._listener(Noticed(message=f"the image is for {_platform_of(config)}, not for {wanted}"))

    def close(self) -> None:
        """Give back what the layers brought."""
        if self._layers is not None:
            self._layers.close()

    def _resolve(self) -> tuple[Document, Resolved]:
        document = self._document(self._source.name)
        wanted = parse_platform(self._options.platform)
        name = f"manifest of {self._source.name}" if self._source.name else ""
        conversation = resolve(document, platform=wanted, limits=self._limits, name=name)
        resolved = hold(conversation, self._document)
        for candidate in resolved.candidates:
            if candidate.outcome and candidate.says_nydus and not isinstance(resolved.image, NydusManifest):
                self._listener(Noticed(message=f"a Nydus image was passed over: {candidate.outcome}"))
        return document, resolved

    def _document(self, name: str) -> Document:
        return fetch_document(self._backend, name, self._cache)

    def _config(self, classified: ClassifiedManifest) -> ImageConfig | None:
        """Fetch the image config; one that cannot be had is said, not fatal: the tree does not need it.

        Raises: DigestMismatch, MalformedDocument: what came is not the config.
        """
        descriptor = classified.manifest.config
        content = self._cache.document(descriptor.digest)
        if content is None:
            try:
                content = fetch_verified(self._backend, descriptor.digest, descriptor.size)
            except RegistryFault as error:
                self._unread.append(UnreadPart(what="image config", why=str(error), is_missing=True))
                return None
            self._cache.keep_document(descriptor.digest, content)
        return parse_config(content, digest=descriptor.digest, limits=self._limits)

    def _seed(self, bootstrap: Buffer, name: str) -> "_Seed":
        """Read as much of a bootstrap as is wanted now."""
        if self._lazy:
            head = read_head(bootstrap, name=name, limits=self._limits)
            return _Seed(head=head, tables=lambda: read_bootstrap(bootstrap, name=name, limits=self._limits))
        return _seed_of(read_bootstrap(bootstrap, name=name, limits=self._limits))

    def _seeds(
        self, classified: ClassifiedManifest, diff_ids: Callable[[], tuple[str, ...]]
    ) -> tuple["_Seed", BootstrapParts | None]:
        """Load the bootstrap, or stream the layers; `diff_ids` waits for the config."""
        if isinstance(classified, NydusManifest):
            layer = classified.bootstrap_layer
            parts = load_bootstrap(self._backend, layer, self._cache, self._limits)
            seed = self._seed(parts.bootstrap, "")
            confirm_bootstrap(self._backend, layer, parts, diff_ids(), self._cache)
            return seed, parts
        self._layers = stream_layers(
            self._backend,
            classified.layers,
            diff_ids(),
            keep=self._keep,
            limits=self._limits,
            listener=self._listener,
        )
        return _seed_of(self._layers.tables), None

    def _image(
        self, identity: Identity, seed: "_Seed", parts: BootstrapParts | None, pool: ThreadPoolExecutor
    ) -> Image:
        layers = self._layers

        def grow() -> Grown:
            tree = ImageTree(seed.tables(), self._limits)
            contents = Contents(tree, self._backend, parts, pool, self._limits)
            if layers is not None:
                contents.use_layers(layers.placement, layers)
            return Grown(tree=tree, contents=contents)

        if layers is not None:
            self._unread += [
                UnreadPart(what=escape(member.path), why=member.why, is_missing=False) for member in layers.unread
            ]
        return Image(identity=identity, head=seed.head, grow=grow, backend=self._backend, unread=tuple(self._unread))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seed:
    """What an image grows from."""

    head: Head
    tables: Callable[[], TreeTables]


def _seed_of(tables: TreeTables) -> _Seed:
    return _Seed(head=tables.head, tables=lambda: tables)


def _diff_ids(config: ImageConfig | None, classified: ClassifiedManifest) -> tuple[str, ...]:
    """Return the digests of the uncompressed layers, if config and manifest agree about their number."""
    return config.diff_ids if config and len(config.diff_ids) == len(classified.manifest.layers) else ()


def _platform_of(config: ImageConfig | None) -> str:
    if config is None or not config.os:
        return ""
    return "/".join(part for part in (config.os, config.architecture, config.variant) if part)
