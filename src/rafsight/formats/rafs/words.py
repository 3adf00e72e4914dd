"""Numbers of a RAFS image as words: flags, features, algorithms, blob ids.

This module alone decides which flag words, algorithm numbers and blob ids are accepted.
"""

import re
from enum import IntEnum
from typing import Final, TypeVar

from rafsight.formats.rafs import shared_layout as layout
from rafsight.formats.rafs.faults import UnsupportedImage
from rafsight.formats.tables import Cipher, Compressor, Digester, MalformedImage

_Number = TypeVar("_Number", bound=IntEnum)

_BLOB_ID: Final = re.compile(rb"[A-Za-z0-9_:-][A-Za-z0-9._:-]{0,63}\Z")
_KNOWN_FLAGS: Final = sum(bit for bit, _ in layout.SUPERBLOCK_FLAGS)
_COMPRESSORS: Final = (
    (layout.COMPRESSION_NONE, Compressor.NONE),
    (layout.COMPRESSION_LZ4, Compressor.LZ4_BLOCK),
    (layout.COMPRESSION_GZIP, Compressor.GZIP),
    (layout.COMPRESSION_ZSTD, Compressor.ZSTD),
)


def flag_names(flags: int) -> tuple[str, ...]:
    """Name the bits of a superblock's flags, lowest first."""
    return tuple(name for bit, name in layout.SUPERBLOCK_FLAGS if flags & bit)


def feature_names(features: int) -> tuple[str, ...]:
    """Name the bits of a blob's features, lowest first."""
    return tuple(name for bit, name, _ in layout.BLOB_FEATURES if features & bit)


def check_flags(flags: int, where: str) -> None:
    """Refuse superblocks with flags that nobody knows.

    Raises: UnsupportedImage.
    """
    if flags & ~_KNOWN_FLAGS:
        raise UnsupportedImage(where=where, what=f"superblock flags {flags & ~_KNOWN_FLAGS:#x}")


def image_compressor(flags: int) -> Compressor:
    """Find the compressor of a whole image in its flags: the first bit that is set, lz4 if none is."""
    return next((compressor for bit, compressor in _COMPRESSORS if flags & bit), Compressor.LZ4_BLOCK)


def image_digester(flags: int) -> Digester:
    """Find the digester of a whole image in its flags: blake3, unless only sha256 is set."""
    return Digester.SHA256 if flags & layout.HASH_SHA256 and not flags & layout.HASH_BLAKE3 else Digester.BLAKE3


def check_chunk_size(size: int, where: str, offset: int) -> int:
    """Return a chunk size if it is one.

    Raises: MalformedImage: no power of two from 4 KiB to 16 MiB.
    """
    if size & (size - 1) or not layout.MIN_CHUNK_SIZE <= size <= layout.MAX_CHUNK_SIZE:
        raise MalformedImage(where=where, what=f"the chunk size is {size}", offset=offset)
    return size


def compressor_of(number: int, where: str) -> Compressor:
    """Read a compressor number.

    Raises: UnsupportedImage.
    """
    return _known(Compressor, number, where)


def digester_of(number: int, where: str) -> Digester:
    """Read a digester number.

    Raises: UnsupportedImage.
    """
    return _known(Digester, number, where)


def cipher_of(number: int, where: str) -> Cipher:
    """Read a cipher number. AES-128-XTS is the only one that images are made with.

    Raises: UnsupportedImage.
    """
    cipher = _known(Cipher, number, where)
    if cipher not in (Cipher.NONE, Cipher.AES_128_XTS):
        raise UnsupportedImage(where=where, what=f"cipher {cipher.name}")
    return cipher


def _known(numbers: type[_Number], number: int, where: str) -> _Number:
    try:
        return numbers(number)
    except ValueError:
        raise UnsupportedImage(where=where, what=f"{numbers.__name__.lower()} {number}") from None


def check_blob_id(stored: bytes, where: str, offset: int) -> str:
    """Return a blob id as text if it can name a file.

    Raises: MalformedImage.
    """
    if _BLOB_ID.match(stored) is None:
        raise MalformedImage(where=where, what="the blob id is not one", offset=offset)
    return stored.decode("ascii")


def real_id(stored: str, features: int, name: str) -> str:
    """Find what a blob is really called (section 5.5).

    A bootstrap inside its blob cannot hold the blob's digest: a placeholder stands there, and the name that the
    bootstrap goes by counts. Bootstraps older than 2.2 have the placeholder without saying so.
    """
    inlined = features & layout.INLINED_FS_META and not features & (layout.SEPARATE | layout.EXTERNAL)
    nameless = not features & layout.CAP_TAR_TOC and stored == layout.PLACEHOLDER_ID
    return name if name and (inlined or nameless) else stored
