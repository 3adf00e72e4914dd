"""What RAFS v5 and v6 have in common on disk: flags, feature bits and the 80-byte chunk record.

Tables only, beside sections 0.2 to 0.5 of the format reference.
"""

from typing import Final

from rafsight.formats.records import Record

# section 0.2: (bit, name as tools print it)
SUPERBLOCK_FLAGS: Final = (
    (0x0000_0001, "COMPRESSION_NONE"),
    (0x0000_0002, "COMPRESSION_LZ4"),
    (0x0000_0004, "HASH_BLAKE3"),
    (0x0000_0008, "HASH_SHA256"),
    (0x0000_0010, "EXPLICIT_UID_GID"),
    (0x0000_0020, "HAS_XATTR"),
    (0x0000_0040, "COMPRESSION_GZIP"),
    (0x0000_0080, "COMPRESSION_ZSTD"),
    (0x0000_0100, "INLINED_CHUNK_DIGEST"),
    (0x0000_0200, "TARTFS_MODE"),
    (0x0100_0000, "ENCRYPTION_NONE"),
    (0x0200_0000, "ENCRYPTION_ASE_128_XTS"),
    (0x0400_0000, "PRESERVED_COMPAT_5"),
    (0x0800_0000, "PRESERVED_COMPAT_4"),
    (0x1000_0000, "PRESERVED_COMPAT_3"),
    (0x2000_0000, "PRESERVED_COMPAT_2"),
    (0x4000_0000, "PRESERVED_COMPAT_1"),
    (0x8000_0000, "PRESERVED_COMPAT_0"),
)
COMPRESSION_NONE: Final = 0x0001
COMPRESSION_LZ4: Final = 0x0002
HASH_BLAKE3: Final = 0x0004
HASH_SHA256: Final = 0x0008
EXPLICIT_UID_GID: Final = 0x0010
HAS_XATTR: Final = 0x0020
COMPRESSION_GZIP: Final = 0x0040
COMPRESSION_ZSTD: Final = 0x0080
INLINED_CHUNK_DIGESTS: Final = 0x0100
TARFS_MODE: Final = 0x0200
ENCRYPTION_NONE: Final = 0x0100_0000
ENCRYPTION_AES_128_XTS: Final = 0x0200_0000

# section 0.3: (bit, name as `blobs` prints it, name as `check` prints it; empty: it does not)
BLOB_FEATURES: Final = (
    (0x0000_0001, "ALIGNED", "aligned"),
    (0x0000_0002, "INLINED_FS_META", "fs-meta"),
    (0x0000_0004, "CHUNK_INFO_V2", "chunk-v2"),
    (0x0000_0008, "ZRAN", "zran"),
    (0x0000_0010, "SEPARATE", "separate"),
    (0x0000_0020, "INLINED_CHUNK_DIGEST", "chunk-digest"),
    (0x0000_0040, "TARFS", ""),
    (0x0000_0080, "BATCH", "batch"),
    (0x0000_0100, "ENCRYPTED", "encrypted"),
    (0x0000_0200, "IS_CHUNKDICT_GENERATED", "is-chunkdict-generated"),
    (0x0000_0400, "IS_SEPARATED_WITH_PREFETCH_FILES", ""),
    (0x0000_0800, "EXTERNAL", ""),
    (0x1000_0000, "HAS_TAR_HEADER", "tar-header"),
    (0x2000_0000, "HAS_TOC", "toc"),
    (0x4000_0000, "CAP_TAR_TOC", "cap_toc"),
    (0x8000_0000, "_V5_NO_EXT_BLOB_TABLE", ""),
)
ALIGNED: Final = 0x0001
INLINED_FS_META: Final = 0x0002
CHUNK_INFO_V2: Final = 0x0004
ZRAN: Final = 0x0008
SEPARATE: Final = 0x0010
INLINED_CHUNK_DIGEST: Final = 0x0020
TARFS: Final = 0x0040
BATCH: Final = 0x0080
ENCRYPTED: Final = 0x0100
CHUNK_DICT_GENERATED: Final = 0x0200
PREFETCH_BLOB: Final = 0x0400
EXTERNAL: Final = 0x0800
HAS_TAR_HEADER: Final = 0x1000_0000
HAS_TOC: Final = 0x2000_0000
CAP_TAR_TOC: Final = 0x4000_0000
NO_EXTENDED_BLOB_TABLE: Final = 0x8000_0000

INCOMPATIBLE_FEATURES: Final = 0xFFFF
"""Readers must know every bit of these."""
KNOWN_INCOMPATIBLE_FEATURES: Final = 0x0FFF

MIN_CHUNK_SIZE: Final = 0x1000
MAX_CHUNK_SIZE: Final = 0x100_0000
PLACEHOLDER_ID: Final = "x" * 64
"""What a bootstrap inside its blob says for the blob's id (section 5.5)."""

# section 0.5
CHUNK_INFO: Final = Record("chunk record", size=80, fields=(
    # name                  on disk  meaning [unit]
    ("digest",              "V32",   "digest of the uncompressed bytes"),
    ("blob_index",          "<u4",   "row of the blob table"),
    ("flags",               "<u4",   "ChunkFlag bits"),
    ("compressed_size",     "<u4",   "[bytes] in the blob"),
    ("size",                "<u4",   "[bytes] uncompressed"),
    ("compressed_offset",   "<u8",   "[bytes] in the blob"),
    ("uncompressed_offset", "<u8",   "[bytes] in the uncompressed space of the blob"),
    ("file_offset",         "<u8",   "[bytes] in the file; v6: in the first file that used the chunk"),
    ("number",              "<u4",   "ordinal of the chunk in its blob"),
    ("crc32",               "<u4",   "CRC-32C of the content, with ChunkFlag.HAS_CRC32"),
))  # fmt: skip
