"""On-disk digester numbers and what computes them; CRC-32C.

This module alone decides which hash stands behind which number.
"""

import functools
import hashlib
from typing import Protocol

from rafsight.formats.tables import Digester

Buffer = bytes | memoryview


class Hasher(Protocol):
    """A running hash."""

    def update(self, data: Buffer, /) -> object:
        """Take in some bytes."""
        ...

    def digest(self) -> bytes:
        """Return the 32 bytes of the hash so far."""
        ...


def hasher(digester: Digester) -> Hasher:
    """Start a hash of the kind that an image uses."""
    if digester is Digester.SHA256:
        return hashlib.sha256()
    import blake3

    return blake3.blake3()


def digest(digester: Digester, content: Buffer) -> bytes:
    """Compute the digest of a chunk: 32 bytes."""
    running = hasher(digester)
    running.update(content)
    return running.digest()


def crc32c(content: Buffer) -> int:
    """Compute the CRC-32C (Castagnoli) of a chunk.

    Cost: about 10 MB a second, in plain Python: for single chunks on request. Digests are what protects an image.
    """
    table = _crc32c_table()
    crc = 0xFFFF_FFFF
    for octet in memoryview(content):
        crc = table[(crc ^ octet) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFF_FFFF


@functools.cache
def _crc32c_table() -> tuple[int, ...]:
    table = []
    for octet in range(256):
        crc = octet
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F6_3B78 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)
