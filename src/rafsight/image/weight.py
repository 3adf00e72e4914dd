"""What makes an image big: the bytes of blobs that each file and directory uses.

This module alone decides how shared chunks count: for everything that uses them in `used`, and only for what nobody
outside shares them with in `exclusive`. A file of several names counts where a walk meets it first.
"""

import stat as st
from dataclasses import dataclass

import numpy as np

from rafsight.formats.records import Bools, Indexes
from rafsight.formats.tables import Offsets, Rows
from rafsight.image.levels import Meetings, levels_of, sum_upwards, walk_ranks
from rafsight.image.tree import ImageTree
from rafsight.image.usage import FileExtents, find_extents, find_stored_sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What each row uses, directories with all below them; n rows by row, zeros outside of the subtree asked for."""

    used: Offsets
    """[bytes] of the distinct chunks, as they are stored."""
    exclusive: Offsets
    """[bytes] of those that nothing outside uses: about what its removal would save."""
    content: Offsets
    """[bytes] of file content, holes and repeats included."""
    files: Offsets
    """Regular files, by the name that is met first."""
    is_exact: Bools
    """False where stored sizes are estimates."""
    below: Rows
    """Rows of the subtree, in path order; the row itself first."""


def weigh(tree: ImageTree, row: int = 0) -> Weights:
    """Measure what the rows of a subtree use.

    Args:
        tree: the tree.
        row: where the subtree begins.
    Cost: no I/O. A few sorts of extents and entries.
    """
    levels = levels_of(tree.entries)
    ranks, extends = walk_ranks(levels, len(tree))
    walk = _Walk(ranks=ranks, order=np.argsort(ranks), meetings=Meetings(levels, tree.entries.parent))
    below = walk.order[int(ranks[row]) : int(ranks[row] + extends[row])]
    names = _first_names(tree, below)
    is_file = (tree.entries.mode[below] & np.uint32(0o170000)) == st.S_IFREG
    files = below[is_file & (names[tree.entries.link_row[below]] == below)]
    content, count = np.zeros(len(tree), dtype=np.int64), np.zeros(len(tree), dtype=np.int64)
    content[files], count[files] = tree.entries.size[files], 1
    found, stored = find_extents(tree.tables), find_stored_sizes(tree.tables)
    uses = _find_uses(found, names, walk)
    vague = np.zeros(len(tree), dtype=np.int64)
    np.add.at(vague, uses.rows, ~stored.is_exact[uses.chunks])
    exclusive = sum_upwards(levels, _exclusive(tree, found, stored.size, walk))
    exclusive[files] = _own(found, stored.size, len(tree))[tree.entries.link_row[files]]
    return Weights(
        used=sum_upwards(levels, _used(uses, stored.size, walk)),
        exclusive=exclusive,
        content=sum_upwards(levels, content),
        files=sum_upwards(levels, count),
        is_exact=sum_upwards(levels, vague) == 0,
        below=below.astype(np.int32),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Walk:
    """The order of a walk."""

    ranks: Offsets
    """(n,) place of each row."""
    order: Indexes
    """(n,) row at each place."""
    meetings: Meetings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Uses:
    """Which file uses which chunk, each pair once, ordered by chunk and then by path."""

    chunks: Indexes
    rows: Indexes
    """First names of the files."""


def _first_names(tree: ImageTree, below: Indexes) -> Indexes:
    """Return (n,) the first name in a walk of each inode, by the row that stands for it; -1 if it has none there."""
    names = np.full(len(tree), -1, dtype=np.intp)
    inodes, first = np.unique(tree.entries.link_row[below], return_index=True)
    names[inodes] = below[first]
    return names


def _find_uses(found: FileExtents, names: Indexes, walk: _Walk) -> _Uses:
    rows = names[found.files][found.file]
    is_below = rows >= 0
    keys = np.unique(found.chunks[is_below] * len(names) + walk.ranks[rows[is_below]])
    return _Uses(chunks=keys // len(names), rows=walk.order[keys % len(names)])


def _used(uses: _Uses, sizes: Offsets, walk: _Walk) -> Offsets:
    """Spread the chunks so that sums from the leaves up count each chunk once in every directory.

    A chunk stands at all its users, and is taken off where two neighbours in path order meet.
    """
    spread = np.zeros(len(walk.ranks), dtype=np.int64)
    np.add.at(spread, uses.rows, sizes[uses.chunks])
    again = np.flatnonzero(uses.chunks[1:] == uses.chunks[:-1])
    np.subtract.at(spread, walk.meetings.of(uses.rows[again], uses.rows[again + 1]), sizes[uses.chunks[again]])
    return spread


def _exclusive(tree: ImageTree, found: FileExtents, sizes: Offsets, walk: _Walk) -> Offsets:
    """Put each chunk where all names of all its users meet."""
    count = len(tree)
    first, last = np.full(count, count, dtype=np.int64), np.full(count, -1, dtype=np.int64)
    np.minimum.at(first, tree.entries.link_row, walk.ranks)
    np.maximum.at(last, tree.entries.link_row, walk.ranks)
    first_of, last_of = np.full(len(sizes), count, dtype=np.int64), np.full(len(sizes), -1, dtype=np.int64)
    np.minimum.at(first_of, found.chunks, first[found.files][found.file])
    np.maximum.at(last_of, found.chunks, last[found.files][found.file])
    used = np.flatnonzero(last_of >= 0)
    spread = np.zeros(count, dtype=np.int64)
    np.add.at(spread, walk.meetings.of(walk.order[first_of[used]], walk.order[last_of[used]]), sizes[used])
    return spread


def _own(found: FileExtents, sizes: Offsets, entry_count: int) -> Offsets:
    """Return (n,) the bytes of chunks that one file alone uses, whatever its names, by the row that stands for it."""
    pairs = np.unique(found.chunks * max(len(found.files), 1) + found.file)
    chunks, files = pairs // max(len(found.files), 1), pairs % max(len(found.files), 1)
    alone = np.bincount(chunks, minlength=len(sizes))[chunks] == 1
    sums = np.zeros(entry_count, dtype=np.int64)
    np.add.at(sums, found.files[files[alone]], sizes[chunks[alone]])
    return sums
