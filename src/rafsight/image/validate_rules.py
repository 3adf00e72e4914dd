"""Rules of an image's tables, the same for every format. Tables only."""

from typing import Final

from rafsight.formats.judge import Rule, Weight

# chunks and their blobs
CHUNK_NUMBER: Final = Rule("chunk-ordinal", "has an ordinal past the number of chunks of its blob")
CHUNK_NUMBER_TWICE: Final = Rule("chunk-ordinal-twice", "has the ordinal of another chunk of its blob")
CHUNK_EMPTY: Final = Rule("chunk-empty", "is empty")
CHUNK_TOO_LONG: Final = Rule("chunk-too-long", "is longer than the chunk size of its blob")
CHUNK_OUTSIDE: Final = Rule("chunk-outside", "is stored past the end of its blob")
CHUNK_SPACE: Final = Rule("chunk-space", "ends past the uncompressed size of its blob")
CHUNK_OVERLAP: Final = Rule("chunk-overlap", "is stored over another chunk of its blob")
CHUNK_SPACE_OVERLAP: Final = Rule("chunk-space-overlap", "lies over another chunk in uncompressed space")
CHUNK_PLAIN: Final = Rule("chunk-plain", "is plain, and stored in another size than its own")
CHUNK_GROWN: Final = Rule("chunk-grown", "is compressed to as much as it is, or more", Weight.ODD)
CHUNK_COMPRESSOR: Final = Rule("chunk-compressor", "is compressed, and its blob has no compressor")
CHUNK_CIPHER: Final = Rule("chunk-cipher", "is encrypted, or its blob is, and not both")
CHUNK_HOLE: Final = Rule("chunk-hole", "is flagged as a hole, which no builder does", Weight.ODD)
CHUNK_CRC: Final = Rule("chunk-crc", "has a CRC without the flag, or the flag and a CRC of 0", Weight.ODD)
CHUNK_UNUSED: Final = Rule("chunk-unused", "is used by no file", Weight.ODD)

# blobs
BLOB_TWICE: Final = Rule("blob-twice", "has the id of another blob")

# files and their extents
EXTENT_OWNER: Final = Rule("extent-owner", "is no regular file and has content")
EXTENT_OUTSIDE: Final = Rule("extent-outside", "has content past its end")
EXTENT_ORDER: Final = Rule("extent-order", "has content that overlaps, or is out of order")
EXTENT_SIZE: Final = Rule("extent-size", "has a part of another size than its chunk")
EXTENT_PLACE: Final = Rule("extent-place", "has a part that does not begin at a multiple of the chunk size", Weight.ODD)
EXTENT_HOLE: Final = Rule("extent-hole", "has bytes that no chunk holds", Weight.ODD)

# inodes
LINK_COUNT: Final = Rule("link-count", "has a link count that is not the number of its names", Weight.ODD)
DIRECTORY_LINKS: Final = Rule("directory-links", "has a link count that is not 2 and its directories", Weight.ODD)
LINK_CONTENT: Final = Rule("link-content", "is another name of a file of another kind, size or content")
LINK_ATTRIBUTES: Final = Rule("link-attributes", "is another name of a file with other attributes", Weight.ODD)
INO_TWICE: Final = Rule("ino-twice", "has the number of another inode")
TARGET_SIZE: Final = Rule("target-size", "is a symbolic link of another size than its target")
TARGET_LONG: Final = Rule("target-long", "is a symbolic link to more than 4095 bytes")
SPECIAL_CONTENT: Final = Rule("special-content", "is a device, pipe or socket with a size", Weight.ODD)
DEVICE_NUMBER: Final = Rule("device-number", "is a device without a number (all bits are set)", Weight.ODD)
NANOSECONDS: Final = Rule("nanoseconds", "has a time of more than 999999999 nanoseconds", Weight.ODD)

# prefetch table
PREFETCH_INODE: Final = Rule("prefetch-inode", "names an inode that the image does not have", Weight.ODD)
