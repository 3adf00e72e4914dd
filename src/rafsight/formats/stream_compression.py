"""A tar becomes the stored bytes of a layer, piece by piece, and its media type says how.

This module alone decides how layers of plain images are compressed: by fixed settings, without time or name, so that
the same tar gives the same layer by the same compression library. Fast gzip is that of isal where it is installed; who
names a level gets zlib's.
"""

import zlib
from enum import StrEnum
from typing import Final, Protocol

from rafsight.base.errors import CallerError, ExitStatus

_GZIP_FORM: Final = 16 + zlib.MAX_WBITS
_GZIP_LEVEL: Final = 6
_ISAL_LEVEL: Final = 3
"""Its best: a tenth larger than zlib's 6, and eight times as fast."""
_ZSTD_LEVEL: Final = 3
_OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"


class LayerCompression(StrEnum):
    """How a layer is stored."""

    GZIP = "gzip"
    ZSTD = "zstd"
    NONE = "none"


_LEVELS: Final = {LayerCompression.GZIP: range(1, 10), LayerCompression.ZSTD: range(1, 20)}
"""zstd's higher ones need more memory than all readers of layers grant."""


class NoSuchCompression(CallerError):
    """Layers are not compressed that way."""

    code = "no-such-compression"
    template = "layers of plain images are not compressed with '{name}'"
    remedy = "Choose gzip, zstd or none."
    exit_status = ExitStatus.USAGE


class UnusableLevel(CallerError):
    """The compressor has no such level."""

    code = "unusable-compression-level"
    template = "{compression} has no level {level} for layers"
    remedy = "gzip has 1 to 9, zstd 1 to 19, none has none; without a level a fast one is chosen."
    exit_status = ExitStatus.USAGE


class StreamCompressor(Protocol):
    """Compresses one stream."""

    def compress(self, data: bytes, /) -> bytes:
        """Take the next bytes; return what came of them and of those before."""
        ...

    def flush(self) -> bytes:
        """End the stream; return the rest."""
        ...


def layer_compression(name: str, level: int | None = None) -> LayerCompression:
    """Return what a name means, if it can have that level.

    Raises: NoSuchCompression, UnusableLevel.
    """
    try:
        compression = LayerCompression(name)
    except ValueError:
        raise NoSuchCompression(name=name) from None
    if level is not None and level not in _LEVELS.get(compression, ()):
        raise UnusableLevel(compression=str(compression), level=level)
    return compression


def start_compressor(compression: LayerCompression, level: int | None = None) -> StreamCompressor:
    """Begin a stream.

    Args:
        compression: what it is compressed with.
        level: as `layer_compression` accepted it; None: a fast one.
    """
    if compression is LayerCompression.GZIP:
        return _gzip(level)
    if compression is LayerCompression.ZSTD:
        import zstandard

        return zstandard.ZstdCompressor(level=level or _ZSTD_LEVEL, write_checksum=True).compressobj()
    return _Plain()


def layer_media_type(compression: LayerCompression, *, is_docker: bool) -> str:
    """Return the media type of a layer, of OCI's family or Docker's, which has none for zstd."""
    if is_docker and compression is not LayerCompression.ZSTD:
        return _DOCKER_LAYER + (".gzip" if compression is LayerCompression.GZIP else "")
    return _OCI_LAYER + ("" if compression is LayerCompression.NONE else f"+{compression}")


def _gzip(level: int | None) -> StreamCompressor:
    if level is None:
        try:
            from isal import isal_zlib
        except ImportError:
            return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORM)
        fast: StreamCompressor = isal_zlib.compressobj(_ISAL_LEVEL, zlib.DEFLATED, _GZIP_FORM)
        return fast
    return zlib.compressobj(level, zlib.DEFLATED, _GZIP_FORM)


class _Plain:
    """Leaves a stream as it is."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""
