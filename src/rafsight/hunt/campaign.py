"""A hunt over many images: each distinct image is asked once.

This module alone decides what is told when: answers of earlier runs first, and each new one is remembered before it is
handed over.
"""

import time
from collections.abc import Iterator
from dataclasses import replace

from rafsight.hunt.corpus import Corpus
from rafsight.hunt.looker import LOOK
from rafsight.hunt.roll import NamedImage, Roll
from rafsight.hunt.state import State
from rafsight.hunt.work import Crew
from rafsight.reports.hunting import HuntAnswer, HuntFailure, HuntTally


class Campaign:
    """One hunt. `run` may be called once, from one thread."""

    def __init__(self, *, roll: Roll, crew: Crew, state: State) -> None:
        """Prepare; nothing is asked yet.

        Args:
            roll: finds the images.
            crew: asks them.
            state: what is known already; kept up to date.
        """
        self._roll = roll
        self._crew = crew
        self._state = state
        self._began = time.monotonic()
        self._images = self._remembered = self._matches = self._unseen = 0

    @property
    def failures(self) -> tuple[HuntFailure, ...]:
        """What could not be asked so far, in the order of the corpus."""
        return self._roll.failures

    @property
    def tally(self) -> HuntTally:
        """What was done so far."""
        spent = self._crew.spent
        return HuntTally(
            names=self._roll.name_count,
            images=self._images,
            remembered=self._remembered,
            matches=self._matches,
            unseen=self._unseen,
            passed_over=self._roll.passed_over,
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
            yield from self._ask(self._roll.call(corpus))
        except BaseException:  # whoever ends a hunt early does not wait for its threads
            self._crew.end()
            raise

    def _ask(self, images: list[NamedImage]) -> Iterator[HuntAnswer]:
        """Ask images; what was answered before comes from memory."""
        fresh: dict[str, NamedImage] = {}
        for image in images:
            known = self._state.answer(image.lead.digest)
            if known is None:
                fresh[image.lead.digest] = image
                continue
            self._remembered += 1
            yield self._counted(replace(known, names=image.names, platform=image.lead.platform))
        for done in self._crew.spread(LOOK, [image.lead for image in fresh.values()]):
            image = fresh[done.item.digest]
            if done.fault is not None:
                self._roll.fail(image, done.fault)
            if done.result is not None:
                answer = replace(done.result, names=image.names)
                if all(one.is_lasting for one in answer.unseen):
                    self._state.keep_answer(answer)
                yield self._counted(answer)

    def _counted(self, answer: HuntAnswer) -> HuntAnswer:
        self._images += 1
        self._matches += answer.is_match
        self._unseen += bool(answer.unseen)
        return answer
