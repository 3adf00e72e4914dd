"""A layer's stored bytes become its tar stream, piece by piece, in bounded memory.

This module alone decides how layers are decompressed: by their first bytes, never by their media type. gzip may have
several members and zeros after the last (pigz, estargz, concatenated archives), zstd several frames and skippable ones
(zstd:chunked). Whatever the ratio, no piece that comes out is larger than `PIECE_SIZE`.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from rafsight.base.units import GiB, KiB
from rafsight.formats.byte_stream import ByteStream
from rafsight.formats.tables import MalformedImage

PIECE_SIZE: Final = 256 * KiB
"""[bytes] The most that is handed over at a time."""
STREAM_SIZE: Final = 256 * GiB
"""[bytes] The most that one layer may become, if the caller does not say otherwise."""

GZIP_MAGIC: Final = b"\x1f\x8b"
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
HEAD_SIZE: Final = 10
"""[bytes] that tell how something is compressed."""
_OTHERS: Final = ((b"\xfd7zXZ\x00", "xz"), (b"BZh91AY&SY", "bzip2"))
_FIRST_INPUT: Final = 4 * KiB
_MOST_INPUT: Final = 64 * KiB
"""[bytes] fed at a time. zlib copies what it did not use, so large inputs would cost a square where the ratio is high,
and so would any but small ones at the start of a member where members are tiny."""


def decompressed(pieces: Iterator[bytes], *, where: str, max_size: int = STREAM_SIZE) -> Iterator[bytes]:
    """Decompress a layer.

    Args:
        pieces: the stored bytes, in pieces of any size.
        where: what to call the layer in messages.
        max_size: [bytes] of content; more is refused.
    Yields: the content in pieces of 1 to `PIECE_SIZE` bytes.
    Raises: MalformedImage; its offset counts stored bytes.
    Cost: one pass; memory of a few pieces, for zstd also its window (at most 128 MiB).
    """
    stream = ByteStream(pieces, where)
    compression = compression_by_head(stream.peek(HEAD_SIZE))
    if compression == "gzip":
        content = _gunzipped(stream)
    elif compression == "zstd":
        from rafsight.formats.zstd_stream import unzstd

        content = unzstd(stream)
    elif compression:
        raise stream.fault(what=f"{compression} is no compression of image layers")
    else:
        content = stream.rest(PIECE_SIZE)
    total = 0
    for piece in content:
        total += len(piece)
        if total > max_size:
            raise stream.fault(what=f"it decompresses to more than {max_size} bytes")
        yield piece


def compression_by_head(head: bytes) -> str:
    """Return what something is compressed with: `gzip`, `zstd`, `xz`, `bzip2`; nothing if it is none of them.

    Args:
        head: its first `HEAD_SIZE` bytes.
    """
    if head.startswith(GZIP_MAGIC):
        return "gzip"
    if head.startswith(ZSTD_MAGIC) or _is_skippable(head):
        return "zstd"
    return next((name for start, name in _OTHERS if head.startswith(start)), "")


def _is_skippable(magic: bytes) -> bool:
    """Tell whether this is zstd's skippable frame, 0x184D2A50 to 0x184D2A5F."""
    return len(magic) >= 4 and magic[1:4] == b"\x2a\x4d\x18" and magic[0] & 0xF0 == 0x50


def _gunzipped(stream: ByteStream) -> Iterator[bytes]:
    start, errors = _inflater()
    while True:
        inflate = start()
        try:
            yield from _member(stream, inflate)
        except errors as error:
            raise _damaged(stream, error) from None
        following = stream.peek(2)
        while following in (b"\0\0", b"\0"):  # padding, as tapes want it
            stream.skip(len(following))
            following = stream.peek(2)
        if not following:
            return
        if following != GZIP_MAGIC:
            raise stream.fault("something that is not gzip follows the gzip stream")


def _member(stream: ByteStream, inflate: Any) -> Iterator[bytes]:
    input_size = _FIRST_INPUT
    while not inflate.eof:
        stored = stream.some(input_size)
        input_size = min(2 * input_size, _MOST_INPUT)
        if not stored:
            raise stream.fault("the gzip stream ends too early")
        while True:
            piece = inflate.decompress(stored, PIECE_SIZE)
            if piece:
                yield piece
            stored = inflate.unconsumed_tail
            if inflate.eof or (not stored and len(piece) < PIECE_SIZE):
                break
    stream.give_back(len(inflate.unused_data))


def _inflater() -> tuple[Callable[[], Any], tuple[type[Exception], ...]]:
    """Choose isal where it is installed (twice as fast), else zlib."""
    try:
        from isal import isal_zlib
    except ImportError:
        return (lambda: zlib.decompressobj(31)), (zlib.error,)
    error = cast("type[Exception]", isal_zlib.error)  # its stub calls the class an instance
    return (lambda: isal_zlib.decompressobj(31)), (error, zlib.error)


def _damaged(stream: ByteStream, error: Exception) -> MalformedImage:
    return stream.fault(what=f"damaged gzip stream: {error}")
