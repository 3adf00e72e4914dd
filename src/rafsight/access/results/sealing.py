"""How a result lies in a store: compressed where that helps, behind a checksum of itself and its key.

This module alone decides that. Whatever happens to a store, what comes out of it is what somebody put in under the very
same key, or nothing.
"""

import hashlib
import zlib
from typing import Final

from rafsight.access.results.contract import VALUE_SIZE

_CHECK_SIZE: Final = 16
_PLAIN: Final = b"p"
_ZLIB: Final = b"z"
_LEVEL: Final = 4
_WORTH_IT: Final = 100
"""[bytes] Shorter ones are left as they are."""


def seal(key: bytes, value: bytes) -> bytes | None:
    """Make what a store keeps of a result; None if it is too large to be kept."""
    if len(value) > VALUE_SIZE:
        return None
    body = _PLAIN + value
    if len(value) >= _WORTH_IT:
        packed = zlib.compress(value, _LEVEL)
        body = min(body, _ZLIB + packed, key=len)
    return _check_of(key, body) + body


def unseal(key: bytes, sealed: object) -> bytes | None:
    """Return the result that a store kept; None if it is not what was put in under this key."""
    if not isinstance(sealed, bytes):
        return None
    check, body = sealed[:_CHECK_SIZE], sealed[_CHECK_SIZE:]
    if check != _check_of(key, body):
        return None
    if body[:1] != _ZLIB:
        return body[1:]
    unpacker = zlib.decompressobj()
    try:
        value = unpacker.decompress(body[1:], VALUE_SIZE)
    except zlib.error:
        return None
    return value if unpacker.eof else None


def _check_of(key: bytes, body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECK_SIZE, key=key).digest()
