"""A check that a user wrote: a path pattern with conditions on metadata, or on content. Applied to one tree.

This module alone decides how such a check looks at a tree. Conditions on metadata come first, by columns; paths are
made of what is left.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.analysis.misconfig.finding import Evidence
from rafsight.analysis.misconfig.tree_facts import TYPE, TreeFacts
from rafsight.analysis.secrets.globs import compile_globs
from rafsight.base.severity import Severity
from rafsight.base.units import KiB, MiB
from rafsight.image.selection import RowArray, select_rows

CONTENT_SIZE: Final = 64 * KiB
"""[bytes] of a file that a content pattern looks at, if the check does not say."""
MOST_CONTENT: Final = 1 * MiB
"""[bytes] that a check may ask for."""
FILE_COUNT: Final = 200
"""Files that one check reads."""
KINDS: Final = {
    "file": 0o100000, "directory": 0o040000, "link": 0o120000, "character": 0o020000, "block": 0o060000,
    "fifo": 0o010000, "socket": 0o140000,
}  # fmt: skip
_WILD: Final = re.compile(rb"[*?\[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What has to hold of an entry; each that is stated."""

    kinds: tuple[int, ...] = ()
    """Types of st_mode; empty: any."""
    mode_any: int = 0
    """Bits of which one is set; 0: no matter."""
    mode_all: int = 0
    """Bits that are all set."""
    mode_none: int = 0
    """Bits of which none is set."""
    uids: tuple[int, ...] = ()
    not_uids: tuple[int, ...] = ()
    gids: tuple[int, ...] = ()
    not_gids: tuple[int, ...] = ()
    min_size: int = 0
    max_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCheck:
    """One check."""

    id: str
    title: str
    severity: Severity
    category: str
    description: str
    message: str
    resolution: str
    references: tuple[str, ...]
    aliases: tuple[str, ...]
    paths: tuple[bytes, ...]
    exceptions: tuple[bytes, ...] = ()
    conditions: Conditions
    pattern: re.Pattern[bytes] | None = None
    """Looked for in each line of the files that are found."""
    is_required: bool = False
    """The check fails where nothing is found: no entry, or in an entry no line."""
    content_size: int = CONTENT_SIZE
    """[bytes] larger files are not looked into."""
    source: str = ""
    """The file and the line where it was written."""


def select(check: UserCheck, tree: TreeFacts) -> RowArray:
    """Find the entries that a check is about. Cost: linear in the tree by columns, and in what is left by paths."""
    rows = np.flatnonzero(_meets(check.conditions, tree))
    rows = rows[rows > 0]
    found = [_matching(glob, tree, rows) for glob in check.paths]
    rows = np.unique(np.concatenate(found)) if found else rows[:0]
    if check.exceptions:
        others = compile_globs(check.exceptions).fullmatch
        rows = np.array([row for row in rows.tolist() if not others(tree.tree.path(row))], dtype=np.int64)
    return rows


def judge_metadata(check: UserCheck, tree: TreeFacts) -> tuple[RowArray, list[Evidence]]:
    """Return where a check without a pattern fails: rows, or a sentence about what is missing."""
    rows = select(check, tree)
    if not check.is_required:
        return rows, []
    missing = [Evidence(detail=f"no {_shown(check.paths)} as the check asks for")]
    return rows[:0], [] if len(rows) else missing


def judge_content(check: UserCheck, files: Mapping[int, bytes], path_of: Callable[[int], bytes]) -> Iterator[Evidence]:
    """Yield the lines, or the files without one, where a check with a pattern fails.

    Args:
        check: with a pattern.
        files: content by row, of those that could be read.
        path_of: the path of a row.
    """
    assert check.pattern is not None
    for row, content in files.items():
        matched = False
        for number, line in enumerate(content.split(b"\n"), 1):
            if check.pattern.search(line):
                matched = True
                if not check.is_required:
                    yield Evidence(path=path_of(row), line=number, detail="the pattern matches")
        if check.is_required and not matched:
            yield Evidence(path=path_of(row), detail="no line matches the pattern")


def _meets(conditions: Conditions, tree: TreeFacts) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    mode, sizes = tree.mode, tree.tree.entries.size
    mask = np.ones(len(tree), dtype=np.bool_)
    if conditions.kinds:
        mask &= np.isin(mode & TYPE, np.array(conditions.kinds, dtype=np.uint32))
    if conditions.mode_any:
        mask &= (mode & conditions.mode_any) != 0
    mask &= (mode & conditions.mode_all) == conditions.mode_all
    mask &= (mode & conditions.mode_none) == 0
    for column, wanted, unwanted in (
        (tree.uid, conditions.uids, conditions.not_uids),
        (tree.gid, conditions.gids, conditions.not_gids),
    ):
        if wanted:
            mask &= np.isin(column, np.array(wanted, dtype=np.uint32))
        if unwanted:
            mask &= ~np.isin(column, np.array(unwanted, dtype=np.uint32))
    mask &= sizes >= conditions.min_size
    if conditions.max_size is not None:
        mask &= sizes <= conditions.max_size
    return mask


def _matching(glob: bytes, tree: TreeFacts, rows: RowArray) -> RowArray:
    """Keep the rows whose path a pattern names; its last component narrows them down by columns where it can."""
    name = glob[glob.rfind(b"/") + 1 :]
    if b"**" not in name and not _WILD.search(name.replace(b"*", b"")):
        rows = select_rows(tree.tree, rows, name)
        if glob == b"**/" + name:
            return rows
    matches = compile_globs((glob,)).fullmatch
    if len(rows) > len(tree) // 8:
        paths = tree.tree.paths()
        return np.array([row for row in rows.tolist() if matches(paths[row])], dtype=np.int64)
    return np.array([row for row in rows.tolist() if matches(tree.tree.path(row))], dtype=np.int64)


def _shown(paths: tuple[bytes, ...]) -> str:
    return " or ".join(path.decode("utf-8", "replace") for path in paths[:3])
