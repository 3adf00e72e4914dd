"""Rules of RAFS v6 metadata; sections 2 and 9 of the format reference. Tables only.

What RAFS v5 has too stands in `shared_rules`.
"""

from typing import Final

from rafsight.formats.judge import Rule, Weight

# superblocks: what the reader needs
NOT_RAFS: Final = Rule("not-rafs", "is an EROFS image without the RAFS extension", Weight.UNKNOWN, is_foreign=True)
FEATURE_WORD: Final = Rule("erofs-features", "has EROFS features that RAFS does not use", Weight.UNKNOWN)
BLOCK_SIZE: Final = Rule("block-size", "has a block size that is neither 4096 nor 512", Weight.UNKNOWN)
LONGER_SUPERBLOCK: Final = Rule("superblock-slots", "has a longer superblock", Weight.UNKNOWN)
SHARED_XATTRS: Final = Rule("shared-xattrs", "keeps xattrs that inodes share", Weight.UNKNOWN)
DEVICE_TABLE_SLOT: Final = Rule("device-table-slot", "keeps its device table in another slot", Weight.UNKNOWN)
META_OUTSIDE: Final = Rule("metadata-outside", "has its metadata past the end of the file")

# superblocks: what others insist on
CHECKSUM: Final = Rule("superblock-checksum", "has a checksum, which other readers refuse")
UNION: Final = Rule("superblock-union", "has a word on compression, which other readers refuse")
ROOT_NID: Final = Rule("root-nid", "has inode 0 as its root, on which other readers fail")
NO_INODES: Final = Rule("no-inodes", "counts no inodes, which other readers refuse")
BLOCKS_WITHOUT_DEVICES: Final = Rule("blocks-without-devices", "has blocks and no devices that they could be on")
BLOCK_COUNT: Final = Rule("block-count", "counts another number of blocks than its devices have", Weight.ODD)
BUILD_TIME: Final = Rule("build-time", "has a build time: the same tree does not give the same bytes", Weight.ODD)
META_ALIGNMENT: Final = Rule("metadata-alignment", "has metadata that do not begin on 4096 bytes", Weight.ODD)
COMPRESSION_FLAG: Final = Rule("compression-flag", "has not exactly one flag for its compressor")
DIGEST_FLAG: Final = Rule("digest-flag", "has not exactly one flag for its digester")
ENCRYPTION_FLAG: Final = Rule("encryption-flag", "says of encryption what is not so", Weight.ODD)
DIGEST_ARRAY_FLAG: Final = Rule(
    "digest-array-flag", "says of chunk digest arrays what is not so of its blobs", Weight.ODD
)

# device slots
DEVICE_COUNT: Final = Rule("device-count", "has another number of device slots than of blobs")
DEVICE_ID: Final = Rule("device-id", "names another blob than the blob table")
DEVICE_TWICE: Final = Rule("device-twice", "names the blob of another slot")
DEVICE_EMPTY: Final = Rule("device-empty", "has no blocks")
DEVICE_BLOCKS: Final = Rule("device-blocks", "has another number of blocks than its blob")
DEVICE_ADDRESS: Final = Rule("device-address", "is mapped where it cannot lie", Weight.ODD)

# blob table: what the reader needs
BLOB_FEATURES: Final = Rule("blob-features", "has features that nobody knows", Weight.UNKNOWN)
BLOB_INDEX: Final = Rule("blob-index", "says that it is another blob")
BLOB_CHUNK_SIZE: Final = Rule("blob-chunk-size", "has another chunk size than the image")
BLOB_CHUNK_COUNT: Final = Rule("blob-chunk-count", "has more chunks than a blob can have")
BLOB_SIZE: Final = Rule("blob-too-large", "is larger than a blob can be")
BLOB_META_OFFSET: Final = Rule("blob-meta-offset", "has its chunk-info array past the end of any blob")
BLOB_META_SIZE: Final = Rule("blob-meta-size", "has a chunk-info array that is larger than unpacked")
BLOB_META_ABSENT: Final = Rule("blob-meta-absent", "has chunks, and no chunk-info array to find them with")
BLOB_ENCRYPTION: Final = Rule("blob-encryption", "is encrypted and has no cipher, or the other way round")
BLOB_ALIGNMENT: Final = Rule("blob-alignment", "is aligned and should not be, or the other way round")
BLOB_TARFS: Final = Rule("blob-tarfs", "is a tar in an image of none, or none in an image of tars")

# blob table: what others insist on
BLOB_META_COUNT: Final = Rule("blob-meta-count", "has a chunk-info array of another size than its chunks need")
BLOB_RECORD_VERSION: Final = Rule(
    "blob-record-version", "has batches, slices or a cipher, and records that cannot say so"
)
BLOB_KEY: Final = Rule("blob-key", "has a key of two equal halves, which ciphers refuse")
BLOB_UNALIGNED: Final = Rule("blob-unaligned", "has an uncompressed size that is no whole number of blocks", Weight.ODD)

# directories: what the reader needs
LAYOUT: Final = Rule("inode-layout", "has a data layout that its kind cannot have")
DATA_OUTSIDE: Final = Rule("data-outside", "has data outside the file or in its head")
DIRECTORY_SIZE: Final = Rule("directory-size", "is larger than the room that the file has left for directories")
DIRECTORY_BLOCK: Final = Rule("directory-block", "has a block too small for an entry")
FIRST_NAME: Final = Rule("first-name-offset", "has a block with a wrong first name offset: others see no entries there")
NAME_OFFSET: Final = Rule("name-offset", "has an entry whose name is empty or lies elsewhere")
DOTS_WRONG: Final = Rule("dots-wrong", "has a `.` or `..` that leads elsewhere")
DOTS_TWICE: Final = Rule("dots-twice", "has `.` or `..` twice")
DIRENT_TYPE: Final = Rule("dirent-type", "has another file type in its directory than in its inode")

# directories: what builders do
DOTS_ABSENT: Final = Rule("dots-absent", "lacks `.` or `..`", Weight.ODD)
NAME_PADDING: Final = Rule("name-padding", "has something behind its last name", Weight.ODD)

# inodes: what the reader needs
INODE_FORMAT: Final = Rule("inode-format", "has a format that nobody knows")
TARGET_SHARED: Final = Rule("symlink-shared", "shares the bytes of its target with others")
CHUNK_INDEXES_ABSENT: Final = Rule("chunk-indexes-absent", "has no chunk indexes")
CHUNK_INDEXES_SHARED: Final = Rule("chunk-indexes-shared", "shares its chunk indexes with others")
CHUNK_UNKNOWN: Final = Rule("chunk-unknown", "names a chunk that is not in the table")
CHUNK_UNALIGNED: Final = Rule("chunk-unaligned", "has a chunk that does not begin with a block")

# inodes: what others need, and builders do
CHUNK_FORMAT: Final = Rule("chunk-format", "has a chunk format with bits that nobody knows")
CHUNK_BITS: Final = Rule("chunk-bits", "has a chunk format that leads the kernel to other data")
INODE_OVERLAP: Final = Rule("inode-overlap", "lies on other data, or its data do")
LINKED_KIND: Final = Rule("linked-kind", "has several names and is no regular file", Weight.ODD)

# chunk table: what others need, and builders do
CHUNK_FLAGS: Final = Rule("chunk-flags", "has flags that nobody knows", Weight.ODD)
CHUNK_ORDER: Final = Rule("chunk-order", "does not stand in the order of digests", Weight.ODD)
