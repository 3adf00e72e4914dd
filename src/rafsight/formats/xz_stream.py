"""xz streams, piece by piece, in bounded memory: what most Debian packages are compressed with.

This module alone decides how much memory a dictionary may take. Several streams may follow each other, with zeros in
groups of four between them (xz file format, section 2).
"""

import lzma
from collections.abc import Iterator
from typing import Final

from rafsight.base.units import KiB, MiB
from rafsight.formats.byte_stream import ByteStream

MAGIC: Final = b"\xfd7zXZ\x00"
MEMORY_SIZE: Final = 192 * MiB
"""[bytes] What a decoder may take: `xz -9` needs 65 MiB, twice its dictionary is still fine."""
PIECE_SIZE: Final = 256 * KiB
_INPUT_SIZE: Final = 64 * KiB


def unxz(stream: ByteStream) -> Iterator[bytes]:
    """Decompress all streams of an xz file.

    Yields: pieces of 1 to `PIECE_SIZE` bytes.
    Raises: MalformedImage.
    """
    while stream.peek(1):
        if stream.peek(4) == bytes(4):
            stream.skip(4)
        elif stream.peek(len(MAGIC)) == MAGIC:
            yield from _one(stream)
        else:
            raise stream.fault("something that is not xz follows the xz stream")


def _one(stream: ByteStream) -> Iterator[bytes]:
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY_SIZE)
    while not decoder.eof:
        stored = b""
        if decoder.needs_input:
            stored = stream.some(_INPUT_SIZE)
            if not stored:
                raise stream.fault("the xz stream ends too early")
        try:
            piece = decoder.decompress(stored, PIECE_SIZE)
        except lzma.LZMAError as error:
            raise stream.fault(what=f"damaged xz stream: {error}") from None
        if piece:
            yield piece
    stream.give_back(len(decoder.unused_data))
