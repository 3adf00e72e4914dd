"""The kinds of work that hunts are made of, and who does them.

Work        what is done with an item, by somebody who has what it takes
Crew        does it for many items: threads of this process, or the workers of a cluster
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from rafsight.hunt.spreading import Done, Threads

Trade = TypeVar("Trade")
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[Trade, Item, Result]):
    """A kind of work."""

    name: str
    do: Callable[[Trade, Item], Result]
    """Does it, given somebody of the trade."""
    title: str
    """What a person should read."""
    unit: str
    """Of the items."""
    item: Any
    """The type of an item, for whoever sends it."""
    result: Any
    """The type of a result."""
    batch: int = 1
    """Items that are sent together at most."""
    count: Callable[[Item], int] = lambda _: 1
    """How many of the unit an item is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What work cost."""

    requests: int = 0
    bytes_fetched: int = 0
    """[bytes]"""
    contents: int = 0
    """Different contents that were fetched and looked into."""

    def __add__(self, other: "Spent") -> "Spent":
        """Return what both cost."""
        return Spent(
            requests=self.requests + other.requests,
            bytes_fetched=self.bytes_fetched + other.bytes_fetched,
            contents=self.contents + other.contents,
        )


class Crew(Protocol):
    """Those who do the work of one hunt."""

    @property
    def spent(self) -> Spent:
        """What their work cost so far."""
        ...

    def spread(self, work: Work[Any, Item, Result], items: Sequence[Item]) -> Iterator[Done[Item, Result]]:
        """Do some work for all items; each comes when it has ended, well or not.

        Raises: what ends all of it.
        """
        ...

    def end(self) -> None:
        """Give up what is under way, without waiting for it."""
        ...


class Tradesman(Protocol):
    """Somebody of a trade, in this process."""

    @property
    def spent(self) -> Spent:
        """What was done so far cost."""
        ...

    def end(self) -> None:
        """Let nobody who works wait for another any more."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCrew:
    """Threads of this process."""

    tradesman: Tradesman
    threads: Threads

    @property
    def spent(self) -> Spent:
        """See Crew."""
        return self.tradesman.spent

    def spread(self, work: Work[Any, Item, Result], items: Sequence[Item]) -> Iterator[Done[Item, Result]]:
        """See Crew."""
        do = partial(work.do, self.tradesman)
        return self.threads.spread(do, items, title=work.title, unit=work.unit, count=work.count)

    def end(self) -> None:
        """See Crew."""
        self.tradesman.end()
        self.threads.pool.shutdown(wait=False, cancel_futures=True)
