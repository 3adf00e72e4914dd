"""Which files a question wants: patterns over a tree's names, before a byte is fetched.

A pattern is a path relative to the root, without a leading slash. Components are literal or contain `*` (any bytes but
a slash); a leading `**/` means "at any depth". Examples: `etc/os-release`, `var/lib/dpkg/info/*.list`,
`**/*.dist-info/METADATA`, `**/package.json`. Literal directories at the front of an anchored pattern follow symbolic
links, as the programs that wrote the files did.
"""

import re
import stat as st
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rafsight.image.tree import ImageTree

RowArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """What one reader wants of an image."""

    patterns: tuple[bytes, ...]
    max_size: int
    """[bytes] larger files are not fetched and reported as not looked at."""
    head: int | None = None
    """[bytes] from the start are enough to begin with; None: the whole file."""
    tail: int | None = None
    """[bytes] from the end are enough to begin with; None: the whole file, or only the head where `head` is given."""
    whole: int = 0
    """[bytes] files up to this size are read whole, even so: in a chunk or two nothing is saved by asking twice."""
    companions: tuple[bytes, ...] = ()
    """Suffixes of the base name: neighbours `NAME + suffix` are handed over with the file if they exist."""
    min_size: int = 0
    """[bytes] smaller files are not what is looked for."""
    executable_only: bool = False
    """True if only files with an execute bit are looked for."""
    except_for: tuple[bytes, ...] = ()
    """Patterns of files that are not looked for, of those that `patterns` name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A file that a pattern found."""

    row: int
    path: bytes
    """As the pattern names it, before symbolic links were followed."""


def select_files(tree: ImageTree, patterns: Iterable[bytes]) -> list[Match]:
    """Find the regular files that patterns name, each row once, in the order of the patterns.

    Cost: no I/O. One pass over the names of the tree for each pattern that begins with `**/`, by columns.
    """
    return _select(tree, patterns, (tree.entries.mode & 0o170000) == st.S_IFREG)


def select_wanted(tree: ImageTree, wants: Wants) -> list[Match]:
    """Find the files that somebody wants, those too large among them: as `select_files`, with all conditions.

    Cost: no I/O. As `select_files`; paths are made only of files that meet the conditions.
    """
    mode = tree.entries.mode
    may_be = (mode & 0o170000) == st.S_IFREG
    if wants.executable_only:
        may_be &= (mode & 0o111) != 0
    if wants.min_size:
        may_be &= tree.entries.size >= wants.min_size
    if wants.except_for:
        may_be[[match.row for match in _select(tree, wants.except_for, may_be)]] = False
    return _select(tree, wants.patterns, may_be)


def select_rows(tree: ImageTree, rows: RowArray, glob: bytes) -> RowArray:
    """Keep the rows whose *name* matches a glob of literal bytes and `*`.

    Args:
        tree: the tree.
        rows: (n,) rows to look at.
        glob: one component.
    """
    parts = glob.split(b"*")
    sizes = tree.entries.name_size[rows]
    least = sum(map(len, parts))
    rows = rows[sizes == least] if len(parts) == 1 else rows[sizes >= least]
    starts = tree.entries.name_offset[rows]
    rows = _with_run(tree, rows, starts, parts[0])
    if len(parts) > 1:
        starts = tree.entries.name_offset[rows] + tree.entries.name_size[rows] - len(parts[-1])
        rows = _with_run(tree, rows, starts, parts[-1])
    if len(parts) > 2 and len(rows):
        whole = compile_component(glob)
        rows = np.array([row for row in rows.tolist() if whole.fullmatch(tree.name(row))], dtype=np.int64)
    return rows


@lru_cache(maxsize=1024)
def compile_component(glob: bytes) -> re.Pattern[bytes]:
    """Make a regular expression of one component of a pattern (`*` never matches a slash)."""
    return re.compile(b"[^/]*".join(re.escape(part) for part in glob.split(b"*")), re.DOTALL)


def compile_patterns(patterns: Iterable[bytes]) -> re.Pattern[bytes]:
    """Make one expression that `fullmatch`es the paths of all patterns: for streams, where there is no tree yet."""
    forms = []
    for pattern in patterns:
        depth = b"(?:.*/)?" if pattern.startswith(b"**/") else b""
        body = pattern.removeprefix(b"**/")
        forms.append(depth + b"/".join(compile_component(part).pattern for part in body.split(b"/")))
    return re.compile(b"|".join(forms) if forms else rb"(?!)", re.DOTALL)


def _select(tree: ImageTree, patterns: Iterable[bytes], may_be: BoolArray) -> list[Match]:
    """Find the files that patterns name.

    Args:
        tree: the tree.
        patterns: the patterns.
        may_be: (n,) which rows may be found; regular files only.
    """
    found: dict[int, Match] = {}
    for pattern in patterns:
        for match in _matches(tree, pattern, may_be):
            found.setdefault(match.row, match)
    return list(found.values())


def _matches(tree: ImageTree, pattern: bytes, may_be: BoolArray) -> Iterator[Match]:
    if pattern.startswith(b"**/"):
        for row in _anywhere(tree, pattern.removeprefix(b"**/").split(b"/"), may_be).tolist():
            yield Match(row=row, path=tree.path(row))
        return
    head, star, _ = pattern.partition(b"*")
    if not star:
        row = tree.find(pattern)
        if row is not None and may_be[row]:
            yield Match(row=row, path=pattern)
        return
    base, _, _ = head.rpartition(b"/")
    start = tree.find(base)
    if start is None:
        return
    rest = pattern[len(base) :].lstrip(b"/").split(b"/")
    yield from _below(tree, [(start, base)], rest, may_be)


def _below(tree: ImageTree, places: list[tuple[int, bytes]], parts: list[bytes], may_be: BoolArray) -> Iterator[Match]:
    """Match the remaining components below some directories; the last one has to be a file that may be found."""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        found: dict[int, bytes] = {}  # a directory that many links lead to is looked into once
        for row, path in places:
            children = tree.children(row)
            rows = np.arange(children.start, children.stop, dtype=np.int64)
            for child in select_rows(tree, rows, part).tolist():
                name = tree.name(child)
                where = path + b"/" + name if path else name
                target = tree.find(where) if tree.is_symlink(child) else child
                if target is None:
                    continue
                if last and may_be[target]:
                    yield Match(row=target, path=where)
                elif not last and tree.is_directory(target):
                    found.setdefault(target, where)
        places = list(found.items())


def _anywhere(tree: ImageTree, parts: list[bytes], may_be: BoolArray) -> RowArray:
    """Match components upwards from the names of all files that may be found."""
    rows = _likely(tree, parts[-1])
    rows = select_rows(tree, rows[may_be[rows]], parts[-1])
    above = tree.entries.parent[rows].astype(np.int64)
    for part in reversed(parts[:-1]):
        if not len(rows):
            break
        good = select_rows(tree, np.unique(above[above > 0]), part)
        keep = np.isin(above, good)
        rows, above = rows[keep], tree.entries.parent[above[keep]].astype(np.int64)
    return rows


def _likely(tree: ImageTree, glob: bytes) -> RowArray:
    """Return the rows, in order, whose names a glob may match: told by letters at one end of it."""
    head, tail = glob.partition(b"*")[0], glob.rpartition(b"*")[2]
    return tree.last_letters.rows(tail) if len(tail) >= len(head) else tree.first_letters.rows(head)


def _with_run(tree: ImageTree, rows: RowArray, starts: RowArray, run: bytes) -> RowArray:
    """Keep the rows whose buffer has `run` at `starts`; each byte narrows, so the cost is about one gather."""
    octets = tree.octets
    for index in range(len(run) - 1, -1, -1):
        keep = octets[starts + index] == run[index]
        rows, starts = rows[keep], starts[keep]
    return rows
