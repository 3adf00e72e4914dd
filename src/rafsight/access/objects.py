"""Whole objects of a registry, verified against the digest that names them."""

import hashlib
from collections.abc import Iterator

from rafsight.access.backend import Backend, DigestMismatch
from rafsight.base.digest import hasher_for


def fetch_verified(backend: Backend, digest: str, size: int) -> bytes:
    """Fetch a small object whole.

    Args:
        backend: where it lies.
        digest: its name.
        size: [bytes] as its descriptor states, bounded by whoever accepted the descriptor.
    Raises: RegistryFault, DigestMismatch.
    Cost: one request.
    """
    content = backend.fetch_range(digest, 0, size) if size else b""
    backend.meter.count(needed=size)
    hasher = hasher_for(digest)
    hasher.update(content)
    verify(digest, backend.place, digest, hasher)
    return content


def hashed(pieces: Iterator[bytes], hasher: "hashlib._Hash") -> Iterator[bytes]:
    """Pass pieces on and hash them."""
    for piece in pieces:
        hasher.update(piece)
        yield piece


def bounded(pieces: Iterator[bytes], size: int, what: str, place: str) -> Iterator[bytes]:
    """Pass on no more than the `size` bytes [bytes] that a descriptor states: nobody may send without end.

    Raises: DigestMismatch.
    """
    left = size
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise DigestMismatch(what=what, place=place, expected=f"{size} bytes", actual="more")
        yield piece


def verify(what: str, place: str, expected: str, hasher: "hashlib._Hash") -> None:
    """Compare a hash with the digest that was promised.

    Raises: DigestMismatch.
    """
    actual = f"{expected.partition(':')[0]}:{hasher.hexdigest()}"
    if actual != expected:
        raise DigestMismatch(what=what, place=place, expected=expected, actual=actual)
