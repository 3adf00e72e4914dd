"""RAFS v5 bootstraps of any size, made up: for benchmarks, for limits, and for damage.

This module alone decides what a made-up v5 image looks like: directories of at most 40 entries, small files of one or
two chunks, a symlink and a fifo now and then. There is no blob behind it. The same arguments give the same bytes.
"""

import hashlib
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.judge import STRICT
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import v5_digests, v5_head, v5_inodes
from rafsight.formats.rafs import v5_layout as layout
from rafsight.formats.records import Indexes, ragged
from rafsight.formats.tables import Digester, Offsets

_FAN_OUT: Final = 40
_CHUNK_SIZE: Final = 4096
_DIRECTORY, _REGULAR, _SYMLINK, _FIFO = 0o040755, 0o100644, 0o120777, 0o010600
_NAME: Final = 8
"""[bytes] of every name but the root's: `n` and seven hexadecimal digits, or a symlink's target."""
_FLAGS: Final = shared.COMPRESSION_NONE | shared.HASH_BLAKE3 | shared.EXPLICIT_UID_GID


def synthetic_bootstrap_v5(entry_count: int) -> bytes:
    """Make a RAFS v5 bootstrap that is sound.

    Args:
        entry_count: directory entries, the root included.
    Cost: about three microseconds an entry.
    """
    index = np.arange(entry_count)
    parent = np.maximum(index - 1, 0) // _FAN_OUT
    child_count = np.bincount(parent[1:], minlength=entry_count)
    mode = np.where(child_count > 0, _DIRECTORY, np.array([_REGULAR] * 8 + [_SYMLINK, _FIFO])[index % 10])
    mode[0] = _DIRECTORY
    size = np.where(mode == _REGULAR, index % (2 * _CHUNK_SIZE), 0)
    chunk_count = -(-size // _CHUNK_SIZE)
    body = np.where(mode == _SYMLINK, _NAME, chunk_count * shared.CHUNK_INFO.size)
    record_size = layout.INODE.size + _NAME + body
    table_end = layout.SUPERBLOCK_SIZE + -(-4 * entry_count // 8) * 8
    blob_end = table_end + 72
    start = blob_end + layout.EXTENDED_BLOB.size
    order = _depth_first(parent)
    offset = np.empty(entry_count, np.int64)
    offset[order] = start + np.cumsum(record_size[order]) - record_size[order]
    content = bytearray(start + int(record_size.sum()))
    octets = np.frombuffer(content, np.uint8)
    rows = _records(mode, size, parent, child_count, chunk_count)
    octets[offset[:, None] + np.arange(layout.INODE.size)] = rows.view(np.uint8).reshape(entry_count, -1)
    _write_texts(octets, offset, mode)
    blob_size = _write_chunks(octets, offset, size, chunk_count)
    superblock = np.array((
        layout.MAGIC, layout.VERSION, layout.SUPERBLOCK_SIZE, _CHUNK_SIZE, _FLAGS, entry_count,
        layout.SUPERBLOCK_SIZE, table_end, table_end, entry_count, 0, 72, 1, blob_end,
    ), layout.SUPERBLOCK.dtype)  # fmt: skip
    extended = np.array((chunk_count.sum(), shared.CAP_TAR_TOC, blob_size, blob_size, b""), layout.EXTENDED_BLOB.dtype)
    content[: layout.SUPERBLOCK.size] = superblock.tobytes()
    content[layout.SUPERBLOCK_SIZE : layout.SUPERBLOCK_SIZE + 4 * entry_count] = (offset >> 3).astype("<u4").tobytes()
    content[table_end:blob_end] = bytes(8) + hashlib.sha256(b"made up").hexdigest().encode()
    content[blob_end:start] = extended.tobytes()
    return _seal(content, parent)


def _write_texts(octets: np.ndarray, offset: Offsets, mode: Indexes) -> None:
    """Write the names, and the targets of symlinks: the entry before."""
    count = len(mode)
    names = np.frombuffer(b"".join(b"n%07x" % number for number in range(count)), np.uint8).reshape(-1, _NAME)
    octets[offset[:, None] + layout.INODE.size + np.arange(_NAME)] = names
    octets[offset[0] + layout.INODE.size :][:_NAME] = np.frombuffer(b"/".ljust(_NAME, b"\0"), np.uint8)
    links = np.flatnonzero(mode == _SYMLINK)
    octets[offset[links][:, None] + layout.INODE.size + _NAME + np.arange(_NAME)] = names[links - 1]


def _seal(content: bytearray, parent: Indexes) -> bytes:
    """Compute all inode digests, from the leaves upwards."""
    view = memoryview(content)
    head = v5_head.read_head(view, "", Limits(), STRICT)
    inodes = v5_inodes.read_inodes(view, head, STRICT)
    depth, above = np.zeros(len(parent), np.int64), np.arange(len(parent))
    while bool(above.any()):
        depth += above > 0
        above = parent[above]
    for level in range(int(depth.max()), -1, -1):
        wanted = depth == level
        inodes.digest[wanted] = v5_digests.content_digests(view, inodes, wanted, Digester.BLAKE3)[wanted]
    for start, digest in zip(inodes.offset.tolist(), inodes.digest, strict=True):
        content[start : start + v5_digests.SIZE] = digest.tobytes()
    return bytes(content)


def _depth_first(parent: Indexes) -> Indexes:
    """Order the rows of a tree whose children stand together, breadth first, as a walk goes through them."""
    count = len(parent)
    below = np.ones(count, np.int64)
    for row in range(count - 1, 0, -1):
        below[parent[row]] += below[row]
    place = np.zeros(count, np.int64)
    following = np.ones(count, np.int64)
    """Where the next child of each directory goes, behind the directory."""
    for row in range(1, count):
        above = parent[row]
        place[row] = place[above] + following[above]
        following[above] += below[row]
    return np.argsort(place)


def _records(mode: Indexes, size: Offsets, parent: Indexes, child_count: Indexes, chunk_count: Offsets) -> np.ndarray:
    """Make the inodes, without digests."""
    is_directory = mode == _DIRECTORY
    count = len(mode)
    rows = np.zeros(count, layout.INODE.dtype)
    rows["mode"], rows["ino"], rows["mtime"] = mode, np.arange(1, count + 1), 1_600_000_000
    rows["parent"][1:] = parent[1:] + 1
    rows["name_size"] = _NAME
    rows["name_size"][0] = 1
    rows["nlink"] = np.where(is_directory, 2 + np.bincount(parent[1:][is_directory[1:]], minlength=count), 1)
    rows["child_index"] = np.where(is_directory, np.arange(count) * _FAN_OUT + 2, 0)
    rows["child_count"] = np.where(is_directory, child_count, chunk_count)
    rows["size"] = np.where(is_directory, 4096, np.where(mode == _SYMLINK, _NAME, size))
    rows["blocks"] = -(-rows["size"] // 512)
    rows["target_size"] = np.where(mode == _SYMLINK, _NAME, 0)
    rows["flags"] = np.where(mode == _SYMLINK, layout.INODE_SYMLINK, 0)
    return rows


def _write_chunks(octets: np.ndarray, offset: Offsets, size: Offsets, chunk_count: Offsets) -> int:
    """Write the chunk records of all files; return the size of the blob [bytes]."""
    file, ordinal = ragged(chunk_count)
    chunks = np.zeros(len(file), shared.CHUNK_INFO.dtype)
    length = np.minimum(size[file] - ordinal * _CHUNK_SIZE, _CHUNK_SIZE)
    ends = np.cumsum(length)
    chunks["digest"] = np.random.default_rng(0).integers(0, 256, (len(file), 32), np.uint8).view("V32").ravel()
    chunks["size"] = chunks["compressed_size"] = length
    chunks["compressed_offset"] = chunks["uncompressed_offset"] = ends - length
    chunks["file_offset"], chunks["number"] = ordinal * _CHUNK_SIZE, np.arange(len(file))
    place = offset[file] + layout.INODE.size + _NAME + ordinal * shared.CHUNK_INFO.size
    octets[place[:, None] + np.arange(shared.CHUNK_INFO.size)] = chunks.view(np.uint8).reshape(
        -1, shared.CHUNK_INFO.size
    )
    return int(ends[-1]) if len(ends) else 0
