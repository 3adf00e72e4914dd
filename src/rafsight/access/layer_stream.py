"""One layer as a stream: its stored bytes are hashed as they come in, its uncompressed ones as they go out.

This module alone ties the two hashes to one pass. Whether they are what was promised is for the reader of the stream to
say: whoever opens an image refuses, a check takes note.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rafsight.access.backend import Blobs
from rafsight.access.objects import bounded, hashed
from rafsight.base.digest import hasher_for
from rafsight.formats.compressed_stream import STREAM_SIZE, decompressed
from rafsight.formats.oci.manifest import Descriptor

_HEAD: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSums:
    """What a layer really is, once its stored bytes came to their end."""

    size: int
    """[bytes] as stored."""
    digest: str
    """Of the stored bytes, of the algorithm of the layer's own digest."""
    content_digest: str
    """SHA-256 of the uncompressed bytes; empty if they were not read to their end."""
    head: bytes
    """The first stored bytes: they say how the layer is compressed."""


class LayerStream:
    """A layer that is being read."""

    def __init__(self, layer: Descriptor, pieces: Iterator[bytes], *, where: str, max_content: int) -> None:
        self._algorithm = layer.digest.partition(":")[0]
        self._stored, self._plain = hasher_for(layer.digest), hashlib.sha256()
        self._size = 0
        self._head = b""
        self._is_complete = False
        self._raw = hashed(self._counted(pieces), self._stored)
        self.content = self._hashed_content(decompressed(self._raw, where=where, max_size=max_content))
        """The uncompressed bytes. Raises MalformedImage where they cannot be decompressed."""

    def finish(self, *, is_damaged: bool = False) -> LayerSums:
        """Read what is left, and say what the layer is.

        Args:
            is_damaged: its content cannot be read any further, only the stored bytes.
        Raises: RegistryFault, ImageFault.
        """
        if not is_damaged:
            for _ in self.content:
                pass
        for _ in self._raw:
            pass
        return LayerSums(
            size=self._size,
            digest=f"{self._algorithm}:{self._stored.hexdigest()}",
            content_digest=f"sha256:{self._plain.hexdigest()}" if self._is_complete else "",
            head=self._head,
        )

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._size += len(piece)
            if len(self._head) < _HEAD:
                self._head = (self._head + piece)[:_HEAD]
            yield piece

    def _hashed_content(self, content: Iterator[bytes]) -> Iterator[bytes]:
        yield from hashed(content, self._plain)
        self._is_complete = True


@contextmanager
def open_layer(
    backend: Blobs,
    layer: Descriptor,
    *,
    where: str,
    max_size: int | None = None,
    max_content: int = STREAM_SIZE,
    report: Callable[[Iterator[bytes]], Iterator[bytes]] = iter,
) -> Iterator[LayerStream]:
    """Open a layer.

    Args:
        backend: where it lies.
        layer: its descriptor.
        where: what to call it in messages.
        max_size: [bytes] as stored that are accepted; None: as many as the descriptor states.
        max_content: [bytes] uncompressed that are accepted.
        report: sees the stored pieces on their way.
    Raises: NotFound, RegistryFault; while reading: ImageFault, RegistryFault.
    Cost: one request; the bytes of the layer.
    """
    with backend.open_blob(layer.digest) as pieces:
        most = layer.size if max_size is None else max_size
        limited = bounded(report(pieces), most, where, backend.place)
        yield LayerStream(layer, limited, where=where, max_content=max_content)
