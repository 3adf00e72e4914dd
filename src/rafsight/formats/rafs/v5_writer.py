"""RAFS v5 bootstraps from neutral tables.

This module alone decides how a v5 bootstrap is laid out: the order of the parts (section 1.1 of the format reference),
of the inode table (section 1.3) and of the records. The same tables give the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from rafsight.formats.checksum import digest
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import v5_layout as layout
from rafsight.formats.rafs.words import image_digester
from rafsight.formats.rafs.writing import copy_pieces, prefetch_table, put, scatter
from rafsight.formats.records import Bools, Indexes, octets_of, ragged
from rafsight.formats.tables import BlobEntry, Octets, Offsets, Rows, TreeTables

_DIGEST: Final = 32
"""[bytes]"""
_TYPE, _DIRECTORY, _REGULAR, _SYMLINK = 0o170000, 0o040000, 0o100000, 0o120000
_ENTRY_COST: Final = 8
"""[bytes] that an entry adds to the size of its directory, beside its name."""
_DIRECTORY_BLOCK: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Records:
    """Where everything of the inode records goes; (n,) by row."""

    start: Offsets
    """[bytes] of each record in the file."""
    target: Offsets
    """[bytes] where a symlink's target goes."""
    xattrs: Offsets
    chunks: Offsets
    end: int


def write_bootstrap(tables: TreeTables) -> bytes:
    """Write a RAFS v5 bootstrap.

    Args:
        tables: the image; all chunks of blobs that v5 can name (no batches, no zran slices, no ciphers).
    Cost: linear in entries and chunks, by columns, but for one pass over the entries and a hash of each inode.
    """
    tables = _apart(tables)
    index = _numbering(tables)
    pairs = _xattr_blocks(tables)
    chunk_count = _chunk_counts(tables)
    places = _places(tables)
    table_end = layout.SUPERBLOCK_SIZE + _padded(layout.INODE_TABLE_ENTRY.size * len(index))
    prefetch_end = table_end + _padded(layout.PREFETCH_ENTRY.size * len(tables.prefetch))
    blobs = _blob_table(tables.blobs)
    blob_end = prefetch_end + len(blobs)
    records = _lay_out(
        tables, np.argsort(places), pairs, chunk_count, blob_end + layout.EXTENDED_BLOB.size * len(tables.blobs)
    )
    octets = np.zeros(records.end, np.uint8)
    inodes = _inodes(tables, index, pairs, chunk_count)
    inodes["digest"] = _digests(tables).view(f"V{_DIGEST}").ravel()
    scatter(octets, records.start, inodes)
    _write_texts(octets, tables, records, pairs)
    _write_chunks(octets, tables, records, chunk_count)
    order = np.argsort(index)
    superblock = np.array((
        layout.MAGIC, layout.VERSION, layout.SUPERBLOCK_SIZE, tables.superblock.chunk_size,
        tables.superblock.flags | (shared.HAS_XATTR if pairs else 0), len(np.unique(tables.entries.link_row)),
        layout.SUPERBLOCK_SIZE, table_end, prefetch_end, len(index), len(tables.prefetch), len(blobs),
        len(tables.blobs), blob_end,
    ), layout.SUPERBLOCK.dtype)  # fmt: skip
    put(octets, 0, superblock.tobytes())
    put(octets, layout.SUPERBLOCK_SIZE, (records.start[order] >> 3).astype("<u4").tobytes())
    put(octets, table_end, prefetch_table(tables, index))
    put(octets, prefetch_end, blobs)
    put(octets, blob_end, _extended_blobs(tables.blobs))
    return octets.tobytes()


def _apart(tables: TreeTables) -> TreeTables:
    """Give each name of what is no regular file an inode of its own: v5 has no others with several (section 1.3)."""
    entries, rows = tables.entries, np.arange(len(tables.entries.mode), dtype=np.int32)
    kind = _kinds(tables)
    is_alone = (kind != _REGULAR) & (kind != _DIRECTORY)
    link_row = np.where(is_alone, rows, entries.link_row).astype(np.int32)
    nlink = np.where(is_alone, 1, entries.nlink).astype(entries.nlink.dtype)
    return replace(tables, entries=replace(entries, link_row=link_row, nlink=nlink))


def _padded(size: int) -> int:
    return -(-size // layout.ALIGNMENT) * layout.ALIGNMENT


def _padded_all(sizes: Offsets) -> Offsets:
    return -(-sizes // layout.ALIGNMENT) * layout.ALIGNMENT


def _kinds(tables: TreeTables) -> Indexes:
    return (tables.entries.mode & _TYPE).astype(np.intp)


def _numbering(tables: TreeTables) -> Indexes:
    """Number the entries from 1: the children of a directory together, then those below each of them (section 1.3).

    Returns: (n,) by row.
    """
    starts, counts = tables.entries.child_start.tolist(), tables.entries.child_count.tolist()
    index = np.ones(len(starts), np.intp)
    following, pending = 2, [0]
    while pending:
        row = pending.pop()
        start, count = starts[row], counts[row]
        index[start : start + count] = np.arange(following, following + count)
        following += count
        pending += [child for child in range(start + count - 1, start - 1, -1) if counts[child]]
    return index


def _places(tables: TreeTables) -> Offsets:
    """Give each row its place in a walk that goes down before it goes on: the order of the records."""
    parents = tables.entries.parent.tolist()
    below = [1] * len(parents)
    for row in range(len(parents) - 1, 0, -1):
        below[parents[row]] += below[row]
    place, following = [0] * len(parents), [1] * len(parents)
    for row in range(1, len(parents)):
        above = parents[row]
        place[row] = place[above] + following[above]
        following[above] += below[row]
    return np.array(place, np.int64)


def _chunk_counts(tables: TreeTables) -> Offsets:
    """Return (n,) chunk records of each entry: every name of a file has its own."""
    first = tables.entries.link_row
    return np.where(_kinds(tables) == _REGULAR, tables.entries.extent_count[first], 0).astype(np.int64)


def _xattr_blocks(tables: TreeTables) -> dict[int, bytes]:
    """Return the xattr blocks, padded, of the rows that have any."""
    result: dict[int, bytes] = {}
    for row in np.flatnonzero(tables.entries.xattr_size).tolist():
        offset, size = int(tables.entries.xattr_offset[row]), int(tables.entries.xattr_size[row])
        pairs = b""
        for xattr in tables.read_xattrs(memoryview(tables.buffer)[offset : offset + size]):
            pair = xattr.name + b"\0" + xattr.value
            pairs += len(pair).to_bytes(layout.XATTR_PAIR_HEAD.size, "little") + pair
        if pairs:
            head = len(pairs).to_bytes(layout.XATTR_HEAD.size, "little")
            result[row] = head + pairs.ljust(_padded(len(pairs)), b"\0")
    return result


def _lay_out(tables: TreeTables, order: Indexes, pairs: dict[int, bytes], chunk_count: Offsets, first: int) -> _Records:
    """Place the records one behind the other.

    Args:
        tables: the image.
        order: (n,) rows in the order of their records.
        pairs: xattr blocks by row.
        chunk_count: (n,) chunk records by row.
        first: [bytes] where the first record goes.
    """
    names = _padded_all(np.maximum(tables.entries.name_size.astype(np.int64), 1))
    targets = _padded_all(tables.entries.target_size.astype(np.int64))
    xattrs = np.zeros(len(order), np.int64)
    for row, block in pairs.items():
        xattrs[row] = len(block)
    sizes = layout.INODE.size + names + targets + xattrs + chunk_count * shared.CHUNK_INFO.size
    start = np.empty(len(order), np.int64)
    ends = first + np.cumsum(sizes[order])
    start[order] = ends - sizes[order]
    target = start + layout.INODE.size + names
    return _Records(
        start=start, target=target, xattrs=target + targets, chunks=target + targets + xattrs, end=int(ends[-1])
    )


def _inodes(tables: TreeTables, index: Indexes, pairs: dict[int, bytes], chunk_count: Offsets) -> np.ndarray:
    """Make the fixed parts of the records, without digests."""
    entries, kind = tables.entries, _kinds(tables)
    is_directory, is_symlink = kind == _DIRECTORY, kind == _SYMLINK
    rows = np.zeros(len(index), layout.INODE.dtype)
    rows["parent"] = np.where(np.arange(len(index)) > 0, index[entries.parent], 0)
    rows["ino"] = np.minimum.reduceat(index[np.argsort(entries.link_row, kind="stable")], _firsts(entries.link_row))[
        np.unique(entries.link_row, return_inverse=True)[1]
    ]
    for name in ("uid", "gid", "mode", "nlink", "mtime", "mtime_nsec"):
        rows[name] = getattr(entries, name)
    rows["size"] = np.where(is_directory, _directory_sizes(tables), entries.size)
    rows["blocks"] = (rows["size"] + 511) // 512
    rows["name_size"] = np.maximum(entries.name_size, 1)
    rows["target_size"] = np.where(is_symlink, entries.target_size, 0)
    rows["rdev"] = np.where(is_directory | is_symlink | (kind == _REGULAR), 0, entries.rdev)
    rows["child_index"] = np.where(is_directory & (entries.child_count > 0), index[entries.child_start], 0)
    rows["child_count"] = np.where(is_directory, entries.child_count, chunk_count)
    holes = np.where(_has_holes(tables), layout.INODE_HAS_HOLE, 0)
    flags = np.where(is_symlink, layout.INODE_SYMLINK, 0).astype(np.uint64) | holes.astype(np.uint64)
    flags[list(pairs)] |= np.uint64(layout.INODE_XATTR)
    rows["flags"] = flags
    return rows


def _firsts(link_row: Rows) -> Indexes:
    """Return where each group of names begins among the rows ordered by their inode."""
    counts = np.unique(link_row, return_counts=True)[1]
    return np.cumsum(counts) - counts


def _directory_sizes(tables: TreeTables) -> Offsets:
    """Sum up what the children add to a directory's size (section 1.4)."""
    entries = tables.entries
    cost = entries.name_size.astype(np.int64) + _ENTRY_COST
    cost[0] = 0
    total = np.bincount(entries.parent, weights=cost, minlength=len(cost)).astype(np.int64)
    return np.maximum(-(-total // _DIRECTORY_BLOCK), 1) * _DIRECTORY_BLOCK


def _has_holes(tables: TreeTables) -> Bools:
    """Mark the files that chunks do not cover as RAFS cuts them."""
    entries, extents = tables.entries, tables.extents
    size = tables.superblock.chunk_size
    first = entries.link_row
    wanted = -(-entries.size[first] // size)
    count = entries.extent_count[first].astype(np.int64)
    file, ordinal = ragged(entries.extent_count.astype(np.int64))
    odd = extents.file_offset[entries.extent_start[file] + ordinal] != ordinal * size
    is_odd = np.bincount(file[odd], minlength=len(first)) > 0
    result: Bools = (_kinds(tables) == _REGULAR) & ((count != wanted) | is_odd[first])
    return result


def _write_texts(octets: Octets, tables: TreeTables, records: _Records, pairs: dict[int, bytes]) -> None:
    entries, source = tables.entries, octets_of(memoryview(tables.buffer))
    copy_pieces(
        octets, records.start + layout.INODE.size, source, entries.name_offset, entries.name_size.astype(np.int64)
    )
    octets[records.start[0] + layout.INODE.size] = ord("/")
    copy_pieces(octets, records.target, source, entries.target_offset, entries.target_size.astype(np.int64))
    for row, block in pairs.items():
        octets[records.xattrs[row] :][: len(block)] = np.frombuffer(block, np.uint8)


def _write_chunks(octets: Octets, tables: TreeTables, records: _Records, chunk_count: Offsets) -> None:
    """Write the chunk records of all names of files."""
    entries, chunks = tables.entries, tables.chunks
    row, ordinal = ragged(chunk_count)
    extent = entries.extent_start[entries.link_row[row]] + ordinal
    chunk = tables.extents.chunk[extent]
    written = np.zeros(len(row), shared.CHUNK_INFO.dtype)
    written["digest"] = np.ascontiguousarray(chunks.digest[chunk]).view(f"V{_DIGEST}").ravel()
    for name in (
        "blob_index",
        "compressed_size",
        "size",
        "compressed_offset",
        "uncompressed_offset",
        "number",
        "crc32",
    ):
        written[name] = getattr(chunks, name)[chunk]
    written["flags"] = chunks.flags[chunk]
    written["file_offset"] = tables.extents.file_offset[extent]
    size = shared.CHUNK_INFO.size
    scatter(octets, records.chunks[row] + ordinal * size, written)


def _digests(tables: TreeTables) -> Octets:
    """Compute the inode digests (section 1.7), from the leaves upwards: parents stand before their children.

    Returns: (n, 32).
    """
    entries, digester = tables.entries, image_digester(tables.superblock.flags)
    kinds, empty = _kinds(tables), digest(digester, b"")
    answer = np.empty((len(kinds), _DIGEST), np.uint8)
    answer[:] = np.frombuffer(empty, np.uint8)
    ordered = np.ascontiguousarray(tables.chunks.digest[tables.extents.chunk]).reshape(-1).data
    text, first = memoryview(tables.buffer), entries.link_row.tolist()
    starts, counts = entries.extent_start.tolist(), entries.extent_count.tolist()
    for row in np.flatnonzero((kinds == _REGULAR) & (entries.extent_count[entries.link_row] > 0)).tolist():
        start = starts[first[row]] * _DIGEST
        found = digest(digester, ordered[start : start + counts[first[row]] * _DIGEST])
        answer[row] = np.frombuffer(found, np.uint8)
    for row in np.flatnonzero(kinds == _SYMLINK).tolist():
        start = int(entries.target_offset[row])
        found = digest(digester, text[start : start + int(entries.target_size[row])])
        answer[row] = np.frombuffer(found, np.uint8)
    for row in np.flatnonzero((kinds == _DIRECTORY) & (entries.child_count > 0))[::-1].tolist():
        start, count = int(entries.child_start[row]), int(entries.child_count[row])
        found = digest(digester, answer[start : start + count].reshape(-1).data)
        answer[row] = np.frombuffer(found, np.uint8)
    return answer


def _blob_table(blobs: Sequence[BlobEntry]) -> bytes:
    """Write the blob table: NUL between the ids, none after the last, padded."""
    parts = [
        np.array((0, blob.prefetch_size), layout.BLOB_HEAD.dtype).tobytes() + blob.blob_id.encode() for blob in blobs
    ]
    table = b"\0".join(parts)
    return table.ljust(_padded(len(table)), b"\0")


def _extended_blobs(blobs: Sequence[BlobEntry]) -> bytes:
    rows = [(blob.chunk_count, blob.features, blob.uncompressed_size, blob.compressed_size, b"") for blob in blobs]
    return np.array(rows, layout.EXTENDED_BLOB.dtype).tobytes() if rows else b""
