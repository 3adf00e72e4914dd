"""Who brings an index up to date: threads of this process, or the workers of a cluster.

This module alone decides what they are given.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from rafsight.access.fleet import Fleet
from rafsight.hunt.calling import Manner, call_crew
from rafsight.hunt.index.making import DistantParts, IndexTerms, LocalParts, Parts
from rafsight.hunt.index.places import IndexPlace
from rafsight.hunt.index.snapshot import Shelf
from rafsight.hunt.index.taking import Taker
from rafsight.hunt.spreading import Threads
from rafsight.hunt.work import Crew

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from rafsight.hunt.distant_crew import DistantCrew

_AHEAD = 2
"""File tables, which are large, beside those that the threads are at."""


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
def call_hands(manner: Manner, desk: Desk, *, all_platforms: bool) -> Iterator[Hands]:
    """Call those together who do the work.

    Args:
        manner: how it is done.
        desk: where.
        all_platforms: take every image of an index.
    Raises: NoDask, ClusterUnreachable, OtherRelease, ClusterLost.
    """
    near = desk.place.path("x")  # no file is asked for
    url = desk.url if near is None else str(near.parent.absolute())
    terms = IndexTerms(url=url, all_platforms=all_platforms)
    manner = replace(manner, ahead=manner.jobs + _AHEAD)
    with call_crew(
        manner,
        "index",
        terms,
        lambda site: nullcontext(Taker(fleet=site.fleet, all_platforms=all_platforms)),
    ) as called:
        parts: Parts
        if manner.cluster is not None:
            parts = DistantParts(place=desk.place, shelf=desk.shelf, crew=cast("DistantCrew", called.crew))
        else:
            parts = LocalParts(place=desk.place, connection=desk.connection, scratch=desk.scratch, crew=called.crew)
        yield Hands(fleet=called.fleet, lists=called.lists, crew=called.crew, parts=parts)
