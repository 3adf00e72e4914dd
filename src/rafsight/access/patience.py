"""A place that is not asked for ever: once it cannot be reached twice in a row, nobody waits for it again.

Each call is tried again as the place itself sees fit. This module alone decides when a whole run of calls is given up;
every later call fails at once, for the reason of the last one that was made.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from rafsight.access.backend import Backend, Document
from rafsight.access.registry.errors import RegistryUnreachable

Result = TypeVar("Result")

FAILURES: Final = 2
"""Calls in a row that fail alike before the others are left."""


class PatientBackend:
    """Another backend, asked until it cannot be reached. Thread-safe."""

    def __init__(self, backend: Backend) -> None:
        """Ask `backend`, which the caller closes."""
        self.place = backend.place
        self.meter = backend.meter
        self._backend = backend
        self._lock = threading.Lock()
        self._failures = 0
        self._last: RegistryUnreachable | None = None

    @property
    def supports_ranges(self) -> bool:
        """See Backend."""
        return self._backend.supports_ranges

    @supports_ranges.setter
    def supports_ranges(self, value: bool) -> None:
        self._backend.supports_ranges = value

    def fetch_manifest(self, name: str) -> Document:
        """See Backend."""
        return self._ask(lambda: self._backend.fetch_manifest(name))

    def fetch_range(self, digest: str, offset: int, size: int) -> bytes:
        """See Backend."""
        return self._ask(lambda: self._backend.fetch_range(digest, offset, size))

    def blob_size(self, digest: str) -> int:
        """See Backend."""
        return self._ask(lambda: self._backend.blob_size(digest))

    @contextmanager
    def open_blob(self, digest: str) -> Iterator[Iterator[bytes]]:
        """See Backend."""
        self._refuse()
        try:
            with self._backend.open_blob(digest) as pieces:
                yield pieces
        except RegistryUnreachable as error:
            self._note(error)
            raise
        self._note(None)

    def close(self) -> None:
        """See Backend."""
        self._backend.close()

    def _ask(self, call: Callable[[], Result]) -> Result:
        self._refuse()
        try:
            result = call()
        except RegistryUnreachable as error:
            self._note(error)
            raise
        self._note(None)
        return result

    def _refuse(self) -> None:
        """Raise the last error once more, if the place was given up."""
        with self._lock:
            last = self._last if self._failures >= FAILURES else None
        if last is not None:
            raise type(last)(**last.details)

    def _note(self, error: RegistryUnreachable | None) -> None:
        """Count a call that failed as the one before it, or begin anew."""
        with self._lock:
            if self._failures >= FAILURES:
                return
            alike = error is not None and self._last is not None and _kind(error) == _kind(self._last)
            self._failures = (self._failures if alike else 0) + (error is not None)
            self._last = error


def _kind(error: RegistryUnreachable) -> tuple[type, object]:
    return type(error), error.details.get("host")
