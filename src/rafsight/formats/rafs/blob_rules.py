"""Rules of blobs: the chunk-info array, units, batches, zran contexts, the table of contents and the digest array.

Tables only, beside sections 0.4, 4, 5 and 9.1 of the format reference.
"""

from typing import Final

from rafsight.formats.judge import Rule, Weight

# the chunk-info array as a whole (4.1)
META_ROOM: Final = Rule("chunk-info-room", "wants more bytes than it can need")
META_LENGTH: Final = Rule("chunk-info-length", "is cut or too long")
META_HEADER: Final = Rule("chunk-info-header", "has no header")
META_COUNT: Final = Rule("chunk-info-count", "has another number of chunks than the blob table")
META_COMPRESSOR: Final = Rule("chunk-info-compressor", "has another compressor than the blob table")
META_OFFSET: Final = Rule("chunk-info-offset", "lies elsewhere than the blob table says")
META_SIZE: Final = Rule("chunk-info-size", "has another size than in the blob table")
META_SHAPE: Final = Rule("chunk-info-features", "has other features than the blob table")
META_PARTS: Final = Rule("chunk-info-parts", "has records or contexts that do not fit into it")
META_WORD: Final = Rule("chunk-info-word", "repeats the features of the blob table with other bits", Weight.ODD)
META_RESERVED: Final = Rule("chunk-info-reserved", "has a header with bytes that should be zero", Weight.ODD)
META_COPIES: Final = Rule("chunk-info-copies", "is another in the bootstrap layer than in the blob")

# its records (4.2, 4.3, 9.1)
RECORD_FLAGS: Final = Rule("chunk-info-flags", "has flags that nobody knows", Weight.UNKNOWN)
RECORD_PLACE: Final = Rule("chunk-info-outside", "is stored past the chunk data of its blob")
RECORD_SPACE: Final = Rule("chunk-info-space", "ends past the uncompressed size of its blob")
RECORD_ORDER: Final = Rule("chunk-info-order", "begins before the end of the chunk before it in uncompressed space")
RECORD_KIND: Final = Rule("chunk-info-kind", "lies in a batch or a slice, and its blob has none")
RECORD_CRC: Final = Rule("chunk-info-crc", "is said to have a CRC, and it is 0")

# records against the chunk table of the bootstrap (2.7)
CHUNK_ABSENT: Final = Rule("chunk-absent", "is not in the chunk-info array")
CHUNK_OTHER: Final = Rule("chunk-other", "is another in the chunk-info array: its size or uncompressed offset differs")
CHUNK_STORED_ELSEWHERE: Final = Rule("chunk-elsewhere", "is stored elsewhere by the chunk-info array")
CHUNK_OTHER_FLAGS: Final = Rule(
    "chunk-other-flags", "is compressed or encrypted only by one of table and chunk-info array"
)
CHUNK_OTHER_CRC: Final = Rule("chunk-other-crc", "has another CRC in the chunk-info array")

# units: what is decoded by itself (0.6, 9.2)
UNIT_SIZE: Final = Rule("unit-size", "is empty or too large")
UNIT_STORED: Final = Rule("unit-stored", "is stored in nothing or far more than it is")
UNIT_CIPHER: Final = Rule("unit-cipher", "is encrypted, or its blob is, and not both")
UNIT_PLAIN: Final = Rule("unit-plain", "is plain, and stored with another size")
UNIT_CONTEXT: Final = Rule("context-absent", "is not in the table of contexts")
UNIT_SMALL: Final = Rule("unit-small", "is too small for a chunk")

# batches (4.4)
BATCH_PLACES: Final = Rule("batch-places", "has chunks that say different places")
BATCH_OUTSIDE: Final = Rule("batch-outside", "is stored past the chunk data of its blob")
BATCH_OVERLAP: Final = Rule("batch-overlap", "has chunks that overlap", Weight.ODD)
BATCH_RESERVED: Final = Rule("batch-reserved", "has bytes that should be zero", Weight.ODD)

# zran contexts (4.5)
SLICE_SIZE: Final = Rule("zran-size", "is empty or too large")
SLICE_FAR: Final = Rule("zran-far", "lies too far")
SLICE_DICTIONARY: Final = Rule("zran-dictionary", "has a dictionary that cannot be")
SLICE_OUTSIDE: Final = Rule("zran-outside", "ends past the archive that it is a slice of")
SLICE_ORDER: Final = Rule("zran-order", "begins before the slice before it", Weight.ODD)
SLICE_RESERVED: Final = Rule("zran-reserved", "has bytes that should be zero", Weight.ODD)

# the table of contents (5.3)
TOC_ABSENT: Final = Rule("toc-absent", "has no table of contents")
TOC_LENGTH: Final = Rule("toc-length", "has a table of contents of a size that cannot be")
TOC_DIGEST: Final = Rule("toc-digest", "has another table of contents than the blob table means")
TOC_OUTSIDE: Final = Rule("toc-outside", "has a part that reaches past its table of contents")
TOC_COMPRESSION: Final = Rule("toc-compression", "has a part of an unknown compression", Weight.UNKNOWN)
TOC_TWICE: Final = Rule("toc-twice", "names a part twice")
TOC_NAME: Final = Rule("toc-name", "names a part that nobody knows", Weight.ODD)
TOC_ORDER: Final = Rule("toc-order", "has a part that begins before the end of the part before it", Weight.ODD)
TOC_META: Final = Rule("toc-chunk-info", "places the chunk-info array elsewhere than the blob table")
TOC_DATA: Final = Rule("toc-data", "places the chunk data elsewhere than the blob table")
TOC_PART: Final = Rule("toc-part", "has a part that is not what its table of contents says")

# inlined parts and the digest array (4.6, 5.2)
PART_TOO_LARGE: Final = Rule("part-too-large", "has a part that is larger than the blob")
BOOTSTRAP_ROOM: Final = Rule("bootstrap-room", "has a bootstrap that is too large")
DIGESTS_ABSENT: Final = Rule("digest-array-absent", "has no digest array, and its features say so")
DIGESTS_SIZE: Final = Rule("digest-array-size", "has a digest array of another number of chunks")
DIGESTS_OTHER: Final = Rule("digest-array", "has another digest in the digest array of its blob")
