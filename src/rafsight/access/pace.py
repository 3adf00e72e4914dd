"""How often a host may be asked, and when it is given up.

This module alone spreads requests over time: as somebody wishes, and as the host itself does by refusing. After a
refusal nobody asks before the time that it wants, and then half as often as before; with each request that follows a
little of that is forgiven. A host that wants nobody for very long is asked no more until then. Nor is one of which
nobody has had an answer for a minute, but now and then by somebody who looks whether it is back. Clock and sleep are
arguments, so that tests do not wait.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rafsight.base.events import Listener, Noticed, silent

_FIRST: Final = 1 / 32
"""[s] between two requests after the first refusal, at least."""
_LONGEST: Final = 10.0
"""[s]"""
_FORGIVEN: Final = 0.98
"""What is left of the distance after each request."""
_DEFAULT: Final = 1.0
"""[s] that a host wants if it does not say."""
_WORTH_SAYING: Final = 5.0
"""[s] Somebody may wonder why nothing happens."""
_TOO_MANY: Final = 429
_ABSENT: Final = frozenset((502, 503, 504))
"""Statuses by which others answer for a host."""
_ABSENCE: Final = 60.0
"""[s] without an answer after which a host is given up."""
LONGEST_HOLD: Final = 900.0
"""[s] that all wait for a host if it wants them to."""
_LOOK: Final = 10.0
"""[s] between two looks whether a host is back."""


@dataclass(slots=True)
class _Host:
    """One host."""

    free: float
    """[s] on the clock, when it may be asked again."""
    distance: float = 0.0
    """[s] between two requests that its refusals have taught."""
    held: float = 0.0
    """[s] on the clock, until when it wants nobody."""
    wish: float = 0.0
    """[s] that it has asked for last."""
    refusals: int = 0
    absent: float | None = None
    """[s] on the clock, since when nobody has had an answer."""
    look: float = 0.0
    """[s] on the clock, when somebody may look whether it is back."""


class Pace:
    """Lets no host be asked more often than it should be. Thread-safe."""

    def __init__(
        self,
        rate: float | None = None,
        *,
        listener: Listener = silent,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Begin; nobody was asked yet.

        Args:
            rate: [requests/s] to one host, above zero; None: as often as it lets us.
            listener: told when a host makes us wait for long.
            clock: [s]
            sleep: [s]
        """
        self.change(rate)
        self._listener = listener
        self._clock = clock
        self._sleep = sleep
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    def change(self, rate: float | None) -> None:
        """Let hosts be asked more or less often from now on.

        Args:
            rate: as at the beginning.
        """
        self._distance = 0.0 if rate is None else 1 / rate

    def wait(self, host: str) -> None:
        """Wait until a host may be asked again; those who wait come one after the other, each at its own time."""
        refusals = -1
        while True:  # ends: comes again only if the host has refused somebody meanwhile
            with self._lock:
                known = self._known(host)
                if known.refusals == refusals:
                    return
                refusals = known.refusals
                now = self._clock()
                moment = max(now, known.free)
                known.distance *= _FORGIVEN
                known.free = moment + max(self._distance, known.distance)
            if moment > now:
                self._sleep(moment - now)

    def why_given_up(self, host: str) -> str:
        """Say why a host is not to be asked any more; empty if it may be, if only to look whether it is back."""
        with self._lock:
            known, now = self._known(host), self._clock()
            if known.wish > LONGEST_HOLD and now < known.held:
                return f"it wants to be left alone for {known.wish:.0f} s"
            if known.absent is None or now < known.absent + _ABSENCE:
                return ""
            if now < known.look:
                return f"it has not answered for {_ABSENCE:.0f} s"
            known.look = now + _LOOK
            return ""

    def answered(self, host: str, status: int, wish: float | None = None) -> None:
        """Take note of what came of a request.

        Args:
            host: which.
            status: of the answer; 0 if there was none.
            wish: [s] until it may be asked again; None if it does not say.
        """
        if status == _TOO_MANY or (status in _ABSENT and wish is not None):
            self._refused(host, wish)
        with self._lock:
            known = self._known(host)
            if status and status not in _ABSENT:
                known.absent = None
            elif known.absent is None:
                known.absent = self._clock()

    def _refused(self, host: str, wish: float | None) -> None:
        with self._lock:
            known = self._known(host)
            now = self._clock()
            if now < known.held:  # of those who were under way together one teaches
                return
            known.wish = _DEFAULT if wish is None else wish
            known.refusals += 1
            known.held = now + known.wish
            known.free = now if known.wish > LONGEST_HOLD else known.held  # who waits already takes his turn anew
            known.distance = min(max(2 * max(known.distance, self._distance), _FIRST), _LONGEST)
            wanted = known.wish
        if _WORTH_SAYING <= wanted <= LONGEST_HOLD:
            self._listener(Noticed(message=f"{host} wants to be asked less often: waiting {wanted:.0f} s"))

    def _known(self, host: str) -> _Host:
        return self._hosts.setdefault(host, _Host(free=self._clock()))
