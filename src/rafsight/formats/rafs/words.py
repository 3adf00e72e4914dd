"""Numbers of a RAFS image as words: flags, features, algorithms, blob ids.

This module alone decides which flag words, algorithm numbers and blob ids are accepted.
"""

import re
from enum import IntEnum
from typing import Final

from rafsight.base.text import escape
from rafsight.formats.judge import Judge
from rafsight.formats.rafs import shared_layout as layout
from rafsight.formats.rafs import shared_rules as rules
from rafsight.formats.tables import Cipher, Compressor, Digester

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


def check_flags(flags: int, where: str, offset: int, judge: Judge) -> None:
    """Tell the judge about flags that nobody knows."""
    judge.holds(not flags & ~_KNOWN_FLAGS, rules.UNKNOWN_FLAGS, where, offset, f"{flags & ~_KNOWN_FLAGS:#x}")


def image_compressor(flags: int) -> Compressor:
    """Find the compressor of a whole image in its flags: the first bit that is set, lz4 if none is."""
    return next((compressor for bit, compressor in _COMPRESSORS if flags & bit), Compressor.LZ4_BLOCK)


def image_digester(flags: int) -> Digester:
    """Find the digester of a whole image in its flags: blake3, unless only sha256 is set."""
    return Digester.SHA256 if flags & layout.HASH_SHA256 and not flags & layout.HASH_BLAKE3 else Digester.BLAKE3


def check_chunk_size(size: int, where: str, offset: int, judge: Judge) -> int:
    """Return a chunk size; 0 if it is none (no power of two from 4 KiB to 16 MiB) and the judge goes on."""
    is_one = not size & (size - 1) and layout.MIN_CHUNK_SIZE <= size <= layout.MAX_CHUNK_SIZE
    return size if judge.holds(is_one, rules.CHUNK_SIZE, where, offset, str(size)) else 0


def compressor_of(number: int, where: str, offset: int, judge: Judge) -> Compressor:
    """Read a compressor number; NONE if nobody knows it and the judge goes on."""
    is_known = judge.holds(number in _numbers(Compressor), rules.UNKNOWN_COMPRESSOR, where, offset, str(number))
    return Compressor(number) if is_known else Compressor.NONE


def digester_of(number: int, where: str, offset: int, judge: Judge) -> Digester:
    """Read a digester number; BLAKE3 if nobody knows it and the judge goes on."""
    is_known = judge.holds(number in _numbers(Digester), rules.UNKNOWN_DIGESTER, where, offset, str(number))
    return Digester(number) if is_known else Digester.BLAKE3


def cipher_of(number: int, where: str, offset: int, judge: Judge) -> Cipher:
    """Read a cipher number; AES-128-XTS is the only one that images are made with. NONE if the judge goes on."""
    is_known = number in (Cipher.NONE, Cipher.AES_128_XTS)
    return Cipher(number) if judge.holds(is_known, rules.UNKNOWN_CIPHER, where, offset, str(number)) else Cipher.NONE


def _numbers(kind: type[IntEnum]) -> frozenset[int]:
    return frozenset(int(number) for number in kind)


def check_blob_id(stored: bytes, where: str, offset: int, judge: Judge) -> str:
    """Return a blob id as text; empty if it cannot name a file and the judge goes on."""
    if not judge.holds(_BLOB_ID.match(stored) is not None, rules.BLOB_ID, where, offset, escape(stored[:64])):
        return ""
    return stored.decode("ascii")


def real_id(stored: str, features: int, name: str) -> str:
    """Find what a blob is really called (section 5.5).

    A bootstrap inside its blob cannot hold the blob's digest: a placeholder stands there, and the name that the
    bootstrap goes by counts. Bootstraps older than 2.2 have the placeholder without saying so.
    """
    inlined = features & layout.INLINED_FS_META and not features & (layout.SEPARATE | layout.EXTERNAL)
    nameless = not features & layout.CAP_TAR_TOC and stored == layout.PLACEHOLDER_ID
    return name if name and (inlined or nameless) else stored
