"""The structures of a v6 chunk-info array (`blob.meta`) and of the parts at the end of a blob.

Tables only, beside sections 4 and 5 of the format reference.
"""

from typing import Final

from rafsight.formats.records import Record

# section 4.1; 4096 bytes are set aside for the header
HEADER_SIZE: Final = 4096
HEADER_MAGIC: Final = 0xB10B_B10B
HEADER: Final = Record("chunk-info header", size=4096, fields=(
    # name                on disk  meaning [unit]
    ("magic",             "<u4",   "HEADER_MAGIC"),
    ("features",          "<u4",   "blob features"),
    ("compressor",        "<u4",   "Compressor of the table"),
    ("chunk_count",       "<u4",   "records"),
    ("offset",            "<u8",   "[bytes] of the stored table in its file"),
    ("compressed_size",   "<u8",   "[bytes] stored"),
    ("uncompressed_size", "<u8",   "[bytes] expanded"),
    ("context_offset",    "<u8",   "[bytes] of the contexts in the expanded table, or 0"),
    ("context_size",      "<u8",   "[bytes] of contexts and dictionaries, or 0"),
    ("context_count",     "<u4",   "contexts, or 0"),
    ("reserved",          "V4032", "zero"),
    ("end_magic",         "<u4",   "HEADER_MAGIC"),
))  # fmt: skip

# section 4.2
CHUNK_V1: Final = Record("chunk-info record v1", size=16, fields=(
    ("uncompressed", "<u8", "size - 1 in bits 44 to 63 and 8 to 11; offset / 4096 in bits 12 to 43"),
    ("compressed",   "<u8", "size - 1 in bits 44 to 63 and 40 to 43; offset in bits 0 to 39"),
))  # fmt: skip

# section 4.3
CHUNK_V2: Final = Record("chunk-info record v2", size=24, fields=(
    ("uncompressed", "<u8", "offset / 4096 in bits 0 to 31, size - 1 in bits 32 to 55, flags above"),
    ("compressed",   "<u8", "offset in bits 0 to 39, size in bits 40 to 63"),
    ("data",         "<u8", "CRC-32C, or context index << 32 | offset in the decoded unit"),
))  # fmt: skip
V2_COMPRESSED: Final = 0x01
V2_ZRAN: Final = 0x02
V2_BATCH: Final = 0x04
V2_ENCRYPTED: Final = 0x08
V2_HAS_CRC32: Final = 0x10

# section 4.4
BATCH_CONTEXT: Final = Record("batch context", size=40, fields=(
    ("compressed_size",   "<u4", "[bytes] in the blob, encryption included"),
    ("uncompressed_size", "<u4", "[bytes] decoded"),
    ("reserved",          "V32", "zero"),
))  # fmt: skip

# section 4.5
ZRAN_CONTEXT: Final = Record("zran context", size=40, fields=(
    # name                 on disk  meaning [unit]
    ("compressed_offset",   "<u8",  "[bytes] in the gzip file"),
    ("uncompressed_offset", "<u8",  "[bytes] in the decompressed stream"),
    ("dictionary_offset",   "<u8",  "[bytes] in the dictionaries"),
    ("compressed_size",     "<u4",  "[bytes] of the slice"),
    ("uncompressed_size",   "<u4",  "[bytes] of the slice, decoded"),
    ("dictionary_size",     "<u4",  "[bytes] 0 or 32768"),
    ("previous_byte",       "u1",   "the byte before the slice"),
    ("bits",                "u1",   "how many of its top bits belong to the slice"),
    ("reserved",            "<u2",  "0"),
))  # fmt: skip

# section 5.2; a part is followed by a GNU tar header that names it
TAR_HEADER_SIZE: Final = 512
TAR_HEADER: Final = Record("tar header", size=512, fields=(
    ("name",      "V100", "padded with NUL"),
    ("ids",       "V24",  "mode, uid, gid"),
    ("size",      "V12",  "[bytes] of the part before it: 11 octal digits and NUL"),
    ("mtime",     "V12",  "octal"),
    ("checksum",  "V8",   "octal sum of the bytes, this field as blanks"),
    ("type",      "V1",   "`0`"),
    ("link_name", "V100", "NUL"),
    ("magic",     "V8",   "`ustar  ` and NUL"),
    ("rest",      "V247", "NUL"),
))  # fmt: skip
TAR_MAGIC: Final = b"ustar  \0"

# section 5.3
TOC_PLAIN: Final = 1
TOC_ZSTD: Final = 2
TOC_LZ4_BLOCK: Final = 4
TOC_COMPRESSION: Final = 0xF
MAX_TOC_ENTRIES: Final = 31
TOC_ENTRY: Final = Record("ToC entry", size=128, fields=(
    # name                on disk  meaning [unit]
    ("flags",             "<u4",   "TOC_ bits"),
    ("reserved",          "<u4",   "0"),
    ("name",              "V16",   "padded with NUL"),
    ("digest",            "V32",   "SHA-256 of the uncompressed part"),
    ("offset",            "<u8",   "[bytes] in the blob"),
    ("compressed_size",   "<u8",   "[bytes] stored"),
    ("uncompressed_size", "<u8",   "[bytes]"),
    ("reserved2",         "V48",   "zero"),
))  # fmt: skip
