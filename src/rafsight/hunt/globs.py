"""Which entries of a tree a glob names, for trees by the thousand: level by level, by columns.

    /usr/lib/*/liblzma.so.5.6.*     `*`, `?` and `[...]` stay within a name
    **/log4j-core-*.jar             `**` is any number of folders, none among them
    /srv/**                         all that is below a folder

This module alone decides what a glob of a hunt means. It is compared with whole paths; a leading slash may be left out.
Folders at its front that are written without a wildcard are found as a process in the image would find them, over
symbolic links (`/bin/sh` is `/usr/bin/sh` where `/bin` is a link); what it names itself is never followed.
"""

import fnmatch
import re
from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.formats.records import Bools, Indexes, Long, ragged
from rafsight.image.selection import select_rows
from rafsight.image.tree import ImageTree

_WILD: Final = re.compile(rb"[*?\[]")
_LONGEST: Final = 4096
_MOST_PARTS: Final = 60
"""So that bits of 64 are enough."""


class BadGlob(CallerError):
    """A glob can name nothing."""

    code = "bad-glob"
    template = "'{glob}' is no glob of paths: {why}"
    remedy = "Write a path as in /usr/lib/**/liblzma.so.*, or for any folder **/NAME; quote it for your shell."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class NameGlob:
    """A glob for one name."""

    text: bytes
    rough: bytes
    """The literal ends of it with a `*` between: what columns can tell."""
    exact: re.Pattern[bytes] | None
    """Tells the rest; None if `rough` tells all."""

    def select(self, tree: ImageTree, rows: Indexes) -> Indexes:
        """Keep the rows whose name matches.

        Args:
            tree: the tree.
            rows: (n,) rows to look at.
        """
        rows = select_rows(tree, rows, self.rough)
        if self.exact is None or not len(rows):
            return rows
        matches = self.exact.match
        keep = [matches(tree.name(row)) is not None for row in rows.tolist()]
        return rows[np.array(keep, dtype=np.bool_)]

    def names(self, name: bytes) -> bool:
        """Tell whether it names one name."""
        if self.exact is not None:
            return self.exact.match(name) is not None
        start, star, end = self.rough.partition(b"*")
        if not star:
            return name == start
        return len(name) >= len(start) + len(end) and name.startswith(start) and name.endswith(end)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathGlob:
    """A glob for paths."""

    text: bytes
    base: bytes
    """Folders without a wildcard, from the root."""
    parts: tuple[NameGlob | None, ...]
    """What is below them; None is `**`."""

    def select(self, tree: ImageTree) -> Indexes:
        """Find the entries that the glob names.

        Returns: (m,) rows in order.
        Cost: no I/O. One pass over the directories that may hold some, by columns.
        """
        start = tree.find(self.base)
        if start is None or not tree.is_directory(start):
            return np.empty(0, dtype=np.int64)
        found = [np.empty(0, dtype=np.int64)]
        rows = np.array([start], dtype=np.int64)
        states = self._closed(np.array([1], dtype=np.uint64))
        while len(rows):
            rows, above = _children(tree, rows, states)
            states = self._step(tree, rows, above)
            found.append(rows[_has(states, len(self.parts))])
            rows, states = rows[states > 0], states[states > 0]
        return np.unique(np.concatenate(found))

    def may_name(self, path: bytes) -> bool:
        """Tell of a path in a stream, where no tree is known yet, whether it may be named: by its last part."""
        last = self.parts[-1]
        return last is None or last.names(path.rpartition(b"/")[2])

    def _step(self, tree: ImageTree, rows: Indexes, above: Long) -> Long:
        """Return how much of the glob each row meets, as bits: bit n stands for the first n parts.

        Args:
            tree: the tree.
            rows: (n,) entries of one depth.
            above: (n,) the bits of the folders they lie in.
        """
        states = np.zeros(len(rows), dtype=np.uint64)
        for number, part in enumerate(self.parts):
            may = _has(above, number)
            if part is None:
                is_last = number + 1 == len(self.parts)
                states[may] |= np.uint64(3 << number if is_last else 1 << number)
            elif may.any():
                states[np.isin(rows, part.select(tree, rows[may]))] |= np.uint64(1 << number + 1)
        return self._closed(states)

    def _closed(self, states: Long) -> Long:
        """Let each `**` stand for no folder at all, unless it is the last part."""
        for number, part in enumerate(self.parts[:-1]):
            if part is None:
                states[_has(states, number)] |= np.uint64(1 << number + 1)
        return states


def parse_path_glob(text: bytes) -> PathGlob:
    """Read a glob of paths.

    Raises: BadGlob.
    """
    parts = [part for part in text.split(b"/") if part not in (b"", b".")]
    if not parts or len(text) > _LONGEST or len(parts) > _MOST_PARTS or b".." in parts:
        why = "it is empty" if not parts else "it is too long" if b".." not in parts else "it goes up by `..`"
        raise BadGlob(glob=text, why=why)
    literal = 0
    while literal < len(parts) - 1 and not _WILD.search(parts[literal]):
        literal += 1
    kept: list[bytes] = []
    for part in parts[literal:]:
        if part != b"**" or kept[-1:] != [b"**"]:
            kept.append(part)
    return PathGlob(
        text=text,
        base=b"/".join(parts[:literal]),
        parts=tuple(None if part == b"**" else parse_name_glob(part) for part in kept),
    )


def parse_name_glob(text: bytes) -> NameGlob:
    """Read a glob of names.

    Raises: BadGlob.
    """
    if not text or len(text) > _LONGEST or b"/" in text or b"\0" in text:
        raise BadGlob(glob=text, why="a name is 1 to 255 bytes without a slash")
    first = _WILD.search(text)
    if first is None:
        return NameGlob(text=text, rough=text, exact=None)
    last = max(text.rfind(mark) for mark in (b"*", b"?", b"[", b"]"))
    rough = text[: first.start()] + b"*" + text[last + 1 :]
    if rough == text:
        return NameGlob(text=text, rough=text, exact=None)
    expression = fnmatch.translate(text.decode("latin-1")).encode("latin-1")
    return NameGlob(text=text, rough=rough, exact=re.compile(expression, re.DOTALL))


def _has(states: Long, number: int) -> Bools:
    found: Bools = (states >> np.uint64(number) & np.uint64(1)) == 1
    return found


def _children(tree: ImageTree, rows: Indexes, states: Long) -> tuple[Indexes, Long]:
    """Return the entries of some directories, and the bits of the directory of each."""
    entries = tree.entries
    has_children = entries.child_count[rows] > 0
    rows, states = rows[has_children], states[has_children]
    group, ordinal = ragged(entries.child_count[rows].astype(np.int64))
    return entries.child_start[rows][group] + ordinal, states[group]
