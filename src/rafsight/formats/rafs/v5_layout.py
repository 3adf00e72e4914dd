"""The structures of a RAFS v5 bootstrap.

Tables only, beside section 1 of the format reference.
"""

from typing import Final

from rafsight.formats.records import Record

MAGIC: Final = 0x5241_4653
VERSION: Final = 0x500
ALIGNMENT: Final = 8
"""[bytes] of every table and record."""

# section 1.2; 8192 bytes are set aside for it
SUPERBLOCK_SIZE: Final = 8192
SUPERBLOCK: Final = Record("v5 superblock", size=80, fields=(
    # name                          on disk  meaning [unit]
    ("magic",                       "<u4",   "MAGIC"),
    ("version",                     "<u4",   "VERSION"),
    ("superblock_size",             "<u4",   "[bytes] 8192"),
    ("chunk_size",                  "<u4",   "[bytes]"),
    ("flags",                       "<u8",   "superblock flags"),
    ("inode_count",                 "<u8",   "distinct inodes"),
    ("inode_table_offset",          "<u8",   "[bytes]"),
    ("prefetch_table_offset",       "<u8",   "[bytes]"),
    ("blob_table_offset",           "<u8",   "[bytes]"),
    ("inode_table_entries",         "<u4",   "directory entries, the root included"),
    ("prefetch_table_entries",      "<u4",   "u32 each"),
    ("blob_table_size",             "<u4",   "[bytes] a multiple of 8"),
    ("extended_blob_table_entries", "<u4",   "64 bytes each"),
    ("extended_blob_table_offset",  "<u8",   "[bytes]"),
))  # fmt: skip

# section 1.3
INODE_TABLE_ENTRY: Final = Record("inode table entry", size=4, fields=(
    ("offset_eighth", "<u4", "[8 bytes] of the inode record"),
))  # fmt: skip

# section 1.4
INODE_SYMLINK: Final = 0x1
INODE_HARDLINK: Final = 0x2
INODE_XATTR: Final = 0x4
INODE_HAS_HOLE: Final = 0x8
INODE: Final = Record("v5 inode", size=128, fields=(
    # name         on disk  meaning [unit]
    ("digest",      "V32",  "section 1.7"),
    ("parent",      "<u8",  "ino of the parent; 0 for the root"),
    ("ino",         "<u8",  "index of the first link"),
    ("uid",         "<u4",  ""),
    ("gid",         "<u4",  ""),
    ("project_id",  "<u4",  "0"),
    ("mode",        "<u4",  "full st_mode"),
    ("size",        "<u8",  "[bytes]"),
    ("blocks",      "<u8",  "[512 bytes]"),
    ("flags",       "<u8",  "INODE_ bits"),
    ("nlink",       "<u4",  ""),
    ("child_index", "<u4",  "directories: index of the first child, from 1"),
    ("child_count", "<u4",  "directories: entries; regular files: chunks"),
    ("name_size",   "<u2",  "[bytes]"),
    ("target_size", "<u2",  "[bytes] of a symlink's target"),
    ("rdev",        "<u4",  "Linux encoding"),
    ("mtime_nsec",  "<u4",  "[ns]"),
    ("mtime",       "<i8",  "[s] since 1970"),
    ("reserved",    "V8",   "zero"),
))  # fmt: skip
# after the inode: the name, then a symlink's target, then xattrs, then chunk records; each padded to 8
XATTR_HEAD: Final = Record("xattr block", size=8, fields=(
    ("size", "<u8", "[bytes] of the pairs that follow"),
))  # fmt: skip
XATTR_PAIR_HEAD: Final = Record("xattr pair", size=4, fields=(
    ("size", "<u4", "[bytes] of name, NUL and value that follow"),
))  # fmt: skip

# section 1.5; the id follows, up to a NUL or the table's end
BLOB_HEAD: Final = Record("blob table entry", size=8, fields=(
    ("prefetch_offset", "<u4", "[bytes] 0"),
    ("prefetch_size",   "<u4", "[bytes] to read ahead"),
))  # fmt: skip
EXTENDED_BLOB: Final = Record("extended blob table entry", size=64, fields=(
    # name                on disk  meaning [unit]
    ("chunk_count",       "<u4",   ""),
    ("features",          "<u4",   "blob features"),
    ("uncompressed_size", "<u8",   "[bytes]"),
    ("compressed_size",   "<u8",   "[bytes] section 5.6"),
    ("reserved",          "V40",   "zero"),
))  # fmt: skip

# section 1.6
PREFETCH_ENTRY: Final = Record("prefetch table entry", size=4, fields=(
    ("ino", "<u4", "0 ends the list"),
))  # fmt: skip
