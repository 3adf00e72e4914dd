"""The tree that the inode records of a RAFS v5 bootstrap make.

This module alone decides who is whose parent. A directory names its children by a range of indexes, and each record
names its parent: in a sound image the ranges lie one behind the other and make the tree. Where they do not, and the
judge goes on, an entry belongs to the directory that it names if that one claims it, or else to one that claims it.
Every index has one parent at most, of a lower index, so that the work is linear and there are no loops.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.limits import Limits
from rafsight.formats.judge import Judge
from rafsight.formats.rafs import shared_rules, v5_rules
from rafsight.formats.rafs.names import name_order
from rafsight.formats.rafs.v5_inodes import DIRECTORY, FILE_TYPES, WHERE, Inodes
from rafsight.formats.records import Bools, Buffer, Indexes, octets_of
from rafsight.formats.tables import Offsets, Rows

_NOBODY: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Directory entries in the order of the tables; n rows."""

    inodes: Inodes
    parent: Rows
    child_start: Rows
    child_count: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claims:
    """The ranges of children, by directories that have some; d rows."""

    directory: Indexes
    start: Offsets
    """Index, from 0, of the first child."""
    count: Offsets


def build_tree(content: Buffer, inodes: Inodes, limits: Limits, judge: Judge) -> Tree:
    """Find every inode's parent, and order the children of each directory by name.

    Raises: MalformedImage: indexes do not make a tree, a name is illegal, or directories lie too deep.
    """
    claims = _claims_of(inodes)
    turn: Indexes = np.argsort(claims.start, kind="stable")
    start, size = claims.start[turn], claims.count[turn]
    is_tree = bool((start == 1 + np.cumsum(size) - size).all()) and int(size.sum()) == len(inodes.offset) - 1
    if is_tree and bool((claims.start > claims.directory).all()) and not inodes.is_lost.any():
        parent = np.concatenate((np.zeros(1, np.int32), np.repeat(claims.directory[turn].astype(np.int32), size)))
        child_start, child_count = np.zeros(len(parent), np.int32), np.zeros(len(parent), np.int32)
        child_start[claims.directory], child_count[claims.directory] = claims.start, claims.count
        tree = Tree(inodes=inodes, parent=parent, child_start=child_start, child_count=child_count)
    else:
        tree = _arrange(inodes, _assign(inodes, claims, judge))
    deep = _find_deep(tree, limits.path_size // 2, judge)
    if deep.size:
        parent = tree.parent.copy()
        parent[0] = parent[deep] = _NOBODY
        tree = _arrange(tree.inodes, parent)
    return _by_name(content, tree, judge)


def _claims_of(inodes: Inodes) -> _Claims:
    is_parent = (inodes.kind == DIRECTORY) & (inodes.fields["child_count"] > 0)
    directory: Indexes = np.flatnonzero(is_parent)
    return _Claims(
        directory=directory,
        start=inodes.fields["child_index"][directory].astype(np.int64) - 1,
        count=inodes.fields["child_count"][directory].astype(np.int64),
    )


def _by_name(content: Buffer, tree: Tree, judge: Judge) -> Tree:
    """Check the names, and order the children of each directory by them."""
    inodes = tree.inodes
    order = name_order(
        octets_of(content),
        inodes.name_offset[1:],
        inodes.name_size[1:],
        np.cumsum(tree.parent[1:] != tree.parent[:-1]),
        where=WHERE,
        judge=judge,
        inodes=inodes.offset[1:],
    )
    if order is None:
        return tree
    rows = np.concatenate((np.zeros(1, np.intp), order + 1))
    moved = np.empty(len(rows), np.int32)
    moved[rows] = np.arange(len(rows))
    return Tree(
        inodes=inodes.take(rows),
        parent=moved[tree.parent][rows],
        child_start=tree.child_start[rows],
        child_count=tree.child_count[rows],
    )


def _assign(inodes: Inodes, claims: _Claims, judge: Judge) -> Rows:
    """Find the parent of each index where the claims make no tree.

    Returns: (n,) index of the parent; -1 for the root, and for entries that nobody holds.
    """
    count = len(inodes.offset)
    directory, offset = claims.directory, inodes.offset[claims.directory]
    before = judge.require(claims.start > directory, v5_rules.CHILDREN_BEFORE, WHERE, offset, offset)
    fits = (claims.start + claims.count <= count) | (claims.start <= directory)
    outside = judge.require(fits, v5_rules.CHILDREN_OUTSIDE, WHERE, offset, offset)
    low, high = np.zeros(count, np.int64), np.zeros(count, np.int64)
    low[directory], high[directory] = claims.start, claims.start + claims.count
    # directories whose range cannot be: their children are those that name them
    is_unsure = np.zeros(count, np.bool_)
    is_unsure[directory[before]] = is_unsure[directory[outside]] = True
    is_unsure[0] |= inodes.is_lost[0]
    low[is_unsure], high[is_unsure] = 0, 0
    named = np.minimum(inodes.fields["parent"], np.uint64(count + 1)).astype(np.int64) - 1
    named[(named >= count) | inodes.is_lost] = _NOBODY
    rows = np.arange(count)
    is_claimed = (low[named] <= rows) & (rows < high[named])
    agrees = (named != _NOBODY) & (is_claimed | (is_unsure[named] & (named < rows)))
    parent = np.where(agrees, named, _NOBODY)
    parent[0] = _NOBODY
    rest = np.flatnonzero(~agrees & ~inodes.is_lost)
    rest = rest[rest > 0]
    parent[rest] = _claimant(low, high, rest)
    _check_claims(inodes, parent, low, high, judge)
    _check_lost(inodes, parent, named, judge)
    return parent.astype(np.int32)


def _claimant(low: Offsets, high: Offsets, rows: Indexes) -> Indexes:
    """Find a directory whose range has each of some rows in it: of those that begin before, the one that ends last."""
    claims: Indexes = np.flatnonzero(high > low)
    if not claims.size:
        return np.full(len(rows), _NOBODY, np.intp)
    claims = claims[np.argsort(low[claims], kind="stable")]
    ends = high[claims]
    is_new = ends == np.maximum.accumulate(ends)
    holder = np.maximum.accumulate(np.where(is_new, np.arange(len(claims)), 0))
    place: Indexes = np.searchsorted(low[claims], rows, side="right") - 1
    found = holder[np.maximum(place, 0)]
    return np.where((place >= 0) & (ends[found] > rows), claims[found], _NOBODY)


def _check_claims(inodes: Inodes, parent: Indexes, low: Offsets, high: Offsets, judge: Judge) -> None:
    """Tell which directories claim entries that are held by others."""
    held = np.bincount(parent[parent != _NOBODY], minlength=len(parent))
    lost_before = np.zeros(len(parent) + 1, np.int64)
    np.cumsum(inodes.is_lost, out=lost_before[1:])
    claimed = high - low - (lost_before[high] - lost_before[low])
    is_own = (held == claimed) | (high == low)
    judge.require(is_own, v5_rules.CHILDREN_SHARED, WHERE, inodes.offset, inodes.offset)


def _check_lost(inodes: Inodes, parent: Indexes, named: Indexes, judge: Judge) -> None:
    """Tell which entries nobody holds, but for those whose directory is lost itself: that was told."""
    is_held = (parent != _NOBODY) | inodes.is_lost
    is_held[0] = True
    rest = np.flatnonzero(~is_held)
    above = named[rest]
    is_held[rest] = (above != _NOBODY) & (inodes.is_lost[above] | ~np.isin(inodes.kind[above], FILE_TYPES))
    judge.require(is_held, v5_rules.ENTRY_LOST, WHERE, inodes.offset, inodes.offset)


def _is_reached(parent: Rows) -> Bools:
    """Tell which indexes have the root above them: look twice as far up in every round."""
    top = np.where(parent == _NOBODY, np.arange(len(parent)), parent)
    while True:
        above = top[top]
        if bool((above == top).all()):
            return np.asarray(top == 0)
        top = above


def _arrange(inodes: Inodes, parent: Rows) -> Tree:
    """Make a tree of the indexes that the root reaches: ordered by parent, so that children stand together.

    An index is greater than its parent's, so that a parent stands before its children in this order, too.
    """
    rows = np.flatnonzero(_is_reached(parent))
    rows = rows[np.argsort(parent[rows], kind="stable")]
    moved = np.zeros(len(parent), np.int32)
    moved[rows] = np.arange(len(rows), dtype=np.int32)
    above = moved[np.maximum(parent[rows], 0)]
    child_count = np.bincount(above[1:], minlength=len(rows)).astype(np.int32)
    child_start = np.zeros(len(rows), np.int32)
    is_first = np.ones(len(rows), np.bool_)
    is_first[2:] = above[2:] != above[1:-1]
    first = np.flatnonzero(is_first)[1:]
    child_start[above[first]] = first
    return Tree(inodes=inodes.take(rows), parent=above, child_start=child_start, child_count=child_count)


def _find_deep(tree: Tree, limit: int, judge: Judge) -> Indexes:
    """Find the rows that lie deeper than any path can name: jump up twice as far in every round."""
    ancestor, jump = tree.parent, 1
    while bool(ancestor.any()):
        if jump > limit:
            return _deepest(tree, ancestor, judge)
        ancestor, jump = ancestor[ancestor], jump * 2
    return np.empty(0, np.intp)


def _deepest(tree: Tree, ancestor: Rows, judge: Judge) -> Indexes:
    """Tell the judge about the uppermost of the rows whose ancestor, so many levels up, is not the root yet."""
    is_deep = ancestor != 0
    uppermost = is_deep & ~is_deep[tree.parent]
    offset = tree.inodes.offset
    return judge.require(~uppermost, shared_rules.DIRECTORY_DEPTH, "v5 directory", offset, offset)
