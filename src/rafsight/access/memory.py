"""Manifests and blobs in memory: the backend of tests, and of images that are being built.

It obeys the same contract as a registry, so that what works over it works over the others.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from rafsight.access.backend import DigestMismatch, Document, NotFound, ShortRead
from rafsight.access.counting import Meter
from rafsight.base.digest import digest_of
from rafsight.base.units import MiB

_PIECE_SIZE: Final = MiB


class MemoryBackend:
    """Objects by digest, and tags. Fill it first, read it from any number of threads."""

    supports_ranges = True

    def __init__(self, place: str = "memory", *, meter: Meter | None = None, piece_size: int = _PIECE_SIZE) -> None:
        """Begin empty; `piece_size` [bytes] is what streams are cut into."""
        self.place = place
        self.meter = meter or Meter()
        self._piece_size = min(piece_size, _PIECE_SIZE)
        self._blobs: dict[str, bytes] = {}
        self._manifests: dict[str, Document] = {}
        self._tags: dict[str, str] = {}

    def put_blob(self, content: bytes, *, digest: str = "") -> str:
        """Keep a blob and return its digest; `digest` lets a test keep other bytes than the digest names."""
        digest = digest or digest_of(content)
        self._blobs[digest] = content
        return digest

    def put_manifest(self, content: bytes, *, media_type: str, tag: str = "", digest: str = "") -> str:
        """Keep a manifest or index, under a tag if one is given, and return its digest."""
        digest = digest or digest_of(content)
        self._manifests[digest] = Document(media_type=media_type, digest=digest, content=content)
        if tag:
            self._tags[tag] = digest
        return digest

    def fetch_manifest(self, name: str) -> Document:
        """Return a manifest or index by tag or digest.

        Raises: NotFound, DigestMismatch.
        """
        document = self._manifests.get(self._tags.get(name, name))
        if document is None:
            raise NotFound(what=f"manifest '{name}'", place=self.place)
        actual = digest_of(document.content)
        if actual != document.digest:
            raise DigestMismatch(what="manifest", place=self.place, expected=document.digest, actual=actual)
        self.meter.count(requests=1, received=len(document.content))
        return document

    def fetch_range(self, digest: str, offset: int, size: int) -> bytes:
        """Return exactly `size` bytes of a blob.

        Raises: NotFound, ShortRead.
        """
        blob = self._blob(digest)
        content = blob[offset : offset + size] if offset >= 0 <= size else b""
        self.meter.count(requests=1, received=len(content))
        if len(content) != size:
            raise ShortRead(what=f"blob {digest}", place=self.place, got=len(content), wanted=size, offset=offset)
        return content

    def open_blob(self, digest: str) -> AbstractContextManager[Iterator[bytes]]:
        """Open a whole blob as a stream.

        Raises: NotFound.
        """
        blob = self._blob(digest)
        self.meter.count(requests=1)
        return nullcontext(self._stream(blob))

    def blob_size(self, digest: str) -> int:
        """Return a blob's size in bytes.

        Raises: NotFound.
        """
        return len(self._blob(digest))

    def close(self) -> None:
        """Nothing is kept open."""

    def _blob(self, digest: str) -> bytes:
        if digest not in self._blobs:
            raise NotFound(what=f"blob {digest}", place=self.place)
        return self._blobs[digest]

    def _stream(self, blob: bytes) -> Iterator[bytes]:
        for start in range(0, len(blob), self._piece_size):
            piece = blob[start : start + self._piece_size]
            self.meter.count(received=len(piece))
            yield piece
