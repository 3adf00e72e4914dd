"""Find the places in a gzip file where inflating can begin.

This module alone drives `indexed_gzip`: how far its points lie apart, how much of a hostile file it may take in, and
what it lets pass and we refuse (a file that ends too early, or with something that is not gzip).
"""

import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from rafsight.access.spool import Spool
from rafsight.base.errors import HostLimit
from rafsight.base.units import KiB, MiB
from rafsight.formats.compressed_stream import GZIP_MAGIC, STREAM_SIZE, decompressed
from rafsight.formats.rafs.zran_points import GzipPoints, NotReferable, no_points, read_points
from rafsight.formats.records import Buffer

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from indexed_gzip.indexed_gzip import IndexedGzipFile

_LEAST_SPACING: Final = 64 * KiB
_MOST_SPACING: Final = 4 * MiB
_POINTS_AIMED_AT: Final = 1024
"""So many as often as the content is as large as the file; each takes 32 KiB of memory until all are exported."""
_MOST_WINDOWS: Final = 12288
"""Points with a window: as many as a chunk-info array has room for."""
_STEP: Final = 128
"""Spacings that are indexed at a time."""
_PIECE: Final = 256 * KiB
_TRAILER_SIZE: Final = 8

Read = Callable[[int, int], Buffer]
"""(offset, size) to exactly so many bytes of a file."""


class NoGzipIndexer(HostLimit):
    """The library that finds places in gzip files is not there."""

    code = "no-gzip-indexer"
    template = "layers that are compressed by gzip cannot be referred to without the Python package indexed_gzip"
    remedy = "Install it: pip install 'rafsight[zran]'."


def index_gzip(
    read: Read, size: int, *, layer: str, max_content: int = STREAM_SIZE, max_members: int = 1 << 20
) -> GzipPoints:
    """Index a gzip file of one or more members.

    Args:
        read: reads the file.
        size: [bytes] of the file.
        layer: what to call it.
        max_content: [bytes] of content that are accepted.
        max_members: that are accepted; what looks like the beginning of one is counted.
    Returns: the points; the windows of all of them lie in a temporary file without a name, mapped.
    Raises: NoGzipIndexer; NoTemporarySpace; NotReferable: it is not gzip, has too much content or too many members;
        MalformedImage: it is damaged, ends too early, or something follows the gzip stream.
    Cost: the file is inflated once, twice if it is packed very well; 32 KiB of memory for each point on the way.
    """
    if size < len(GZIP_MAGIC) or bytes(read(0, len(GZIP_MAGIC))) != GZIP_MAGIC:
        raise NotReferable(layer=layer, why="it is neither a plain tar nor compressed by gzip")
    try:
        from indexed_gzip.indexed_gzip import CrcError, IndexedGzipFile, ZranError
    except ImportError:
        raise NoGzipIndexer from None
    points = None
    try:
        for spacing in sorted({_spacing(size), _MOST_SPACING}):
            reader = _Reader(read, size, layer, max_members)
            with IndexedGzipFile(fileobj=reader, spacing=spacing, buffer_size=_PIECE) as index:
                if _build(index, spacing, max_content):
                    points = _export(index)
                    break
    except (ZranError, CrcError):
        return _explain(read, size, layer, max_content)
    if points is None:
        most = min(max_content, _MOST_WINDOWS * _MOST_SPACING)
        raise NotReferable(layer=layer, why=f"it decompresses to more than {most} bytes")
    end = _end_of_stream(points, read, size) if points.uncompressed_size else None
    return _explain(read, size, layer, max_content) if end is None else replace(points, compressed_size=end)


def _spacing(size: int) -> int:
    """Choose how far points lie apart, [bytes] of content: not too many for the file, unless it is packed very well."""
    wanted = 1 << (size // _POINTS_AIMED_AT).bit_length()
    return min(max(wanted, _LEAST_SPACING), _MOST_SPACING)


def _build(index: "IndexedGzipFile", spacing: int, max_content: int) -> bool:
    """Index piece by piece; give a file with too much content up in time, and tell."""
    wanted = reached = 0
    while reached == wanted:
        if wanted > min(max_content, _MOST_WINDOWS * spacing):
            return False
        wanted += _STEP * spacing
        reached = index.seek(wanted)
    return reached <= max_content


def _export(index: "IndexedGzipFile") -> GzipPoints:
    spool = Spool()
    try:
        writer = _Writer(spool)
        index.export_index(fileobj=writer)
        spool.finish()
        return read_points(spool.view(0, writer.size))
    finally:
        spool.close()


def _end_of_stream(points: GzipPoints, read: Read, size: int) -> int | None:
    """Find the [bytes] where the last member ends; None if it does not, or something but zeros follows.

    zlib begins at whole bytes: so this begins at the last point that does.
    """
    point = int(np.flatnonzero(points.bits == 0)[-1])
    window = bytes(points.window(point))
    inflater = zlib.decompressobj(-zlib.MAX_WBITS, zdict=window) if window else zlib.decompressobj(-zlib.MAX_WBITS)
    position, left = int(points.compressed_offset[point]), points.uncompressed_size
    left -= int(points.uncompressed_offset[point])
    while not inflater.eof and position < size:
        piece = read(position, min(_PIECE, size - position))
        position += len(piece)
        while piece and not inflater.eof:
            left -= len(inflater.decompress(piece, _PIECE))
            piece = inflater.unconsumed_tail
    end = position - len(inflater.unused_data) + _TRAILER_SIZE
    is_sound = inflater.eof and not left and end <= size
    return end if is_sound and not any(any(bytes(piece)) for piece in _pieces(read, end, size)) else None


def _explain(read: Read, size: int, layer: str, max_content: int) -> GzipPoints:
    """Say what is wrong with a file that could not be indexed; a sound one without content has no points.

    Raises: MalformedImage; NotReferable.
    """
    pieces = _pieces(read, 0, size)
    if sum(len(piece) for piece in decompressed(pieces, where=f"layer {layer}", max_size=max_content)):
        raise NotReferable(layer=layer, why="its gzip stream cannot be indexed")
    return no_points(size)


def _pieces(read: Read, start: int, end: int) -> Iterator[bytes]:
    for offset in range(start, end, _PIECE):
        yield bytes(read(offset, min(_PIECE, end - offset)))


class _Reader(io.RawIOBase):
    """The file as the library wants it, which counts what may be beginnings of members."""

    def __init__(self, read: Read, size: int, layer: str, max_members: int) -> None:
        self._read = read
        self._size = size
        self._layer = layer
        self._position = 0
        self._members = 0
        self._max_members = max_members

    def read(self, size: int = -1, /) -> bytes:
        left = max(self._size - self._position, 0)
        wanted = left if size < 0 else min(size, left)
        piece = bytes(self._read(self._position, wanted)) if wanted else b""
        self._position += len(piece)
        self._members += piece.count(GZIP_MAGIC + b"\x08")
        if self._members > self._max_members:
            raise NotReferable(layer=self._layer, why=f"it has more than {self._max_members} gzip members")
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def tell(self) -> int:
        return self._position

    def seekable(self) -> bool:
        return True


class _Writer(io.RawIOBase):
    """A spool as the library wants it."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.size = 0

    def write(self, content: "ReadableBuffer", /) -> int:
        piece = bytes(content)
        self._spool.append(piece)
        self.size += len(piece)
        return len(piece)
