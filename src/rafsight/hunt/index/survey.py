"""Which images a corpus has now, and which of those that an index knows are gone.

This module alone decides when an image is gone: its place was asked, and does not name it any more. A place that does
not answer says nothing about its images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rafsight.access.fleet import Fleet, Lead
from rafsight.base.errors import RafsightError
from rafsight.formats.oci.reference import (
    LayoutReference,
    MalformedReference,
    RegistryReference,
    parse_reference,
)
from rafsight.hunt.corpus import Corpus, Place, RegistryWish, names_in, places_of
from rafsight.hunt.index.tables import ImageRow
from rafsight.hunt.resolving import RESOLVE
from rafsight.hunt.spreading import Fault, FaultKind, Threads, fault_of
from rafsight.hunt.work import Crew
from rafsight.matching.suppression.globs import names_path
from rafsight.reports.hunting import HuntFailure


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Where a reference points to."""

    repository: str = ""
    """`HOST/REPO`, or `oci:DIR`; empty for other references."""
    tag: str = ""


@dataclass(slots=True, kw_only=True)
class Survey:
    """What a corpus has."""

    leads: dict[str, tuple[Lead, ...]] = field(default_factory=dict)
    """The images of each reference that has some."""
    faults: dict[str, Fault] = field(default_factory=dict)
    """References that could not be looked up."""
    missing: set[str] = field(default_factory=set)
    """References that name nothing, or no image."""
    passed_over: int = 0
    """References that name no image but another artifact."""
    failures: list[HuntFailure] = field(default_factory=list)
    """Places that could not be listed."""
    listed: dict[str, list[tuple[str, set[str]]]] = field(default_factory=dict)
    """Of places by their names: the globs for tags that were asked for, and all references that they name."""
    registries: list[tuple[RegistryWish, set[str]]] = field(default_factory=list)
    """All repositories of a registry (those that its globs name), as `HOST/REPO`."""

    def is_gone(self, row: ImageRow) -> bool:
        """Tell whether an image that was there is not any more."""
        if row.reference in self.missing:
            return True
        if row.reference in self.leads:
            found = self.leads[row.reference]
            return all((lead.digest, lead.platform) != (row.digest, row.platform) for lead in found)
        if row.reference in self.faults:
            return False
        if "@" in row.reference:
            return False  # lists of tags say nothing about it
        listed = self.listed.get(row.repository, ())
        if any(names_path(tags, row.tag.encode()) and row.reference not in found for tags, found in listed):
            return True
        return any(_was_in(wish, row) and row.repository not in found for wish, found in self.registries)


def survey(corpus: Corpus, fleet: Fleet, lists: Threads, crew: Crew) -> Survey:
    """Look up all images of a corpus.

    Args:
        corpus: which images.
        fleet: the way to lists of images.
        lists: fetch them.
        crew: looks names up.
    Raises: nothing about a place or an image; ClusterLost and WorkerUnfit about a crew.
    Cost: the lists of repositories and tags, and a request for each reference.
    """
    result = Survey()
    references: dict[str, None] = {}
    places: list[Place] = []
    for place in _places(corpus, fleet, result):
        if isinstance(place, str):
            references[place] = None
        else:
            places.append(place)
    listing = lists.spread(lambda place: names_in(place, fleet), places, title="listing tags", unit="repositories")
    for done in listing:
        if done.fault is not None:
            result.failures.append(failure_of((done.item.name,), done.fault))
        elif done.result is not None:
            result.listed.setdefault(done.item.name, []).append((done.item.tags, set(done.result)))
            references |= dict.fromkeys(done.result)
    _resolve(list(references), crew, result)
    return result


def locate(reference: str) -> Located:
    """Take a reference apart, as far as an index wants to know."""
    try:
        parsed = parse_reference(reference)
    except MalformedReference:
        return Located()
    if isinstance(parsed, RegistryReference):
        return Located(repository=f"{parsed.host}/{parsed.repository}", tag=parsed.tag or "")
    if isinstance(parsed, LayoutReference):
        return Located(repository=f"oci:{parsed.directory}", tag=parsed.tag or "")
    return Located()


def failure_of(names: tuple[str, ...], fault: Fault) -> HuntFailure:
    """Say what failed."""
    return HuntFailure(names=names, code=fault.code, message=fault.message, advice=fault.advice)


def _places(corpus: Corpus, fleet: Fleet, result: Survey) -> Iterator[Place | str]:
    """Name all places; a registry that does not list its repositories is a failure of that registry."""
    yield from places_of(Corpus(references=corpus.references), fleet)
    for wish in corpus.registries:
        try:
            found = list(places_of(Corpus(registries=(wish,)), fleet))
        except RafsightError as error:
            result.failures.append(failure_of((wish.host,), fault_of(error)))
            continue
        result.registries.append((wish, {place.name for place in found if isinstance(place, Place)}))
        yield from found


def _resolve(references: Sequence[str], crew: Crew, result: Survey) -> None:
    for done in crew.spread(RESOLVE, references):
        if done.fault is not None and done.fault.kind is FaultKind.NO_IMAGE:
            result.passed_over += 1
            result.missing.add(done.item)
        elif done.fault is not None:
            if done.fault.kind is FaultKind.MISSING:
                result.missing.add(done.item)
            result.faults[done.item] = done.fault
        elif done.result is not None:
            result.leads[done.item] = done.result


def _was_in(wish: RegistryWish, row: ImageRow) -> bool:
    """Tell whether an image was found by listing a registry."""
    host, slash, repository = row.repository.partition("/")
    return bool(slash) and host == wish.host and names_path(wish.repositories, repository.encode())
