"""Rules of RAFS v5 inode records that no reader needs: places, numbers, flags, sizes, reserved bytes.

This module alone decides what a record has to say besides what the tables keep of it.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from rafsight.formats.judge import Judge, Rule
from rafsight.formats.rafs import shared_rules, v5_rules
from rafsight.formats.rafs import v5_layout as layout
from rafsight.formats.rafs.v5_head import Table
from rafsight.formats.rafs.v5_inodes import DIRECTORY, FILE_TYPES, REGULAR, SYMLINK, WHERE
from rafsight.formats.rafs.v5_survey import NOBODY, Survey
from rafsight.formats.records import Bools, load_words, octets_field
from rafsight.formats.tables import Offsets

_KNOWN_FLAGS: Final = np.uint64(
    layout.INODE_SYMLINK | layout.INODE_HARDLINK | layout.INODE_XATTR | layout.INODE_HAS_HOLE
)
_NAME_COST: Final = 8
"""[bytes] that a name adds to the size of its directory, besides its own."""
_DIRECTORY_UNIT: Final = 4096


def audit_records(survey: Survey, tables: Sequence[Table], judge: Judge) -> None:
    """Look at every record by itself, and at its neighbours.

    Args:
        survey: the bootstrap.
        tables: the tables that lie in it.
        judge: told about every rule.
    """
    _audit_places(survey, tables, judge)
    _audit_numbers(survey, judge)
    _audit_flags(survey, judge)
    _audit_sizes(survey, judge)
    _audit_zeros(survey, judge)


def _tell(survey: Survey, holds: Bools, rule: Rule, judge: Judge) -> None:
    offset = survey.inodes.offset
    judge.require(holds | survey.inodes.is_lost, rule, WHERE, offset, offset)


def _audit_places(survey: Survey, tables: Sequence[Table], judge: Judge) -> None:
    inodes = survey.inodes
    apart = np.ones(len(inodes.offset), np.bool_)
    for table in tables:
        apart &= (inodes.end <= table.offset) | (inodes.offset >= table.end)
    _tell(survey, apart, v5_rules.RECORD_ON_TABLE, judge)
    after = (survey.parent == NOBODY) | (inodes.offset > inodes.offset[survey.parent])
    _tell(survey, after, v5_rules.RECORD_ORDER, judge)
    if not bool(inodes.is_whole.all()):
        return  # where records end is not known
    order = np.argsort(inodes.offset, kind="stable")
    follows = np.ones(len(order), np.bool_)
    follows[order] = inodes.end[order] == np.append(inodes.offset[order][1:], len(survey.octets))
    _tell(survey, follows, v5_rules.RECORD_GAP, judge)


def _audit_numbers(survey: Survey, judge: Judge) -> None:
    inodes = survey.inodes
    count = len(inodes.offset)
    ino = np.minimum(inodes.fields["ino"], np.uint64(count + 1)).astype(np.int64)
    is_number = (ino > 0) & (ino <= count)  # others were told of when the tables were read
    first = np.where(is_number, ino - 1, 0)
    is_place = (first <= np.arange(count)) & ((ino[first] == first + 1) | inodes.is_lost[first])
    _tell(survey, is_place | ~is_number, v5_rules.NUMBER_PLACE, judge)
    is_above = inodes.fields["parent"] == (survey.parent + 1).astype(np.uint64)
    is_above |= survey.parent == NOBODY
    is_above[0] = inodes.fields["parent"][0] == 0
    _tell(survey, is_above, v5_rules.PARENT_NUMBER, judge)


def _audit_flags(survey: Survey, judge: Judge) -> None:
    inodes = survey.inodes
    flags = inodes.fields["flags"]
    _tell(survey, (flags & ~_KNOWN_FLAGS) == 0, v5_rules.INODE_FLAGS, judge)
    says_symlink = (flags & np.uint64(layout.INODE_SYMLINK)) != 0
    _tell(survey, says_symlink == (inodes.kind == SYMLINK), v5_rules.SYMLINK_FLAG, judge)
    says_link = (flags & np.uint64(layout.INODE_HARDLINK)) != 0
    is_link = (inodes.kind == REGULAR) & (inodes.fields["nlink"] > 1)
    _tell(survey, ~says_link | is_link, v5_rules.HARDLINK_FLAG, judge)


def _audit_sizes(survey: Survey, judge: Judge) -> None:
    inodes = survey.inodes
    fields, kind = inodes.fields, inodes.kind
    _tell(survey, (fields["target_size"] == 0) | (kind == SYMLINK), v5_rules.TARGET_UNUSED, judge)
    has_count = np.isin(kind, (DIRECTORY, REGULAR)) | ~np.isin(kind, FILE_TYPES)
    _tell(survey, (fields["child_count"] == 0) | has_count, v5_rules.COUNT_UNUSED, judge)
    first = inodes.name_offset[:1]
    is_root = (inodes.name_size[:1] == 1) & (load_words(survey.octets, first, np.ones(1, np.int64)) == ord("/"))
    judge.require(is_root | inodes.is_lost[:1], v5_rules.ROOT_NAME, WHERE, inodes.offset, inodes.offset)
    held = survey.parent != NOBODY
    cost = inodes.name_size[held] + _NAME_COST
    total = np.bincount(survey.parent[held], cost, minlength=len(kind)).astype(np.int64)
    units = np.maximum(1, -(-total // _DIRECTORY_UNIT))
    is_sum = ~survey.is_complete | (inodes.size == units * _DIRECTORY_UNIT)
    _tell(survey, is_sum, v5_rules.DIRECTORY_SIZE, judge)


def _audit_zeros(survey: Survey, judge: Judge) -> None:
    """Look at the reserved bytes, and at what fills up names, targets and xattrs."""
    inodes = survey.inodes
    is_zero: Bools = np.all(octets_field(inodes.fields, "reserved") == 0, axis=1)
    xattr_end = inodes.xattr_offset + inodes.xattr_size
    parts = (
        (inodes.name_offset + inodes.name_size, inodes.name_size),
        (inodes.target_offset + inodes.target_size, inodes.target_size),
        (xattr_end, inodes.xattr_size),
    )
    for end, size in parts:
        is_zero &= _is_filled(survey, end, size)
    _tell(survey, is_zero, shared_rules.RESERVED, judge)


def _is_filled(survey: Survey, end: Offsets, size: Offsets) -> Bools:
    """Tell whether zeros follow a part up to the next multiple of 8."""
    answer = np.ones(len(end), np.bool_)
    rest = -size % layout.ALIGNMENT
    rows = np.flatnonzero((rest > 0) & (end + rest <= len(survey.octets)))
    answer[rows] = load_words(survey.octets, end[rows], rest[rows]) == 0
    return answer
