"""Open an image by its reference: manifest, config and tree are there, content is fetched when it is asked for.

This module alone knows the order of the steps once the manifest is known (`finding.py`): load the bootstrap (or stream
the layers), read the tables, place the chunks of the blobs that are needed.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rafsight.access.backend import Backend, Blobs
from rafsight.access.bootstrap import BootstrapParts, confirm_bootstrap, load_bootstrap
from rafsight.access.contents import Contents
from rafsight.access.counting import Cost
from rafsight.access.decoding import Outcome
from rafsight.access.fetch import FileContent
from rafsight.access.fetched import FetchedChunks
from rafsight.access.finding import FoundImage, Identity, find_image
from rafsight.access.hidden import HiddenFile
from rafsight.access.layers import Keep, LayerStore, keep_nothing, stream_layers
from rafsight.access.objects import fetch_verified
from rafsight.access.options import Options
from rafsight.base.errors import RegistryFault
from rafsight.base.events import Listener, silent
from rafsight.base.text import escape
from rafsight.base.units import MiB
from rafsight.formats.oci.classify import ClassifiedManifest, NydusManifest, OciManifest
from rafsight.formats.oci.config import ImageConfig, parse_config
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
        hidden: tuple[HiddenFile, ...] = (),
        knows_hidden: bool = False,
    ) -> None:
        self.identity = identity
        self.head = head
        """Superblock and blob table."""
        self.unread = unread
        self.hidden = hidden
        """Files that upper layers overwrite or remove, of those that `keep` wanted."""
        self.knows_hidden = knows_hidden
        """False if the image's form does not say which files its layers hide."""
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

    def fetch_chunks(self, chunks: RowArray) -> FetchedChunks | None:
        """Fetch chunks of one blob as one plan, and decode none of them yet; None if they do not come one by one.

        Args:
            chunks: (c,) rows of the chunk table, not empty.
        Cost: the requests of one plan. Memory: all that is stored of them.
        """
        return self._whole().contents.fetch_chunks(chunks)

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
        reference: `HOST/REPO:TAG[@DIGEST]`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:TAG]`,
            `boot:FILE`, or a path to a layout or a bootstrap.
        options: how to reach it.
        listener: told about long work.
        keep: for plain OCI layers, which have to be streamed whole to know their tree: tells which files' content to
            keep from that pass, so that reading them later costs nothing.
        lazy: read no more of a bootstrap than its head until somebody asks for the tree.
    Raises: CallerError, RegistryFault, ImageFault.
    Cost: manifest, config and bootstrap (the latter two from the cache if they were there before); for plain OCI
        layers, all of them.
    """
    with find_image(reference, options=options, listener=listener) as found:
        yield found.open(keep, lazy=lazy)


@contextmanager
def open_found(found: FoundImage, keep: Keep | None, *, lazy: bool) -> Iterator[Image]:
    """Open an image whose manifest is known; arguments and errors as of `FoundImage.open`."""
    session = _Session(found, keep or keep_nothing, lazy=lazy)
    try:
        yield session.open(found.fetchers())
    finally:
        session.close()


class _Session:
    """The steps of opening, and what has to be closed."""

    def __init__(self, found: FoundImage, keep: Keep, *, lazy: bool) -> None:
        self._found = found
        self._source = found.source
        self._backend = found.source.backend
        self._listener = found.listener
        self._keep = keep
        self._lazy = lazy
        self._limits = found.limits
        self._cache = found.cache
        self._layers: LayerStore | None = None
        self._unread: list[UnreadPart] = []

    def open(self, pool: ThreadPoolExecutor) -> Image:
        """Do all steps; `pool` fetches what is read later."""
        classified = self._found.classified
        if classified is None:
            bootstrap = self._source.bootstrap or b""
            seed = self._seed(bootstrap, self._source.bootstrap_name)
            self._backend.meter.count(needed=len(bootstrap))
            return self._image(self._found.identify(None), seed, None, pool)
        blobs = self._found.fetch_ahead()
        if isinstance(classified, NydusManifest):
            return self._open_nydus(classified, blobs, pool)
        return self._open_layers(classified, blobs, pool)

    def close(self) -> None:
        """Give back what the layers brought."""
        if self._layers is not None:
            self._layers.close()

    def _open_nydus(self, classified: NydusManifest, blobs: Blobs, pool: ThreadPoolExecutor) -> Image:
        """Load the bootstrap; its tables are read while the config may still be under way."""
        layer = classified.bootstrap_layer
        parts = load_bootstrap(blobs, layer, self._cache, self._limits)
        seed = self._seed(parts.bootstrap, "")
        config = self._config(classified, blobs)
        confirm_bootstrap(self._backend, layer, parts, _diff_ids(config, classified), self._cache)
        return self._image(self._found.identify(config), seed, parts, pool)

    def _open_layers(self, classified: OciManifest, blobs: Blobs, pool: ThreadPoolExecutor) -> Image:
        """Stream plain layers."""
        config = self._config(classified, blobs)
        self._layers = stream_layers(
            self._backend,
            classified.layers,
            _diff_ids(config, classified),
            keep=self._keep,
            limits=self._limits,
            listener=self._listener,
        )
        return self._image(self._found.identify(config), _seed_of(self._layers.tables), None, pool)

    def _config(self, classified: ClassifiedManifest, blobs: Blobs) -> ImageConfig | None:
        """Fetch the image config; one that cannot be had is said, not fatal: the tree does not need it.

        Raises: DigestMismatch, MalformedDocument: what came is not the config.
        """
        descriptor = classified.manifest.config
        content = self._cache.document(descriptor.digest)
        if content is None:
            try:
                content = fetch_verified(blobs, descriptor.digest, descriptor.size)
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
        return Image(
            identity=identity,
            head=seed.head,
            grow=grow,
            backend=self._backend,
            unread=tuple(self._unread),
            hidden=() if layers is None else layers.hidden,
            knows_hidden=layers is not None,
        )


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
