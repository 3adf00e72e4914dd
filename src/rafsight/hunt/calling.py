"""Those who do some work are called together: threads of this process, or the workers of a cluster.

This module alone decides which, and what they have in common.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Final

from rafsight.access.fetch import threads
from rafsight.access.fleet import Fleet
from rafsight.access.options import Options
from rafsight.access.pace import Pace
from rafsight.base.events import Listener
from rafsight.hunt.cluster import Cluster
from rafsight.hunt.roll import Roll
from rafsight.hunt.site import Site
from rafsight.hunt.spreading import Threads
from rafsight.hunt.work import Crew, LocalCrew, Tradesman

JOBS: Final = 8
"""Images at the same time: on two cores enough to hide the way to a registry."""
_AHEAD: Final = 4
"""Pieces of work for each thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the work is done."""

    options: Options
    """How images are reached."""
    listener: Listener
    cluster: Cluster | None = None
    """Whose workers do it; None: threads of this process."""
    jobs: int = JOBS
    """Images at the same time; in each worker process of a cluster."""
    rate: float | None = None
    """[requests/s] that one host is asked at most."""
    ahead: int | None = None
    """Pieces of work that may be done or under way before their results are taken; None: some for each thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """Those who do the work, and what they have at hand."""

    fleet: Fleet
    """The way to lists of images."""
    lists: Threads
    """Fetch them."""
    crew: Crew

    def roll(self) -> Roll:
        """Begin to find images."""
        return Roll(fleet=self.fleet, lists=self.lists, crew=self.crew)


@contextmanager
def call_crew(
    manner: Manner, trade: str, terms: object, here: Callable[[Site], AbstractContextManager[Tradesman]]
) -> Iterator[Called]:
    """Call those together who do some work.

    Args:
        manner: how it is done.
        trade: what the workers of a cluster shall be, see `station.TRADES`.
        terms: what they are told.
        here: makes somebody of the trade in this process.
    Raises: NoDask, ClusterUnreachable, OtherRelease, ClusterLost; what `here` raises.
    """
    options = replace(manner.options, connections=max(manner.options.connections, 2 * manner.jobs))
    with ExitStack() as stack:
        fetching = stack.enter_context(threads(options.connections, name="rafsight-fetch"))
        fleet = Fleet(options, pool=fetching, pace=Pace(manner.rate, listener=manner.listener))
        stack.callback(fleet.close)
        working = stack.enter_context(threads(manner.jobs, name="rafsight-work"))
        lists = Threads(pool=working, ahead=manner.ahead or _AHEAD * manner.jobs, listener=manner.listener)
        crew: Crew
        if manner.cluster is not None:
            crew = stack.enter_context(_muster(manner.cluster, trade, terms, manner, fleet))
        else:
            site = Site(options=options, fleet=fleet, jobs=manner.jobs, listener=manner.listener)
            crew = LocalCrew(tradesman=stack.enter_context(here(site)), threads=lists)
        yield Called(fleet=fleet, lists=lists, crew=crew)


def _muster(cluster: Cluster, trade: str, terms: object, manner: Manner, fleet: Fleet) -> AbstractContextManager[Crew]:
    from rafsight.hunt.distant_crew import muster  # late: nobody else needs it

    return muster(
        cluster,
        trade,
        terms,
        options=manner.options,
        jobs=manner.jobs,
        rate=manner.rate,
        fleet=fleet,
        listener=manner.listener,
    )
