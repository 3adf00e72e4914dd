"""Which entries of one image's tree meet the conditions that metadata can tell.

This module alone decides how conditions are applied: to whole columns, the cheapest first. No content is asked for.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rafsight.formats.records import Bools, Indexes
from rafsight.formats.tables import Words
from rafsight.hunt.globs import NameGlob, PathGlob, parse_name_glob, parse_path_glob
from rafsight.hunt.question import FileQuestion, ModeTest
from rafsight.image.tree import KINDS, ImageTree
from rafsight.reports.hunting import Evidence, FileMatch

_TYPE: Final = 0o170000
_BITS: Final = 0o7777


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAsker:
    """A question about metadata, ready for many trees."""

    question: FileQuestion
    paths: tuple[PathGlob, ...]
    names: tuple[NameGlob, ...]
    xattr: NameGlob | None

    def select(self, tree: ImageTree) -> Indexes:
        """Find the entries that may match; where content is asked for, only regular files may.

        Returns: (m,) rows in order.
        Raises: MalformedImage: an extended attribute cannot be read.
        Cost: no I/O.
        """
        question = self.question
        entries = tree.entries
        mode = entries.mode
        may_be = np.ones(len(tree), dtype=np.bool_)
        kinds = ("file",) if question.asks_content else question.kinds
        if kinds:
            types = [bits for bits, kind in KINDS.items() if kind in kinds]
            may_be &= np.isin(mode & _TYPE, types)
        if question.size is not None:
            may_be &= (entries.size >= question.size.least) & (entries.size <= question.size.most)
        if question.mode is not None:
            may_be &= _has_mode(mode, question.mode)
        if self.xattr is not None:
            may_be &= entries.xattr_size > 0
        if self.paths:
            named = np.concatenate([glob.select(tree) for glob in self.paths])
            rows = np.unique(named[may_be[named]])
        else:
            rows = np.flatnonzero(may_be)
        if self.names:
            rows = np.unique(np.concatenate([glob.select(tree, rows) for glob in self.names]))
        if self.xattr is not None:
            rows = np.array([row for row in rows.tolist() if self._has_xattr(tree, row)], dtype=np.int64)
        return rows

    def keep(self, path: bytes, size: int) -> bool:
        """Tell of a file in a stream whether it may match, as far as path and size tell."""
        question = self.question
        if size > question.max_size or (question.size and not question.size.least <= size <= question.size.most):
            return False
        name = path.rpartition(b"/")[2]
        if self.names and not any(glob.names(name) for glob in self.names):
            return False
        return not self.paths or any(glob.may_name(path) for glob in self.paths)

    def _has_xattr(self, tree: ImageTree, row: int) -> bool:
        glob = self.xattr
        assert glob is not None  # the caller has seen one
        return any(glob.names(xattr.name) for xattr in tree.xattrs(row))


def make_file_asker(question: FileQuestion) -> FileAsker:
    """Make a question ready.

    Raises: BadGlob.
    """
    return FileAsker(
        question=question,
        paths=tuple(map(parse_path_glob, question.paths)),
        names=tuple(map(parse_name_glob, question.names)),
        xattr=parse_name_glob(question.xattr) if question.xattr else None,
    )


def describe_file(tree: ImageTree, row: int, evidence: tuple[Evidence, ...] = ()) -> FileMatch:
    """Say what an entry is."""
    known = tree.attributes(row)
    return FileMatch(
        path=tree.path(row),
        kind=known.kind,
        mode=known.mode,
        uid=known.uid,
        gid=known.gid,
        size=known.size,
        mtime=known.mtime,
        target=tree.target(row) if tree.is_symlink(row) else None,
        evidence=evidence,
    )


def _has_mode(mode: Words, test: ModeTest) -> Bools:
    bits = mode & np.uint32(_BITS)
    wanted = np.uint32(test.bits)
    found: Bools
    if test.how == "-":
        found = (bits & wanted) == wanted
    elif test.how == "/":
        found = (bits & wanted) != 0
    else:
        found = bits == wanted
    return found
