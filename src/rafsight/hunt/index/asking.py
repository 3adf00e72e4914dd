"""The metadata part of a hunt, asked of an index: the same answers as from the trees themselves.

A question goes to all trees at once. What it wants of an entry is asked in SQL of the distinct entries, roughly where
SQL cannot tell exactly; what is left is looked at one by one. This module alone decides that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from rafsight.formats.records import Bools
from rafsight.hunt.files import FileAsker
from rafsight.hunt.globs import NameGlob, PathGlob
from rafsight.hunt.index.columns import ContentKind
from rafsight.hunt.index.folders import find_folders
from rafsight.hunt.index.membership import Membership
from rafsight.hunt.index.tables import text_bytes
from rafsight.hunt.index.walk import Walk
from rafsight.hunt.question import FileQuestion
from rafsight.image.tree import KINDS, kind_of
from rafsight.reports.hunting import Evidence, FileMatch

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_COLUMNS: Final = (
    'part, row, "group", directory, directory_raw, name, name_raw, mode, uid, gid, size, mtime, target, target_raw, '
    "xattrs, content_kind, content"
)
_MOST_FOLDERS: Final = 64
"""Folders that are named to DuckDB; of more it gives all entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Entries that match, and the trees that have them; pairs of both, ordered by tree and path."""

    matches: list[FileMatch]
    match: NDArray[np.int64]
    """(p,) place in `matches` of each pair."""
    starts: NDArray[np.int64]
    """(trees + 1,) the pairs of tree t are those from starts[t] to starts[t + 1]."""
    unreadable: dict[int, list[bytes]]
    """Paths whose extended attributes cannot be read, where they matter, by tree."""
    unknown: NDArray[np.int64]
    """(trees,) files of each tree whose SHA-256 is not known, where it matters."""

    def of(self, tree: int) -> tuple[FileMatch, ...]:
        """Return what matches in a tree."""
        pairs = self.match[int(self.starts[tree]) : int(self.starts[tree + 1])]
        return tuple(self.matches[number] for number in pairs.tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    directory: bytes
    name: bytes
    match: FileMatch
    xattrs: tuple[bytes, ...] | None
    """Names; nothing if they cannot be read."""
    sha256: str | None
    """Of the content, in hex; None if it is not known."""
    trees: Bools


def ask_files(connection: "DuckDBPyConnection", membership: Membership, asker: FileAsker) -> Found:
    """Ask all trees of an index.

    Args:
        connection: with the views of the index.
        membership: of the same.
        asker: asks nothing about content but for its SHA-256.
    Raises: DamagedIndex.
    Cost: no registry. One scan of the distinct entries a glob; work for what matches roughly.
    """
    if asker.paths:
        found: dict[tuple[int, int], tuple[_Entry, Bools]] = {}
        for glob in asker.paths:
            for key, entry, trees in _below_glob(connection, membership, asker, glob):
                before = found.get(key)
                found[key] = (entry, trees if before is None else before[1] | trees)
        pairs = list(found.values())
    else:
        conditions = _conditions(asker)
        pairs = [(entry, entry.trees) for _, entry in _entries(connection, membership, conditions)]
    return _collect(asker, pairs, len(membership.trees))


def _below_glob(
    connection: "DuckDBPyConnection", membership: Membership, asker: FileAsker, glob: PathGlob
) -> Iterable[tuple[tuple[int, int], _Entry, Bools]]:
    """Yield the entries that a glob names, each with the trees in which it does."""
    folders = find_folders(connection, membership, glob.base)
    if not folders:
        return
    conditions = _conditions(asker)
    last = glob.parts[-1]
    if last is not None:
        conditions.append(_roughly(last))
    if len(folders) <= _MOST_FOLDERS:
        conditions.append(_either([_in_folder(folder, deep=len(glob.parts) > 1 or last is None) for folder in folders]))
    walks = [(folder, trees, Walk(glob)) for folder, trees in folders.items()]
    for key, entry in _entries(connection, membership, conditions):
        if not entry.name:
            continue  # the root, which no glob names
        named = [trees for folder, trees, walk in walks if walk.names(folder, entry.directory, entry.name)]
        if named:
            yield key, entry, np.logical_or.reduce(named) & entry.trees


@dataclass(frozen=True, slots=True)
class _Condition:
    """A condition of SQL, and the values for its marks."""

    text: str
    values: tuple[Any, ...] = ()


def _conditions(asker: FileAsker) -> list[_Condition]:
    """Say what a question wants of an entry, as far as SQL can tell."""
    question: FileQuestion = asker.question
    conditions: list[_Condition] = []
    kinds = ("file",) if question.digests else question.kinds
    if kinds:
        types = [str(bits) for bits, kind in KINDS.items() if kind in kinds]
        conditions.append(_Condition(f"mode & 61440 IN ({', '.join(types)})"))
    if question.size is not None:
        conditions.append(_Condition("size BETWEEN ? AND ?", (question.size.least, question.size.most)))
    if question.mode is not None:
        bits = question.mode.bits
        tests = {"-": f"mode & {bits} = {bits}", "/": f"mode & {bits} <> 0", "": f"mode & 4095 = {bits}"}
        conditions.append(_Condition(tests[question.mode.how]))
    if question.digests:
        wanted = tuple(map(bytes.fromhex, question.digests))
        marks = ", ".join(["?"] * len(wanted))
        known = int(ContentKind.SHA256)
        conditions.append(_Condition(f"(content_kind <> {known} OR content IN ({marks}))", wanted))
    if asker.xattr is not None:
        conditions.append(_Condition("xattrs IS NOT NULL"))
    if asker.names:
        conditions.append(_either([_roughly(glob) for glob in asker.names]))
    return conditions


def _either(conditions: Sequence[_Condition]) -> _Condition:
    return _Condition(
        "(" + " OR ".join(one.text for one in conditions) + ")",
        tuple(value for one in conditions for value in one.values),
    )


def _roughly(glob: NameGlob) -> _Condition:
    """Say what names a glob may match; a name that is no UTF-8 always may."""
    start, star, end = glob.rough.partition(b"*")
    wanted = (("name = ?", start),) if not star else (("starts_with(name, ?)", start), ("ends_with(name, ?)", end))
    texts, values = [], []
    for text, literal in wanted:
        try:
            values.append(literal.decode())
        except UnicodeDecodeError:
            return _Condition("name_raw IS NOT NULL")
        texts.append(text)
    return _Condition(f"(name_raw IS NOT NULL OR ({' AND '.join(texts)}))", tuple(values))


def _in_folder(folder: bytes, *, deep: bool) -> _Condition:
    """Say which entries may lie in a folder, or anywhere below it."""
    try:
        text = folder.decode()
    except UnicodeDecodeError:
        return _Condition("directory_raw IS NOT NULL")
    if not deep:
        return _Condition("directory = ?", (text,))
    if not text:
        return _Condition("true")
    return _Condition("(directory = ? OR starts_with(directory, ?) OR directory_raw IS NOT NULL)", (text, f"{text}/"))


def _entries(
    connection: "DuckDBPyConnection", membership: Membership, conditions: Sequence[_Condition]
) -> Iterable[tuple[tuple[int, int], _Entry]]:
    """Yield distinct entries that meet conditions, with the part and row that tell them apart."""
    where = " AND ".join(one.text for one in conditions) or "true"
    values = [value for one in conditions for value in one.values]
    select = f"SELECT {_COLUMNS} FROM stored WHERE {where}"  # noqa: S608 - values come by marks
    for part, row, group, *described in connection.execute(select, values).fetchall():
        yield (part, row), _entry(described, membership.of(part, group))


def _entry(described: Sequence[Any], trees: Bools) -> _Entry:
    """Make an entry of a row; strange tables may leave out what ours never do."""
    directory, directory_raw, name, name_raw, mode, uid, gid, size, mtime, target, target_raw, xattrs = described[:-2]
    content_kind, content = described[-2:]
    folder, last = text_bytes(directory, directory_raw), text_bytes(name, name_raw)
    kind = kind_of(mode or 0)
    match = FileMatch(
        path=folder + b"/" + last if folder else last,
        kind=kind,
        mode=mode or 0,
        uid=uid or 0,
        gid=gid or 0,
        size=size or 0,
        mtime=mtime or 0,
        target=text_bytes(target, target_raw) if kind == "symlink" else None,
    )
    names = None if xattrs is None else tuple(bytes(xattr["name"] or b"") for xattr in xattrs if xattr)
    sha256 = bytes(content or b"").hex() if content_kind == ContentKind.SHA256 else None
    return _Entry(directory=folder, name=last, match=match, xattrs=names, sha256=sha256, trees=trees)


def _collect(asker: FileAsker, pairs: Sequence[tuple[_Entry, Bools]], count: int) -> Found:
    """Keep what matches exactly, and turn it round: entries by tree."""
    kept: list[tuple[_Entry, Bools]] = []
    unreadable: dict[int, list[bytes]] = {}
    unknown = np.zeros(count, dtype=np.int64)
    for entry, trees in pairs:
        if asker.names and not any(glob.names(entry.name) for glob in asker.names):
            continue
        if asker.xattr is not None and not any(map(asker.xattr.names, entry.xattrs or ())):
            if not entry.xattrs:
                for tree in np.flatnonzero(trees).tolist():
                    unreadable.setdefault(tree, []).append(entry.match.path)
            continue
        if asker.question.digests and entry.sha256 is None:
            unknown += trees
            continue
        kept.append((entry, trees))
    kept.sort(key=lambda pair: pair[0].match.path)
    members = [np.flatnonzero(trees) for _, trees in kept]
    pairs_of = np.concatenate([*members, np.empty(0, dtype=np.int64)])
    match = np.repeat(np.arange(len(kept)), [len(one) for one in members])
    order = np.argsort(pairs_of, kind="stable")
    return Found(
        matches=[_proven(entry) if asker.question.digests else entry.match for entry, _ in kept],
        match=match[order],
        starts=np.searchsorted(pairs_of[order], np.arange(count + 1)),
        unreadable=unreadable,
        unknown=unknown,
    )


def _proven(entry: _Entry) -> FileMatch:
    """Say why the content of a file matches."""
    return replace(entry.match, evidence=(Evidence(kind="sha256", text=entry.sha256 or ""),))
