"""Answers about an image's metadata: what nydus-image's `inspect` also tells, as values.

This module alone decides which facts each answer has. Paths are relative to the image's root, without a leading slash;
the root's is empty. Nothing here has room for the key of an encrypted blob.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePlace:
    """Where a table lies in the bootstrap."""

    offset: int
    """[bytes] as stored; of an empty table, where it would begin, or 0."""
    size: int
    """[bytes]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The image in numbers, as its superblock has them."""

    format: str
    """`RAFS v5`, `RAFS v6`, `OCI layers`."""
    version: int | None
    """None for layers, which have no superblock; so the chunk size and the flags."""
    inode_count: int
    """As the superblock counts: RAFS v5 counts inodes, RAFS v6 directory entries."""
    chunk_size: int | None
    """[bytes]"""
    root_ino: int
    flag_names: tuple[str, ...] | None
    blob_table: TablePlace | None
    """None where the format has no such table; so the next two."""
    prefetch_table: TablePlace | None
    prefetch_count: int
    """Entries of the prefetch table."""
    chunk_table: TablePlace | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperblockFacts:
    """Every number of the superblock; None is what layers do not have."""

    format: str
    version: int | None
    chunk_size: int | None
    """[bytes]"""
    flags: int | None
    flag_names: tuple[str, ...] | None
    inode_count: int
    root_ino: int
    blob_count: int
    prefetch_count: int | None
    fields: tuple[tuple[str, int], ...]
    """Every other stored number, by its name in the format reference, in file order."""
    texts: tuple[tuple[str, str], ...] = ()
    """Stored names, likewise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobFacts:
    """One row of the blob table; sizes and offsets in bytes. Keys of encrypted blobs are left out on purpose."""

    index: int
    blob_id: str
    has_chunks: bool
    """False for a tar layer: only what precedes this, `compressor` and `compressed_size` mean anything then."""
    is_placeholder: bool
    """True if the table holds a placeholder, as the bootstrap lies in the blob itself; `blob_id` is the real one."""
    compressor: str
    """Of a tar layer as its media type says; empty if that does not tell."""
    digester: str
    cipher: str
    features: int
    feature_names: tuple[str, ...]
    chunk_size: int
    chunk_count: int
    compressed_size: int
    """As stored: of the whole blob, or of what precedes a bootstrap that lies in it, or of the original archive."""
    data_size: int
    """Of the stored chunks alone."""
    uncompressed_size: int
    mapped_block_address: int
    """[blocks] where the blob begins if everything is put on one disk."""
    prefetch_offset: int
    prefetch_size: int
    """Of the beginning of the blob, which holds what to prefetch."""
    meta_id: str
    """The file that holds the chunk-info array; empty if there is none."""
    meta_compressor: str
    meta_offset: int
    meta_compressed_size: int
    meta_uncompressed_size: int
    toc_digest: bytes
    """SHA-256 of the table of contents; empty if there is none."""
    toc_size: int
    meta_digest: bytes
    """SHA-256 of the file with the chunk-info array, where the data lie in another one; else empty."""
    meta_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobList:
    """All rows of the blob table."""

    blobs: tuple[BlobFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEntry:
    """One line of a listing."""

    ino: int
    kind: str
    """`file`, `directory`, `symlink`, `char`, `block`, `fifo` or `socket`."""
    name: bytes
    """In a search: the path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Some entries: of a directory by name, or what a search found, depth first."""

    entries: tuple[ListedEntry, ...]
    has_paths: bool
    """True if the names are paths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkFacts:
    """One chunk in its place in a file; sizes and offsets in bytes."""

    file_offset: int
    number: int | None
    """Ordinal of the chunk in its blob; None, as the next two, for a file in a tar layer, which has no chunks."""
    compressed_offset: int | None
    """0 for chunks in a batch, and so their compressed size: the blob's chunk-info array knows where they lie."""
    compressed_size: int | None
    decompressed_offset: int
    decompressed_size: int
    blob_index: int
    blob_id: str
    digest: bytes
    """All zeros where the format has none; empty for a file in a tar layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryAttributes:
    """What stat(2) would say about one name of an inode, and where it stands in the image."""

    path: bytes
    name: bytes
    """`/` for the root."""
    ino: int
    parent_ino: int
    """The root is its own parent."""
    kind: str
    mode: int
    """Full st_mode."""
    nlink: int
    uid: int
    gid: int
    size: int
    """[bytes]"""
    blocks: int
    """[512 bytes]"""
    mtime: int
    """[s] since 1970, signed."""
    mtime_nsec: int


@dataclass(frozen=True, slots=True, kw_only=True)
class XattrFacts:
    """One extended attribute, with its full name."""

    name: bytes
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class InodeContent:
    """What all names of an inode share."""

    name_count: int
    """How many names the image has for it."""
    target: bytes | None
    """Where a symbolic link points; None for other kinds."""
    device: tuple[int, int] | None
    """(major, minor) of a device; None for other kinds."""
    xattrs: tuple[XattrFacts, ...]
    digest: bytes
    """Of the inode, where the format has it; else empty."""
    chunks: tuple[ChunkFacts, ...] | None
    """Of a regular file, by file offset; None for other kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryFacts:
    """Everything about one entry."""

    attributes: EntryAttributes
    content: InodeContent


@dataclass(frozen=True, slots=True, kw_only=True)
class InodeFacts:
    """Everything about one inode: each of its names with the attributes found there, and what they share."""

    ino: int
    names: tuple[EntryAttributes, ...]
    content: InodeContent


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefetchEntry:
    """One entry of the prefetch table."""

    ino: int
    paths: tuple[bytes, ...]
    """Every path of the inode, with a slash behind that of a directory (the root's is empty); none if the image has no
    such inode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefetchList:
    """The prefetch table, in its order."""

    entries: tuple[PrefetchEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkUse:
    """One file that uses chunks at the offset that was asked for."""

    ino: int
    paths: tuple[bytes, ...]
    """Every path of the file."""
    chunks: tuple[ChunkFacts, ...]
    """Those at the offset, by file offset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkUses:
    """All files that use chunks at one compressed offset, in the order of their paths."""

    compressed_offset: int
    blob_id: str
    """The only blob that was looked at; empty for all."""
    files: tuple[ChunkUse, ...]
