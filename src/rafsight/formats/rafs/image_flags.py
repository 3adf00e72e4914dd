"""The superblock flags of an image that is written (section 0.2 of the format reference)."""

from collections.abc import Sequence
from typing import Final

from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.tables import BlobEntry, Compressor, Digester

_COMPRESSORS: Final = {
    Compressor.NONE: shared.COMPRESSION_NONE,
    Compressor.LZ4_BLOCK: shared.COMPRESSION_LZ4,
    Compressor.GZIP: shared.COMPRESSION_GZIP,
    Compressor.ZSTD: shared.COMPRESSION_ZSTD,
}
_DIGESTERS: Final = {Digester.BLAKE3: shared.HASH_BLAKE3, Digester.SHA256: shared.HASH_SHA256}


def image_flags(
    compressor: Compressor, digester: Digester, blobs: Sequence[BlobEntry], *, has_xattrs: bool, aligned: bool
) -> int:
    """Return the flags of an image.

    Args:
        compressor: of its chunks.
        digester: of its chunks.
        blobs: all of them.
        has_xattrs: some entry has extended attributes.
        aligned: as of `Codec.ALIGNS_CHUNKS`: such versions say that nothing is encrypted, and whether all blobs have
            their digests inlined.
    """
    flags = _COMPRESSORS[compressor] | _DIGESTERS[digester] | shared.EXPLICIT_UID_GID
    flags |= shared.HAS_XATTR if has_xattrs else 0
    if aligned:
        flags |= shared.ENCRYPTION_NONE
        if all(blob.features & shared.INLINED_CHUNK_DIGEST for blob in blobs):
            flags |= shared.INLINED_CHUNK_DIGESTS
    return flags
