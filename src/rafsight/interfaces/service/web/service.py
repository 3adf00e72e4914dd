"""What the handlers of requests have at hand.

This module alone decides how blocking work is kept away from the event loop: by threads, few of them for each kind, so
that slow work of one kind never keeps another from its turn.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec, Protocol, TypeVar

from anyio import CapacityLimiter, to_thread

from rafsight.interfaces.service.jobs.contract import JobStore
from rafsight.interfaces.service.web.advisories import DatabaseWatch
from rafsight.interfaces.service.web.caches import CacheWatch
from rafsight.interfaces.service.web.documents import CacheDocument, DatabaseDocument
from rafsight.interfaces.service.web.metrics import Metrics
from rafsight.interfaces.service.web.registries import Registries
from rafsight.interfaces.service.web.settings import ServiceSettings
from rafsight.interfaces.service.web.shelf import Shelf
from rafsight.interfaces.service.web.tokens import Tokens
from rafsight.interfaces.service.workers.lending import Lending
from rafsight.interfaces.service.workers.rematching import MATCHED
from rafsight.reports.document import ScanReport

P = ParamSpec("P")
R = TypeVar("R")


class Crew(Protocol):
    """Those who do the work, as far as the door needs to know them."""

    def wake(self) -> None:
        """Say that there is work."""
        ...

    def recheck(self) -> None:
        """Say that there is less: somebody took a wish back."""
        ...

    def match_again(self) -> None:
        """Ask that all stored reports are matched with the database as it is now."""
        ...

    def numbers(self) -> "CrewNumbers":
        """Count the workers of this replica."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CrewNumbers:
    """The workers of one replica."""

    slots: int
    """Scans that can run at the same time."""
    busy: int
    starts: int
    """Processes that were begun; many more than slots mean that many died."""
    is_alive: bool
    trouble: str
    """What ails them; for the log of the service, and for those who may read its state."""


@dataclass(frozen=True, slots=True)
class Threads:
    """How many of each kind of blocking work may be under way. Made inside of the event loop."""

    store: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(8))
    names: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(8))
    """Name resolution, which may hang for seconds."""
    reports: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))
    """Reports are written by Python alone: more at a time would only take turns."""
    caches: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))
    """Counting what lies on disk."""
    hunts: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))
    """Hunts run in processes of their own; as many as the settings say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One replica of the service."""

    settings: ServiceSettings
    store: JobStore
    tokens: Tokens
    registries: Registries
    metrics: Metrics
    crew: Crew
    lending: Lending
    shelf: Shelf
    advisories: DatabaseWatch
    caches: CacheWatch
    replica: str
    threads: Threads
    started: float
    """[s since 1970]"""

    async def ask(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the store in a thread."""
        return await to_thread.run_sync(partial(function, *args, **kwargs), limiter=self.threads.store)

    async def write(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Unpack or write a report in a thread."""
        return await to_thread.run_sync(partial(function, *args, **kwargs), limiter=self.threads.reports)

    async def database(self) -> DatabaseDocument:
        """Return what is known about the advisory database."""
        known = self.advisories.remembered
        if known is not None:
            return known
        matched = await self.ask(self.store.mark, MATCHED)
        return await self.ask(self.advisories.look, matched)

    async def cache(self) -> CacheDocument:
        """Return what the cache holds, as of the last minute."""
        return await to_thread.run_sync(self.caches.look, limiter=self.threads.caches)

    async def report(self, report_id: str) -> ScanReport | None:
        """Return a stored report, ready to be written; None: it is not there any more."""
        stored = await self.ask(self.store.report, report_id)
        return None if stored is None else await self.write(self.shelf.unpack, stored)
