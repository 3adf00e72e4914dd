"""The analysis of one image: which extractors run in which wave, and what becomes of their results.

Pure; the caller fetches:

    analysis = Analysis()
    while requests := analysis.plan_wave(find):
        for request in requests:
            runs, companions = ...                      # read request.ranges of request.row, and the companions
            analysis.feed(request.row, runs, companions)        # or analysis.fail(request.row, why)
    inventory = analysis.finish()

This module alone decides what is asked when. What was planned and neither fed nor failed is a gap, never an absence.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from rafsight.analysis.catalogue import CATALOGUE
from rafsight.analysis.distribution import merge_distributions
from rafsight.analysis.extractor import Extractor, FileView, ReadMore
from rafsight.analysis.inventory import (
    OS_ECOSYSTEMS,
    Component,
    Distribution,
    Gap,
    GapReason,
    Inventory,
    Licensed,
    Ownership,
)
from rafsight.analysis.isolation import analyse
from rafsight.analysis.join import Evidence, join
from rafsight.analysis.ownership import find_owners
from rafsight.analysis.ranges import merge_ranges, merge_runs, subtract_ranges
from rafsight.analysis.request import Outcome, ReadRequest
from rafsight.analysis.tasks import Find, Gathering, Task, group_tasks, request_of
from rafsight.base.errors import Defect
from rafsight.base.text import escape
from rafsight.image.selection import Wants

WAVES: Final = 24
"""No analysis has more; whatever is still wanted then is a gap. Most have two or three: only nests are as deep."""
MORE_COUNT: Final = 18
"""How often one file may be asked for more: each of six archives, one in the other, takes three steps at most, mostly
one (where it ends, what is in it, the members that count)."""


class Analysis:
    """The state of one image's analysis. Deterministic: the result does not depend on the order of feeding."""

    def __init__(
        self,
        catalogue: Sequence[Extractor] = CATALOGUE,
        *,
        merged_roots: frozenset[bytes] = frozenset(),
        declared: bool = False,
        licenses: bool = False,
    ) -> None:
        """Begin.

        Args:
            catalogue: the extractors that run.
            merged_roots: names in the root that are symbolic links to the same name in `usr` (usr-merge).
            declared: whether lock files and the like are read as well.
            licenses: whether files are read that only say licences.
        """
        self._catalogue = tuple(
            one for one in catalogue if (declared or not one.declared) and (licenses or not one.licenses)
        )
        self._merged_roots = merged_roots
        self._owned_tails = _owned_tails(self._catalogue)
        self._wave = 0
        self._planned: dict[int, list[Task]] = {}
        self._again: list[Task] = []
        self._companions: dict[int, bytes] = {}
        self._components: list[Component] = []
        self._distributions: list[tuple[bytes, Distribution]] = []
        self._ownerships: list[tuple[bytes, Ownership]] = []
        self._licensed: list[tuple[bytes, Licensed]] = []
        self._gaps: list[Gap] = []

    @property
    def fingerprint(self) -> bytes:
        """What outcomes depend on beside question and content: part of the key of whoever keeps them."""
        return hashlib.sha256(b"\0".join(self._owned_tails)).digest()

    def wanted_patterns(self) -> tuple[Wants, ...]:
        """Return the wants of all waves: what a stream that passes only once has to keep; not those of names alone."""
        return tuple(one.wants for one in self._catalogue if one.wants.head != 0 or one.wants.tail)

    def plan_wave(self, find: Find) -> tuple[ReadRequest, ...]:
        """Work out what has to be read now; empty when the analysis has all it needs.

        Args:
            find: the selection over the image's tree.

        Returns: One request a row, ordered by row; each has to be fed, recalled or failed before the next call.
        Cost: No I/O. Linear in the files found.
        """
        self._give_up(self._planned.values(), "it was asked for and not delivered")
        self._planned.clear()
        last = max((extractor.wave for extractor in self._catalogue), default=0)
        requests: list[ReadRequest] = []
        while not requests and self._wave < WAVES and (self._wave < last or self._again):
            self._wave += 1
            for row, tasks in group_tasks(self._gather(find)):
                self._planned[row] = tasks
                request = request_of(row, tasks)
                if request is None:
                    self.feed(row, ())
                else:
                    requests.append(request)
                    self._companions |= {companion.row: companion.path for companion in request.companions}
        return tuple(requests)

    def feed(
        self, row: int, runs: Iterable[tuple[int, bytes]], companions: Mapping[bytes, bytes] | None = None
    ) -> tuple[Outcome, ...]:
        """Analyse a file that was read.

        Args:
            row: of a request.
            runs: (offset, content) of its ranges, in any order.
            companions: content of its companions, by suffix; those that could not be read are missing.

        Returns: The outcomes, for whoever keeps them; those with `more` are no answers yet.
        """
        outcomes: list[Outcome] = []
        given = tuple(runs)
        for task in self._take(row):
            task.runs = merge_runs((*task.runs, *given))
            view = FileView(
                path=next(iter(task.paths)), size=task.ref.size, runs=task.runs, companions=companions or {}
            )
            answers = [analyse(extractor, view, owned_tails=self._owned_tails) for extractor in task.extractors]
            self._settle(task, answers)
            outcomes += answers
        return tuple(outcomes)

    def recall(self, row: int, outcomes: Iterable[Outcome]) -> None:
        """Take answers that are known already instead of reading the file: one for each question of the request."""
        known = {outcome.question: outcome for outcome in outcomes}
        for task in self._take(row):
            if any(question not in known for question in task.questions):
                raise Defect(what=f"row {row} was recalled with answers missing")
            self._settle(task, [known[question] for question in task.questions])

    def fail(self, row: int, why: str) -> None:
        """Say that a file (or a companion) could not be read or did not verify.

        After a companion failed, feed the file without it.
        """
        if row in self._companions:
            self._gap(GapReason.UNREADABLE, self._companions[row], why)
        if row not in self._companions or row in self._planned:
            self._give_up([self._take(row)], why)

    def finish(self) -> Inventory:
        """Join all that was found."""
        self._give_up(self._planned.values(), "it was asked for and not delivered")
        self._give_up([self._again], f"more of it was asked for after {WAVES} waves")
        self._planned.clear()
        self._again.clear()
        evidence = Evidence(
            components=self._components,
            distributions=self._distributions,
            ownerships=self._ownerships,
            licensed=self._licensed,
            gaps=self._gaps,
        )
        return join(evidence, self._merged_roots)

    def _gather(self, find: Find) -> list[Task]:
        """Gather this wave's files, and those of which more was asked for."""
        inventory = Inventory(
            distribution=merge_distributions(self._distributions),
            components=tuple(self._components),
            gaps=tuple(self._gaps),
        )
        gathering = Gathering(find, inventory, self._owners)
        for extractor in self._catalogue:
            if extractor.wave == self._wave and extractor.needed(inventory):
                gathering.add(extractor)
        self._gaps += gathering.gaps
        again, self._again = self._again, []
        return [*again, *gathering.tasks]

    def _owners(self, paths: Collection[bytes]) -> Mapping[bytes, str]:
        return find_owners(paths, self._components, self._ownerships, self._merged_roots)

    def _take(self, row: int) -> list[Task]:
        tasks = self._planned.pop(row, None)
        if tasks is None:
            raise Defect(what=f"row {row} was not asked for in this wave")
        return tasks

    def _settle(self, task: Task, outcomes: Iterable[Outcome]) -> None:
        """Keep what was found at every path of a content; remember who wants more of it."""
        asking: list[Extractor] = []
        ranges: list[tuple[int, int]] = []
        for extractor, outcome in zip(task.extractors, outcomes, strict=True):
            if outcome.more is None:
                self._keep(task, outcome)
            elif new := self._accept(task, extractor, outcome.more):
                asking.append(extractor)
                ranges += new
        if asking:
            self._again.append(replace(task, extractors=asking, ranges=ranges, asked=task.asked + 1, companions={}))

    def _accept(self, task: Task, extractor: Extractor, more: ReadMore) -> Sequence[tuple[int, int]]:
        """Return the ranges that an extractor asks for and has not; none, and a gap, if it asks in vain."""
        new = subtract_ranges(merge_ranges(more.ranges, task.ref.size), task.known)
        if new and task.asked < MORE_COUNT:
            return new
        detail = f"its extractor asked more than {MORE_COUNT} times" if new else "its extractor asks for what it has"
        for path in task.paths:
            self._gap(GapReason.UNSUPPORTED, path, detail, extractor.name)
        return ()

    def _keep(self, task: Task, outcome: Outcome) -> None:
        locations = tuple(task.paths)
        name = outcome.question.extractor
        for item in outcome.found:
            if isinstance(item, Component):
                places = locations[:1] if item.ecosystem in OS_ECOSYSTEMS else locations
                self._components.append(replace(item, locations=places, found_by=name))
            elif isinstance(item, Distribution):
                self._distributions += [(path, item) for path in locations]
            elif isinstance(item, Licensed):
                self._licensed += [(path, item) for path in locations]
            else:
                self._ownerships += [(path, item) for path in locations]
        for fault in outcome.faults:
            for path in locations:
                self._gap(fault.reason, path, fault.detail, name)

    def _give_up(self, planned: Iterable[Iterable[Task]], why: str) -> None:
        for task in (task for tasks in planned for task in tasks):
            for path in task.paths:
                for extractor in task.extractors:
                    self._gap(GapReason.UNREADABLE, path, why, extractor.name)

    def _gap(self, reason: GapReason, path: bytes, detail: str, extractor: str = "") -> None:
        self._gaps.append(Gap(reason=reason, subject=escape(path), detail=detail, extractor=extractor))


def _owned_tails(catalogue: Iterable[Extractor]) -> tuple[bytes, ...]:
    """Return how the paths end that patterns for any depth can find: only such files have owners worth knowing."""
    patterns = (pattern for extractor in catalogue for pattern in extractor.wants.patterns)
    return tuple(sorted({pattern.rpartition(b"*")[2] for pattern in patterns if pattern.startswith(b"**/")}))
