"""Small trees in memory: tables, placement and blob made from a mapping of paths to contents.

For tests of everything above the codec, where no format should get in the way. Chunks are stored plain, one after the
other, with a few bytes between files so that a gap is a gap.
"""

import hashlib
import stat as st
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from rafsight.formats.tables import (
    BlobEntry,
    ChunkTable,
    Cipher,
    Compressor,
    Digester,
    EntryTable,
    ExtentTable,
    Placement,
    Superblock,
    TreeTables,
    UnitForm,
    UnitTable,
)


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallImage:
    """A tree with its only blob."""

    tables: TreeTables
    placement: Placement
    blob: bytes
    blob_id: str


@dataclass(slots=True)
class _Node:
    mode: int
    content: bytes = b""
    children: dict[bytes, "_Node"] = field(default_factory=dict)


_DIRECTORY: Final = st.S_IFDIR | 0o755


def build_image(files: Mapping[bytes, bytes | Link | None], *, chunk_size: int = 4096, gap: int = 0) -> SmallImage:
    """Build an image.

    Args:
        files: by path without leading slash: content of a regular file, a link, or None for a directory; directories
            above are implied.
        chunk_size: [bytes].
        gap: [bytes] of filling between the chunks of two files in the blob.
    """
    rows, parents, starts, counts, names = _number(_plant(files))
    pool = bytearray()
    offsets = {"name": [], "target": []}  # type: dict[str, list[int]]
    for node, name in zip(rows, names, strict=True):
        offsets["name"].append(len(pool))
        pool += name
        offsets["target"].append(len(pool))
        pool += node.content if st.S_ISLNK(node.mode) else b""
    blob, chunks, extents, extent_starts = _store(rows, chunk_size, gap)
    count = len(rows)
    zeros, words = np.zeros(count, dtype=np.int32), np.zeros(count, dtype=np.uint32)
    sizes = np.array([len(node.content) for node in rows], dtype=np.int64)
    entries = EntryTable(
        parent=np.array(parents, dtype=np.int32),
        name_offset=np.array(offsets["name"], dtype=np.int64),
        name_size=np.array([len(name) for name in names], dtype=np.int32),
        mode=np.array([node.mode for node in rows], dtype=np.uint32),
        uid=words,
        gid=words,
        size=sizes,
        mtime=np.zeros(count, dtype=np.int64),
        mtime_nsec=words,
        nlink=np.ones(count, dtype=np.uint32),
        rdev=words,
        ino=np.arange(1, count + 1, dtype=np.uint64),
        link_row=np.arange(count, dtype=np.int32),
        child_start=np.array(starts, dtype=np.int32),
        child_count=np.array(counts, dtype=np.int32),
        target_offset=np.array(offsets["target"], dtype=np.int64),
        target_size=np.array([len(n.content) if st.S_ISLNK(n.mode) else 0 for n in rows], dtype=np.int32),
        xattr_offset=np.zeros(count, dtype=np.int64),
        xattr_size=zeros,
        extent_start=np.where(np.diff(extent_starts), extent_starts[:-1], 0).astype(np.int64),
        extent_count=np.diff(extent_starts).astype(np.int32),
    )
    blob_id = hashlib.sha256(blob).hexdigest()
    tables = TreeTables(
        superblock=Superblock(
            format="test", version=0, chunk_size=chunk_size, flags=0, flag_names=(), inode_count=count, root_ino=1
        ),
        buffer=bytes(pool),
        entries=entries,
        extents=ExtentTable(
            chunk=np.array([chunk for chunk, _, _ in extents], dtype=np.int32),
            file_offset=np.array([offset for _, offset, _ in extents], dtype=np.int64),
            size=np.array([size for _, _, size in extents], dtype=np.int64),
        ),
        chunks=_chunk_table(blob, chunks),
        blobs=(_blob_entry(blob_id, blob, chunk_size, len(chunks)),),
        prefetch=np.zeros(0, dtype=np.uint64),
        read_xattrs=lambda area: (),  # noqa: ARG005
    )
    return SmallImage(tables=tables, placement=_placement(chunks), blob=blob, blob_id=blob_id)


def _plant(files: Mapping[bytes, bytes | Link | None]) -> _Node:
    root = _Node(_DIRECTORY)
    for path, content in files.items():
        *above, name = path.split(b"/")
        node = root
        for part in above:
            node = node.children.setdefault(part, _Node(_DIRECTORY))
        if content is None:
            node.children.setdefault(name, _Node(_DIRECTORY))
        elif isinstance(content, Link):
            node.children[name] = _Node(st.S_IFLNK | 0o777, content.target)
        else:
            node.children[name] = _Node(st.S_IFREG | 0o644, content)
    return root


def _number(root: _Node) -> tuple[list[_Node], list[int], list[int], list[int], list[bytes]]:
    """Give rows: level by level, the children of one directory together and by name."""
    rows, parents, names = [root], [0], [b""]
    starts, counts = [], []
    for row, node in enumerate(rows):  # grows while it runs
        starts.append(len(rows) if node.children else 0)
        counts.append(len(node.children))
        for name in sorted(node.children):
            rows.append(node.children[name])
            parents.append(row)
            names.append(name)
    return rows, parents, starts, counts, names


def _store(
    rows: list[_Node], chunk_size: int, gap: int
) -> tuple[bytes, list[tuple[int, int]], list[tuple[int, int, int]], list[int]]:
    """Cut files into chunks, each distinct one once; return blob, (offset, size) of chunks, extents, first extents."""
    blob, chunks, known = bytearray(), [], {}  # type: bytearray, list[tuple[int, int]], dict[bytes, int]
    extents, starts = [], [0]  # type: list[tuple[int, int, int]], list[int]
    for node in rows:
        content = node.content if st.S_ISREG(node.mode) else b""
        for offset in range(0, len(content), chunk_size):
            piece = content[offset : offset + chunk_size]
            if piece not in known:
                known[piece] = len(chunks)
                chunks.append((len(blob), len(piece)))
                blob += piece
            extents.append((known[piece], offset, len(piece)))
        blob += b"\xaa" * (gap if content else 0)
        starts.append(len(extents))
    return bytes(blob), chunks, extents, starts


def _chunk_table(blob: bytes, chunks: list[tuple[int, int]]) -> ChunkTable:
    digests = [np.frombuffer(hashlib.sha256(blob[at : at + size]).digest(), dtype=np.uint8) for at, size in chunks]
    offsets = np.array([offset for offset, _ in chunks], dtype=np.int64)
    sizes = np.array([size for _, size in chunks], dtype=np.int64)
    words = np.zeros(len(chunks), dtype=np.uint32)
    return ChunkTable(
        blob_index=np.zeros(len(chunks), dtype=np.int32),
        number=np.arange(len(chunks), dtype=np.uint32),
        digest=np.array(digests, dtype=np.uint8).reshape(len(chunks), 32),
        crc32=words,
        flags=words,
        size=sizes,
        compressed_size=sizes,
        compressed_offset=offsets,
        uncompressed_offset=offsets,
    )


def _placement(chunks: list[tuple[int, int]]) -> Placement:
    count = len(chunks)
    zeros = np.zeros(count, dtype=np.int32)
    sizes = np.array([size for _, size in chunks], dtype=np.int64)
    return Placement(
        unit_index=np.arange(count, dtype=np.int64),
        unit_offset=np.zeros(count, dtype=np.int64),
        units=UnitTable(
            blob_index=zeros,
            form=np.full(count, UnitForm.PLAIN, dtype=np.int32),
            offset=np.array([offset for offset, _ in chunks], dtype=np.int64),
            stored_size=sizes,
            decoded_size=sizes,
            dictionary_offset=np.zeros(count, dtype=np.int64),
            dictionary_size=zeros,
            bits=zeros,
        ),
        dictionaries=(b"",),
    )


def _blob_entry(blob_id: str, blob: bytes, chunk_size: int, chunk_count: int) -> BlobEntry:
    return BlobEntry(
        index=0,
        blob_id=blob_id,
        data_id=blob_id,
        meta_id="",
        compressor=Compressor.NONE,
        digester=Digester.SHA256,
        cipher=Cipher.NONE,
        features=0,
        feature_names=(),
        chunk_size=chunk_size,
        chunk_count=chunk_count,
        compressed_size=len(blob),
        uncompressed_size=len(blob),
        meta_offset=0,
        meta_compressed_size=0,
        meta_uncompressed_size=0,
        meta_compressor=Compressor.NONE,
        needs_meta=False,
    )
