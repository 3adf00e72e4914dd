"""What many checks ask of a tree, worked out once, by columns: kinds, places, names, sizes, who may write.

This module alone decides what "below a folder" and "open to everybody" mean. Nothing here takes a step of Python for
each entry, and no byte of a file is needed.
"""

from collections.abc import Iterable
from functools import cached_property
from typing import Final

import numpy as np

from rafsight.analysis.misconfig.capabilities import Capabilities, find_capabilities
from rafsight.analysis.misconfig.name_index import NameIndex
from rafsight.formats.records import Bools
from rafsight.formats.tables import Offsets
from rafsight.image.levels import Level, levels_of, sum_upwards, walk_ranks
from rafsight.image.selection import RowArray, select_rows
from rafsight.image.tree import ImageTree

TYPE: Final = 0o170000
REGULAR, DIRECTORY, SYMLINK = 0o100000, 0o040000, 0o120000
SETUID, SETGID, STICKY = 0o4000, 0o2000, 0o1000
_PSEUDO: Final = (b"proc", b"sys", b"dev")
PROGRAM_FOLDERS: Final = (
    b"bin", b"sbin", b"usr/bin", b"usr/sbin", b"usr/local/bin", b"usr/local/sbin", b"usr/libexec",
)  # fmt: skip
LIBRARY_FOLDERS: Final = (
    b"lib", b"lib32", b"lib64", b"libx32", b"usr/lib", b"usr/lib32", b"usr/lib64", b"usr/libx32",
    b"usr/local/lib", b"usr/local/lib64", b"usr/local/libexec",
)  # fmt: skip


class TreeFacts:
    """A tree with answers that are kept."""

    def __init__(self, tree: ImageTree) -> None:
        self.tree = tree
        self.mode = tree.entries.mode
        self.uid = tree.entries.uid
        self.gid = tree.entries.gid

    def __len__(self) -> int:
        return len(self.tree)

    @cached_property
    def is_file(self) -> Bools:
        """(n,) regular files."""
        return np.asarray((self.mode & TYPE) == REGULAR)

    @cached_property
    def is_directory(self) -> Bools:
        """(n,) directories."""
        return np.asarray((self.mode & TYPE) == DIRECTORY)

    @cached_property
    def is_link(self) -> Bools:
        """(n,) symbolic links."""
        return np.asarray((self.mode & TYPE) == SYMLINK)

    @cached_property
    def links(self) -> RowArray:
        """Rows of symbolic links."""
        return np.flatnonzero(self.is_link)

    @cached_property
    def ranks(self) -> Offsets:
        """(n,) the place of each row in the order of a walk: the same for one tree in any format."""
        return self._walk[0]

    @cached_property
    def depth(self) -> RowArray:
        """(n,) folders above each row, the root included."""
        depth = np.zeros(len(self), dtype=np.int64)
        for number, level in enumerate(self._levels, 1):
            depth[level.rows] = number
        return depth

    @cached_property
    def content_sizes(self) -> Offsets:
        """(n,) [bytes] of all regular files from each row down, each inode once."""
        entries = self.tree.entries
        own = self.is_file & (entries.link_row == np.arange(len(self)))
        return sum_upwards(self._levels, np.where(own, entries.size, 0).astype(np.int64))

    @cached_property
    def is_pseudo(self) -> Bools:
        """(n,) below what a container's runtime mounts over: proc, sys, dev."""
        return self.below(_PSEUDO)

    @cached_property
    def is_system(self) -> Bools:
        """(n,) program and library folders, and what lies below them."""
        folders = (*PROGRAM_FOLDERS, *LIBRARY_FOLDERS)
        mask = self.below(folders)
        mask[[row for row in map(self.folder, folders) if row]] = True
        return mask

    @cached_property
    def is_open(self) -> Bools:
        """(n,) everybody may write, as far as the mode goes; links have no say."""
        return np.asarray(((self.mode & 0o002) != 0) & ~self.is_link)

    def below(self, folders: Iterable[bytes]) -> Bools:
        """Return (n,) what lies below some folders, which links may lead to; the folders themselves do not."""
        ranks, sizes = self._walk
        mask = np.zeros(len(self), dtype=np.bool_)
        for row in {self.folder(path) for path in folders} - {None}:
            assert row is not None
            mask |= (ranks > ranks[row]) & (ranks < ranks[row] + sizes[row])
        return mask

    def under(self, row: int) -> Bools:
        """Return (n,) what lies below one row."""
        ranks, sizes = self._walk
        return np.asarray((ranks > ranks[row]) & (ranks < ranks[row] + sizes[row]))

    def folder(self, path: bytes) -> int | None:
        """Return the row of a directory with all links followed; None if there is none."""
        row = self.tree.find(path)
        return row if row is not None and self.tree.is_directory(row) else None

    def file(self, path: bytes) -> int | None:
        """Return the row of a regular file with all links followed; None if there is none."""
        row = self.tree.find(path)
        return row if row is not None and self.tree.is_file(row) else None

    def named(self, globs: Iterable[bytes], among: Bools) -> RowArray:
        """Return the rows whose *name* matches one of some globs, each once, ordered.

        Args:
            globs: literal bytes and `*`.
            among: (n,) which rows may be found.
        """
        found = np.concatenate([np.zeros(0, dtype=np.int64), *map(self._names.rows, globs)])
        return np.unique(found[among[found]])

    def paths_ending(self, tail: bytes, among: Bools) -> RowArray:
        """Return the rows whose path ends in some components, each a glob: `.ssh/authorized_keys`."""
        *folders, name = tail.split(b"/")
        rows = self.named((name,), among)
        above = self.tree.entries.parent[rows].astype(np.int64)
        for folder in reversed(folders):
            good = select_rows(self.tree, np.unique(above[above > 0]), folder)
            keep = np.isin(above, good)
            rows, above = rows[keep], self.tree.entries.parent[above[keep]].astype(np.int64)
        return rows

    def in_walk_order(self, rows: RowArray) -> RowArray:
        """Return rows in the order of a walk."""
        return rows[np.argsort(self.ranks[rows], kind="stable")]

    def describe(self, row: int) -> str:
        """Say mode and owner of a row."""
        return f"mode {int(self.mode[row]) & 0o7777:04o}, owner {int(self.uid[row])}:{int(self.gid[row])}"

    def open_folder(self, path: str) -> str:
        """Say why everybody may put something at an absolute path, or replace what is there; empty if nobody may.

        A folder that is not there can be made by whoever may write where it would be.
        """
        row, done = 0, "/"
        for part in [part for part in path.encode("utf-8", "replace").split(b"/") if part not in (b"", b".")]:
            if self.mode[row] & 0o002 and not self.mode[row] & STICKY:
                return f"{done} can be written by everybody"
            following = self.tree.find((self.tree.path(row) + b"/" + part).lstrip(b"/"))
            if following is None:
                return f"anybody can make it in {done}" if self.mode[row] & 0o002 else ""
            row, done = following, "/" + self.tree.path(following).decode("utf-8", "replace")
            if not self.tree.is_directory(row):
                break
        return f"{done} can be written by everybody" if self.is_open[row] else ""

    @cached_property
    def capabilities(self) -> Capabilities:
        """The files with capabilities."""
        return find_capabilities(self.tree, self.is_file)

    @cached_property
    def _names(self) -> NameIndex:
        return NameIndex(self.tree)

    @cached_property
    def _levels(self) -> list[Level]:
        return levels_of(self.tree.entries)

    @cached_property
    def _walk(self) -> tuple[Offsets, Offsets]:
        return walk_ranks(self._levels, len(self))
