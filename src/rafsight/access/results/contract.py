"""What a place for results has to do, and how results are named.

A result is some bytes under a key. The key says everything that the bytes depend on, so nothing is ever out of date:
what changes has another key. This module alone decides what keys look like.
"""

import hashlib
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Final, Protocol

from rafsight.base.units import MiB

VALUE_SIZE: Final = 32 * MiB
"""[bytes] The largest result that is kept, before compression."""


class ResultKind(Enum):
    """What a result is about; the first byte of its key."""

    IMAGE = b"i"
    """A whole image, by the digest of its manifest."""
    FILE = b"f"
    """The answer of one analyzer about one content."""


class ResultStore(Protocol):
    """A place that keeps results. Thread-safe.

    No method raises anything about the place: a store that fails has nothing and keeps nothing, and the listener that
    it was made with hears why.
    """

    def fetch(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """Return what is there of some results, each as it was kept."""
        ...

    def keep(self, values: Mapping[bytes, bytes]) -> None:
        """Keep results; those larger than `VALUE_SIZE` are not."""
        ...

    def close(self) -> None:
        """Give back files and connections."""
        ...


class NoResults:
    """The place of those who want nothing to be kept."""

    def fetch(self, keys: Collection[bytes]) -> dict[bytes, bytes]:  # noqa: ARG002
        """Have nothing."""
        return {}

    def keep(self, values: Mapping[bytes, bytes]) -> None:
        """Keep nothing."""

    def close(self) -> None:
        """Have nothing to give back."""


def result_key(kind: ResultKind, *parts: bytes) -> bytes:
    """Make the key of a result.

    Args:
        kind: what it is about.
        parts: everything that it depends on, in an order of the caller's.
    Returns: 33 bytes.
    """
    running = hashlib.sha256()
    for part in parts:
        running.update(len(part).to_bytes(8, "little"))
        running.update(part)
    return bytes(kind.value) + running.digest()
