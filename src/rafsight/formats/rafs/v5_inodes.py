"""Inode records of a RAFS v5 bootstrap as columns.

This module alone decides what a v5 inode says and where its variable parts lie. No two records share a byte, so that
the work is bounded by the length of the file: where the judge goes on, records that do are read without what follows
their names.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.formats.judge import Judge
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import shared_rules, v5_rules
from rafsight.formats.rafs import v5_layout as layout
from rafsight.formats.rafs.v5_head import INODES, Head
from rafsight.formats.records import Bools, Buffer, Indexes, load_words, octets_field, octets_of, sizes_to_nul
from rafsight.formats.tables import Octets, Offsets, Words

WHERE: Final = "v5 inode"
DIRECTORY: Final = 4
REGULAR: Final = 8
SYMLINK: Final = 10
FILE_TYPES: Final = (1, 2, 4, 6, 8, 10, 12)
_MAX_SIZE: Final = 1 << 62
_MAX_TARGET_SIZE: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Inodes:
    """Columns of n inode records, in the order of the inode table or of the tables."""

    offset: Offsets
    """[bytes] of the record; -1 for a record that is lost."""
    fields: np.ndarray
    """(n,) of layout.INODE."""
    digest: Octets
    kind: Words
    """st_mode >> 12."""
    size: Offsets
    name_offset: Offsets
    name_size: Offsets
    target_offset: Offsets
    target_size: Offsets
    xattr_offset: Offsets
    """[bytes] of the first pair; 0 without pairs."""
    xattr_size: Offsets
    chunk_offset: Offsets
    """[bytes] of the first chunk record."""
    chunk_count: Offsets
    end: Offsets
    """[bytes] where the record ends."""
    is_lost: Bools
    """No record could be read: an empty file stands for it (for the root an empty directory)."""
    is_whole: Bools
    """False if parts of the record were given up: nothing can be said about its content."""

    def take(self, rows: Indexes) -> "Inodes":
        """Choose some rows."""
        return Inodes(**{name: getattr(self, name)[rows] for name in self.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """Where the parts of n records lie; the columns are changed where something is given up."""

    kind: Words
    name_offset: Offsets
    name_size: Offsets
    target_offset: Offsets
    target_size: Offsets
    xattr_head: Offsets
    """[bytes] of the size of the pairs; where chunk records begin if there are no xattrs."""
    xattr_size: Offsets
    has_room: Bools
    """False if the xattrs say that they reach past the end of the file."""
    chunk_offset: Offsets
    chunk_count: Offsets
    end: Offsets
    is_lost: Bools
    is_whole: Bools

    def give_up(self, rows: Indexes) -> None:
        """Read no more of some records than their names."""
        self.target_size[rows], self.xattr_size[rows], self.chunk_count[rows] = 0, 0, 0
        self.is_whole[rows] = False

    def lose(self, fields: np.ndarray, rows: Indexes) -> None:
        """Put empty files where records cannot be read; an empty directory for the root."""
        _blank(fields, rows)
        self.give_up(rows)
        self.name_size[rows], self.kind[rows], self.is_lost[rows] = 0, fields["mode"][rows] >> 12, True


def read_inodes(content: Buffer, head: Head, judge: Judge) -> Inodes:
    """Read all inode records, in the order of the inode table.

    Raises: MalformedImage: a record is none, lies outside the file or on another.
    """
    octets = octets_of(content)
    table = layout.INODE_TABLE_ENTRY.rows(content, head.inode_table_offset, head.entry_count, INODES)
    offset = table["offset_eighth"].astype(np.int64) * layout.ALIGNMENT
    places = head.inode_table_offset + np.arange(head.entry_count) * layout.INODE_TABLE_ENTRY.size
    is_inside = (offset > layout.SUPERBLOCK_SIZE) & (offset <= len(octets) - layout.INODE.size)
    outside = judge.require(is_inside, shared_rules.INODE_OUTSIDE, INODES, places)
    offset[outside] = 0
    fields = layout.INODE.gather(octets, offset, WHERE)
    _blank(fields, outside)
    is_root = (fields["mode"][:1] >> np.uint32(12)) == DIRECTORY
    if judge.require(is_root, shared_rules.ROOT_KIND, WHERE, offset, offset).size:
        fields["mode"][0] = DIRECTORY << 12
    parts = _locate(octets, offset, fields)
    parts.lose(fields, outside)
    _check_places(octets, offset, fields, parts, judge)
    size = _check_fields(octets, offset, fields, parts, judge)
    offset[parts.is_lost] = -1
    return Inodes(
        offset=offset,
        fields=fields,
        digest=octets_field(fields, "digest"),
        kind=parts.kind,
        size=size,
        name_offset=parts.name_offset,
        name_size=parts.name_size,
        target_offset=parts.target_offset,
        target_size=parts.target_size,
        xattr_offset=np.where(parts.xattr_size > 0, parts.xattr_head + layout.XATTR_HEAD.size, 0),
        xattr_size=parts.xattr_size,
        chunk_offset=parts.chunk_offset,
        chunk_count=parts.chunk_count,
        end=parts.end,
        is_lost=parts.is_lost,
        is_whole=parts.is_whole,
    )


def _blank(fields: np.ndarray, rows: Indexes) -> None:
    if rows.size:
        empty = np.zeros(1, layout.INODE.dtype)
        empty["mode"], empty["nlink"] = REGULAR << 12, 1
        fields[rows] = empty
        fields["mode"][rows[rows == 0]] = DIRECTORY << 12


def padded(size: Offsets) -> Offsets:
    """Round sizes up to what they take up in a record."""
    return (size + (layout.ALIGNMENT - 1)) & -layout.ALIGNMENT


def _locate(octets: Octets, offset: Offsets, fields: np.ndarray) -> _Parts:
    """Find where the parts of each record lie; they can still lie outside the file."""
    kind = fields["mode"] >> np.uint32(12)
    name_offset = offset + layout.INODE.size
    name_size = fields["name_size"].astype(np.int64)
    target_offset = name_offset + padded(name_size)
    target_size = np.where(kind == SYMLINK, fields["target_size"], 0).astype(np.int64)
    xattr_head = target_offset + padded(target_size)
    has = (fields["flags"] & np.uint64(layout.INODE_XATTR)) != 0
    has_room = ~has | (xattr_head + layout.XATTR_HEAD.size <= len(octets))
    stored = np.zeros(len(offset), np.uint64)
    some = has & has_room
    stored[some] = load_words(octets, xattr_head[some])
    has_room &= stored <= np.uint64(len(octets))
    xattr_size = np.where(has_room, stored, np.uint64(0)).astype(np.int64)
    chunk_offset = np.where(has, xattr_head + layout.XATTR_HEAD.size + padded(xattr_size), xattr_head)
    chunk_count = np.where(kind == REGULAR, fields["child_count"], 0).astype(np.int64)
    return _Parts(
        kind=kind,
        name_offset=name_offset,
        name_size=name_size,
        target_offset=target_offset,
        target_size=target_size,
        xattr_head=xattr_head,
        xattr_size=xattr_size,
        has_room=has_room,
        chunk_offset=chunk_offset,
        chunk_count=chunk_count,
        end=chunk_offset + np.where(has_room, chunk_count, 0) * shared.CHUNK_INFO.size,
        is_lost=np.zeros(len(offset), np.bool_),
        is_whole=np.ones(len(offset), np.bool_),
    )


def _check_places(octets: Octets, offset: Offsets, fields: np.ndarray, parts: _Parts, judge: Judge) -> None:
    """Make sure that records lie in the file and not on each other."""
    homeless = judge.require(parts.has_room, shared_rules.XATTRS_OUTSIDE, WHERE, offset, offset)
    fits = (parts.end <= len(octets)) | ~parts.has_room
    cut = np.union1d(homeless, judge.require(fits, v5_rules.RECORD_CUT, WHERE, offset, offset))
    if cut.size:
        nameless = cut[parts.name_offset[cut] + padded(parts.name_size[cut]) > len(octets)]
        parts.give_up(cut)
        parts.lose(fields, nameless)
        parts.end[cut] = parts.target_offset[cut]  # what is known of it
    order: Indexes = np.argsort(offset, kind="stable")
    if parts.is_lost.any():
        order = order[~parts.is_lost[order]]
    apart = parts.end[order][:-1] <= offset[order][1:]
    if not bool(apart.all()):
        _part_records(offset, fields, parts, order, judge)


def _part_records(offset: Offsets, fields: np.ndarray, parts: _Parts, order: Indexes, judge: Judge) -> None:
    """Tell which records lie on others, and give up what is on others.

    Of two records the one is to blame that reaches into the other, unless the other makes no sense by itself; of
    entries that name one record all but the one whose number it has.
    """
    count = np.uint64(len(offset))
    index = np.arange(1, len(offset) + 1, dtype=np.uint64)
    makes_sense = (fields["ino"] <= index) & (fields["ino"] > 0) & (fields["parent"] <= count)
    makes_sense &= np.isin(parts.kind, FILE_TYPES) & (fields["nlink"] > 0)
    order = order[np.lexsort((fields["ino"][order] != index[order], offset[order]))]
    is_twin = np.zeros(len(order), np.bool_)
    is_twin[1:] = offset[order][1:] == offset[order][:-1]
    twins, order = order[is_twin], order[~is_twin]
    wrong = parts.end[order][:-1] > offset[order][1:]
    first, second = order[:-1][wrong], order[1:][wrong]
    is_first = makes_sense[second] | ~makes_sense[first]
    is_innocent = np.ones(len(offset), np.bool_)
    is_innocent[twins] = is_innocent[np.where(is_first, first, second)] = False
    judge.require(is_innocent, v5_rules.RECORD_OVERLAP, WHERE, offset, offset)
    parts.give_up(first[is_first])
    parts.lose(fields, np.concatenate((twins, second[~is_first])))
    order = order[~parts.is_lost[order]]
    still = parts.end[order][:-1] > offset[order][1:]
    parts.give_up(order[:-1][still])


def _check_fields(octets: Octets, offset: Offsets, fields: np.ndarray, parts: _Parts, judge: Judge) -> Offsets:
    """Look at what the records say by themselves; return the sizes [bytes]."""
    judge.require(np.isin(parts.kind, FILE_TYPES), shared_rules.NO_FILE_TYPE, WHERE, offset, offset)
    judge.require(fields["nlink"] > 0, shared_rules.NO_LINKS, WHERE, offset, offset)
    is_possible = fields["size"] < np.uint64(_MAX_SIZE)
    absurd = judge.require(is_possible, shared_rules.INODE_SIZE, WHERE, offset, offset)
    size = np.where(is_possible, fields["size"], np.uint64(0)).astype(np.int64)
    parts.give_up(absurd[parts.kind[absurd] == REGULAR])
    has_target = (parts.target_size > 0) | (parts.kind != SYMLINK) | ~parts.is_whole
    judge.require(has_target, shared_rules.SYMLINK_SIZE, WHERE, offset, offset)
    ends = sizes_to_nul(octets, parts.target_offset, parts.target_size, _MAX_TARGET_SIZE)
    judge.require(ends == parts.target_size, shared_rules.SYMLINK_NUL, WHERE, offset, offset)
    return size
