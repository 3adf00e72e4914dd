"""Which files keep their content in a slim archive: those that the rules name, and programs after a look inside.

This module alone decides how patterns of rules match: as those of `image.selection`, with `**` in any place. A link of
such a name leads to its target, if the rules say that the scanner follows it.
"""

import re
import stat as st
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.access.layers import Keep
from rafsight.access.session import Image
from rafsight.base.errors import RafsightError
from rafsight.base.units import GiB
from rafsight.formats.oci.classify import NydusManifest
from rafsight.image.plan import FileRange
from rafsight.image.selection import Match, compile_component, select_files, select_rows
from rafsight.image.tree import ImageTree
from rafsight.views.slim.probe import SMALLEST_PROGRAM, probe_programs
from rafsight.views.slim.rules import SlimRules

_ANY_DEPTH: Final = b"**"
_ONE_PASS: Final = 8 * GiB
"""[bytes] the most that one pass over plain layers is to bring; more comes in several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Whose content a slim archive has."""

    links: frozenset[int]
    """`link_row`s of files whose content is kept."""
    lost: dict[int, RafsightError]
    """`link_row`s of programs that could not be looked into, and why."""


def select_kept(image: Image, rules: SlimRules) -> Kept:
    """Choose the files whose content is kept.

    Cost: up to three plans of reads for the heads and section tables of programs; plain layers are streamed.
    """
    tree = image.tree
    named = named_files(tree, rules)
    programs = [row for row in _programs(tree, rules) if row not in named]
    _stream_once(image, [*sorted(named), *programs])
    probed = probe_programs(image, programs, rules.programs)
    return Kept(links=named | probed.wanted, lost=probed.lost)


def keep_for(rules: SlimRules) -> Keep:
    """Tell which files of a stream are wanted, as far as their names say."""
    is_wanted = compile_patterns(rules.patterns).fullmatch

    def keep(path: bytes, size: int) -> bool:
        return size > 0 and is_wanted(path) is not None

    return keep


def named_files(tree: ImageTree, rules: SlimRules) -> frozenset[int]:
    """Return the `link_row`s of the files that rules name, but for empty ones. Cost: no I/O."""
    found = {match.row for match in match_files(tree, rules.patterns)}
    found -= {match.row for match in match_files(tree, rules.except_for)}
    if rules.follows_links:
        found |= _linked(tree, rules.patterns)
    rows = np.array(sorted(found), dtype=np.int64)
    return frozenset(tree.entries.link_row[rows[tree.entries.size[rows] > 0]].tolist())


def match_files(tree: ImageTree, patterns: Iterable[bytes]) -> list[Match]:
    """Find the regular files that patterns name; `**` may stand in any place."""
    plain: list[bytes] = []
    deep: list[bytes] = []
    for pattern in patterns:
        (deep if b"/**/" in pattern else plain).append(pattern)
    found = select_files(tree, plain)
    for pattern in deep:
        whole = compile_path(pattern)
        tail = b"**/" + pattern.rpartition(b"/**/")[2]
        found += [match for match in select_files(tree, [tail]) if whole.fullmatch(match.path)]
    return found


def compile_path(pattern: bytes) -> re.Pattern[bytes]:
    """Make an expression that `fullmatch`es the paths that a pattern names."""
    form = b""
    for part in pattern.split(b"/"):
        form += rb"(?:[^/]*/)*" if part == _ANY_DEPTH else compile_component(part).pattern + b"/"
    return re.compile(form.removesuffix(b"/"), re.DOTALL)


def compile_patterns(patterns: Iterable[bytes]) -> re.Pattern[bytes]:
    """Make one expression for all patterns: for streams, where there is no tree yet."""
    return re.compile(b"|".join(compile_path(pattern).pattern for pattern in patterns) or rb"(?!)", re.DOTALL)


def _stream_once(image: Image, rows: Sequence[int]) -> None:
    """Bring what only a pass over a whole layer can give, for the looks and for the content at once.

    What cannot be had fails again where it is needed, and is told there.
    """
    classified = image.identity.classified
    if classified is None or isinstance(classified, NydusManifest):
        return
    if int(image.tree.entries.size[list(rows)].sum()) <= _ONE_PASS:
        for _ in image.read([FileRange(row=row, size=1) for row in rows]):
            pass


def _linked(tree: ImageTree, patterns: Iterable[bytes]) -> set[int]:
    """Find the files that symbolic links of wanted names lead to."""
    links = np.flatnonzero((tree.entries.mode & 0o170000) == st.S_IFLNK)
    found: set[int] = set()
    for pattern in patterns:
        rows = select_rows(tree, links, pattern.rpartition(b"/")[2])
        if not len(rows):
            continue
        whole = compile_path(pattern)
        for row in rows.tolist():
            path = tree.path(row)
            target = tree.find(path) if whole.fullmatch(path) else None
            if target is not None and tree.is_file(target):
                found.add(target)
    return found


def _programs(tree: ImageTree, rules: SlimRules) -> list[int]:
    """Return the `link_row`s of files that may be programs."""
    mode = tree.entries.mode
    may_run = ((mode & 0o170000) == st.S_IFREG) & ((mode & 0o111) != 0)
    may_run[[match.row for match in match_files(tree, rules.programs.names)]] = True
    rows = np.flatnonzero(may_run & (tree.entries.size >= SMALLEST_PROGRAM))
    return sorted(set(tree.entries.link_row[rows].tolist()))
