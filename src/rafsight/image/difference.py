"""What differs between two trees, without a byte of content.

This module alone decides what counts as a difference. Sizes of directories, link counts, inode numbers and the place of
chunks depend on how an image was built and are not compared. Content is compared by chunk digests: what these cannot
tell (other chunk size, other algorithm, no digests) is unknown, which is neither equal nor different.
"""

import stat as st
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag
from typing import Final

import numpy as np

from rafsight.formats.records import Bools, Indexes, load_words, ragged
from rafsight.formats.tables import ExtentTable, Octets, Offsets, Rows, Words, Xattr
from rafsight.image.chunk_identity import can_differ, identify_chunks
from rafsight.image.pairing import Pairs, pair_trees
from rafsight.image.tree import ImageTree

_TYPE_BITS: Final = np.uint32(0o170000)
_PERMISSION_BITS: Final = np.uint32(0o7777)


class Aspect(IntFlag):
    """What may differ between two entries of one path; in the order in which reports name them."""

    KIND = 1
    """What else depends on the kind is not compared then."""
    MODE = 2
    """Permission bits, set-id bits and the sticky bit."""
    UID = 4
    GID = 8
    SIZE = 16
    """Of regular files; CONTENT differs, too, then."""
    MTIME = 32
    TARGET = 64
    """Of symbolic links."""
    DEVICE = 128
    XATTRS = 256
    LINKS = 512
    """Which of the common paths are names of the same regular file."""
    CONTENT = 1024
    UNKNOWN_CONTENT = 2048
    """Equal in size, and the digests cannot be compared. No difference by itself."""


CHANGES: Final = Aspect((Aspect.UNKNOWN_CONTENT << 1) - 1) & ~Aspect.UNKNOWN_CONTENT
"""All that make two entries differ for certain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How two trees differ."""

    pairs: Pairs
    aspects: Words
    """(k,) for each pair of entries the bits of `Aspect`."""

    @property
    def changed(self) -> Indexes:
        """Positions of the pairs that differ, in path order."""
        return np.flatnonzero(self.aspects & np.uint32(CHANGES))

    @property
    def unknown(self) -> Indexes:
        """Positions of the pairs whose content cannot be compared, in path order; other things may differ."""
        return np.flatnonzero(self.aspects & np.uint32(Aspect.UNKNOWN_CONTENT))

    def count(self, aspect: Aspect) -> int:
        """Return for how many pairs an aspect differs."""
        return int(np.count_nonzero(self.aspects & np.uint32(aspect)))


def compare_trees(left: ImageTree, right: ImageTree) -> Difference:
    """Compare two trees, path by path.

    Raises: MalformedImage: the extended attributes of an entry.
    Cost: no I/O. Linear in entries and extents, but for sorting; a second for some 500,000 entries of each. Extended
        attributes are read one by one.
    """
    pairs = pair_trees(left, right)
    ours, theirs = left.entries, right.entries
    rows, others = pairs.left.astype(np.int64), pairs.right.astype(np.int64)
    mode, other_mode = ours.mode[rows], theirs.mode[others]
    kind = mode & _TYPE_BITS
    same_kind: Bools = kind == (other_mode & _TYPE_BITS)
    is_file: Bools = same_kind & (kind == st.S_IFREG)
    sizes_differ = is_file & (ours.size[rows] != theirs.size[others])
    is_device = same_kind & np.isin(kind, (st.S_IFCHR, st.S_IFBLK))
    later = ours.mtime[rows] != theirs.mtime[others]
    content = np.zeros(len(rows), dtype=np.uint32)
    files = np.flatnonzero(is_file & ~sizes_differ & (ours.size[rows] > 0))
    content[files] = _compare_contents(left, right, rows[files], others[files])
    found = (
        (Aspect.KIND, ~same_kind),
        (Aspect.MODE, (mode ^ other_mode) & _PERMISSION_BITS != 0),
        (Aspect.UID, ours.uid[rows] != theirs.uid[others]),
        (Aspect.GID, ours.gid[rows] != theirs.gid[others]),
        (Aspect.SIZE | Aspect.CONTENT, sizes_differ),
        (Aspect.MTIME, later | (ours.mtime_nsec[rows] != theirs.mtime_nsec[others])),
        (Aspect.TARGET, _targets_differ(left, right, rows, others, same_kind & (kind == st.S_IFLNK))),
        (Aspect.DEVICE, is_device & (ours.rdev[rows] != theirs.rdev[others])),
        (Aspect.XATTRS, _xattrs_differ(left, right, rows, others)),
        (Aspect.LINKS, _links_differ(ours.link_row[rows], theirs.link_row[others], is_file)),
    )
    return Difference(pairs=pairs, aspects=content | _mark(found))


def _mark(found: Iterable[tuple[Aspect, Bools]]) -> Words:
    marks: Words = np.bitwise_or.reduce([where * np.uint32(aspect) for aspect, where in found])
    return marks


def _targets_differ(left: ImageTree, right: ImageTree, rows: Offsets, others: Offsets, is_link: Bools) -> Bools:
    """Tell for which pairs of symbolic links the targets differ."""
    answer = np.zeros(len(rows), dtype=np.bool_)
    links = np.flatnonzero(is_link)
    ours, theirs = left.entries, right.entries
    sizes = ours.target_size[rows[links]].astype(np.int64)
    answer[links] = sizes != theirs.target_size[others[links]]
    links, sizes = links[~answer[links]], sizes[~answer[links]]
    places, other_places = ours.target_offset[rows[links]], theirs.target_offset[others[links]]
    answer[links] = _texts_differ(left.octets, places, right.octets, other_places, sizes)
    return answer


def _texts_differ(left: Octets, places: Offsets, right: Octets, other_places: Offsets, sizes: Offsets) -> Bools:
    """Compare texts of equal sizes, eight bytes of all at a time.

    Cost: linear in the bytes; the memory of three words a text.
    """
    answer = np.zeros(len(sizes), dtype=np.bool_)
    pending = np.flatnonzero(sizes > 0)
    position = 0
    while pending.size:
        rest = sizes[pending] - position
        mine = load_words(left, places[pending] + position, rest)
        differs = mine != load_words(right, other_places[pending] + position, rest)
        answer[pending[differs]] = True
        pending = pending[~differs & (rest > 8)]
        position += 8
    return answer


def _xattrs_differ(left: ImageTree, right: ImageTree, rows: Offsets, others: Offsets) -> Bools:
    """Tell for which pairs the extended attributes differ, in whatever order they are stored."""
    answer = np.zeros(len(rows), dtype=np.bool_)
    has_any = (left.entries.xattr_size[rows] > 0) | (right.entries.xattr_size[others] > 0)
    reader, other_reader = _XattrReader(left), _XattrReader(right)
    for position in np.flatnonzero(has_any).tolist():
        answer[position] = reader.read(rows[position]) != other_reader.read(others[position])
    return answer


class _XattrReader:
    """Reads extended attributes, each area once: builders share them, and names share inodes."""

    def __init__(self, tree: ImageTree) -> None:
        self._tree = tree
        self._known: dict[tuple[int, int], frozenset[Xattr]] = {}

    def read(self, row: int) -> frozenset[Xattr]:
        entries = self._tree.entries
        place = int(entries.xattr_offset[row]), int(entries.xattr_size[row])
        if place not in self._known:
            self._known[place] = frozenset(self._tree.xattrs(row))
        return self._known[place]


def _links_differ(links: Rows, other_links: Rows, is_file: Bools) -> Bools:
    """Tell which common paths are names of one regular file together with other common paths than in the other tree.

    Args:
        links: (k,) the inode of each path on the left, as a row.
        other_links: (k,) on the right.
        is_file: (k,) regular on both sides.
    """
    answer = np.zeros(len(links), dtype=np.bool_)
    files = np.flatnonzero(is_file)
    if not files.size:
        return answer
    mine, theirs = links[files].astype(np.int64), other_links[files].astype(np.int64)
    count, other_count = np.bincount(mine)[mine], np.bincount(theirs)[theirs]
    linked = np.flatnonzero((count > 1) | (other_count > 1))
    both = mine[linked] * (int(theirs.max()) + 1) + theirs[linked]
    _, back, common = np.unique(both, return_inverse=True, return_counts=True)
    # two groups are the same if both are as large as what they have in common
    answer[files[linked]] = (count[linked] != common[back]) | (other_count[linked] != common[back])
    return answer


def _compare_contents(left: ImageTree, right: ImageTree, rows: Offsets, others: Offsets) -> Words:
    """Compare the content of pairs of regular files of equal sizes.

    Returns: (f,) 0, CONTENT or UNKNOWN_CONTENT.
    """
    identity, other_identity = identify_chunks((left.tables, right.tables))
    ours, theirs = left.entries, right.entries
    counts = ours.extent_count[rows].astype(np.int64)
    is_even: Bools = counts == theirs.extent_count[others]
    answer = np.where(is_even, np.uint32(0), np.uint32(Aspect.UNKNOWN_CONTENT))
    even = np.flatnonzero(is_even)
    file, ordinal = ragged(counts[even])
    extents = ours.extent_start[rows[even]][file] + ordinal
    opposite = theirs.extent_start[others[even]][file] + ordinal
    same_cut = _cut_alike(left.tables.extents, right.tables.extents, extents, opposite)
    chunks, other_chunks = left.tables.extents.chunk[extents], right.tables.extents.chunk[opposite]
    same = same_cut & (identity.content[chunks] == other_identity.content[other_chunks])
    answer[even[file[~same]]] = Aspect.UNKNOWN_CONTENT
    differs = same_cut & ~same & can_differ(identity, other_identity, chunks, other_chunks)
    answer[even[file[differs]]] = Aspect.CONTENT
    return answer


def _cut_alike(left: ExtentTable, right: ExtentTable, extents: Offsets, opposite: Offsets) -> Bools:
    """Tell which extents are the same part of their files."""
    same_size: Bools = left.size[extents] == right.size[opposite]
    same_offset: Bools = left.file_offset[extents] == right.file_offset[opposite]
    return same_size & same_offset
