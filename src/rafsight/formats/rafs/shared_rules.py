"""Rules that RAFS v5 and v6 share; sections 0 and 9 of the format reference. Tables only."""

from typing import Final

from rafsight.formats.judge import Rule, Weight

# superblock
BOOTSTRAP_SIZE: Final = Rule("bootstrap-size", "has a size that no bootstrap has")
UNKNOWN_FLAGS: Final = Rule("superblock-flags", "has superblock flags that nobody knows", Weight.UNKNOWN)
CHUNK_SIZE: Final = Rule("chunk-size", "has a chunk size that is no power of two from 4 KiB to 16 MiB")
TABLE_OUTSIDE: Final = Rule("table-outside", "lies outside the file")
TABLE_ALIGNMENT: Final = Rule("table-alignment", "does not begin where such tables may")
TABLE_OVERLAP: Final = Rule("table-overlap", "lies on another table or on the superblock")
TABLE_SIZE: Final = Rule("table-size", "has a size that is no whole number of rows")

# blob table
BLOB_ID: Final = Rule("blob-id", "has a blob id that cannot name a blob")
BLOB_COUNT: Final = Rule("blob-count", "has more blobs than an image can have")
UNKNOWN_COMPRESSOR: Final = Rule("blob-compressor", "names a compressor that nobody knows", Weight.UNKNOWN)
UNKNOWN_DIGESTER: Final = Rule("blob-digester", "names a digester that nobody knows", Weight.UNKNOWN)
UNKNOWN_CIPHER: Final = Rule("blob-cipher", "names a cipher that images are not made with", Weight.UNKNOWN)

# names
NAME_SIZE: Final = Rule("name-size", "has a name of no or more than 255 bytes")
NAME_DOTS: Final = Rule("name-dots", "is named `.` or `..`")
NAME_NUL: Final = Rule("name-nul", "has a NUL in its name")
NAME_SLASH: Final = Rule("name-slash", "has a slash in its name")
NAME_TWICE: Final = Rule("name-twice", "has the name of its neighbour")
NAME_ORDER: Final = Rule("name-order", "stands before a name that is less: readers that search will not find it")

# chunk records
CHUNK_BLOB: Final = Rule("chunk-blob", "names a blob that is not in the table")
CHUNK_OFFSET: Final = Rule("chunk-offset", "has an offset that no blob reaches")

# entries and inodes
INODE_COUNT: Final = Rule("inode-count", "counts another number of inodes than there are", Weight.ODD)
INODE_OUTSIDE: Final = Rule("inode-outside", "names an inode that lies outside the file or in its head")
INODE_SIZE: Final = Rule("inode-size", "has a size that no file has")
ROOT_KIND: Final = Rule("root-kind", "is the root, and no directory")
NO_LINKS: Final = Rule("no-links", "has no links")
NO_FILE_TYPE: Final = Rule("no-file-type", "has no file type that there is")
DIRECTORY_TWICE: Final = Rule("directory-reached-twice", "is a directory that is reached twice")
DIRECTORY_DEPTH: Final = Rule("directory-depth", "lies deeper than any path reaches")
ENTRY_COUNT: Final = Rule("entry-count", "brings more entries than an image can have")
SYMLINK_SIZE: Final = Rule("symlink-size", "has a target of no or too many bytes")
SYMLINK_NUL: Final = Rule("symlink-nul", "has a NUL in its target")
XATTRS_OUTSIDE: Final = Rule("xattrs-outside", "has xattrs that reach past the end of the file")
XATTRS: Final = Rule("xattrs", "has xattrs that cannot be read")
XATTR_TWICE: Final = Rule("xattr-twice", "has two xattrs of one name", Weight.ODD)
XATTR_FLAG: Final = Rule("xattr-flag", "says of xattrs what is not so", Weight.ODD)
CHUNK_LENGTH: Final = Rule("chunk-length", "has a chunk of another length than its place in the file")
CHUNK_INDEXES_OUTSIDE: Final = Rule("chunk-indexes-outside", "has more chunks than the file has room for")
RESERVED: Final = Rule("reserved-bytes", "has reserved bytes that are not zero", Weight.ODD)

# prefetch table
PREFETCH_TAIL: Final = Rule("prefetch-after-end", "has an entry after the one that ends it", Weight.ODD)
