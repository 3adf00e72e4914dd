"""What happens when bytes break a rule: a reader refuses, a check takes note and goes on.

Readers state every rule once, as a `Rule`, and hand what they find to a judge. The strict judge raises at the first
broken rule, so that nobody sees a tree that breaks one. The collecting judge takes note; the reader then goes on with
the offending rows made harmless, so that one walk finds all that is wrong.
This module alone decides how the two differ.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum
from types import ModuleType
from typing import Final, Protocol

import numpy as np

from rafsight.base.errors import ImageFault
from rafsight.formats.rafs.faults import NotABootstrap, UnsupportedImage
from rafsight.formats.records import Bools, Indexes
from rafsight.formats.tables import MalformedImage, Offsets

EXAMPLES: Final = 10_000
"""Places that are kept of one rule; the others are counted."""
ALL_EXAMPLES: Final = 100_000
"""Places that are kept of all rules together."""
PATH_ROOM: Final = 64 << 20
"""[bytes] of all paths that are kept: in a hostile tree one alone may have half a million."""
_NONE: Final = np.empty(0, np.intp)


class Weight(Enum):
    """How much a broken rule matters."""

    BROKEN = "error"
    """A reader would go wrong, or refuses: the image is unsound."""
    UNKNOWN = "unknown"
    """A version, flag or algorithm that this release does not know: nothing was concluded from it."""
    ODD = "warning"
    """No reader trips over it, and no sound builder makes it. Strict readers do not look at such rules."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a format."""

    code: str
    """Stable name for programs and documentation: `directory-reached-twice`. The same for every format that has it."""
    says: str
    """What is wrong with a place that breaks it, as the end of a sentence that begins with the place."""
    weight: Weight = Weight.BROKEN
    advice: str = ""
    """What to do about it, as a sentence without its full stop, where that is known."""
    is_foreign: bool = False
    """What breaks it is of another format altogether."""

    def broken(self, where: str, offset: int, detail: str = "") -> ImageFault:
        """Make the error of a strict reader.

        Args:
            where: what the place is: `v6 inode`.
            offset: [bytes] of it in its file.
            detail: more about this one place.
        """
        what = f"{self.says} ({detail})" if detail else self.says
        if self.is_foreign:
            foreign = f"it {what}"
            return NotABootstrap(name="the file", what=foreign, where=where, rule=self, offset=offset, detail=detail)
        if self.weight is Weight.UNKNOWN:
            return UnsupportedImage(where=where, what=what, rule=self, offset=offset, detail=detail)
        return MalformedImage(where=where, what=what, offset=offset, rule=self, detail=detail)


MALFORMED: Final = Rule("malformed", "does not follow its format")
"""What is broken where nobody said which rule."""
UNSUPPORTED: Final = Rule("unsupported", "is of a kind that this release does not read", Weight.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One place that breaks a rule."""

    rule: Rule
    where: str
    """What the place is: `v6 inode`, `manifest`, `blob sha256:...`."""
    offset: int = -1
    """[bytes] in its file; -1 if it has no place."""
    inode: int = -1
    """[bytes] in the bootstrap of the inode that the fault belongs to, so that its path can be shown; -1 if none."""
    path: bytes | None = None
    """Path in the image, where it is known."""
    detail: str = ""
    """More about this one place."""


class Judge(Protocol):
    """Told about every rule that a reader looks at."""

    is_strict: bool
    """True: nothing comes back from a broken rule but an error; rules that are only odd need not be looked at."""

    def require(
        self,
        condition: Bools,
        rule: Rule,
        where: str,
        offsets: Offsets | int = -1,
        inodes: Offsets | None = None,
        *,
        paths: Callable[[int], bytes | None] | None = None,
        details: Callable[[int], str] | None = None,
    ) -> Indexes:
        """Look at a rule in many rows.

        Args:
            condition: (n,) true where it holds.
            rule: the rule.
            where: what the rows are.
            offsets: (n,) or one: [bytes] the place to show.
            inodes: (n,) [bytes] of the inodes that the rows belong to; None if the rows belong to none.
            paths: gives the path of a row, or of one file that uses it; None if there is none.
            details: says more about one row.
        Returns: the rows that break it, for the caller to make harmless; none, mostly.
        Raises: MalformedImage, UnsupportedImage: a strict judge, for the first row that breaks it.
        """
        ...

    def holds(self, condition: bool, rule: Rule, where: str, offset: int = -1, detail: str = "") -> bool:
        """Look at a rule in one place; return the condition.

        Raises: as `require`.
        """
        ...

    @contextmanager
    def part(self, where: str, offset: int = -1) -> Iterator[None]:
        """Read a part that others can do without: a collecting judge ends the part at an ImageFault and goes on."""
        del where, offset
        yield


class Strict:
    """Refuses at the first broken rule."""

    is_strict = True

    def require(
        self,
        condition: Bools,
        rule: Rule,
        where: str,
        offsets: Offsets | int = -1,
        inodes: Offsets | None = None,
        *,
        paths: Callable[[int], bytes | None] | None = None,
        details: Callable[[int], str] | None = None,
    ) -> Indexes:
        """See Judge."""
        del inodes, paths
        if rule.weight is not Weight.ODD and not bool(condition.all()):
            row = int(condition.argmin())
            place = f"{where}, row {row}"
            raise rule.broken(place, _place(offsets, row), details(row) if details else "")
        return _NONE

    def holds(self, condition: bool, rule: Rule, where: str, offset: int = -1, detail: str = "") -> bool:
        """See Judge."""
        if not condition and rule.weight is not Weight.ODD:
            raise rule.broken(where, offset, detail)
        return condition

    @contextmanager
    def part(self, where: str, offset: int = -1) -> Iterator[None]:
        """See Judge."""
        del where, offset
        yield


STRICT: Final = Strict()


@dataclass(slots=True)
class Collector:
    """Takes note of broken rules, in the order in which they are found."""

    is_strict = False

    faults: list[Fault] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """By the rule's code: how many places break it, those that were not kept included."""
    _kept: dict[str, int] = field(default_factory=dict)
    _path_room: int = PATH_ROOM

    def require(
        self,
        condition: Bools,
        rule: Rule,
        where: str,
        offsets: Offsets | int = -1,
        inodes: Offsets | None = None,
        *,
        paths: Callable[[int], bytes | None] | None = None,
        details: Callable[[int], str] | None = None,
    ) -> Indexes:
        """See Judge."""
        if bool(condition.all()):
            return _NONE
        rows: Indexes = np.flatnonzero(~condition)
        shown = rows[: self._room(rule)].tolist()
        for row in shown:
            inode = -1 if inodes is None else int(inodes[row])
            path, detail = paths(row) if paths and self._path_room > 0 else None, details(row) if details else ""
            self._keep(
                Fault(rule=rule, where=where, offset=_place(offsets, row), inode=inode, path=path, detail=detail)
            )
        self._count(rule, len(rows) - len(shown))
        return rows

    def holds(self, condition: bool, rule: Rule, where: str, offset: int = -1, detail: str = "") -> bool:
        """See Judge."""
        if not condition:
            self.add(Fault(rule=rule, where=where, offset=offset, detail=detail))
        return condition

    @contextmanager
    def part(self, where: str, offset: int = -1) -> Iterator[None]:
        """See Judge."""
        try:
            yield
        except ImageFault as error:
            self.add(fault_of(error, where, offset))

    def add(self, fault: Fault) -> None:
        """Take note of one place."""
        if self._room(fault.rule):
            self._keep(fault)
        else:
            self._count(fault.rule, 1)

    def _room(self, rule: Rule) -> int:
        """Tell how many more places of a rule are kept."""
        return max(0, min(EXAMPLES - self._kept.get(rule.code, 0), ALL_EXAMPLES - len(self.faults)))

    def find_paths(self, path_of: Callable[[Fault], bytes | None]) -> None:
        """Add paths to faults that have none, as long as there is room for them.

        Args:
            path_of: gives the path that a fault belongs to; None if there is none.
        """
        for index, fault in enumerate(self.faults):
            if self._path_room <= 0:
                return
            if fault.path is None and (path := path_of(fault)) is not None:
                self._path_room -= len(path)
                self.faults[index] = replace(fault, path=path)

    def _keep(self, fault: Fault) -> None:
        if fault.path is not None:
            self._path_room -= len(fault.path)
            fault = fault if self._path_room > 0 else replace(fault, path=None)
        self._kept[fault.rule.code] = self._kept.get(fault.rule.code, 0) + 1
        self._count(fault.rule, 1)
        self.faults.append(fault)

    def _count(self, rule: Rule, places: int) -> None:
        if places:
            self.counts[rule.code] = self.counts.get(rule.code, 0) + places


def fault_of(error: ImageFault, where: str, offset: int = -1) -> Fault:
    """Make a fault of an error that ended a part.

    Args:
        error: what was raised.
        where: the part.
        offset: [bytes] of the part, where the error names no place.
    """
    details = error.details
    rule = details.get("rule")
    place, what = details.get("offset", offset), str(details.get("what", error))
    if isinstance(rule, Rule):
        what = str(details.get("detail", ""))
    else:
        rule = UNSUPPORTED if isinstance(error, UnsupportedImage) else MALFORMED
    return Fault(
        rule=rule,
        where=str(details.get("where", where)),
        offset=place if isinstance(place, int) else offset,
        detail=what,
    )


def rules_of(module: ModuleType) -> tuple[Rule, ...]:
    """Return the rules that a table of rules has, in its order."""
    return tuple(value for value in vars(module).values() if isinstance(value, Rule))


def _place(offsets: Offsets | int, row: int) -> int:
    return int(offsets[row]) if isinstance(offsets, np.ndarray) else offsets
