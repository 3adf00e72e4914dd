"""An index follows its corpus: what is new is fetched, what is known is not, what is gone is marked.

This module alone decides what is fetched: the trees that no part has. Each part is added to the index as soon as it is
full, together with the images that it answers for, so that little is lost if the work is stopped; before that, nobody
sees anything of it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rafsight.access.fleet import Lead
from rafsight.base.digest import digest_of
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.hunt.corpus import Corpus
from rafsight.hunt.index.changes import Changes, apply_changes
from rafsight.hunt.index.generations import commit
from rafsight.hunt.index.hands import Desk, Hands
from rafsight.hunt.index.making import Made
from rafsight.hunt.index.manifest import DamagedIndex, Manifest, StoredPart
from rafsight.hunt.index.shipping import ship_images
from rafsight.hunt.index.snapshot import Snapshot, guarded
from rafsight.hunt.index.survey import Survey, failure_of, locate, survey
from rafsight.hunt.index.tables import ImageRow, TreeRow, read_images, read_trees
from rafsight.hunt.index.taking import Wanted
from rafsight.hunt.spreading import Fault
from rafsight.reports.hunting import HuntFailure
from rafsight.reports.indexing import UpdateResult


class IndexExists(CallerError):
    """An index is to be built where there is one."""

    code = "index-exists"
    template = "there is an index at {place}"
    remedy = "`rafsight index update --index URL` brings it up to date; or name another place."
    exit_status = ExitStatus.USAGE


@dataclass(slots=True, kw_only=True)
class Update:
    """One update of an index; `run` may be called once. Not safe to share between threads."""

    desk: Desk
    hands: Hands
    corpus: Corpus
    all_platforms: bool
    before: Snapshot | None
    """What is known already; None: there must not be an index yet."""
    _began: int = field(default_factory=lambda: int(time.time()))
    _fresh: list[StoredPart] = field(default_factory=list)
    """Parts that the next generation names."""
    _ready: list[ImageRow] = field(default_factory=list)
    """Images that it answers for."""
    _failures: list[HuntFailure] = field(default_factory=list)
    _trees: dict[str, tuple[TreeRow, ...]] = field(default_factory=dict)
    """Of parts, by the name of their table."""
    _manifest: Manifest | None = None
    """The newest generation of this update."""
    _gone: int = 0

    def run(self) -> UpdateResult:
        """Do it.

        Raises: IndexUnreachable, DamagedIndex, NewerIndex, BusyIndex, IndexExists, NoScratch, NotShared; what ends all
            work of a crew; nothing about single images.
        Cost: what `survey` costs, and the bootstrap of each tree that is not known.
        """
        clock = time.monotonic()
        found = survey(self.corpus, self.hands.fleet, self.hands.lists, self.hands.crew)
        leads, rows = self._sort(found)
        for made in self.hands.parts.made([_wanted(tree, lead, rows[tree]) for tree, lead in leads.items()]):
            self._settle(made, rows)
            if self._fresh and not made.is_last:
                self._commit(Changes(found=tuple(self._ready)))
        lasting = {name: fault for name, fault in found.faults.items() if name not in found.missing}
        manifest = self._commit(
            Changes(
                found=tuple(self._ready),
                failed=tuple(_failed_row(name, fault) for name, fault in lasting.items()),
                is_gone=found.is_gone,
                since=self._began,
            )
        )
        failures = [*found.failures, *(failure_of((name,), fault) for name, fault in found.faults.items())]
        spent = self.hands.crew.spent
        return UpdateResult(
            size=manifest.size,
            images=len(found.leads),
            trees=len(rows),
            gone=self._gone,
            passed_over=found.passed_over,
            failures=(*failures, *self._failures),
            requests=spent.requests,
            bytes_fetched=spent.bytes_fetched,
            seconds=time.monotonic() - clock,
        )

    def _sort(self, found: Survey) -> tuple[dict[str, Lead], dict[str, list[ImageRow]]]:
        """Tell the images whose trees are known from those whose trees have to be taken.

        Returns: leads to trees that have to be taken, and the images that have them, by tree.
        """
        known = self.before.known_trees if self.before else set()
        leads: dict[str, Lead] = {}
        rows: dict[str, list[ImageRow]] = {}
        for reference, found_leads in found.leads.items():
            for lead in found_leads:
                row = _image_row(reference, lead, self._began)
                if row.tree in known:
                    self._ready.append(row)
                else:
                    leads.setdefault(row.tree, lead)
                    rows.setdefault(row.tree, []).append(row)
        return leads, rows

    def _settle(self, made: Made, rows: Mapping[str, list[ImageRow]]) -> None:
        """Take what came of some trees."""
        for tree, fault in made.faults.items():
            failure = failure_of(tuple(row.reference for row in rows[tree]), fault)
            self._failures.append(failure)
            self._ready += [
                replace(row, tree="", error_code=failure.code, error=failure.message, advice=failure.advice)
                for row in rows[tree]
            ]
        for taken in made.trees:
            self._ready += rows[taken.tree]
        if made.part is not None:
            self._fresh.append(made.part)
            self._trees[made.part.trees.name] = made.trees

    def _commit(self, changes: Changes) -> Manifest:
        """Add a generation with what is ready."""
        fresh, self._fresh, self._ready = self._fresh, [], []
        lost = {one.part.trees.name for one in self.before.lost} if self.before else set()
        useless: list[str] = []

        def change(newest: Manifest | None) -> Manifest | None:
            if newest is not None and self.before is None and self._manifest is None:
                raise IndexExists(place=self.desk.place.name)
            parts = [one for one in (newest.parts if newest else ()) if one.trees.name not in lost]
            parts += fresh
            before = guarded(self.desk.place, lambda: self._images(newest))
            trees = {row.tree for one in parts for row in self._trees_of(one)}
            rows = apply_changes(before, changes, trees)
            self._gone = sum(bool(row.gone_at) for row in rows) - sum(bool(row.gone_at) for row in before)
            corpus = join(newest.corpus if newest else Corpus(), self.corpus)
            if newest and rows == before and tuple(parts) == newest.parts and corpus == newest.corpus:
                return None
            for name in useless:
                self.desk.place.remove(name)
            images = ship_images(self.desk.place, self.desk.connection, rows, self.desk.scratch)
            useless[:] = [images.name]
            return Manifest(
                generation=0,
                writer="",
                written_at=0,
                corpus=corpus,
                all_platforms=newest.all_platforms if newest else self.all_platforms,
                images=images,
                parts=tuple(parts),
                retired=newest.retired if newest else (),
            )

        self._manifest = commit(self.desk.place, change)
        return self._manifest

    def _images(self, newest: Manifest | None) -> list[ImageRow]:
        before = self.before
        is_lost = before is not None and before.are_images_lost
        if newest is None or (before is not None and is_lost and newest.images == before.manifest.images):
            return []
        return read_images(self.desk.connection, self.desk.shelf.get(newest.images))

    def _trees_of(self, part: StoredPart) -> tuple[TreeRow, ...]:
        """Return the trees of a part; one that cannot be read has none."""
        name = part.trees.name
        if name not in self._trees:
            try:
                rows = guarded(
                    self.desk.place, lambda: read_trees(self.desk.connection, self.desk.shelf.get(part.trees))
                )
            except DamagedIndex:
                rows = ()
            self._trees[name] = rows
        return self._trees[name]


def tree_of(lead: Lead) -> str:
    """Return what the files of an image are known by: its bootstrap, or its layers."""
    if lead.bootstrap is not None:
        return lead.bootstrap.digest
    if lead.layers:
        return f"layers:{digest_of(' '.join(layer.digest for layer in lead.layers).encode())}"
    return lead.digest


def _image_row(reference: str, lead: Lead, now: int) -> ImageRow:
    located = locate(reference)
    return ImageRow(
        reference=reference,
        repository=located.repository,
        tag=located.tag,
        digest=lead.digest,
        platform=lead.platform,
        tree=tree_of(lead),
        indexed_at=now,
    )


def _wanted(tree: str, lead: Lead, rows: list[ImageRow]) -> Wanted:
    return Wanted(tree=tree, lead=lead, name=min(row.reference for row in rows))


def _failed_row(reference: str, fault: Fault) -> ImageRow:
    located = locate(reference)
    return ImageRow(
        reference=reference,
        repository=located.repository,
        tag=located.tag,
        digest="",
        platform="",
        tree="",
        indexed_at=int(time.time()),
        error_code=fault.code,
        error=fault.message,
        advice=fault.advice,
    )


def join(stored: Corpus, looked_at: Corpus) -> Corpus:
    """Add what is looked at to what an index looks at."""
    return Corpus(
        references=tuple(dict.fromkeys((*stored.references, *looked_at.references))),
        registries=tuple(dict.fromkeys((*stored.registries, *looked_at.registries))),
    )
