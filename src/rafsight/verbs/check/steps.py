"""One step of a check: what it looks at, what it finds, how long it takes.

This module alone decides what becomes of an error in a step: bytes that are wrong are a fault of the image, a place
that does not answer leaves something unchecked. Either way the next step is taken.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from rafsight.access.soundness import Examined
from rafsight.base.errors import ImageFault, RegistryFault
from rafsight.formats.judge import Collector, Fault, fault_of
from rafsight.reports.soundness import Step, Unchecked

TITLES: Final = {
    "manifest": "manifest",
    "config": "image config",
    "bootstrap": "bootstrap layer",
    "metadata": "metadata of the bootstrap",
    "blobs": "blobs are there",
    "chunk-info": "chunk-info arrays and tables of contents",
    "chunks": "content of the chunks",
    "source": "comparison with the source",
}
"""What people call the steps, in the order in which they are taken."""


@dataclass(slots=True)
class Log:
    """What a step has to say so far."""

    name: str
    title: str
    judge: Collector = field(default_factory=Collector)
    unchecked: list[Unchecked] = field(default_factory=list)
    facts: list[tuple[str, int]] = field(default_factory=list)
    remark: str = ""

    def leave(self, subject: str, why: str) -> None:
        """Say that something could not be looked at."""
        self.unchecked.append(Unchecked(subject=subject, why=why))

    def take(self, examined: Examined) -> None:
        """Take over what somebody looked at with this step's judge."""
        self.unchecked += [Unchecked(subject=subject, why=why) for subject, why in examined.unchecked]
        self.facts += examined.facts


class Steps:
    """The steps of one image, in order."""

    def __init__(self) -> None:
        self.done: list[Step] = []

    @contextmanager
    def step(self, name: str, title: str = "") -> Iterator[Log]:
        """Take one step; errors of the image and of the place end it, and nothing else.

        Args:
            name: one of `TITLES`.
            title: for people; None takes that of the table.
        """
        began = time.monotonic()
        log = Log(name=name, title=title or TITLES[name])
        try:
            yield log
        except RegistryFault as error:
            log.leave(log.title, str(error))
        except ImageFault as error:
            log.judge.add(fault_of(error, log.title))
        self.done.append(_finished(log, time.monotonic() - began))

    def skip(self, names: Sequence[str], why: str, title: str = "") -> None:
        """Leave steps out."""
        self.done += [Step(name=name, title=title or TITLES[name], skipped=why) for name in names]


def _finished(log: Log, seconds: float) -> Step:
    return Step(
        name=log.name,
        title=log.title,
        faults=tuple(log.judge.faults),
        counts=tuple(sorted((code, count) for code, count in log.judge.counts.items() if count)),
        unchecked=tuple(log.unchecked),
        facts=tuple(log.facts),
        remark=log.remark,
        seconds=seconds,
    )


def only_fault(name: str, fault: Fault) -> Step:
    """Make a step that found one thing and could not go on."""
    return Step(name=name, title=TITLES[name], faults=(fault,), counts=((fault.rule.code, 1),))
