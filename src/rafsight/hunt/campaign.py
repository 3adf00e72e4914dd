"""A hunt over many images: names become images, and each distinct image is asked once.

This module alone decides what is told when. First all names are looked up, so that an image with several is asked once
and shown with all of them; then the images are asked, and each answer is remembered before it is handed over.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from rafsight.access.fleet import Fleet, Lead
from rafsight.hunt.corpus import Corpus, Place, names_in, places_of
from rafsight.hunt.looker import LOOK
from rafsight.hunt.resolving import RESOLVE
from rafsight.hunt.spreading import Fault, FaultKind, Threads
from rafsight.hunt.state import State
from rafsight.hunt.work import Crew
from rafsight.reports.hunting import HuntAnswer, HuntFailure, HuntTally


@dataclass(slots=True, kw_only=True)
class _Found:
    """An image, and what it is called."""

    lead: Lead
    names: list[tuple[int, str]] = field(default_factory=list)
    """With their place in the corpus."""

    def called(self) -> tuple[str, ...]:
        return tuple(name for _, name in sorted(self.names))


class Campaign:
    """One hunt. `run` may be called once, from one thread."""

    def __init__(self, *, fleet: Fleet, lists: Threads, crew: Crew, state: State) -> None:
        """Prepare; nothing is asked yet.

        Args:
            fleet: the way to lists of images.
            lists: fetch them.
            crew: asks the images.
            state: what is known already; kept up to date.
        """
        self._failed: list[tuple[int, HuntFailure]] = []
        self._fleet = fleet
        self._lists = lists
        self._crew = crew
        self._state = state
        self._began = time.monotonic()
        self._names = self._images = self._remembered = self._matches = self._unseen = self._passed_over = 0

    @property
    def failures(self) -> tuple[HuntFailure, ...]:
        """What could not be asked so far, in the order of the corpus."""
        return tuple(failure for _, failure in sorted(self._failed, key=lambda pair: pair[0]))

    @property
    def tally(self) -> HuntTally:
        """What was done so far."""
        spent = self._crew.spent
        return HuntTally(
            names=self._names,
            images=self._images,
            remembered=self._remembered,
            matches=self._matches,
            unseen=self._unseen,
            passed_over=self._passed_over,
            contents=spent.contents,
            requests=spent.requests,
            bytes_fetched=spent.bytes_fetched,
            seconds=time.monotonic() - self._began,
        )

    def run(self, corpus: Corpus) -> Iterator[HuntAnswer]:
        """Ask all images; each answer comes as soon as it is there, those of earlier runs first.

        Raises: RegistryFault: a registry does not list its repositories; UnusableState; NoDatabase, DatabaseDamaged.
        Cost: a request for each name; then what `Asking.look` and `Fleet.open` cost for each distinct image.
        """
        try:
            yield from self._ask(self._find(self._list(corpus)))
        except BaseException:  # whoever ends a hunt early does not wait for its threads
            self._crew.end()
            raise

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
                self._fail(number, (place.name,), done.fault)
            listed[number] = done.result or ()
        return list(dict.fromkeys(name for number in sorted(listed) for name in listed[number]))

    def _find(self, names: list[str]) -> list[_Found]:
        """Find the distinct images that names mean, in the order of their first names."""
        self._names = len(names)
        numbers = {name: number for number, name in enumerate(names)}
        found: dict[str, _Found] = {}
        for done in self._crew.spread(RESOLVE, names):
            name, number = done.item, numbers[done.item]
            if done.fault is not None and done.fault.kind is FaultKind.NO_IMAGE:
                self._passed_over += 1
            elif done.fault is not None:
                self._fail(number, (name,), done.fault)
            for lead in done.result or ():
                found.setdefault(lead.digest, _Found(lead=lead)).names.append((number, name))
        return sorted(found.values(), key=lambda image: min(image.names))

    def _ask(self, images: list[_Found]) -> Iterator[HuntAnswer]:
        """Ask images; what was answered before comes from memory."""
        fresh: dict[str, _Found] = {}
        for image in images:
            known = self._state.answer(image.lead.digest)
            if known is None:
                fresh[image.lead.digest] = image
                continue
            self._remembered += 1
            yield self._counted(replace(known, names=image.called(), platform=image.lead.platform))
        for done in self._crew.spread(LOOK, [image.lead for image in fresh.values()]):
            image = fresh[done.item.digest]
            if done.fault is not None:
                self._fail(min(image.names)[0], image.called(), done.fault)
            if done.result is not None:
                answer = replace(done.result, names=image.called())
                if all(one.is_lasting for one in answer.unseen):
                    self._state.keep_answer(answer)
                yield self._counted(answer)

    def _counted(self, answer: HuntAnswer) -> HuntAnswer:
        self._images += 1
        self._matches += answer.is_match
        self._unseen += bool(answer.unseen)
        return answer

    def _fail(self, number: int, names: tuple[str, ...], fault: Fault) -> None:
        failure = HuntFailure(names=names, code=fault.code, message=fault.message, advice=fault.advice)
        self._failed.append((number, failure))
