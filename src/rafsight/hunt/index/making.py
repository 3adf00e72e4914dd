"""Parts of an index, made of the trees of images: here, or by the workers of a cluster.

A worker does with some of the trees what one process does with all: it takes them, writes the tables of a part, and
puts them where the index lies. What travels is what the part is called and which trees it has. This module alone
decides when a part is full, and how many trees a worker makes one of.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Protocol

from rafsight.access.fetch import threads
from rafsight.access.fleet import Lead
from rafsight.base.errors import HostLimit
from rafsight.base.events import silent
from rafsight.hunt.index.draft import MOST_TREES, PartDraft
from rafsight.hunt.index.duck import open_duck
from rafsight.hunt.index.manifest import DamagedIndex, StoredPart
from rafsight.hunt.index.places import IndexPlace, find_place
from rafsight.hunt.index.shipping import ship_part
from rafsight.hunt.index.snapshot import Shelf
from rafsight.hunt.index.tables import TreeRow
from rafsight.hunt.index.taking import TAKE, Taker, Wanted
from rafsight.hunt.resolving import RESOLVE
from rafsight.hunt.site import Site
from rafsight.hunt.spreading import Done, Fault, Threads
from rafsight.hunt.wire import Parcel, unpack
from rafsight.hunt.work import Crew, LocalCrew, Spent, Work

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from rafsight.hunt.distant_crew import DistantCrew

TOGETHER: Final = 256
"""Trees that a worker makes a part of at most: what is lost if it dies, and what others wait for at the end."""
_AHEAD: Final = 2


class NotShared(HostLimit):
    """What a worker of a cluster wrote into an index is not there."""

    code = "index-not-shared"
    template = "the index at {place} is another place for the workers of the cluster: {what}"
    remedy = "Put it where all can write: a URL such as s3://BUCKET/PATH, or a folder that all machines share."


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What came of some trees."""

    part: StoredPart | None
    """Its tables are in place, and no generation names them; None if there is nothing to store."""
    trees: tuple[TreeRow, ...]
    """In the part."""
    faults: Mapping[str, Fault]
    """Why others are not, by tree."""
    is_last: bool = False
    """There is nothing more: it need not be told apart from the end."""


class Parts(Protocol):
    """Makes parts of trees."""

    def made(self, wanted: Sequence[Wanted]) -> Iterator[Made]:
        """Take trees; a part comes as soon as it is full.

        Raises: IndexUnreachable, NoScratch; what ends all of it.
        """
        ...


@dataclass(slots=True, kw_only=True)
class LocalParts:
    """Makes parts in this process. Not safe to share between threads."""

    place: IndexPlace
    connection: "DuckDBPyConnection"
    scratch: Path
    crew: Crew
    """Of takers."""
    most_trees: int = MOST_TREES
    """Of a part."""
    _draft: PartDraft = field(default_factory=PartDraft)
    _trees: list[TreeRow] = field(default_factory=list)
    _faults: dict[str, Fault] = field(default_factory=dict)

    def made(self, wanted: Sequence[Wanted]) -> Iterator[Made]:
        """See Parts."""
        for done in self.crew.spread(TAKE, wanted):
            if done.fault is not None:
                self._faults[done.item.tree] = done.fault
            if done.result is not None:
                self._draft.add(done.result.row, done.result.columns, done.item.name)
                self._trees.append(done.result.row)
            if self._draft.is_full or len(self._draft) >= self.most_trees:
                yield self._ship(is_last=False)
        yield self._ship(is_last=True)

    def _ship(self, *, is_last: bool) -> Made:
        part = None
        if self._trees:
            part = ship_part(self.place, self.connection, self._draft.finish(), self.scratch)
        made = Made(part=part, trees=tuple(self._trees), faults=self._faults, is_last=is_last)
        self._draft, self._trees, self._faults = PartDraft(), [], {}
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class PartMaker:
    """Makes parts in the process of a worker. Thread-safe."""

    taker: Taker
    place: IndexPlace
    threads: Threads

    @property
    def spent(self) -> Spent:
        """What it cost so far."""
        return self.taker.spent

    def resolve(self, name: str) -> tuple[Lead, ...]:
        """Find the images that a name means; see `Fleet.resolve`."""
        return self.taker.resolve(name)

    def make(self, wanted: tuple[Wanted, ...]) -> tuple[Made, ...]:
        """Make parts of some trees; see `LocalParts`."""
        with TemporaryDirectory(prefix="rafsight-index-") as scratch, open_duck(threads=1) as connection:
            crew = LocalCrew(tradesman=self.taker, threads=self.threads)
            parts = LocalParts(place=self.place, connection=connection, scratch=Path(scratch), crew=crew)
            return tuple(parts.made(wanted))

    def end(self) -> None:
        """Take no more trees."""
        self.threads.pool.shutdown(wait=False, cancel_futures=True)


MAKE: Final = Work(
    name="make",
    do=PartMaker.make,
    title=TAKE.title,
    unit=TAKE.unit,
    item=tuple[Wanted, ...],
    result=tuple[Made, ...],
    count=len,
)
"""From images to parts of an index."""
WORKS: Final = (RESOLVE, MAKE)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexTerms:
    """What a worker is told about an index."""

    url: str
    """A whole path, or a URL."""
    all_platforms: bool


@contextmanager
def join_index(terms: bytes, site: Site) -> Iterator[PartMaker]:
    """Make ready to make parts of an index.

    Args:
        terms: an IndexTerms, as `pack` writes it.
        site: what the process has.
    Raises: NoFsspec, UnknownIndexUrl, NoDuckDb.
    """
    told: IndexTerms = unpack(Parcel(terms), IndexTerms)
    open_duck().close()
    with threads(site.jobs, name="rafsight-index") as pool:
        yield PartMaker(
            taker=Taker(fleet=site.fleet, all_platforms=told.all_platforms),
            place=find_place(told.url),
            threads=Threads(pool=pool, ahead=site.jobs + _AHEAD, listener=silent),
        )


@dataclass(slots=True, kw_only=True)
class DistantParts:
    """Lets the workers of a cluster make parts. Not safe to share between threads."""

    place: IndexPlace
    shelf: Shelf
    crew: "DistantCrew"
    """Of part makers."""

    def made(self, wanted: Sequence[Wanted]) -> Iterator[Made]:
        """See Parts.

        Raises: NotShared, WorkerUnfit, ClusterLost.
        """
        from rafsight.hunt.distant_crew import EndsWorkers

        size = self.crew.together(len(wanted), TOGETHER)
        alone: list[tuple[Wanted, ...]] = []
        for done in self.crew.spread(MAKE, [tuple(wanted[at : at + size]) for at in range(0, len(wanted), size)]):
            if done.fault is not None and done.fault.code == EndsWorkers.code:
                alone += [(one,) for one in done.item]
            else:
                yield from self._shared(done)
        for done in self.crew.spread(MAKE, alone):
            if done.fault is not None and done.fault.code == EndsWorkers.code:
                yield Made(part=None, trees=(), faults={done.item[0].tree: done.fault})
            else:
                yield from self._shared(done)

    def _shared(self, done: Done[tuple[Wanted, ...], tuple[Made, ...]]) -> tuple[Made, ...]:
        """Make sure that we see what a worker has written."""
        from rafsight.hunt.sending import WorkerUnfit

        if done.fault is not None:
            raise WorkerUnfit(worker="that had some of the images", why=done.fault.message, advice=done.fault.advice)
        made = done.result or ()
        for one in made:
            if one.part is not None:
                try:
                    self.shelf.get(one.part.trees)
                except DamagedIndex as error:
                    raise NotShared(place=self.place.name, what=str(error)) from error
        return tuple(replace(one, is_last=False) for one in made)
