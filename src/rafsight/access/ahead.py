"""Blobs that are asked for before there is somebody to read them: they come while Python imports what does.

This module alone decides what may be on its way like that. It imports nothing that is needed for trees and contents.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from rafsight.access.backend import Backend
from rafsight.base.units import MiB

_MOST: Final = 16 * MiB
"""[bytes] of one blob; what is larger is better read as it comes."""
_PIECE: Final = MiB


class BlobsAhead:
    """The blobs of a backend, of which some are on their way. Thread-safe."""

    def __init__(self, backend: Backend, pool: ThreadPoolExecutor) -> None:
        """Ask for nothing yet.

        Args:
            backend: where the blobs lie.
            pool: its threads fetch.
        """
        self.place = backend.place
        self.meter = backend.meter
        self._backend = backend
        self._pool = pool
        self._lock = threading.Lock()
        self._coming: dict[str, tuple[int, Future[bytes]]] = {}

    def begin(self, digest: str, size: int) -> None:
        """Ask for a blob, unless it is large.

        Args:
            digest: its name.
            size: [bytes] as its descriptor states.
        Cost: one request, in a thread.
        """
        with self._lock:
            if 0 < size <= _MOST and digest not in self._coming:
                self._coming[digest] = (size, self._pool.submit(self._backend.fetch_range, digest, 0, size))

    def fetch_range(self, digest: str, offset: int, size: int) -> bytes:
        """Fetch exactly `size` bytes of a blob; what has come already is handed over once.

        Raises: RegistryFault, ImageFault.
        """
        known, coming = self._take(digest)
        if coming is not None and (offset, size) == (0, known):
            return coming.result()
        return self._backend.fetch_range(digest, offset, size)

    @contextmanager
    def open_blob(self, digest: str) -> Iterator[Iterator[bytes]]:
        """Open a whole blob as a stream of pieces; what has come already is handed over once.

        Raises: RegistryFault, ImageFault.
        """
        _, coming = self._take(digest)
        if coming is None:
            with self._backend.open_blob(digest) as pieces:
                yield pieces
            return
        content = coming.result()
        yield (content[start : start + _PIECE] for start in range(0, len(content), _PIECE))

    def _take(self, digest: str) -> tuple[int, Future[bytes] | None]:
        with self._lock:
            return self._coming.pop(digest, (0, None))
