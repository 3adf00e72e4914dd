"""zstd streams, frame by frame and block by block.

The library's streaming readers neither bound what one call puts out nor say when a stream ends in the middle of a
frame. A frame says where its blocks lie (RFC 8878, section 3.1.1), and a block holds at most 128 KiB: fed one block at
a time, the library does both.
"""

from collections.abc import Iterator
from typing import Any, Final

from rafsight.base.units import KiB, MiB
from rafsight.formats.byte_stream import ByteStream

WINDOW_SIZE: Final = 128 * MiB
"""[bytes] What `zstd --ultra -22` uses; larger windows need a flag of their readers, and are refused here."""

_MAGIC: Final = 0xFD2FB528
_SKIPPABLE: Final = 0x184D2A50
_MAX_BLOCK: Final = 128 * KiB
_RLE: Final = 1
_RESERVED: Final = 3


def unzstd(stream: ByteStream) -> Iterator[bytes]:
    """Decompress all frames of a stream.

    Yields: pieces of at most 128 KiB.
    Raises: MalformedImage.
    """
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_SIZE)
    while stream.peek(1):
        magic = int.from_bytes(stream.peek(4), "little")
        if magic & 0xFFFFFFF0 == _SKIPPABLE:
            stream.skip(4)
            stream.skip(int.from_bytes(stream.take(4), "little"))
        elif magic == _MAGIC:
            try:
                yield from _frame(stream, decompressor.decompressobj())
            except zstandard.ZstdError as error:
                raise stream.fault(what=f"damaged zstd stream: {error}") from None
        else:
            raise stream.fault("something that is not zstd follows the zstd stream")


def _frame(stream: ByteStream, frame: Any) -> Iterator[bytes]:
    header, has_checksum = _frame_header(stream)
    yield from _non_empty(frame.decompress(header))
    is_last = False
    while not is_last:
        block = stream.take(3)
        word = int.from_bytes(block, "little")
        is_last, kind, size = bool(word & 1), word >> 1 & 3, word >> 3
        if kind == _RESERVED or size > _MAX_BLOCK:
            raise stream.fault(what=f"a zstd block of kind {kind} and {size} bytes")
        yield from _non_empty(frame.decompress(block + stream.take(1 if kind == _RLE else size)))
    if has_checksum:
        yield from _non_empty(frame.decompress(stream.take(4)))
    if not frame.eof:
        raise stream.fault("the zstd frame does not end with its last block")


def _frame_header(stream: ByteStream) -> tuple[bytes, bool]:
    """Cut off a frame's header; tell whether a checksum follows the blocks."""
    descriptor = stream.peek(5)[4:]
    if not descriptor:
        raise stream.fault("the zstd stream ends too early")
    flags = descriptor[0]
    is_single = flags >> 5 & 1
    size = 5 + (0 if is_single else 1) + (0, 1, 2, 4)[flags & 3] + (is_single, 2, 4, 8)[flags >> 6]
    return stream.take(size), bool(flags & 4)


def _non_empty(piece: bytes) -> Iterator[bytes]:
    if piece:
        yield piece
