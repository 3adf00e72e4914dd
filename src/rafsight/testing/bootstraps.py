"""RAFS v6 bootstraps of any size, made up: for benchmarks, for limits, and as a second opinion on the reader.

This module alone decides what a made-up image looks like: directories of 10 to 100 entries and a few larger ones, small
files of mostly one chunk, some symlinks, hard links, duplicates and xattrs. There is no blob behind it. The kernel
mounts it and lists its tree. The same arguments give the same bytes.
"""

import hashlib
import random
from collections import deque
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from rafsight.base.units import MiB
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.records import octets_field
from rafsight.formats.tables import ChunkFlag, Compressor, Digester, Offsets

_BLOCK: Final = 4096
_META: Final = 8192
"""[bytes] superblocks and the table of one blob end here; the root follows a block later."""
_MAPPING: Final = 0x80000
_DIRECTORY, _REGULAR, _SYMLINK = 0o040755, 0o100644, 0o120777
_XATTR: Final = bytes(12) + bytes((4, 1, 2, 0)) + b"made" + b"up\0\0"
"""The area of an inode that has `user.made` = `up`."""
_WORDS: Final = (
    b"lib",
    b"module",
    b"test_",
    b"README",
    b"index.",
    b"__init__",
    b"data-",
    b"python3-",
    b"locale",
    b"zone",
)


@dataclass(slots=True)
class _Plan:
    """A made-up tree; one row an entry, breadth first."""

    names: list[bytes] = field(default_factory=lambda: [b""])
    parent: list[int] = field(default_factory=lambda: [0])
    mode: list[int] = field(default_factory=lambda: [_DIRECTORY])
    size: list[int] = field(default_factory=lambda: [0])
    """[bytes] of files and symlinks."""
    twin: list[int] = field(default_factory=lambda: [0])
    """The row whose content a file repeats; itself."""
    link: list[int] = field(default_factory=lambda: [0])
    """The row whose inode an entry names; itself."""
    children: dict[int, range] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spots:
    """Where everything of a tree goes; [bytes]."""

    inode: list[int]
    blocks: list[int]
    """The full blocks of a directory."""
    splits: dict[int, list[list[tuple[bytes, int]]]]
    """The entries in each block of a directory."""
    counts: Offsets
    """(n,) chunk indexes."""
    end: int


def synthetic_bootstrap(entry_count: int, *, seed: int = 0, chunk_size: int = MiB) -> bytes:
    """Make a RAFS v6 bootstrap.

    Args:
        entry_count: directory entries, the root included.
        seed: another one gives another tree.
        chunk_size: [bytes] power of two.
    Cost: about ten microseconds an entry.
    """
    plan = _grow(entry_count, random.Random(seed))  # noqa: S311 - made up, not secret
    spots = _allocate(plan, chunk_size)
    chunks, first_chunk = _make_chunks(plan, spots.counts, chunk_size, seed)
    table_offset = -(-spots.end // _BLOCK) * _BLOCK
    content = bytearray(-(-(table_offset + chunks.nbytes) // _BLOCK) * _BLOCK)
    _write_inodes(content, plan, spots, chunk_size)
    _write_directories(content, plan, spots)
    _write_tails(content, plan, spots, first_chunk, _indexes(chunks))
    by_digest = chunks[np.argsort(octets_field(chunks, "digest").view(">u8")[:, 0], kind="stable")]
    content[table_offset : table_offset + chunks.nbytes] = by_digest.tobytes()
    _write_head(content, entry_count, chunk_size, table_offset, chunks)
    return bytes(content)


def _grow(entry_count: int, chance: random.Random) -> _Plan:
    """Make up the tree."""
    plan = _Plan()
    waiting = deque([0])
    while len(plan.names) < entry_count:
        directory, first = waiting.popleft(), len(plan.names)
        fan_out = chance.randint(10, 100) if chance.random() < 0.98 else chance.randint(101, 500)
        wanted = min(fan_out, entry_count - first)
        for name in sorted({_name(chance, number) for number in range(wanted)}):
            _add(plan, directory, name, chance)
        last = len(plan.names) - 1
        if not waiting and _DIRECTORY not in plan.mode[first:]:  # somewhere the rest has to go
            plan.mode[last], plan.size[last], plan.twin[last], plan.link[last] = _DIRECTORY, 0, last, last
        plan.children[directory] = range(first, last + 1)
        waiting.extend(row for row in range(first, last + 1) if plan.mode[row] == _DIRECTORY)
    for row in range(len(plan.names)):
        if plan.mode[row] == _DIRECTORY:
            plan.children.setdefault(row, range(0))
    return plan


def _name(chance: random.Random, number: int) -> bytes:
    return chance.choice(_WORDS) + b"%x%s" % (number * 7 + chance.randrange(7), chance.choice((b"", b".py", b".so.1")))


def _add(plan: _Plan, parent: int, name: bytes, chance: random.Random) -> None:
    """Make up one entry."""
    row = len(plan.names)
    kind = chance.random()
    mode = _DIRECTORY if kind < 0.06 else _SYMLINK if kind < 0.09 else _REGULAR
    size = 0 if mode == _DIRECTORY else len(name) + 3 if mode == _SYMLINK else int(chance.expovariate(1 / 9000))
    size = chance.randint(1, 5 * MiB) if kind > 0.995 else size
    earlier = chance.randrange(row)
    is_like = mode == _REGULAR and plan.mode[earlier] == _REGULAR
    plan.names.append(name)
    plan.parent.append(parent)
    plan.mode.append(mode)
    plan.link.append(plan.link[earlier] if is_like and kind < 0.10 else row)
    plan.twin.append(plan.twin[earlier] if is_like and kind < 0.15 else row)
    plan.size.append(plan.size[plan.twin[row]] if is_like and kind < 0.15 else size)


def _entries(plan: _Plan, children: range) -> list[tuple[bytes, int]]:
    """List a directory with its dots: (name, row); -1 is the directory itself, -2 the one above."""
    return sorted([(b".", -1), (b"..", -2), *((plan.names[row], row) for row in children)])


def _split(plan: _Plan, children: range) -> list[list[tuple[bytes, int]]]:
    """Fill directory blocks one after the other."""
    blocks: list[list[tuple[bytes, int]]] = [[]]
    used = 0
    for name, row in _entries(plan, children):
        cost = layout.DIRENT.size + len(name)
        if used + cost > _BLOCK:
            blocks.append([])
            used = 0
        blocks[-1].append((name, row))
        used += cost
    return blocks


def _data_size(blocks: list[list[tuple[bytes, int]]]) -> int:
    last = sum(layout.DIRENT.size + len(name) for name, _ in blocks[-1])
    return (len(blocks) - 1) * _BLOCK + last


def _xattr(row: int) -> bytes:
    """Give every fiftieth inode an xattr."""
    return b"" if row % 50 else _XATTR


def _chunk_counts(plan: _Plan, chunk_size: int) -> Offsets:
    """Count the chunk indexes of each row's own inode."""
    sizes = np.array(plan.size, np.int64)
    own = (np.array(plan.mode) == _REGULAR) & (np.array(plan.link) == np.arange(len(sizes)))
    return np.where(own, -(-sizes // chunk_size), 0)


def _allocate(plan: _Plan, chunk_size: int) -> _Spots:
    """Find a place for every inode, then for the full blocks of directories."""
    splits = {row: _split(plan, children) for row, children in plan.children.items()}
    counts = _chunk_counts(plan, chunk_size)
    place, starts, position = [0] * len(plan.names), [0] * len(plan.names), _META + _BLOCK
    for row, mode in enumerate(plan.mode):
        if plan.link[row] != row:
            place[row] = place[plan.link[row]]
            continue
        fixed = layout.EXTENDED_INODE.size + len(_xattr(row))
        if mode == _REGULAR:
            size = (fixed + 7) // 8 * 8 + 8 * int(counts[row])
        else:
            tail = plan.size[row] if mode == _SYMLINK else _data_size(splits[row]) % _BLOCK
            size = fixed + tail if fixed + tail <= _BLOCK else fixed
            if position % _BLOCK + size > _BLOCK:
                position = -(-position // _BLOCK) * _BLOCK
        place[row] = position
        position = -(-(position + size) // layout.INODE_SLOT) * layout.INODE_SLOT
    position = -(-position // _BLOCK) * _BLOCK
    for row, blocks in splits.items():
        starts[row] = position
        position += (len(blocks) if not _is_inline(row, blocks) else len(blocks) - 1) * _BLOCK
    return _Spots(inode=place, blocks=starts, splits=splits, counts=counts, end=position)


def _is_inline(row: int, blocks: list[list[tuple[bytes, int]]]) -> bool:
    tail = _data_size(blocks) % _BLOCK
    return 0 < tail <= _BLOCK - layout.EXTENDED_INODE.size - len(_xattr(row))


def _make_chunks(plan: _Plan, counts: Offsets, chunk_size: int, seed: int) -> tuple[np.ndarray, Offsets]:
    """Make the chunk table in the order of chunk numbers, and find the first chunk of each row's file."""
    twins = np.array(plan.twin)
    sizes = np.array(plan.size, np.int64)
    is_first = (twins == np.arange(len(twins))) & (counts > 0)
    fresh = np.where(is_first, counts, 0)
    first = np.cumsum(fresh) - fresh
    file = np.repeat(np.arange(len(fresh)), fresh)
    ordinal = np.arange(len(file)) - first[file]
    chunks = np.zeros(len(file), shared.CHUNK_INFO.dtype)
    size = np.minimum(sizes[file] - ordinal * chunk_size, chunk_size)
    stored = size // 2 + 1
    aligned = -(-size // _BLOCK) * _BLOCK
    chance = np.random.default_rng(seed)
    chunks["digest"] = chance.integers(0, 256, (len(file), 32), np.uint8).view("V32").ravel()
    chunks["flags"] = np.where(stored < size, ChunkFlag.COMPRESSED, 0)
    chunks["size"], chunks["compressed_size"] = size, np.minimum(stored, size)
    chunks["compressed_offset"] = np.cumsum(np.minimum(stored, size)) - np.minimum(stored, size)
    chunks["uncompressed_offset"] = np.cumsum(aligned) - aligned
    chunks["file_offset"], chunks["number"] = ordinal * chunk_size, np.arange(len(file))
    return chunks, first[twins]


def _write_inodes(content: bytearray, plan: _Plan, spots: _Spots, chunk_size: int) -> None:
    """Write the inodes and their xattrs."""
    rows = np.array(plan.link)
    inodes = np.zeros(len(rows), layout.EXTENDED_INODE.dtype)
    links = np.bincount(rows, minlength=len(rows))
    mode = np.array(plan.mode)
    chunk_format = layout.CHUNK_FORMAT_INDEXES | (chunk_size.bit_length() - 1 - layout.BLOCK_BITS)
    parents = np.array([plan.parent[row] for row in spots.splits if row], np.int64)
    inodes["mode"], inodes["size"], inodes["mtime"] = mode, plan.size, 1_600_000_000
    inodes["ino"] = np.arange(1, len(rows) + 1)
    inodes["nlink"] = np.where(mode == _DIRECTORY, 2 + np.bincount(parents, minlength=len(rows)), links)
    inodes["format"] = (
        layout.FORMAT_EXTENDED | np.where(mode == _REGULAR, layout.LAYOUT_CHUNKED, layout.LAYOUT_INLINE) << 1
    )
    inodes["union"] = np.where(mode == _REGULAR, chunk_format, 0)
    for row, blocks in spots.splits.items():
        inodes["size"][row], inodes["union"][row] = _data_size(blocks), spots.blocks[row] // _BLOCK
        if not _is_inline(row, blocks):
            inodes["format"][row] = layout.FORMAT_EXTENDED | layout.LAYOUT_PLAIN << 1
    inodes["xattr_count"][::50] = 1 + (len(_XATTR) - layout.XATTR_AREA_HEAD) // 4
    for row in np.flatnonzero(rows == np.arange(len(rows))).tolist():
        record = inodes[row].tobytes() + _xattr(row)
        content[spots.inode[row] : spots.inode[row] + len(record)] = record


def _write_directories(content: bytearray, plan: _Plan, spots: _Spots) -> None:
    """Write dirents and names."""
    for directory, blocks in spots.splits.items():
        above = plan.parent[directory]
        inline = spots.inode[directory] + layout.EXTENDED_INODE.size + len(_xattr(directory))
        for ordinal, block in enumerate(blocks):
            rows = [directory if row == -1 else above if row == -2 else row for _, row in block]
            dirents = np.zeros(len(block), layout.DIRENT.dtype)
            lengths = np.array([len(name) for name, _ in block])
            dirents["nid"] = [(spots.inode[row] - _META) // layout.INODE_SLOT for row in rows]
            dirents["name_offset"] = len(block) * layout.DIRENT.size + np.cumsum(lengths) - lengths
            dirents["file_type"] = [layout.FILE_TYPES[plan.mode[row] >> 12] for row in rows]
            data = dirents.tobytes() + b"".join(name for name, _ in block)
            is_tail = ordinal == len(blocks) - 1 and _is_inline(directory, blocks)
            offset = inline if is_tail else spots.blocks[directory] + ordinal * _BLOCK
            content[offset : offset + len(data)] = data


def _indexes(chunks: np.ndarray) -> bytes:
    """Make the chunk indexes of all chunks."""
    indexes = np.zeros(len(chunks), layout.CHUNK_INDEX.dtype)
    indexes["device"], indexes["number_low"] = 1, chunks["number"] & 0xFFFF
    indexes["number_high"] = chunks["number"] >> 16
    indexes["block"] = chunks["uncompressed_offset"] // _BLOCK
    return indexes.tobytes()


def _write_tails(content: bytearray, plan: _Plan, spots: _Spots, first_chunk: Offsets, indexes: bytes) -> None:
    """Write the chunk indexes of files and the targets of symlinks."""
    for row, mode in enumerate(plan.mode):
        start = spots.inode[row] + layout.EXTENDED_INODE.size + len(_xattr(row))
        if mode == _SYMLINK:
            content[start : start + plan.size[row]] = b"../" + plan.names[row]
        elif count := int(spots.counts[row]):
            start, first = (start + 7) // 8 * 8, int(first_chunk[row])
            content[start : start + 8 * count] = indexes[8 * first : 8 * (first + count)]


def _write_head(content: bytearray, entry_count: int, chunk_size: int, table_offset: int, chunks: np.ndarray) -> None:
    """Write superblocks, device slot and blob table."""
    blob_id = hashlib.sha256(chunks.tobytes()).hexdigest().encode()
    uncompressed_size = max(_BLOCK, int((-(-chunks["size"].astype(np.int64) // _BLOCK)).sum()) * _BLOCK)
    erofs, rafs = np.zeros(1, layout.SUPERBLOCK.dtype), np.zeros(1, layout.EXTENDED_SUPERBLOCK.dtype)
    slot, blob = np.zeros(1, layout.DEVICE_SLOT.dtype), np.zeros(1, layout.BLOB.dtype)
    erofs["magic"], erofs["feature_compat"], erofs["blkszbits"] = (
        layout.MAGIC,
        layout.COMPATIBLE_RAFS,
        layout.BLOCK_BITS,
    )
    erofs["root_nid"], erofs["inos"], erofs["meta_blkaddr"] = _BLOCK // layout.INODE_SLOT, entry_count, _META // _BLOCK
    erofs["blocks"], erofs["feature_incompat"] = uncompressed_size // _BLOCK, layout.INCOMPATIBLE
    erofs["extra_devices"], erofs["device_table_slot"] = 1, layout.DEVICE_TABLE_SLOT
    rafs["flags"] = (
        shared.COMPRESSION_ZSTD
        | shared.HASH_BLAKE3
        | shared.EXPLICIT_UID_GID
        | shared.HAS_XATTR
        | shared.ENCRYPTION_NONE
    )
    rafs["blob_table_offset"], rafs["blob_table_size"], rafs["chunk_size"] = _BLOCK, layout.BLOB.size, chunk_size
    rafs["chunk_table_offset"], rafs["chunk_table_size"] = table_offset, chunks.nbytes
    slot["blob_id"], slot["blocks"] = np.void(blob_id), uncompressed_size // _BLOCK
    slot["mapped_blkaddr"] = -(-len(content) // _MAPPING) * _MAPPING // _BLOCK
    blob["blob_id"], blob["chunk_size"], blob["chunk_count"] = np.void(blob_id), chunk_size, len(chunks)
    blob["compressor"], blob["digester"] = Compressor.ZSTD, Digester.BLAKE3
    blob["features"] = shared.ALIGNED | shared.CAP_TAR_TOC
    data_size = int(chunks["compressed_size"].sum())
    blob["meta_offset"], blob["meta_compressed_size"], blob["meta_uncompressed_size"] = (
        data_size,
        *(16 * len(chunks),) * 2,
    )
    blob["compressed_size"], blob["uncompressed_size"] = data_size + 16 * len(chunks) + _BLOCK, uncompressed_size
    for offset, record in (
        (layout.SUPERBLOCK_OFFSET, erofs),
        (layout.EXTENDED_SUPERBLOCK_OFFSET, rafs),
        (layout.DEVICE_TABLE_OFFSET, slot),
        (_BLOCK, blob),
    ):
        content[offset : offset + record.nbytes] = record.tobytes()
