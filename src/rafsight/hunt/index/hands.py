"""Who brings an index up to date: threads of this process, or the workers of a cluster.

This module alone decides what they are given.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rafsight.access.fetch import threads
from rafsight.access.fleet import Fleet
from rafsight.access.options import Options
from rafsight.access.pace import Pace
from rafsight.base.events import Listener
from rafsight.hunt.cluster import Cluster
from rafsight.hunt.index.making import DistantParts, IndexTerms, LocalParts, Parts
from rafsight.hunt.index.places import IndexPlace
from rafsight.hunt.index.snapshot import Shelf
from rafsight.hunt.index.taking import Taker
from rafsight.hunt.spreading import Threads
from rafsight.hunt.work import Crew, LocalCrew

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How an index is brought up to date."""

    options: Options
    listener: Listener
    cluster: Cluster | None
    """None: in this process."""
    jobs: int
    """Images at the same time; in each worker process of a cluster."""
    rate: float | None
    """[requests/s] that one host is asked at most."""
    all_platforms: bool
    """Take every image of an index."""
    verify: bool = False
    """Look into every table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Where tables are written, and where they go."""

    place: IndexPlace
    url: str
    """Of the place, as the user wrote it."""
    shelf: Shelf
    connection: "DuckDBPyConnection"
    scratch: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """Those who do the work."""

    fleet: Fleet
    """The way to lists of images."""
    lists: Threads
    """Fetch them."""
    crew: Crew
    """Looks names up."""
    parts: Parts
    """Takes trees."""


@contextmanager
def call_hands(manner: Manner, desk: Desk) -> Iterator[Hands]:
    """Call those together who do the work.

    Raises: NoDask, ClusterUnreachable, OtherRelease, ClusterLost.
    """
    options = replace(manner.options, connections=max(manner.options.connections, 2 * manner.jobs))
    with ExitStack() as stack:
        fetching = stack.enter_context(threads(options.connections, name="rafsight-fetch"))
        fleet = Fleet(options, pool=fetching, pace=None if manner.rate is None else Pace(manner.rate))
        stack.callback(fleet.close)
        working = stack.enter_context(threads(manner.jobs, name="rafsight-index"))
        lists = Threads(pool=working, ahead=manner.jobs + 2, listener=manner.listener)
        crew: Crew
        parts: Parts
        if manner.cluster is not None:
            crew, parts = _call_workers(stack, manner.cluster, manner, desk, fleet)
        else:
            crew = LocalCrew(tradesman=Taker(fleet=fleet, all_platforms=manner.all_platforms), threads=lists)
            parts = LocalParts(place=desk.place, connection=desk.connection, scratch=desk.scratch, crew=crew)
        yield Hands(fleet=fleet, lists=lists, crew=crew, parts=parts)


def _call_workers(
    stack: ExitStack, cluster: Cluster, manner: Manner, desk: Desk, fleet: Fleet
) -> tuple[Crew, DistantParts]:
    from rafsight.hunt.distant_crew import muster  # late: nobody else needs it

    near = desk.place.path("x")  # no file is asked for
    url = desk.url if near is None else str(near.parent.absolute())
    crew = stack.enter_context(
        muster(
            cluster,
            "index",
            IndexTerms(url=url, all_platforms=manner.all_platforms),
            options=manner.options,
            jobs=manner.jobs,
            rate=manner.rate,
            fleet=fleet,
            listener=manner.listener,
        )
    )
    return crew, DistantParts(place=desk.place, shelf=desk.shelf, crew=crew)
