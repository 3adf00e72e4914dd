"""Parts become fewer: trees of several move into one, and what no image has any more is left out.

Readers never notice: they have the generation before, or the one after. If another writer takes away what is being
compacted, nothing is changed. This module alone decides which parts are worth it.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from rafsight.formats.records import Indexes, ragged
from rafsight.formats.tables import Words
from rafsight.hunt.index.columns import take_rows
from rafsight.hunt.index.draft import MOST_ENTRIES, MOST_TREES, PartDraft
from rafsight.hunt.index.generations import commit, read_newest
from rafsight.hunt.index.grouping import trees_of
from rafsight.hunt.index.manifest import DamagedIndex, Manifest, StoredPart
from rafsight.hunt.index.places import IndexPlace
from rafsight.hunt.index.shipping import ship_images, ship_part
from rafsight.hunt.index.snapshot import NoSuchIndex, Shelf, check_spans, guarded
from rafsight.hunt.index.tables import ImageRow, ReadPart, read_images, read_part

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ENOUGH: Final = 8
"""Small parts that are worth the work."""
KEEP_GONE: Final = 30 * 24 * 3600
"""[s] that images stay in an index after they are gone."""


class _Overtaken(Exception):
    """Another writer needs or has changed what was compacted. Never leaves this module."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compaction:
    """What to compact, and how."""

    only_small: bool = False
    """Leave large parts as they are, and do nothing unless there are enough small ones."""
    keep_gone: int = KEEP_GONE
    """[s]"""


def compact(
    place: IndexPlace, shelf: Shelf, connection: "DuckDBPyConnection", scratch: Path, how: Compaction
) -> Manifest | None:
    """Make fewer parts of many.

    Args:
        place: of the index.
        shelf: gets its tables.
        connection: reads and writes tables.
        scratch: a folder for tables under way.
        how: what to compact.
    Returns: the new generation; None if there was nothing to do, or another writer came in between.
    Raises: NoSuchIndex, IndexUnreachable, DamagedIndex, NewerIndex, BusyIndex, NoScratch.
    Cost: reads and writes the parts. Memory: those of two large parts.
    """
    newest = read_newest(place)
    if newest is None:
        raise NoSuchIndex(place=place.name)
    images = _kept(guarded(place, lambda: read_images(connection, shelf.get(newest.images))), how)
    chosen = [part for part in newest.parts if not how.only_small or _is_small(part)]
    if how.only_small and len(chosen) < ENOUGH:
        return None
    work = _Work(place=place, shelf=shelf, connection=connection, scratch=scratch, names=_names(images))
    for part in chosen:
        work.take(part)
    work.ship()
    try:
        return commit(place, lambda now: _change(work, now, how))
    except _Overtaken:
        for part in work.made:
            for file in part.files:
                place.remove(file.name)
        return None


@dataclass(slots=True, kw_only=True)
class _Work:
    place: IndexPlace
    shelf: Shelf
    connection: "DuckDBPyConnection"
    scratch: Path
    names: dict[str, str]
    """Of an image of each tree that is wanted."""
    draft: PartDraft = field(default_factory=PartDraft)
    made: list[StoredPart] = field(default_factory=list)
    taken: list[StoredPart] = field(default_factory=list)
    carried: set[str] = field(default_factory=set)
    """Trees that are in the new parts."""
    dropped: set[str] = field(default_factory=set)
    """Trees that are in the old parts alone."""

    def take(self, part: StoredPart) -> None:
        """Put the trees of a part into the draft; one that cannot be read stays as it is."""
        try:
            paths = (self.shelf.get(part.entries), self.shelf.get(part.spans), self.shelf.get(part.trees))
            read = guarded(self.place, lambda: _checked(self.place, read_part(self.connection, paths)))
        except DamagedIndex:
            return
        self.taken.append(part)
        groups = trees_of(read.spans, len(read.trees))
        wanted = [
            number for number, row in enumerate(read.trees) if row.tree in self.names and row.tree not in self.carried
        ]
        self.dropped |= {row.tree for row in read.trees}
        self.carried |= {read.trees[number].tree for number in wanted}
        by_group = _ByGroup(read, [groups[number] for number in wanted])
        numbers = self.draft.number(by_group.columns)
        for number in wanted:
            row = read.trees[number]
            self.draft.add_numbers(row, numbers[by_group.rows(groups[number])], self.names[row.tree])
        if self.draft.is_full:
            self.ship()

    def ship(self) -> None:
        """Write what is in the draft."""
        if len(self.draft):
            self.made.append(ship_part(self.place, self.connection, self.draft.finish(), self.scratch))
        self.draft = PartDraft()
        self.dropped -= self.carried


class _ByGroup:
    """The entries of a part that some trees have, by group."""

    def __init__(self, read: ReadPart, groups: Sequence[Words]) -> None:
        wanted = np.unique(np.concatenate([*groups, np.empty(0, dtype=np.uint32)]))
        chosen: Indexes = np.flatnonzero(np.isin(read.group, wanted))
        chosen = chosen[np.argsort(read.group[chosen], kind="stable")]
        self.columns = take_rows(read.columns, chosen)
        self._groups = read.group[chosen]

    def rows(self, groups: Words) -> Indexes:
        """Return the rows of some groups."""
        starts = np.searchsorted(self._groups, groups, side="left")
        ends = np.searchsorted(self._groups, groups, side="right")
        group, ordinal = ragged((ends - starts).astype(np.int64))
        rows: Indexes = starts[group] + ordinal
        return rows


def _change(work: _Work, newest: Manifest | None, how: Compaction) -> Manifest:
    if newest is None or any(part not in newest.parts for part in work.taken):
        raise _Overtaken
    before = guarded(work.place, lambda: read_images(work.connection, work.shelf.get(newest.images)))
    images = _kept(before, how)
    if any(row.tree in work.dropped for row in images):
        raise _Overtaken  # an image came back while its tree was left out
    stays = tuple(part for part in newest.parts if part not in work.taken)
    return replace(
        newest,
        parts=(*stays, *work.made),
        images=ship_images(work.place, work.connection, images, work.scratch),
    )


def _kept(images: Iterable[ImageRow], how: Compaction) -> list[ImageRow]:
    before = time.time() - how.keep_gone
    return [row for row in images if not row.gone_at or row.gone_at > before]


def _names(images: Iterable[ImageRow]) -> dict[str, str]:
    """Return the first name of an image of each tree."""
    names: dict[str, str] = {}
    for row in images:
        if row.tree:
            names[row.tree] = min(names.get(row.tree, row.reference), row.reference)
    return names


def _is_small(part: StoredPart) -> bool:
    return part.trees.rows < MOST_TREES // 2 and part.entries.rows < MOST_ENTRIES // 2


def _checked(place: IndexPlace, read: ReadPart) -> ReadPart:
    """Refuse spans that lie outside the trees.

    Raises: DamagedIndex.
    """
    check_spans(place.name, read.spans, len(read.trees))
    return read
