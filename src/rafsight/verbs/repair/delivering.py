"""Bring the objects of a repaired image to their place: blobs, bootstrap, config, and last of all what has the tag.

This module alone decides the order: a document is pushed when all that it names is there, so that a delivery that ends
half-way leaves no tag, and the next one only sends what is missing. Where the image stays in its repository, nothing of
what it had is asked for. Of an index all images come along, and the repaired one takes the place of the old.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rafsight.access.connect import Destination
from rafsight.access.objects import fetch_document
from rafsight.access.target import OpenPieces, Pushed
from rafsight.access.threads import threads
from rafsight.access.transfer import copy_blob, push_bytes
from rafsight.base.digest import digest_of, is_digest
from rafsight.base.events import Advanced, Finished, Listener, Started
from rafsight.base.units import MiB
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.amend import amend_index
from rafsight.formats.oci.errors import MalformedDocument
from rafsight.formats.oci.manifest import Descriptor, Index, Manifest, parse_document
from rafsight.formats.oci.resolve import MAX_DOCUMENTS
from rafsight.verbs.repair.building import Built
from rafsight.verbs.repair.opening import Original

_PIECE: Final = MiB
_OPERATION: Final = "delivering"
_FOREIGN: Final = ("nondistributable", "foreign")
"""Layers with these words in their media types lie elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What has the tag now, and what it took."""

    digest: str
    media_type: str
    fates: tuple[tuple[str, int], ...]
    """How many objects of the old image were `sent`, `present` or `mounted`."""


def deliver(
    original: Original, built: Built, destination: Destination, *, connections: int, listener: Listener
) -> Delivered:
    """Push a repaired image.

    Args:
        original: what it was made of, and where its blobs lie.
        built: its new objects.
        destination: where it goes.
        connections: how many blobs at a time.
        listener: told how many objects are there.
    Raises: RegistryFault, ImageFault, HostLimit: nothing has the tag then.
    Cost: the new objects; for every other blob a request or two, or the blob itself where the target cannot take it
        from its neighbour.
    """
    return _Delivery(original, built, destination, connections, listener).run()


def is_at_home(original: Original, destination: Destination) -> bool:
    """Tell whether the image stays in its repository or layout."""
    if destination.repository or original.source.repository:
        return destination.repository == original.source.repository
    return _folder(original.backend.place) == _folder(destination.target.place)


def old_blobs_to_move(original: Original, destination: Destination) -> tuple[int, int]:
    """Return how many old blobs have to be sent, and their [bytes], if the target has none of them.

    Nothing moves inside of one registry, or on this machine. The other images of an index are not counted.
    """
    here, there = (place.partition("/")[0] for place in (original.source.repository, destination.repository))
    if here == there:
        return 0, 0
    known = {f"sha256:{blob.data_id}": blob.compressed_size for blob in original.tables.blobs}
    objects = dict(_shared(original.found.manifest.layers[:-1]))
    return len(objects), sum(size if size >= 0 else known.get(digest, 0) for digest, size in objects.items())


def _folder(place: str) -> Path:
    """Return the one path of a layout; of places of other kinds something else."""
    return Path(place.removeprefix("oci:")).resolve()


@dataclass(slots=True)
class _Delivery:
    """One delivery."""

    original: Original
    built: Built
    destination: Destination
    connections: int
    listener: Listener
    _fates: Counter[str] = field(default_factory=Counter)
    _documents: int = 0

    def run(self) -> Delivered:
        """Push all, in order."""
        old, new, tag = self.original.found.manifest, self.built, self.destination.tag
        self._copy([*_shared(old.layers[:-1])])
        self._push_new()
        if not self.original.is_in_index:
            digest = self.destination.target.push_manifest(new.manifest, old.media_type, tag=tag)
            return self._result(digest, old.media_type)
        self.destination.target.push_manifest(new.manifest, old.media_type)
        content = self._index(self.original.document.content, 0)
        media_type = _index_type(content, self.original.document.media_type)
        return self._result(self.destination.target.push_manifest(content, media_type, tag=tag), media_type)

    def _result(self, digest: str, media_type: str) -> Delivered:
        return Delivered(digest=digest, media_type=media_type, fates=tuple(sorted(self._fates.items())))

    def _push_new(self) -> None:
        target, new = self.destination.target, self.built
        with _told(self.listener, "pushing what is new", 3 if new.blob_size else 2) as advance:
            if new.blob_size:
                target.push_blob(new.blob_digest, new.blob_size, _spooled(new))
                advance()
            push_bytes(target, new.layer.content)
            advance()
            push_bytes(target, new.config)
            advance()

    def _copy(self, objects: Sequence[tuple[str, int]]) -> None:
        """Make sure that objects of the old image are there: (digest, size [bytes])."""
        if is_at_home(self.original, self.destination) or not objects:
            return
        with (
            threads(self.connections, name="rafsight-copy") as pool,
            _told(self.listener, "taking over blobs", len(objects)) as advance,
        ):
            pending: list[Future[Pushed]] = [pool.submit(self._copy_one, *one) for one in dict.fromkeys(objects)]
            for one in pending:
                self._fates[one.result().how] += 1
                advance()

    def _copy_one(self, digest: str, size: int) -> Pushed:
        backend, repository = self.original.backend, self.original.source.repository
        if size < 0:
            size = backend.blob_size(digest)
        return copy_blob(backend, repository, digest, size, self.destination.target)

    def _index(self, content: bytes, depth: int) -> bytes:
        """Bring all that an index names to the target, and return the index with the repaired image in it."""
        parsed = parse_document(content, limits=self.original.limits)
        if not isinstance(parsed, Index) or depth > self.original.limits.index_depth:
            raise MalformedDocument(document=parsed.digest, what="its indexes are nested too deeply")
        moved = {}
        for descriptor in parsed.manifests:
            if descriptor.digest == self.original.found.manifest.digest:
                moved[descriptor.digest] = (self.built.manifest_digest, len(self.built.manifest))
            elif descriptor.media_type in media_types.INDEXES:
                moved |= self._inner(descriptor, depth)
            else:
                self._copy_image(descriptor)
        return amend_index(content, moved) if moved else content

    def _inner(self, descriptor: Descriptor, depth: int) -> dict[str, tuple[str, int]]:
        """Bring an index inside an index; it moves if the repaired image is in it."""
        content = self._index(self._document(descriptor), depth + 1)
        digest = digest_of(content)
        if digest == descriptor.digest and is_at_home(self.original, self.destination):
            return {}
        self.destination.target.push_manifest(content, descriptor.media_type)
        return {descriptor.digest: (digest, len(content))} if digest != descriptor.digest else {}

    def _copy_image(self, descriptor: Descriptor) -> None:
        """Bring another image of the index, with all that it names."""
        if is_at_home(self.original, self.destination):
            return
        content = self._document(descriptor)
        parsed = parse_document(content, media_type=descriptor.media_type, digest=descriptor.digest)
        assert isinstance(parsed, Manifest)
        self._copy([(parsed.config.digest, parsed.config.size), *_shared(parsed.layers)])
        self.destination.target.push_manifest(content, parsed.media_type)

    def _document(self, descriptor: Descriptor) -> bytes:
        self._documents += 1
        if self._documents > MAX_DOCUMENTS:
            digest = self.original.document.digest
            raise MalformedDocument(document=digest, what=f"more than {MAX_DOCUMENTS} documents to take over")
        return fetch_document(self.original.backend, descriptor.digest, self.original.cache).content


def _shared(layers: Sequence[Descriptor]) -> Iterator[tuple[str, int]]:
    """Yield what layers need: themselves, and the archives beside them that zran blobs refer to.

    Returns: (digest, size [bytes]; -1 where nobody says).
    """
    for layer in layers:
        original = layer.annotations.get(keys.NYDUS_REF)
        if not _is_foreign(layer):
            yield layer.digest, layer.size
        if original and is_digest(original):
            yield original, -1


def _spooled(built: Built) -> OpenPieces:
    """Give the bytes of the new blob."""

    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        yield (
            bytes(built.blob.view(start, min(_PIECE, built.blob_size - start)))
            for start in range(0, built.blob_size, _PIECE)
        )

    return opened


def _is_foreign(descriptor: Descriptor) -> bool:
    return bool(descriptor.urls) or any(word in descriptor.media_type for word in _FOREIGN)


def _index_type(content: bytes, said: str) -> str:
    """Return the media type of an index: its own word, else that of where it came from, else the usual one."""
    return parse_document(content, media_type=said).media_type


@contextmanager
def _told(listener: Listener, title: str, total: int) -> Iterator[Callable[[], None]]:
    """Tell of some work."""
    operation = f"{_OPERATION}: {title}"
    listener(Started(operation=operation, title=title, total=total, unit="objects"))
    try:
        yield lambda: listener(Advanced(operation=operation, amount=1))
    finally:
        listener(Finished(operation=operation))
