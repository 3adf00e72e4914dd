"""Rules of RAFS v5 alone; sections 1 and 9 of the format reference. Tables only.

What RAFS v6 knows too is in `shared_rules`.
"""

from typing import Final

from rafsight.formats.judge import Rule, Weight

# superblock and tables (1.2, 1.5, 1.6)
VERSION: Final = Rule("rafs-version", "is of a version that this release does not read", Weight.UNKNOWN)
SUPERBLOCK_SIZE: Final = Rule("superblock-size", "is not 8192 bytes long")
ALGORITHMS: Final = Rule("superblock-algorithms", "does not name one compressor and one digester", Weight.ODD)
FOREIGN_FLAGS: Final = Rule("superblock-foreign-flags", "has flags that RAFS v5 has no use for", Weight.ODD)
NO_ENTRIES: Final = Rule("inode-table-empty", "has no entries, not even a root")
INODE_EXCESS: Final = Rule("inode-count-excess", "counts more inodes than there are entries")
BLOB_TABLE_SIZE: Final = Rule("blob-table-size", "has a size that is no multiple of 8", Weight.ODD)
READAHEAD: Final = Rule("blob-readahead", "has a blob whose readahead does not begin at its start", Weight.ODD)
EXTENDED_ROWS: Final = Rule("extended-blob-table-rows", "has fewer rows than there are blobs")
EXTENDED_SURPLUS: Final = Rule("extended-blob-table-surplus", "has more rows than there are blobs", Weight.ODD)
FOREIGN_FEATURES: Final = Rule("blob-foreign-features", "has features that no blob of RAFS v5 has", Weight.ODD)

# places of inode records (1.1, 1.3)
RECORD_CUT: Final = Rule("record-cut", "reaches past the end of the file")
RECORD_OVERLAP: Final = Rule("record-overlap", "lies on another inode record")
RECORD_ON_TABLE: Final = Rule("record-on-table", "lies on a table")
RECORD_GAP: Final = Rule("record-gap", "is followed neither by another record nor by the end of the file", Weight.ODD)
RECORD_ORDER: Final = Rule("record-order", "lies before the record of its directory", Weight.ODD)

# the tree (1.3)
CHILDREN_BEFORE: Final = Rule("children-before", "has children that come before it")
CHILDREN_OUTSIDE: Final = Rule("children-outside", "has more children than the inode table has room for")
CHILDREN_SHARED: Final = Rule("children-shared", "shares children with another directory")
ENTRY_LOST: Final = Rule("entry-lost", "is an entry that no directory holds")
ROOT_NAME: Final = Rule("root-name", "is the root, and not named `/`", Weight.ODD)
DIRECTORY_SIZE: Final = Rule("directory-names-size", "has another size than its names add up to", Weight.ODD)

# inode numbers and links (1.3)
INODE_NUMBER: Final = Rule("inode-number", "has an inode number that is none")
NUMBER_PLACE: Final = Rule("inode-number-place", "has an inode number that is not the index of its first name")
PARENT_NUMBER: Final = Rule("parent-number", "names another parent than the directory that holds it")
LINK_DIFFERS: Final = Rule("link-differs", "shares its number with a different file")
LINK_CHUNKS: Final = Rule("link-chunks", "has other chunks than another name of the same file")
LINK_PLACES: Final = Rule(
    "link-places", "has its content in another place than under another name of the same file", Weight.ODD
)

# inode records (1.4)
INODE_FLAGS: Final = Rule("inode-flags", "has flags that nobody knows", Weight.ODD)
SYMLINK_FLAG: Final = Rule("symlink-flag", "is a symlink by its mode or by its flags, and not by both", Weight.ODD)
HARDLINK_FLAG: Final = Rule("hardlink-flag", "is flagged as a hard link, and is none", Weight.ODD)
TARGET_UNUSED: Final = Rule("target-unused", "has room for a target, and is no symlink")
COUNT_UNUSED: Final = Rule("child-count-unused", "counts children or chunks, and can have none", Weight.ODD)
XATTR_NAMELESS: Final = Rule("xattr-nameless", "has an xattr without the NUL that ends its name", Weight.ODD)
XATTR_NAMESPACE: Final = Rule("xattr-namespace", "has an xattr of a namespace that images do not keep", Weight.ODD)

# chunk records (0.4, 0.5, 1.4)
CHUNK_COUNT: Final = Rule("chunk-count", "has too many or too few chunks for its size")
HOLE_OFFSET: Final = Rule("hole-offset", "has a chunk at an absurd offset of the file")
HOLE_END: Final = Rule("hole-end", "has a chunk past the end of the file")
HOLE_OVERLAP: Final = Rule("hole-overlap", "has a chunk that begins before the chunk before it ends")
CHUNK_FILE_OFFSET: Final = Rule("chunk-file-offset", "says another offset in the file than its place among the chunks")
CHUNK_FOREIGN_FLAGS: Final = Rule("chunk-foreign-flags", "has flags that no chunk of RAFS v5 has")

# digests (1.7)
INODE_DIGEST: Final = Rule("inode-digest", "has another digest than its content")
