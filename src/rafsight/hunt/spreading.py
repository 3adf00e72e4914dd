"""The same work for many items at once, and what becomes of each: in threads that somebody else has started.

This module alone decides how far the work runs ahead of who takes its results, and what ends all of it: what makes
every further answer wrong or lost. A fault of one item never does.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from rafsight.access.backend import NoSuchTag, NotFound
from rafsight.base.errors import Defect, ExitStatus, RafsightError
from rafsight.base.events import Advanced, Finished, Listener, Started
from rafsight.formats.oci.errors import NotAnImage
from rafsight.hunt.state import UnusableState

Item = TypeVar("Item")
Result = TypeVar("Result")


class FaultKind(StrEnum):
    """What a fault means for what is done next."""

    FAILED = "failed"
    """Nobody knows what is there."""
    MISSING = "missing"
    """The place was asked, and has nothing of that name."""
    NO_IMAGE = "no-image"
    """What is there is another artifact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a piece of work has no result, in words that can travel."""

    kind: FaultKind
    code: str
    """Of the error."""
    message: str
    advice: str


@dataclass(frozen=True, slots=True)
class Done(Generic[Item, Result]):
    """A piece of work that has ended, with one of a result and a fault."""

    item: Item
    result: Result | None
    fault: Fault | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    """Threads, and who is told how they get on."""

    pool: ThreadPoolExecutor
    ahead: int
    """Pieces of work that may be done or under way before their results are taken."""
    listener: Listener

    def spread(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        title: str,
        unit: str,
        count: Callable[[Item], int] = lambda _: 1,
    ) -> Iterator[Done[Item, Result]]:
        """Do the work for all items; each comes when it has ended, well or not.

        Args:
            work: for one item.
            items: in the order in which they are begun.
            title: what a person should read.
            unit: of the items.
            count: how many of the unit an item is.
        Raises: what ends all of it, see `ends_all`.
        """
        if not items:
            return
        total = sum(map(count, items))
        self.listener(Started(operation=title, title=title, total=total, unit=unit))
        running: dict[Future[Result], Item] = {}
        try:
            for item in items:
                running[self.pool.submit(work, item)] = item
                if len(running) >= self.ahead:
                    yield from self._ended(running, title, count)
            while running:
                yield from self._ended(running, title, count)
        finally:
            for future in running:
                future.cancel()
            self.listener(Finished(operation=title))

    def _ended(
        self, running: dict[Future[Result], Item], title: str, count: Callable[[Item], int]
    ) -> Iterator[Done[Item, Result]]:
        ended, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in ended:
            item = running.pop(future)
            self.listener(Advanced(operation=title, amount=count(item)))
            yield settle(item, future)


def settle(item: Item, future: Future[Result]) -> Done[Item, Result]:
    """Say what became of a piece of work that has ended.

    Raises: what ends all of it, see `ends_all`.
    """
    try:
        return Done(item, future.result(), None)
    except RafsightError as error:
        if ends_all(error):
            raise
        return Done(item, None, fault_of(error))
    except Exception as error:  # noqa: BLE001 - a mistake of ours about one image is no reason to end a hunt
        return Done(item, None, fault_of(Defect(what=f"{type(error).__name__}: {error}")))


def fault_of(error: RafsightError) -> Fault:
    """Say an error in words."""
    kind = FaultKind.FAILED
    if isinstance(error, NotAnImage):
        kind = FaultKind.NO_IMAGE
    elif type(error) in (NotFound, NoSuchTag):  # others miss a folder or a file: no answer from a place
        kind = FaultKind.MISSING
    return Fault(kind=kind, code=error.code, message=str(error), advice=error.advice)


def ends_all(error: RafsightError) -> bool:
    """Tell whether nothing can go on: answers cannot be remembered, or the advisories are gone."""
    return isinstance(error, UnusableState) or error.exit_status is ExitStatus.DATABASE
