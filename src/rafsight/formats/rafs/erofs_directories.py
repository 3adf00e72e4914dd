"""The data of EROFS directories, of all directories of an image at once.

This module alone decides where `.` and `..` stand among the names, and how entries share blocks: names are in order
over the whole directory, since the kernel searches by halves.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.formats.rafs import v6_layout as layout
from rafsight.formats.rafs.erofs_packing import BLOCK, fill_blocks
from rafsight.formats.rafs.writing import copy_pieces
from rafsight.formats.records import Bools, Indexes, octets_of, ragged
from rafsight.formats.tables import Octets, Offsets, TreeTables

_DOT: Final = 0x2E
_DIRECTORY: Final = 4
"""st_mode >> 12"""
_HEAD: Final = layout.DIRENT.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Directories:
    """The entries of all directories: d directories, e entries in their order on disk, b blocks."""

    rows: Indexes
    """(d,) entry rows of the directories."""
    sizes: Offsets
    """(d,) [bytes] of the data."""
    block_counts: Offsets
    """(d,) blocks, the last one included."""
    targets: Indexes
    """(e,) row that each entry names."""
    name_sizes: Offsets
    """(e,) [bytes]"""
    children: Indexes
    """Entries that are children, by row from 1 on; the others are `.` and `..`."""
    first_entries: Offsets
    """(b,) first entry of each block."""
    used: Offsets
    """(b,) [bytes] of each block."""


def find_entries(tables: TreeTables) -> Directories:
    """List the entries of all directories as they stand on disk.

    Cost: linear in the entries, by columns.
    """
    entries = tables.entries
    rows = np.flatnonzero(entries.mode >> np.uint32(12) == _DIRECTORY)
    position = np.zeros(len(entries.mode), np.int64)
    position[rows] = np.arange(len(rows))
    counts = entries.child_count[rows].astype(np.int64) + 2
    starts = np.cumsum(counts) - counts
    child = np.arange(1, len(entries.mode))
    parent = entries.parent[child]
    ordinal = child - entries.child_start[parent]
    home = position[parent]
    before_dot, before_both = _precede(tables, child)
    first = np.bincount(home[before_dot], minlength=len(rows))
    second = np.bincount(home[before_both], minlength=len(rows))
    places = starts[home] + ordinal + (ordinal >= first[home]) + (ordinal >= second[home])
    total = int(counts.sum())
    targets, name_sizes = np.zeros(total, np.intp), np.ones(total, np.int64)
    targets[places], name_sizes[places] = entries.link_row[child], entries.name_size[child]
    targets[starts + first] = rows
    targets[starts + second + 1], name_sizes[starts + second + 1] = entries.parent[rows], 2
    groups = np.append(starts, total)
    cost = name_sizes + _HEAD
    first_entries = fill_blocks(cost, groups)
    used = np.add.reduceat(cost, first_entries)
    owner = np.searchsorted(starts, first_entries, side="right") - 1
    block_counts = np.bincount(owner, minlength=len(rows))
    sizes = (block_counts - 1) * BLOCK + used[np.cumsum(block_counts) - 1]
    return Directories(
        rows=rows,
        sizes=sizes,
        block_counts=block_counts,
        targets=targets,
        name_sizes=name_sizes,
        children=places,
        first_entries=first_entries,
        used=used,
    )


def _precede(tables: TreeTables, rows: Indexes) -> tuple[Bools, Bools]:
    """Tell which names stand before `.`, and which before `..`."""
    source = octets_of(memoryview(tables.buffer))
    offset = tables.entries.name_offset[rows]
    one = source[offset]
    is_long = tables.entries.name_size[rows] > 1
    two = source[np.where(is_long, offset + 1, offset)]
    before_dot: Bools = one < _DOT
    before_both: Bools = before_dot | ((one == _DOT) & is_long & (two < _DOT))
    return before_dot, before_both


def write_entries(octets: Octets, tables: TreeTables, found: Directories, blocks: Offsets, nids: Offsets) -> None:
    """Write all directory blocks.

    Args:
        octets: the volume.
        tables: the image.
        found: its entries.
        blocks: (b,) [bytes] where each block goes.
        nids: (n,) of each entry row.
    """
    counts = np.diff(np.append(found.first_entries, len(found.targets)))
    block, ordinal = ragged(counts)
    ends = np.cumsum(found.name_sizes)
    begin = ends - found.name_sizes
    name_offset = counts[block] * _HEAD + begin - begin[found.first_entries][block]
    dirents = np.zeros(len(found.targets), layout.DIRENT.dtype)
    dirents["nid"], dirents["name_offset"] = nids[found.targets], name_offset
    kinds = np.array(layout.FILE_TYPES, np.uint8)
    dirents["file_type"] = kinds[tables.entries.mode[found.targets] >> np.uint32(12)]
    places = blocks[block] + ordinal * _HEAD
    words = dirents.view("<u4").reshape(-1, _HEAD // 4)
    target = octets.view("<u4")
    for column in range(words.shape[1]):
        target[(places >> 2) + column] = words[:, column]
    names = blocks[block] + name_offset
    rest = np.ones(len(names), np.bool_)
    rest[found.children] = False
    dots = np.flatnonzero(rest)
    octets[names[dots]] = _DOT
    octets[names[dots] + found.name_sizes[dots] - 1] = _DOT
    entries, source = tables.entries, octets_of(memoryview(tables.buffer))
    sizes = entries.name_size[1:].astype(np.int64)
    copy_pieces(octets, names[found.children], source, entries.name_offset[1:], sizes)
