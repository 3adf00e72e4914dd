"""The laws of an image, the same for every format: what its tables say has to be possible, and to agree.

Pure, by columns. This module alone decides what makes the tree and the files of an image sound once its tables could be
read; the chunks and blobs lie in `validate_chunks`. What every reader states is taken for granted, whatever else is
wrong: indexes inside, names in order, kinds of files that there are, targets without NUL.
"""

import stat as st
from collections.abc import Callable
from typing import Final

import numpy as np

from rafsight.formats.judge import Judge
from rafsight.formats.records import Bools, Indexes
from rafsight.formats.tables import EntryTable, Offsets, Rows, TreeTables
from rafsight.image import validate_rules as rules
from rafsight.image.tree import ImageTree
from rafsight.image.validate_chunks import check_chunk_table, check_extents

WHERE: Final = "inode"
_MAX_TARGET: Final = 4095
"""[bytes] the longest target that Linux follows."""
_NO_DEVICE: Final = 0xFFFF_FFFF
_SECOND: Final = 1_000_000_000
_CONTENT: Final = ("size", "extent_start", "extent_count", "target_size")
_ATTRIBUTES: Final = ("uid", "gid", "mtime", "mtime_nsec", "nlink", "rdev", "xattr_size")


def check_tables(tables: TreeTables, judge: Judge) -> None:
    """Look at every law of an image's tables.

    Args:
        tables: of any format, also of a damaged bootstrap: every index and offset in them is inside.
        judge: told about every rule.
    Cost: linear in entries, extents and chunks, but for sorting.
    """
    path = ImageTree(tables).path
    _check_numbers(tables.entries, path, judge)
    _check_links(tables.entries, path, judge)
    _check_symlinks(tables, path, judge)
    _check_special(tables.entries, path, judge)
    _check_prefetch(tables, judge)
    check_extents(tables, path, judge)
    check_chunk_table(tables, path, judge)


def _kinds(entries: EntryTable, kind: int) -> Bools:
    """Tell which rows are of a kind of file."""
    found: Bools = (entries.mode & np.uint32(0o170000)) == kind
    return found


def _check_numbers(entries: EntryTable, path: Callable[[int], bytes], judge: Judge) -> None:
    late = _number("nanoseconds", entries.mtime_nsec)
    judge.require(entries.mtime_nsec < _SECOND, rules.NANOSECONDS, WHERE, paths=path, details=late)
    _, first = np.unique(entries.ino[_own(entries)], return_index=True)
    single = np.ones(len(entries.ino), np.bool_)
    owners = np.flatnonzero(_own(entries))
    single[np.delete(owners, first)] = False
    judge.require(single, rules.INO_TWICE, WHERE, paths=path, details=_number("number", entries.ino))


def _check_links(entries: EntryTable, path: Callable[[int], bytes], judge: Judge) -> None:
    """Compare names of one inode with its first name, and link counts with the names."""
    count, first = len(entries.mode), entries.link_row
    is_directory = _kinds(entries, st.S_IFDIR)
    same = (entries.mode ^ entries.mode[first]) & np.uint32(0o170000) == 0
    for name in _CONTENT:
        column = getattr(entries, name)
        same &= column == column[first]
    judge.require(same, rules.LINK_CONTENT, WHERE, paths=path, details=_first_name(first, path))
    alike = entries.mode == entries.mode[first]
    for name in _ATTRIBUTES:
        column = getattr(entries, name)
        alike &= column == column[first]
    judge.require(alike, rules.LINK_ATTRIBUTES, WHERE, paths=path, details=_first_name(first, path))
    names = np.bincount(first, minlength=count)[first]
    counted = is_directory | (entries.nlink == 0) | (entries.nlink == names)
    judge.require(counted, rules.LINK_COUNT, WHERE, paths=path, details=_two(entries.nlink, names))
    below = np.flatnonzero(is_directory)
    below = below[below > 0]  # the root is nobody's child
    wanted = 2 + np.bincount(entries.parent[below], minlength=count)
    counted = ~is_directory | (entries.nlink == 0) | (entries.nlink == wanted)
    judge.require(counted, rules.DIRECTORY_LINKS, WHERE, paths=path, details=_two(entries.nlink, wanted))


def _check_symlinks(tables: TreeTables, path: Callable[[int], bytes], judge: Judge) -> None:
    entries = tables.entries
    is_link = _kinds(entries, st.S_IFLNK)
    sized = ~is_link | (entries.target_size == 0) | (entries.size == entries.target_size)
    judge.require(sized, rules.TARGET_SIZE, WHERE, paths=path, details=_two(entries.size, entries.target_size))
    judge.require(~is_link | (entries.target_size <= _MAX_TARGET), rules.TARGET_LONG, WHERE, paths=path)


def _check_special(entries: EntryTable, path: Callable[[int], bytes], judge: Judge) -> None:
    is_device = _kinds(entries, st.S_IFCHR) | _kinds(entries, st.S_IFBLK)
    numbered = ~is_device | (entries.rdev != _NO_DEVICE)
    judge.require(numbered, rules.DEVICE_NUMBER, WHERE, paths=path)
    special = is_device | _kinds(entries, st.S_IFIFO) | _kinds(entries, st.S_IFSOCK)
    sizes = _number("size", entries.size)
    judge.require(~special | (entries.size == 0), rules.SPECIAL_CONTENT, WHERE, paths=path, details=sizes)


def _check_prefetch(tables: TreeTables, judge: Judge) -> None:
    known = np.isin(tables.prefetch, tables.entries.ino)
    names = _number("inode", tables.prefetch)
    judge.require(known, rules.PREFETCH_INODE, "prefetch table", details=names)


def _own(entries: EntryTable) -> Bools:
    """Tell which rows are the first name of their inode."""
    own: Bools = entries.link_row == np.arange(len(entries.link_row))
    return own


def _number(what: str, column: np.ndarray) -> Callable[[int], str]:
    return lambda row: f"{what} {column[row]}"


def _two(says: np.ndarray, counted: Rows | Indexes | Offsets) -> Callable[[int], str]:
    return lambda row: f"{says[row]}, not {counted[row]}"


def _first_name(first: Rows, path: Callable[[int], bytes]) -> Callable[[int], str]:
    return lambda row: f"the other is /{path(int(first[row])).decode('utf-8', 'backslashreplace')}"
