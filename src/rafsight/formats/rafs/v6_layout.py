"""The structures of a RAFS v6 bootstrap, which is an EROFS image with an extended superblock and tables.

Tables only, beside section 2 of the format reference and the kernel's fs/erofs/erofs_fs.h.
"""

from typing import Final

from rafsight.formats.records import Record

MAGIC: Final = 0xE0F5_E1E2
SUPERBLOCK_OFFSET: Final = 1024
EXTENDED_SUPERBLOCK_OFFSET: Final = 1152
DEVICE_TABLE_OFFSET: Final = 1408
DEVICE_TABLE_SLOT: Final = 11
"""DEVICE_TABLE_OFFSET / 128."""
PLAIN_DEVICE_TABLE_OFFSET: Final = 1152
"""Where we put the device table of EROFS images without the RAFS extension: behind the superblock."""
COMPATIBLE_RAFS: Final = 0x4000_0000
INCOMPATIBLE_CHUNKED_FILE: Final = 0x4
INCOMPATIBLE_DEVICE_TABLE: Final = 0x8
INCOMPATIBLE: Final = INCOMPATIBLE_CHUNKED_FILE | INCOMPATIBLE_DEVICE_TABLE
BLOCK_BITS: Final = 12
TARFS_BLOCK_BITS: Final = 9
INODE_SLOT: Final = 32
"""[bytes] the unit of a nid."""
MAX_SYMLINK_SIZE: Final = 4096
MAX_DEVICES: Final = 255

# section 2.2
SUPERBLOCK: Final = Record("EROFS superblock", size=128, fields=(
    # name              on disk  meaning [unit]
    ("magic",             "<u4", "MAGIC"),
    ("checksum",          "<u4", "0"),
    ("feature_compat",    "<u4", "COMPATIBLE_RAFS and others"),
    ("blkszbits",         "u1",  "log2 of the block size: 12, 9 for tarfs"),
    ("ext_slots",         "u1",  "0"),
    ("root_nid",          "<u2", "[slots] from the metadata's start"),
    ("inos",              "<u8", "directory entries, the root included"),
    ("build_time",        "<u8", "[s] since 1970; mtime of compact inodes"),
    ("build_time_nsec",   "<u4", "[ns]"),
    ("blocks",            "<u4", "[blocks] of all devices"),
    ("meta_blkaddr",      "<u4", "[blocks] the metadata's start"),
    ("xattr_blkaddr",     "<u4", "[blocks] of shared xattrs: 0"),
    ("uuid",              "V16", ""),
    ("volume_name",       "V16", ""),
    ("feature_incompat",  "<u4", "INCOMPATIBLE"),
    ("union",             "<u2", "0"),
    ("extra_devices",     "<u2", "device slots"),
    ("device_table_slot", "<u2", "[128 bytes] DEVICE_TABLE_SLOT"),
    ("reserved",          "V38", "zero"),
))  # fmt: skip

# section 2.3
EXTENDED_SUPERBLOCK: Final = Record("v6 extended superblock", size=256, fields=(
    # name                    on disk  meaning [unit]
    ("flags",                 "<u8",   "superblock flags"),
    ("blob_table_offset",     "<u8",   "[bytes]"),
    ("blob_table_size",       "<u4",   "[bytes]"),
    ("chunk_size",            "<u4",   "[bytes]"),
    ("chunk_table_offset",    "<u8",   "[bytes]"),
    ("chunk_table_size",      "<u8",   "[bytes]"),
    ("prefetch_table_offset", "<u8",   "[bytes]"),
    ("prefetch_table_size",   "<u4",   "[bytes]"),
    ("padding",               "<u4",   "0"),
    ("reserved",              "V200",  "zero"),
))  # fmt: skip

# section 2.4
DEVICE_SLOT: Final = Record("device slot", size=128, fields=(
    ("blob_id",        "V64", "ASCII, padded with NUL"),
    ("blocks",         "<u4", "[blocks] of the uncompressed blob"),
    ("mapped_blkaddr", "<u4", "[blocks] where the blob lies in one flat disk"),
    ("reserved",       "V56", "zero"),
))  # fmt: skip

# section 2.5
BLOB: Final = Record("v6 blob table entry", size=256, fields=(
    # name                    on disk  meaning [unit]
    ("blob_id",               "V64",   "ASCII, padded with NUL"),
    ("blob_index",            "<u4",   "its position"),
    ("chunk_size",            "<u4",   "[bytes]"),
    ("chunk_count",           "<u4",   ""),
    ("compressor",            "<u4",   "Compressor"),
    ("digester",              "<u4",   "Digester"),
    ("features",              "<u4",   "blob features"),
    ("compressed_size",       "<u8",   "[bytes] section 5.6"),
    ("uncompressed_size",     "<u8",   "[bytes]"),
    ("toc_size",              "<u4",   "[bytes] entries and their tar header"),
    ("meta_compressor",       "<u4",   "Compressor of the chunk-info array"),
    ("meta_offset",           "<u8",   "[bytes] of the chunk-info array"),
    ("meta_compressed_size",  "<u8",   "[bytes]"),
    ("meta_uncompressed_size", "<u8",  "[bytes] contexts included"),
    ("toc_digest",            "V32",   "SHA-256 of the ToC with its tar header"),
    ("meta_digest_or_key",    "V32",   "SEPARATE: SHA-256 of the meta blob; encrypted: the key"),
    ("meta_size_or_iv",       "V8",    "SEPARATE: [bytes] of the meta blob, u64; encrypted: IV bytes 0 to 7"),
    ("iv_rest",               "V8",    "encrypted: IV bytes 8 to 15"),
    ("cipher",                "<u4",   "Cipher"),
    ("reserved",              "V36",   "zero"),
))  # fmt: skip

# section 2.6
PREFETCH_ENTRY: Final = Record("prefetch table entry", size=4, fields=(
    ("nid", "<u4", "0 ends the list"),
))  # fmt: skip

# section 2.8
FORMAT_EXTENDED: Final = 0x1
LAYOUT_PLAIN: Final = 0
LAYOUT_INLINE: Final = 2
LAYOUT_CHUNKED: Final = 4
COMPACT_INODE: Final = Record("compact inode", size=32, fields=(
    # name          on disk  meaning [unit]
    ("format",      "<u2",   "bit 0: extended; bits 1 to 3: layout"),
    ("xattr_count", "<u2",   "0: none, else 12 + 4 * (n - 1) bytes"),
    ("mode",        "<u2",   "full st_mode"),
    ("nlink",       "<u2",   ""),
    ("size",        "<u4",   "[bytes]"),
    ("reserved",    "<u4",   "0"),
    ("union",       "<u4",   "start block, chunk format or rdev"),
    ("ino",         "<u4",   ""),
    ("uid",         "<u2",   ""),
    ("gid",         "<u2",   ""),
    ("reserved2",   "<u4",   "0"),
))  # fmt: skip
EXTENDED_INODE: Final = Record("extended inode", size=64, fields=(
    # name          on disk  meaning [unit]
    ("format",      "<u2",   "bit 0: extended; bits 1 to 3: layout"),
    ("xattr_count", "<u2",   "0: none, else 12 + 4 * (n - 1) bytes"),
    ("mode",        "<u2",   "full st_mode"),
    ("reserved",    "<u2",   "0"),
    ("size",        "<u8",   "[bytes]"),
    ("union",       "<u4",   "start block, chunk format or rdev"),
    ("ino",         "<u4",   ""),
    ("uid",         "<u4",   ""),
    ("gid",         "<u4",   ""),
    ("mtime",       "<i8",   "[s] since 1970"),
    ("mtime_nsec",  "<u4",   "[ns]"),
    ("nlink",       "<u4",   ""),
    ("reserved2",   "V16",   "zero"),
))  # fmt: skip

# section 2.9
DIRENT: Final = Record("dirent", size=12, fields=(
    ("nid",         "<u8", "[slots] from the metadata's start"),
    ("name_offset", "<u2", "[bytes] in the block"),
    ("file_type",   "u1",  "1 to 7"),
    ("reserved",    "u1",  "0"),
))  # fmt: skip
FILE_TYPES: Final = (0, 5, 3, 0, 2, 0, 4, 0, 1, 0, 7, 0, 6, 0, 0, 0)
"""File type of a dirent for each st_mode >> 12; 0 where there is none."""

# section 2.10
CHUNK_FORMAT_INDEXES: Final = 0x20
CHUNK_INDEX: Final = Record("chunk index", size=8, fields=(
    ("number_low", "<u2", "bits 0 to 15 of the chunk number"),
    ("device",     "u1",  "blob index + 1"),
    ("number_high", "u1", "bits 16 to 23 of the chunk number"),
    ("block",      "<u4", "[blocks] in the uncompressed blob; tarfs: in the tar"),
))  # fmt: skip
HOLE: Final = 0xFFFF_FFFF
"""The block of a chunk index that stands for zeros (EROFS; RAFS writes none)."""
PLAIN_CHUNK_INDEX: Final = Record("EROFS chunk index", size=8, fields=(
    ("advise", "<u2", "0"),
    ("device", "<u2", "device slot + 1"),
    ("block",  "<u4", "[blocks] in the device; HOLE"),
))  # fmt: skip

# section 2.11
XATTR_AREA_HEAD: Final = 12
"""[bytes] before the first xattr of an inode."""
XATTR: Final = Record("xattr entry", size=4, fields=(
    ("name_size",  "u1",  "[bytes] without the prefix"),
    ("name_index", "u1",  "XATTR_PREFIXES"),
    ("value_size", "<u2", "[bytes]"),
))  # fmt: skip
XATTR_PREFIXES: Final = (
    (1, b"user."),
    (2, b"system.posix_acl_access"),
    (3, b"system.posix_acl_default"),
    (4, b"trusted."),
    (6, b"security."),
)
