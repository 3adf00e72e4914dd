"""The neutral columns of an image: what every reader of a format hands over, and every writer takes.

RAFS v5, RAFS v6 and tar layers are read into these tables; from here on nobody knows which it was. One row is a
directory entry (hard links have a row each and share `link_row`), one row is an extent (a slice of one file), one row
is a chunk (bytes with a digest, used by any number of extents), one row is a unit (the smallest piece of a blob that
can be decoded on its own: a chunk, a batch of chunks, a zran slice, or a member of a tar stream).

    entry --extent_start, extent_count--> extent --extent_chunk--> chunk --unit_index, unit_offset--> unit --> blob

Laws, kept by every reader (`image/validate.py` and the tests hold them):
    - row 0 is the root, its own parent, with an empty name; a parent's row is less than its children's;
    - the children of a directory are the rows child_start .. child_start + child_count, ordered by name as unsigned
      bytes; names are 1 to 255 bytes, without `/` and NUL, not `.` or `..`, no two alike in a directory;
    - the extents of a file are ordered by file offset and do not overlap; what they do not cover is zeros;
    - rows that share `link_row` are names of one regular file (or, in RAFS v6, of one other non-directory): they share
      its extents, target and xattrs, so that extents are counted by the rows whose `link_row` is the row itself;
    - `child_start` is 0 without children, `extent_start` 0 without extents, text offsets 0 without text;
    - directories lie at most `Limits.path_size` / 2 levels deep: no path could name anything below;
    - every index lies inside its table, every offset inside its buffer.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

from rafsight.base.errors import ImageFault

Rows = NDArray[np.int32]
Offsets = NDArray[np.int64]
Words = NDArray[np.uint32]
Octets = NDArray[np.uint8]


class MalformedImage(ImageFault):
    """A bootstrap, table or archive does not follow its format."""

    code = "malformed-image"
    template = "{where}: {what} (at byte {offset})"
    remedy = "The file is damaged or was not made by a sound builder: push the image again, or report the builder."


class UnitForm(IntEnum):
    """How the stored bytes of a unit become its content."""

    PLAIN = 0
    """Stored as they are."""
    COMPRESSED = 1
    """One compressed piece, of the blob's compressor."""
    ZRAN = 2
    """A slice of a gzip stream, with a preset dictionary and bits left over from the byte before."""
    STREAM = 3
    """A range of the *decompressed* stream of a whole layer: it can only be had by reading the layer from its start."""


class Compressor(IntEnum):
    """Compressors, with the numbers that RAFS stores."""

    NONE = 0
    LZ4_BLOCK = 1
    GZIP = 2
    ZSTD = 3


class Digester(IntEnum):
    """Chunk digest algorithms, with the numbers that RAFS stores."""

    BLAKE3 = 0
    SHA256 = 1


class Cipher(IntEnum):
    """Ciphers, with the numbers that RAFS stores."""

    NONE = 0
    AES_128_XTS = 1
    AES_256_XTS = 2
    AES_256_GCM = 3


class ChunkFlag(IntFlag):
    """Flags of a chunk, with the bits that RAFS stores."""

    COMPRESSED = 0x1
    HOLE = 0x2
    ENCRYPTED = 0x4
    BATCH = 0x8
    HAS_CRC32 = 0x10
    ZRAN = 0x20
    """Ours, not stored in 80-byte records: the chunk lies in a zran slice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobEntry:
    """One row of the blob table, with the files that hold its parts."""

    index: int
    blob_id: str
    """As stored, after the placeholder of inlined bootstraps was replaced. Hex SHA-256 for images in registries."""
    data_id: str
    """Name of the file (registry blob) that holds the chunk data."""
    meta_id: str
    """Name of the file that holds the chunk-info array; empty if there is none."""
    compressor: Compressor
    digester: Digester
    cipher: Cipher
    features: int
    """Feature word, section 0.3 of the format reference."""
    feature_names: tuple[str, ...]
    chunk_size: int
    chunk_count: int
    compressed_size: int
    """[bytes] as stored; section 5.6 says what it means."""
    uncompressed_size: int
    meta_offset: int
    """[bytes] of the compressed chunk-info array in `meta_id`."""
    meta_compressed_size: int
    meta_uncompressed_size: int
    meta_compressor: Compressor
    needs_meta: bool
    """True if chunks cannot be located without the chunk-info array (batches, zran)."""
    mapped_block_address: int = 0
    prefetch_offset: int = 0
    prefetch_size: int = 0
    toc_digest: bytes = b""
    toc_size: int = 0
    meta_digest: bytes = b""
    """SHA-256 of the file that holds the chunk-info array (SEPARATE blobs only; never the key)."""
    meta_size: int = 0
    key: bytes = field(default=b"", repr=False)
    """AES-XTS key of an encrypted blob. Never printed."""
    iv: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Superblock:
    """What the head of a bootstrap says about itself, for people."""

    format: str
    """`RAFS v5`, `RAFS v6`, `OCI layers`: shown, never compared."""
    version: int
    """5, 6; 0 for tar layers: shown, never compared above the codec."""
    chunk_size: int
    flags: int
    flag_names: tuple[str, ...]
    inode_count: int
    """As the superblock counts them."""
    root_ino: int
    fields: tuple[tuple[str, int], ...] = ()
    """Every other stored number, by its name in the format reference, in file order."""
    texts: tuple[tuple[str, str], ...] = ()
    """Stored names, likewise: a UUID, the name of the volume."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the head of a bootstrap says, before any inode is read."""

    superblock: Superblock
    blobs: tuple[BlobEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryTable:
    """One row a directory entry; n rows. Offsets point into `TreeTables.buffer`."""

    parent: Rows
    name_offset: Offsets
    name_size: Rows
    mode: Words
    """Full st_mode."""
    uid: Words
    gid: Words
    size: Offsets
    """[bytes] of regular files and symlinks; directories as the format states them."""
    mtime: Offsets
    """[s] since 1970, signed."""
    mtime_nsec: Words
    nlink: Words
    rdev: Words
    """Linux encoding, meaningful for devices only (0 elsewhere)."""
    ino: NDArray[np.uint64]
    """The number that tools show: v5 inode number, v6 nid."""
    link_row: Rows
    """First row (in row order) of the same inode; the row itself if there is no other name."""
    child_start: Rows
    child_count: Rows
    target_offset: Offsets
    target_size: Rows
    xattr_offset: Offsets
    xattr_size: Rows
    """[bytes] of the entry's xattr area in its format's form; 0 if it has none."""
    extent_start: Offsets
    extent_count: Rows
    digest: Octets | None = None
    """(n, 32) inode digests where the format has them."""
    blocks: Offsets | None = None
    """[512 bytes] as stored, where the format stores them; elsewhere the size, rounded up."""
    inode_offset: Offsets | None = None
    """[bytes] of each entry's inode in the bootstrap, where the tables come from one; 0 for a root that could not be
    read. Names of one inode may share it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtentTable:
    """One row a slice of a file, ordered by file and offset."""

    chunk: Rows
    file_offset: Offsets
    size: Offsets
    """[bytes] of content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkTable:
    """One row a chunk; m rows."""

    blob_index: Rows
    number: Words
    """Ordinal of the chunk in its blob."""
    digest: Octets
    """(m, 32); all zeros where the format has none (tarfs, external blobs, tar members)."""
    crc32: Words
    """CRC-32C of the content; valid with ChunkFlag.HAS_CRC32."""
    flags: Words
    """ChunkFlag bits."""
    size: Offsets
    """[bytes] of content (uncompressed)."""
    compressed_size: Offsets
    compressed_offset: Offsets
    uncompressed_offset: Offsets


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitTable:
    """One row a unit: what can be fetched and decoded on its own; k rows."""

    blob_index: Rows
    form: Rows
    """UnitForm."""
    offset: Offsets
    """[bytes] in the blob file (STREAM: in the decompressed stream)."""
    stored_size: Offsets
    """[bytes] in the blob file (STREAM: in the decompressed stream)."""
    decoded_size: Offsets
    """[bytes] after decoding."""
    dictionary_offset: Offsets
    """[bytes] into `dictionaries` (ZRAN)."""
    dictionary_size: Rows
    bits: Rows
    """(ZRAN) previous byte << 8 | number of its bits still to be consumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where the chunks of some blobs lie: made once the chunk-info arrays that it needs are there."""

    unit_index: NDArray[np.int64]
    """(m,) unit of each chunk; -1 for a chunk whose blob has not been placed."""
    unit_offset: Offsets
    """(m,) [bytes] of the chunk's content inside the decoded unit."""
    units: UnitTable
    dictionaries: tuple[bytes | memoryview, ...]
    """One for each blob, empty but for zran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Xattr:
    """One extended attribute, with its full name."""

    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeTables:
    """All tables of one image."""

    superblock: Superblock
    buffer: bytes | memoryview
    """What the offsets of the entries point into."""
    entries: EntryTable
    extents: ExtentTable
    chunks: ChunkTable
    blobs: tuple[BlobEntry, ...]
    prefetch: NDArray[np.uint64]
    """`ino`s of the prefetch table, in its order, without the closing zero."""
    read_xattrs: Callable[[memoryview], tuple[Xattr, ...]]
    """Decode one entry's xattr area. Raises MalformedImage."""

    @property
    def head(self) -> Head:
        """The superblock and the blob table."""
        return Head(superblock=self.superblock, blobs=self.blobs)
