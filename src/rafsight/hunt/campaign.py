"""A hunt over many images: names become images, and each distinct image is asked once.

This module alone decides what runs side by side, what is told when, and what ends a hunt: a fault of one image never
does. First all names are looked up, so that an image with several is asked once and shown with all of them; then the
images are asked, and each answer is remembered before it is handed over.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeVar

from rafsight.access.fleet import Fleet, Lead
from rafsight.base.errors import Defect, ExitStatus, RafsightError
from rafsight.base.events import Advanced, Finished, Listener, Started
from rafsight.formats.oci.errors import NotAnImage
from rafsight.hunt.claims import Claims
from rafsight.hunt.corpus import Corpus, Place, names_in, places_of
from rafsight.hunt.looking import Asking
from rafsight.hunt.state import State, UnusableState
from rafsight.reports.hunting import HuntAnswer, HuntFailure, HuntTally

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD: Final = 4
"""Pieces of work for each thread that wait for it."""


@dataclass(frozen=True, slots=True)
class _Done(Generic[Item, Result]):
    """A piece of work that has ended, with one of a result and an error."""

    item: Item
    result: Result | None
    error: RafsightError | None


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

    def __init__(
        self,
        *,
        fleet: Fleet,
        asking: Asking,
        state: State,
        jobs: int,
        all_platforms: bool,
        listener: Listener,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            fleet: the way to the images.
            asking: the question.
            state: what is known already; kept up to date.
            jobs: images at the same time.
            all_platforms: ask every image of an index.
            listener: told how it goes.
        """
        self._failed: list[tuple[int, HuntFailure]] = []
        self._fleet = fleet
        self._asking = asking
        self._state = state
        self._claims = Claims(state)
        self._jobs = jobs
        self._all_platforms = all_platforms
        self._listener = listener
        self._began = time.monotonic()
        self._names = self._images = self._remembered = self._matches = self._unseen = self._passed_over = 0

    @property
    def failures(self) -> tuple[HuntFailure, ...]:
        """What could not be asked so far, in the order of the corpus."""
        return tuple(failure for _, failure in sorted(self._failed, key=lambda pair: pair[0]))

    @property
    def tally(self) -> HuntTally:
        """What was done so far."""
        cost = self._fleet.cost
        return HuntTally(
            names=self._names,
            images=self._images,
            remembered=self._remembered,
            matches=self._matches,
            unseen=self._unseen,
            passed_over=self._passed_over,
            contents=self._claims.settled,
            requests=cost.requests,
            bytes_fetched=cost.bytes_fetched,
            seconds=time.monotonic() - self._began,
        )

    def run(self, corpus: Corpus) -> Iterator[HuntAnswer]:
        """Ask all images; each answer comes as soon as it is there, those of earlier runs first.

        Raises: RegistryFault: a registry does not list its repositories; UnusableState; NoDatabase, DatabaseDamaged.
        Cost: a request for each name; then what `Asking.look` and `Fleet.open` cost for each distinct image.
        """
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="rafsight-hunt")
        try:
            found = self._find(pool, self._list(pool, corpus))
            yield from self._ask(pool, found)
        except BaseException:  # whoever ends a hunt early does not wait for its threads
            self._claims.end()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        pool.shutdown()

    def _list(self, pool: ThreadPoolExecutor, corpus: Corpus) -> list[str]:
        """Name all images, those of one place together."""
        places = list(places_of(corpus, self._fleet))
        listed: dict[int, tuple[str, ...]] = {
            number: (place,) for number, place in enumerate(places) if isinstance(place, str)
        }
        whole = [(number, place) for number, place in enumerate(places) if isinstance(place, Place)]

        def names(pair: tuple[int, Place]) -> tuple[str, ...]:
            return names_in(pair[1], self._fleet)

        for done in self._spread(pool, names, whole, title="listing tags", unit="repositories"):
            number, place = done.item
            if done.error is not None:
                self._fail(number, (place.name,), done.error)
            listed[number] = done.result or ()
        return list(dict.fromkeys(name for number in sorted(listed) for name in listed[number]))

    def _find(self, pool: ThreadPoolExecutor, names: list[str]) -> list[_Found]:
        """Find the distinct images that names mean, in the order of their first names."""
        self._names = len(names)
        found: dict[str, _Found] = {}

        def resolve(pair: tuple[int, str]) -> tuple[Lead, ...]:
            return self._fleet.resolve(pair[1], all_platforms=self._all_platforms)

        for done in self._spread(pool, resolve, list(enumerate(names)), title="looking names up", unit="names"):
            if isinstance(done.error, NotAnImage):
                self._passed_over += 1
            elif done.error is not None:
                self._fail(done.item[0], (done.item[1],), done.error)
            for lead in done.result or ():
                found.setdefault(lead.digest, _Found(lead=lead)).names.append(done.item)
        return sorted(found.values(), key=lambda image: min(image.names))

    def _ask(self, pool: ThreadPoolExecutor, images: list[_Found]) -> Iterator[HuntAnswer]:
        """Ask images; what was answered before comes from memory."""
        fresh: list[_Found] = []
        for image in images:
            known = self._state.answer(image.lead.digest)
            if known is None:
                fresh.append(image)
                continue
            self._remembered += 1
            yield self._counted(replace(known, names=image.called(), platform=image.lead.platform))
        for done in self._spread(pool, self._look, fresh, title="asking images", unit="images"):
            if done.error is not None:
                self._fail(min(done.item.names)[0], done.item.called(), done.error)
            if done.result is not None:
                if all(one.is_lasting for one in done.result.unseen):
                    self._state.keep_answer(done.result)
                yield self._counted(done.result)

    def _look(self, image: _Found) -> HuntAnswer:
        with self._fleet.open(image.lead, keep=self._asking.keep()) as opened:
            return self._asking.look(opened, image.lead.digest, image.called(), self._claims)

    def _counted(self, answer: HuntAnswer) -> HuntAnswer:
        self._images += 1
        self._matches += answer.is_match
        self._unseen += bool(answer.unseen)
        return answer

    def _fail(self, number: int, names: tuple[str, ...], error: RafsightError) -> None:
        failure = HuntFailure(names=names, code=error.code, message=str(error), advice=error.advice)
        self._failed.append((number, failure))

    def _spread(
        self,
        pool: ThreadPoolExecutor,
        work: Callable[[Item], Result],
        items: list[Item],
        *,
        title: str,
        unit: str,
    ) -> Iterator[_Done[Item, Result]]:
        """Do the same work for many items, and give each when it has ended; what ends a hunt is raised."""
        if not items:
            return
        operation = f"hunt: {title}"
        self._listener(Started(operation=operation, title=title, total=len(items), unit=unit))
        try:
            for item, future in _as_they_end(pool, work, items, ahead=self._jobs * _AHEAD):
                try:
                    done: _Done[Item, Result] = _Done(item, future.result(), None)
                except RafsightError as error:
                    if isinstance(error, UnusableState) or error.exit_status is ExitStatus.DATABASE:
                        raise
                    done = _Done(item, None, error)
                except Exception as error:  # noqa: BLE001 - a mistake of ours about one image is no reason to end a hunt
                    done = _Done(item, None, Defect(what=f"{type(error).__name__}: {error}"))
                self._listener(Advanced(operation=operation, amount=1))
                yield done
        finally:
            self._listener(Finished(operation=operation))


def _as_they_end(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item], *, ahead: int
) -> Iterator[tuple[Item, Future[Result]]]:
    """Give the work on items to a pool, a few at a time, and hand over what has ended."""
    running: dict[Future[Result], Item] = {}
    try:
        for item in items:
            running[pool.submit(work, item)] = item
            if len(running) >= ahead:
                yield from _ended(running)
        while running:
            yield from _ended(running)
    finally:
        for future in running:
            future.cancel()


def _ended(running: dict[Future[Result], Item]) -> list[tuple[Item, Future[Result]]]:
    """Wait until some work has ended, and take it out."""
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    return [(running.pop(future), future) for future in done]
