"""Rules of the xattr pairs of RAFS v5 inodes.

This module alone decides which pairs are sound. All inodes are gone through together, a pair of each in every round.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.formats.judge import Judge
from rafsight.formats.rafs import shared_rules, v5_rules
from rafsight.formats.rafs import v5_layout as layout
from rafsight.formats.rafs.v5_survey import Survey
from rafsight.formats.records import Bools, Indexes, load_words, sizes_to_nul
from rafsight.formats.tables import Octets, Offsets

XATTRS: Final = "v5 xattr"
_MAX_PAIRS: Final = 1 << 15
"""Of one inode: more names than the kernel lists (64 KiB of them, two bytes at least)."""
_MAX_NAME: Final = 1 << 16
_HEAD: Final = layout.XATTR_PAIR_HEAD.size
_SPACES: Final = (b"user.", b"trusted.", b"security.")
_NAMES: Final = (b"system.posix_acl_access", b"system.posix_acl_default")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """The names of some pairs; p rows."""

    index: Indexes
    """Which record has it."""
    offset: Offsets
    size: Offsets


def audit_xattrs(survey: Survey, judge: Judge) -> None:
    """Look at every xattr pair.

    Args:
        survey: the bootstrap.
        judge: told about every rule.
    Cost: linear in the bytes of xattrs, and a round for each pair of the inode that has most.
    """
    octets, inodes = survey.octets, survey.inodes
    index = np.flatnonzero(inodes.xattr_size > 0)
    place = inodes.xattr_offset[index]
    end = place + inodes.xattr_size[index]
    found: list[_Names] = []
    for _ in range(_MAX_PAIRS):
        if not index.size:
            break
        has_head = place + _HEAD <= end
        size = load_words(octets, place, np.full(len(place), _HEAD)).astype(np.int64)
        fits = has_head & (place + _HEAD + size <= end)
        judge.require(fits, shared_rules.XATTRS, XATTRS, place, inodes.offset[index])
        index, place, end, size = index[fits], place[fits], end[fits], size[fits]
        name_size = sizes_to_nul(octets, place + _HEAD, size, _MAX_NAME)
        is_named = name_size < size
        judge.require(is_named, v5_rules.XATTR_NAMELESS, XATTRS, place, inodes.offset[index])
        found.append(_Names(index=index[is_named], offset=place[is_named] + _HEAD, size=name_size[is_named]))
        place = place + _HEAD + size
        rest = place < end
        index, place, end = index[rest], place[rest], end[rest]
    judge.require(np.zeros(len(index), np.bool_), shared_rules.XATTRS, XATTRS, place, inodes.offset[index])
    if found:
        _audit_names(survey, found, judge)


def _audit_names(survey: Survey, found: list[_Names], judge: Judge) -> None:
    names = _Names(
        index=np.concatenate([part.index for part in found]),
        offset=np.concatenate([part.offset for part in found]),
        size=np.concatenate([part.size for part in found]),
    )
    inodes = survey.inodes.offset[names.index]
    known = np.zeros(len(names.index), np.bool_)
    for space in _SPACES:
        known |= _begins(survey.octets, names, space)
    for name in _NAMES:
        known |= _begins(survey.octets, names, name) & (names.size == len(name))
    judge.require(known, v5_rules.XATTR_NAMESPACE, XATTRS, names.offset, inodes)
    judge.require(_is_alone(survey.octets, names), shared_rules.XATTR_TWICE, XATTRS, names.offset, inodes)


def _begins(octets: Octets, names: _Names, text: bytes) -> Bools:
    """Tell which names begin with a text."""
    answer = names.size >= len(text)
    for start in range(0, len(text), 8):
        piece = text[start : start + 8]
        sizes = np.full(len(names.size), len(piece))
        answer &= load_words(octets, names.offset + start, sizes) == np.uint64(int.from_bytes(piece, "little"))
    return answer


def _is_alone(octets: Octets, names: _Names) -> Bools:
    """Tell which names stand but once before: names of one inode are compared where length, begin and end agree."""
    first = load_words(octets, names.offset, names.size)
    tail = np.maximum(names.size - 8, 0)
    last = load_words(octets, names.offset + tail, names.size - tail)
    order = np.lexsort((last, first, names.size, names.index))
    keys = (names.index[order], names.size[order], first[order], last[order])
    alike = np.logical_and.reduce([key[1:] == key[:-1] for key in keys])
    answer = np.ones(len(order), np.bool_)
    for before, row in zip(order[:-1][alike].tolist(), order[1:][alike].tolist(), strict=True):
        size, one, two = int(names.size[row]), int(names.offset[before]), int(names.offset[row])
        answer[row] = octets[one : one + size].tobytes() != octets[two : two + size].tobytes()
    return answer
