"""On-disk compressor numbers and what undoes them.

This module alone decides how much a decompressor may produce and how much memory it may take: exactly the size that
the image promises, which the caller has bounded, and a zstd window of at most 128 MiB (the peers' bound too).
"""

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from rafsight.formats.tables import Compressor, MalformedImage, Offsets

if TYPE_CHECKING:
    import zstandard

Buffer = bytes | memoryview

_ZSTD_WINDOW: Final = 1 << 27
_GZIP_BITS: Final = 16 + zlib.MAX_WBITS
_MANY: Final = 8
"""Pieces from which on it is worth it to decompress them at once."""


class Decoder:
    """The state that decompression reuses from call to call. Not thread-safe: keep one for each thread."""

    __slots__ = ("_zstd",)

    def __init__(self) -> None:
        self._zstd: zstandard.ZstdDecompressor | None = None

    def decompress(self, compressor: Compressor, stored: Buffer, size: int) -> bytes:
        """Decompress one piece to exactly the size that it should have.

        Args:
            compressor: what made the piece.
            stored: the piece; bytes after its end are ignored (recorded sizes of gzip members are estimates).
            size: [bytes] of content, bounded by the caller: so much memory is taken.
        Raises: MalformedImage: the piece is damaged, or has another size.
        """
        if compressor is Compressor.ZSTD:
            content = self._decompress_zstd(stored, size)
        elif compressor is Compressor.LZ4_BLOCK:
            content = _decompress_lz4(stored, size)
        elif compressor is Compressor.GZIP:
            content = _decompress_gzip(stored, size)
        else:
            content = bytes(stored)
        if len(content) != size:
            raise _damaged(compressor, f"gives {len(content)} bytes, and the image promises {size}")
        return content

    def decompress_many(
        self, compressor: Compressor, stored: memoryview, starts: Sequence[int], sizes: Sequence[int], expected: Offsets
    ) -> list[memoryview] | None:
        """Decompress many pieces at once, which for small ones takes half as long, and stops other threads once.

        Args:
            compressor: what made the pieces.
            stored: holds them.
            starts: [bytes] where each begins there.
            sizes: [bytes] of each; all of it lies in `stored`.
            expected: (k,) [bytes] of content, bounded by the caller: so much memory is taken.

        Returns: the contents; None if there is no such way for these: `decompress` does them one by one, and says what
            is wrong with which.
        """
        if compressor is not Compressor.ZSTD or len(starts) < _MANY or not expected.all():
            return None
        import zstandard

        segments = np.empty((len(starts), 2), np.uint64)
        segments[:, 0], segments[:, 1] = starts, sizes
        decoder = self._zstd_decompressor()
        try:
            pieces = zstandard.BufferWithSegments(stored, segments.tobytes())
            found = decoder.multi_decompress_to_buffer(pieces, decompressed_sizes=expected.astype("<u8").tobytes())
        except (zstandard.ZstdError, AttributeError):  # a piece is damaged; or a build that lacks it
            return None
        contents = [memoryview(found[index]) for index in range(len(found))]  # type: ignore[arg-type]
        return contents if [len(content) for content in contents] == expected.tolist() else None

    def _zstd_decompressor(self) -> "zstandard.ZstdDecompressor":
        import zstandard

        if self._zstd is None:
            self._zstd = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        return self._zstd

    def _decompress_zstd(self, stored: Buffer, size: int) -> bytes:
        import zstandard

        decoder = self._zstd_decompressor()
        try:
            announced = zstandard.frame_content_size(stored)
            if announced not in (-1, size):
                raise _damaged(Compressor.ZSTD, f"announces {announced} bytes, and the image promises {size}")
            return decoder.decompress(stored, max_output_size=size)
        except zstandard.ZstdError as error:
            raise _damaged(Compressor.ZSTD, str(error)) from None


class Encoder:
    """What makes the stored form of chunks. Not thread-safe: keep one for each thread."""

    __slots__ = ("_zstd", "compressor")

    def __init__(self, compressor: Compressor, level: int = 3) -> None:
        """Choose.

        Args:
            compressor: NONE, LZ4_BLOCK or ZSTD: what images are made with.
            level: of zstd.
        """
        self.compressor = compressor
        self._zstd = _zstd_compressor(level) if compressor is Compressor.ZSTD else None

    def compress(self, content: Buffer) -> bytes:
        """Return the stored form of one piece, which may be larger than the piece."""
        if self._zstd is not None:
            return self._zstd.compress(content)
        if self.compressor is Compressor.LZ4_BLOCK:
            import lz4.block

            return bytes(lz4.block.compress(content, store_size=False))
        return bytes(content)


def _zstd_compressor(level: int) -> "zstandard.ZstdCompressor":
    import zstandard

    return zstandard.ZstdCompressor(level=level)


def decompress(compressor: Compressor, stored: Buffer, size: int) -> bytes:
    """Decompress one piece without keeping state; `Decoder.decompress` says the rest."""
    return Decoder().decompress(compressor, stored, size)


def _decompress_lz4(stored: Buffer, size: int) -> bytes:
    import lz4.block

    try:
        return bytes(lz4.block.decompress(stored, uncompressed_size=size))
    except lz4.block.LZ4BlockError as error:
        raise _damaged(Compressor.LZ4_BLOCK, str(error)) from None


def _decompress_gzip(stored: Buffer, size: int) -> bytes:
    if not size:
        return b""
    try:
        return zlib.decompressobj(_GZIP_BITS).decompress(stored, size)
    except zlib.error as error:
        raise _damaged(Compressor.GZIP, str(error)) from None


def _damaged(compressor: Compressor, what: str) -> MalformedImage:
    return MalformedImage(where=f"{compressor.name.lower()} data", what=what, offset=0)
