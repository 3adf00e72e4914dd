"""Each distinct content is looked into once, whichever of many images has it, and whoever comes first.

    known, mine, others = claims.claim(keys)
    ...                                          # look into `mine`; settle each
    claims.release(mine)                         # those that could not be had: the next one may try
    claims.wait(others)                          # then claim those again

This module alone decides who looks. Nobody waits while others wait for him: what is claimed is settled or released
first.
"""

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import Final, Protocol

from rafsight.hunt.state import Verdict

_REMEMBERED: Final = 400_000
"""Contents whose verdicts are kept in memory: what has more asks the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What became of some contents that somebody wants to know about."""

    known: dict[bytes, Verdict] = field(default_factory=dict)
    mine: tuple[bytes, ...] = ()
    """To be looked into by who asked."""
    others: tuple[bytes, ...] = ()
    """That another one is looking into."""


class Verdicts(Protocol):
    """Remembers what contents had to say, perhaps to other hunters than this one. Thread-safe."""

    def verdicts(self, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        """Return what is known about some contents.

        Raises: UnusableState.
        """
        ...

    def keep_verdicts(self, verdicts: Iterable[tuple[bytes, Verdict]]) -> None:
        """Remember what some contents have to say.

        Raises: UnusableState.
        """
        ...


class Claims:
    """Who looks into which content. Thread-safe."""

    def __init__(self, known: Verdicts) -> None:
        """Begin.

        Args:
            known: remembers what contents had to say.
        """
        self._known = known
        self._moved = threading.Condition()
        self._claimed: set[bytes] = set()
        self._recent: dict[bytes, Verdict] = {}
        self._settled = 0
        self._is_ended = False

    @property
    def settled(self) -> int:
        """How many contents were looked into."""
        return self._settled

    def claim(self, keys: Iterable[bytes]) -> Share:
        """Take the contents that nobody knows and nobody has taken.

        Raises: UnusableState.
        """
        wanted = dict.fromkeys(keys)
        recent = self._recent
        known: dict[bytes, Verdict] = {key: recent[key] for key in wanted if key in recent}
        asked = [key for key in wanted if key not in known]
        mine, others = [], []
        with self._moved:  # or one might be settled between the look and the claim
            if asked:
                known |= self._known.verdicts(asked)
            for key in asked:
                if key in known:
                    continue
                if key in self._claimed:
                    others.append(key)
                else:
                    self._claimed.add(key)
                    mine.append(key)
        return Share(known=known, mine=tuple(mine), others=tuple(others))

    def settle(self, verdicts: dict[bytes, Verdict]) -> None:
        """Say what some claimed contents have to say.

        Raises: UnusableState.
        """
        with self._moved:
            self._known.keep_verdicts(verdicts.items())
            if len(self._recent) < _REMEMBERED:
                self._recent |= verdicts
            self._settled += len(verdicts)
            self._claimed -= verdicts.keys()
            self._moved.notify_all()

    def release(self, keys: Iterable[bytes]) -> None:
        """Give claims back; those that were settled are gone already."""
        with self._moved:
            self._claimed.difference_update(keys)
            self._moved.notify_all()

    def wait(self, keys: Iterable[bytes]) -> None:
        """Wait until nobody is looking into some contents any more.

        Raises: CancelledError: the hunt has ended.
        """
        wanted = set(keys)
        with self._moved:
            self._moved.wait_for(lambda: self._is_ended or self._claimed.isdisjoint(wanted))
            if self._is_ended:
                raise CancelledError

    def end(self) -> None:
        """Let nobody wait any more."""
        with self._moved:
            self._is_ended = True
            self._moved.notify_all()
