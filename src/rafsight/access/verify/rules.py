"""Rules of the blobs of an image: that they are there, and that their bytes are what the image says. Tables only."""

from typing import Final

from rafsight.formats.judge import Rule, Weight

# presence
BLOB_MISSING: Final = Rule("blob-missing", "is not there")
BLOB_SIZE: Final = Rule("blob-size", "has another size than the image says")

# bytes
BLOB_DIGEST: Final = Rule("blob-digest", "does not have the digest that names it")
BLOB_NAME: Final = Rule("blob-name", "is called by a digest that it does not have", Weight.ODD)
CHUNK_DIGEST: Final = Rule("chunk-digest", "does not have the digest that the bootstrap states")
CHUNK_CHECKSUM: Final = Rule("chunk-checksum", "does not have the CRC-32C that the bootstrap states")
CHUNK_UNDECODABLE: Final = Rule("chunk-undecodable", "does not become what the image promises")
CHUNK_LOST: Final = Rule("chunk-lost", "lies past the end of the blob that is there")
