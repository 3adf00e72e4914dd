"""Who asks images in this process: connections, caches and claims, held as long as a hunt lasts.

This module alone decides what images that one process asks have in common.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from rafsight.access.fleet import Fleet, Lead
from rafsight.access.options import Options
from rafsight.access.results.contract import ResultStore
from rafsight.access.results.opening import open_results
from rafsight.base.events import Listener
from rafsight.hunt.claims import Claims
from rafsight.hunt.inventories import Inventories
from rafsight.hunt.looking import Asking
from rafsight.hunt.resolving import RESOLVE
from rafsight.hunt.work import Spent, Work
from rafsight.reports.hunting import HuntAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Looker:
    """Does the work of a hunt. Thread-safe."""

    fleet: Fleet
    asking: Asking
    claims: Claims
    inventories: Inventories
    all_platforms: bool
    """Ask every image of an index."""

    @property
    def spent(self) -> Spent:
        """What it cost so far."""
        cost = self.fleet.cost
        return Spent(requests=cost.requests, bytes_fetched=cost.bytes_fetched, contents=self.claims.settled)

    def resolve(self, name: str) -> tuple[Lead, ...]:
        """Find the images that a name means; see `Fleet.resolve`."""
        return self.fleet.resolve(name, all_platforms=self.all_platforms)

    def look(self, lead: Lead) -> HuntAnswer:
        """Ask an image; see `Asking.look`."""
        known = self.asking.recall(lead, self.inventories)
        if known is not None:
            return known
        with self.fleet.open(lead, keep=self.asking.keep()) as image:
            return self.asking.look(image, lead, self.claims, self.inventories)

    def end(self) -> None:
        """Let nobody wait for another's content any more."""
        self.claims.end()


LOOK: Final = Work(
    name="look", do=Looker.look, title="asking images", unit="images", item=Lead, result=HuntAnswer, batch=32
)
"""From an image to its answer."""
WORKS: Final = (RESOLVE, LOOK)


@contextmanager
def open_store(options: Options, listener: Listener) -> Iterator[ResultStore]:
    """Give the place where answers about files and images are kept: the cache, or one that goes at the end.

    Args:
        options: name the cache.
        listener: told what fails there.
    Raises: NotACache, NoPostgresDriver.
    """
    with ExitStack() as stack:
        if options.cache_dir is None and not options.shared_cache:
            folder = stack.enter_context(TemporaryDirectory(prefix="rafsight-hunt-"))
            options = replace(options, cache_dir=Path(folder))
        yield stack.enter_context(open_results(options, listener))
