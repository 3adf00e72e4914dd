"""Whole objects of a registry, verified against the digest that names them."""

import hashlib
from collections.abc import Iterator

from rafsight.access.backend import Backend, Blobs, DigestMismatch, Document
from rafsight.access.cache import Cache
from rafsight.base.digest import hasher_for


def fetch_verified(backend: Blobs, digest: str, size: int) -> bytes:
    """Fetch a small object whole.

    Args:
        backend: where it lies.
        digest: its name.
        size: [bytes] as its descriptor states, bounded by whoever accepted the descriptor.
    Raises: RegistryFault, DigestMismatch.
    Cost: one request.
    """
    content, hasher = fetch_hashed(backend, digest, size)
    verify(digest, backend.place, digest, hasher)
    return content


def fetch_hashed(backend: Blobs, digest: str, size: int) -> "tuple[bytes, hashlib._Hash]":
    """Fetch a small object whole, and hash it as its digest would have it; arguments and cost as of `fetch_verified`.

    Raises: RegistryFault.
    """
    content = backend.fetch_range(digest, 0, size) if size else b""
    backend.meter.count(needed=size)
    hasher = hasher_for(digest)
    hasher.update(content)
    return content, hasher


def fetch_document(backend: Backend, name: str, cache: Cache, *, keep: bool = True) -> Document:
    """Fetch a manifest or index, or take it from the cache where it is named by digest.

    Args:
        backend: where it lies.
        name: tag or digest.
        cache: where documents are kept.
        keep: put it there.
    Raises: RegistryFault, ImageFault.
    Cost: one request, or none.
    """
    kept = cache.document(name)
    if kept is not None:
        return Document(media_type="", digest=name, content=kept)
    document = backend.fetch_manifest(name)
    backend.meter.count(needed=len(document.content))
    if keep:
        cache.keep_document(document.digest, document.content)
    return document


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
