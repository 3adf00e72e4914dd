"""What one wave has to read: from the wants of extractors to requests.

This module alone decides which files share a request: names of one content, and extractors of one file.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from rafsight.analysis.extractor import Extractor
from rafsight.analysis.inventory import Gap, GapReason, Inventory
from rafsight.analysis.isolation import question_of
from rafsight.analysis.ranges import merge_ranges, subtract_ranges
from rafsight.analysis.request import Companion, FileRef, Question, ReadRequest
from rafsight.base.text import escape
from rafsight.base.units import format_size
from rafsight.image.selection import Wants

Find = Callable[[Wants], Iterable[FileRef]]
"""Regular files that are wanted, those too large among them; symbolic links are not files here."""

Owners = Callable[[Collection[bytes]], Mapping[bytes, str]]
"""The official owners of some files, by path."""


@dataclass(slots=True, kw_only=True)
class Task:
    """One content under one name: the places where it lies, and who reads it."""

    ref: FileRef
    name: bytes
    paths: dict[bytes, None] = field(default_factory=dict)
    """An ordered set."""
    extractors: list[Extractor] = field(default_factory=list)
    ranges: list[tuple[int, int]] = field(default_factory=list)
    """Wanted in this wave."""
    companions: dict[bytes, FileRef] = field(default_factory=dict)
    """By suffix."""
    runs: tuple[tuple[int, bytes], ...] = ()
    """Read in earlier waves, kept only while an extractor asks for more."""
    asked: int = 0
    """How often one asked for more."""

    @property
    def questions(self) -> tuple[Question, ...]:
        """One for each extractor."""
        return tuple(question_of(extractor, self.name) for extractor in self.extractors)

    @property
    def known(self) -> list[tuple[int, int]]:
        """The ranges that were read."""
        return [(offset, len(content)) for offset, content in self.runs]


class Gathering:
    """The tasks of one wave, while they are gathered."""

    def __init__(self, find: Find, inventory: Inventory, owners: Owners) -> None:
        """Begin.

        Args:
            find: the selection over the image's tree.
            inventory: what was found in earlier waves.
            owners: who owns files, as far as earlier waves tell.
        """
        self._find = find
        self._inventory = inventory
        self._owners = owners
        self._tasks: dict[tuple[bytes | int, bytes, Callable[[bytes], bytes]], Task] = {}
        self.gaps: list[Gap] = []

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What was gathered."""
        return tuple(self._tasks.values())

    def add(self, extractor: Extractor) -> None:
        """Add the files that an extractor wants and chooses."""
        wants = extractor.wants
        refs = {ref.path: ref for ref in self._find(wants)}
        if extractor.unowned_only:
            owned = self._owners(refs.keys())
            refs = {path: ref for path, ref in refs.items() if path not in owned}
        beside = self._companions(wants) if wants.companions and refs else {}
        for path in extractor.choose(sorted(refs), self._inventory):
            if self._fits(refs[path], extractor):
                neighbours = {suffix: beside[path + suffix] for suffix in wants.companions if path + suffix in beside}
                self._add(refs[path], extractor, neighbours)

    def _add(self, ref: FileRef, extractor: Extractor, neighbours: dict[bytes, FileRef]) -> None:
        # A file with companions is more than its content, so it stands for itself alone.
        content: bytes | int = ref.row if neighbours or not ref.content else ref.content
        name = extractor.name_of(ref.path)
        task = self._tasks.setdefault((content, name, extractor.name_of), Task(ref=ref, name=name))
        task.paths[ref.path] = None
        if extractor not in task.extractors:
            task.extractors.append(extractor)
            task.ranges += _first_ranges(extractor.wants, ref.size)
        for suffix, neighbour in neighbours.items():
            if neighbour.size and self._fits(neighbour, extractor):
                task.companions[suffix] = neighbour

    def _companions(self, wants: Wants) -> dict[bytes, FileRef]:
        patterns = tuple(pattern + suffix for pattern in wants.patterns for suffix in wants.companions)
        return {ref.path: ref for ref in self._find(Wants(patterns=patterns, max_size=wants.max_size))}

    def _fits(self, ref: FileRef, extractor: Extractor) -> bool:
        limit = extractor.wants.max_size
        if ref.size > limit:
            detail = f"{format_size(ref.size)}, more than the {format_size(limit)} that are read"
            subject = escape(ref.path)
            self.gaps.append(Gap(reason=GapReason.TOO_LARGE, subject=subject, detail=detail, extractor=extractor.name))
        return ref.size <= limit


def group_tasks(tasks: Iterable[Task]) -> Iterator[tuple[int, list[Task]]]:
    """Yield the tasks that one read serves with the row that is read, ordered by row."""
    leaders: dict[bytes | int, int] = {}
    rows: dict[int, list[Task]] = {}
    for task in tasks:
        row = task.ref.row
        leader = row if task.companions else leaders.setdefault(task.ref.content or row, row)
        rows.setdefault(leader, []).append(task)
    yield from sorted(rows.items())


def request_of(row: int, tasks: list[Task]) -> ReadRequest | None:
    """Make the request that serves some tasks; None if they need no byte.

    Args:
        row: the one that is read.
        tasks: as grouped.
    """
    first = next(task.ref for task in tasks if task.ref.row == row)
    wanted = merge_ranges((part for task in tasks for part in task.ranges), first.size)
    ranges = subtract_ranges(wanted, tasks[0].known) if len(tasks) == 1 else wanted
    neighbours = {suffix: ref for task in tasks for suffix, ref in task.companions.items()}
    if not ranges and not neighbours:
        return None
    return ReadRequest(
        row=row,
        path=first.path,
        size=first.size,
        ranges=ranges,
        questions=tuple(question for task in tasks for question in task.questions),
        companions=tuple(
            Companion(suffix=suffix, row=ref.row, path=ref.path, size=ref.size) for suffix, ref in neighbours.items()
        ),
        content=first.content,
    )


def _first_ranges(wants: Wants, size: int) -> list[tuple[int, int]]:
    """Return what is read of a file to begin with."""
    if size <= wants.whole or (wants.head is None and wants.tail is None):
        return [(0, size)]
    tail = min(wants.tail or 0, size)
    return [(0, wants.head or 0), (size - tail, tail)]
