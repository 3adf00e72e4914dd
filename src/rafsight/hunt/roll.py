"""Names become images: all names of a corpus are looked up, and each distinct image comes once, with all of its names.

This module alone decides which names mean the same image, and the order of images and failures: that of the corpus.
"""

from dataclasses import dataclass, field

from rafsight.access.fleet import Fleet, Lead
from rafsight.hunt.corpus import Corpus, Place, names_in, places_of
from rafsight.hunt.resolving import RESOLVE
from rafsight.hunt.spreading import Fault, FaultKind, Threads
from rafsight.hunt.work import Crew
from rafsight.reports.hunting import HuntFailure


@dataclass(slots=True, kw_only=True)
class NamedImage:
    """An image, and what it is called."""

    lead: Lead
    numbered: list[tuple[int, str]] = field(default_factory=list)
    """Its names with their places in the corpus."""

    @property
    def names(self) -> tuple[str, ...]:
        """What it is called, in the order of the corpus."""
        return tuple(name for _, name in sorted(self.numbered))


class Roll:
    """The images of one corpus. Not safe to share between threads."""

    def __init__(self, *, fleet: Fleet, lists: Threads, crew: Crew) -> None:
        """Prepare; nothing is asked yet.

        Args:
            fleet: the way to lists of images.
            lists: fetch them.
            crew: looks names up.
        """
        self.name_count = 0
        """Names that were looked up."""
        self.passed_over = 0
        """Names that mean no image but another artifact."""
        self._fleet = fleet
        self._lists = lists
        self._crew = crew
        self._failed: list[tuple[int, HuntFailure]] = []

    @property
    def failures(self) -> tuple[HuntFailure, ...]:
        """What could not be looked up or asked so far, in the order of the corpus."""
        return tuple(failure for _, failure in sorted(self._failed, key=lambda pair: pair[0]))

    def call(self, corpus: Corpus) -> list[NamedImage]:
        """Find the distinct images of a corpus, in the order of their first names.

        Raises: RegistryFault: a registry does not list its repositories; Offline.
        Cost: the lists of repositories and tags, and a request for each name.
        """
        names = self._list(corpus)
        self.name_count = len(names)
        numbers = {name: number for number, name in enumerate(names)}
        found: dict[str, NamedImage] = {}
        for done in self._crew.spread(RESOLVE, names):
            name, number = done.item, numbers[done.item]
            if done.fault is not None and done.fault.kind is FaultKind.NO_IMAGE:
                self.passed_over += 1
            elif done.fault is not None:
                self._note(number, (name,), done.fault)
            for lead in done.result or ():
                found.setdefault(lead.digest, NamedImage(lead=lead)).numbered.append((number, name))
        return sorted(found.values(), key=lambda image: min(image.numbered))

    def fail(self, image: NamedImage, fault: Fault) -> None:
        """Take note of an image that could not be asked."""
        self._note(min(image.numbered)[0], image.names, fault)

    def _list(self, corpus: Corpus) -> list[str]:
        """Name all images, those of one place together."""
        places = list(places_of(corpus, self._fleet))
        listed: dict[int, tuple[str, ...]] = {
            number: (place,) for number, place in enumerate(places) if isinstance(place, str)
        }
        whole = [(number, place) for number, place in enumerate(places) if isinstance(place, Place)]

        def names(pair: tuple[int, Place]) -> tuple[str, ...]:
            return names_in(pair[1], self._fleet)

        for done in self._lists.spread(names, whole, title="listing tags", unit="repositories"):
            number, place = done.item
            if done.fault is not None:
                self._note(number, (place.name,), done.fault)
            listed[number] = done.result or ()
        return list(dict.fromkeys(name for number in sorted(listed) for name in listed[number]))

    def _note(self, number: int, names: tuple[str, ...], fault: Fault) -> None:
        failure = HuntFailure(names=names, code=fault.code, message=fault.message, advice=fault.advice)
        self._failed.append((number, failure))
