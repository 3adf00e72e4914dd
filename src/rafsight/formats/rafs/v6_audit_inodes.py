"""Rules of RAFS v6 inodes that this reader does not need.

This module alone decides what they are: what the kernel needs of chunk formats, xattrs that can be read, and that no
inode lies on another or on data; sections 2.8, 2.10 and 2.11 of the format reference.
"""

import numpy as np

from rafsight.formats.judge import Collector, Judge
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import shared_rules
from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs import v6_rules as rules
from rafsight.formats.rafs.v6_chunks import count_slices, first_index
from rafsight.formats.rafs.v6_data import flat_data, share_out
from rafsight.formats.rafs.v6_inodes import DIRECTORY, REGULAR, SYMLINK, WHERE, Inodes, decode_inodes, record_sizes
from rafsight.formats.rafs.v6_volume import WHERE as SUPERBLOCK
from rafsight.formats.rafs.v6_volume import Volume
from rafsight.formats.rafs.xattrs import v6_pairs
from rafsight.formats.records import Bools, Indexes, load_words
from rafsight.formats.tables import Offsets, TreeTables

_CHUNK_BITS = 0x1F
_KNOWN_FORMAT = _CHUNK_BITS | layout.CHUNK_FORMAT_INDEXES
_EXTENDED_RESERVED = (6, 2), (48, 8), (56, 8)
"""Places of reserved bytes in an extended inode, and how many there are."""
_COMPACT_RESERVED = (12, 4), (28, 4)


def audit_inodes(volume: Volume, tables: TreeTables, judge: Judge) -> None:
    """Look at every inode once.

    Args:
        volume: the bootstrap, with a judge that nobody asks.
        tables: what was read of it.
        judge: told about every rule.
    """
    entries = tables.entries
    own = entries.link_row == np.arange(len(entries.link_row))
    kinds = entries.mode >> np.uint32(12)
    places = np.zeros(len(own), np.int64) if entries.inode_offset is None else entries.inode_offset
    judge.require(own | (kinds == REGULAR), rules.LINKED_KIND, WHERE, places, places)
    rows = np.flatnonzero(own & (places > 0))
    inodes = decode_inodes(volume, places[rows], record_sizes(volume, places[rows]))
    _audit_records(volume, inodes, judge)
    _audit_formats(volume, tables, rows, inodes, judge)
    _audit_overlaps(volume, tables, inodes, judge)
    _audit_xattrs(volume, inodes, judge)
    is_told = bool(tables.superblock.flags & shared.HAS_XATTR) or not (inodes.xattr_size > 0).any()
    # merged images may have the flag without xattrs: a layer had some
    judge.holds(is_told, shared_rules.XATTR_FLAG, SUPERBLOCK, layout.EXTENDED_SUPERBLOCK_OFFSET)


def _audit_records(volume: Volume, inodes: Inodes, judge: Judge) -> None:
    offset = inodes.offset
    extended = record_sizes(volume, offset) == layout.EXTENDED_INODE.size
    zero = np.ones(len(offset), np.bool_)
    for rows, spots in ((np.flatnonzero(extended), _EXTENDED_RESERVED), (np.flatnonzero(~extended), _COMPACT_RESERVED)):
        for spot, size in spots:
            zero[rows] &= load_words(volume.octets, offset[rows] + spot, np.full(len(rows), size)) == 0
    judge.require(zero, shared_rules.RESERVED, WHERE, offset, offset)
    special = ~np.isin(inodes.kind, (DIRECTORY, REGULAR, SYMLINK))
    judge.require(~special | (inodes.layout == layout.LAYOUT_PLAIN), rules.LAYOUT, WHERE, offset, offset)


def _audit_formats(volume: Volume, tables: TreeTables, rows: Indexes, inodes: Inodes, judge: Judge) -> None:
    """Look at the chunk formats of files.

    The kernel takes index offset / stored chunk size, this reader offset / the image's. Where the sizes differ, both
    find the same only if the whole file is one piece.
    """
    chosen = np.flatnonzero((inodes.kind == REGULAR) & (inodes.layout == layout.LAYOUT_CHUNKED) & (inodes.size > 0))
    files, offset = inodes.take(chosen), inodes.offset[chosen]
    judge.require(files.union & ~np.uint32(_KNOWN_FORMAT) == 0, rules.CHUNK_FORMAT, WHERE, offset, offset)
    stored = np.int64(volume.block_size) << (files.union & _CHUNK_BITS).astype(np.int64)
    other = np.flatnonzero((stored != volume.chunk_size) & (files.size > np.minimum(stored, volume.chunk_size)))
    in_piece = np.ones(len(offset), np.bool_)
    in_piece[other] = (files.size[other] <= stored[other]) & _is_contiguous(tables, rows[chosen[other]])
    judge.require(in_piece, rules.CHUNK_BITS, WHERE, offset, offset)


def _is_contiguous(tables: TreeTables, rows: Indexes) -> Bools:
    """Tell of files whether their chunks follow each other in the uncompressed space of one blob."""
    chunk, chunk_size = tables.extents.chunk, tables.superblock.chunk_size
    if not len(chunk):
        return np.ones(len(rows), np.bool_)
    blob, address = tables.chunks.blob_index[chunk], tables.chunks.uncompressed_offset[chunk]
    follows = (np.diff(blob) == 0) & (np.diff(address) == chunk_size)
    breaks = np.concatenate((np.zeros(1, np.int64), np.cumsum(~follows)))
    first = tables.entries.extent_start[rows]
    last = first + np.maximum(tables.entries.extent_count[rows] - 1, 0)
    contiguous: Bools = breaks[last] == breaks[first]
    return contiguous


def _audit_overlaps(volume: Volume, tables: TreeTables, inodes: Inodes, judge: Judge) -> None:
    """Lay out the file: no inode, with what follows it, and no data may lie on anything else."""
    end = inodes.body.copy()
    files = np.flatnonzero(inodes.kind == REGULAR)
    chosen = inodes.take(files)
    count = count_slices(volume, chosen)
    end[files] = np.where(count > 0, first_index(chosen) + layout.CHUNK_INDEX.size * count, chosen.body)
    starts, ends, owners = [inodes.offset], [end], [inodes.offset]
    for kind in (DIRECTORY, SYMLINK):
        rows = np.flatnonzero(inodes.kind == kind)
        chosen = inodes.take(rows)
        if kind == SYMLINK:  # of those that are too long nothing is read
            chosen.size[chosen.size > layout.MAX_SYMLINK_SIZE] = 0
        data = flat_data(volume, chosen, chosen.size, WHERE)
        end[rows] += data.tail
        outside = data.outside > 0
        starts.append(data.start[outside])
        ends.append((data.start + data.outside)[outside])
        owners.append(chosen.offset[outside])
    tables_start, tables_end = _table_spans(volume, tables)
    starts.append(tables_start)
    ends.append(tables_end)
    owners.append(np.zeros(len(tables_start), np.int64))
    start, end, owner = np.concatenate(starts), np.concatenate(ends), np.concatenate(owners)
    order = np.argsort(start, kind="stable")
    start, end, owner = start[order], end[order], owner[order]
    reach = np.maximum.accumulate(end)
    holder = owner[np.maximum.accumulate(np.where(end == reach, np.arange(len(end)), 0))]
    owner = np.where(owner[1:] > 0, owner[1:], holder[:-1])  # a table on an inode is a fault of the inode
    disjoint = (reach[:-1] <= start[1:]) | (owner == 0)
    judge.require(disjoint, rules.INODE_OVERLAP, WHERE, start[1:], owner)


def _table_spans(volume: Volume, tables: TreeTables) -> tuple[Offsets, Offsets]:
    """Find the tables that lie inside the file: where they begin and end, [bytes]."""
    fields, size = dict(tables.superblock.fields), len(volume.content)
    spans = [
        (fields[f"{name}_offset"], fields[f"{name}_size"]) for name in ("blob_table", "chunk_table", "prefetch_table")
    ]
    found = [(start, start + length) for start, length in spans if start and length and start + length <= size]
    both = np.array(found, np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _audit_xattrs(volume: Volume, inodes: Inodes, judge: Judge) -> None:
    """Decode every xattr area; those that are alike once."""
    rows = np.flatnonzero(inodes.xattr_size > 0)
    offset, size = inodes.xattr_offset[rows], inodes.xattr_size[rows].astype(np.int64)
    places = inodes.offset[rows]
    share_out(Collector(), size, len(volume.octets), rule=rules.INODE_OVERLAP, where=WHERE, inodes=places)
    known: dict[bytes, tuple[bool, bool, bool]] = {}
    content, seen = memoryview(volume.content), []
    for start, length in zip(offset.tolist(), size.tolist(), strict=True):
        area = bytes(content[start : start + length])
        if (answer := known.get(area)) is None:
            known[area] = answer = _judge_area(area)
        seen.append(answer)
    readable, distinct, zero = np.array(seen, np.bool_).reshape(-1, 3).T
    judge.require(readable, shared_rules.XATTRS, WHERE, offset, places)
    judge.require(distinct, shared_rules.XATTR_TWICE, WHERE, offset, places)
    judge.require(zero, shared_rules.RESERVED, "v6 xattrs", offset, places)


def _judge_area(area: bytes) -> tuple[bool, bool, bool]:
    """Tell whether an xattr area can be read, whether its names differ, and whether its reserved bytes are zero."""
    pairs, wrong = v6_pairs(area)
    head = area[: layout.XATTR_AREA_HEAD]
    return wrong < 0, len({name for name, _ in pairs}) == len(pairs), not any(head[:4] + head[5:])
