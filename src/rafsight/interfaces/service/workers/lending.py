"""Credentials that came with requests: held in memory, for the scans of those requests, and for nothing else.

This module alone holds them. They go through a pipe to the worker that has the job; they are never written down,
logged, put into arguments or the environment, and are forgotten when the job ends or after an hour.
"""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

MOST: Final = 20_000
"""Credentials that are held at once; the oldest go first."""
HOLD: Final = 3600.0
"""[s] Registries' own tokens live shorter, as a rule."""
SECRET_LENGTH: Final = 64 * 1024
"""[characters] The longest credential."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """What is shown to the registry of one request."""

    username: str = field(default="", repr=False)
    """Empty: the password is a bearer token."""
    password: str = field(repr=False)


class Lending:
    """The credentials that this replica holds, by the id of the request. Thread-safe."""

    def __init__(self, *, hold: float = HOLD, clock: Callable[[], float] = time.monotonic) -> None:
        """Hold none yet.

        Args:
            hold: [s] after which one is forgotten in any case.
            clock: [s]
        """
        self._hold = hold
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[str, tuple[float, Lent]] = {}

    def lend(self, request_id: str, lent: Lent) -> None:
        """Take a credential; before the order is accepted, so that no worker is faster.

        Args:
            request_id: made by `new_id`, and given to `JobStore.accept`.
            lent: longer ones than SECRET_LENGTH are none that a registry gave out, and are not kept.
        """
        if len(lent.username) + len(lent.password) > SECRET_LENGTH:
            return
        with self._lock:
            self._forget_old()
            while len(self._held) >= MOST:
                del self._held[next(iter(self._held))]
            self._held[request_id] = (self._clock() + self._hold, lent)

    def find(self, request_id: str) -> Lent | None:
        """Return the credential of a request, if it is still held."""
        with self._lock:
            self._forget_old()
            held = self._held.get(request_id)
            return held[1] if held else None

    def forget(self, *request_ids: str) -> None:
        """Forget the credentials of some requests."""
        with self._lock:
            for request_id in request_ids:
                self._held.pop(request_id, None)

    def keep_only(self, request_ids: Iterable[str]) -> None:
        """Forget all credentials but those of some requests."""
        wanted = frozenset(request_ids)
        with self._lock:
            self._held = {name: held for name, held in self._held.items() if name in wanted}

    def held(self) -> tuple[str, ...]:
        """Return the ids of the requests whose credentials are held."""
        with self._lock:
            return tuple(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def _forget_old(self) -> None:
        """Forget what is over; the oldest come first, since all are held equally long."""
        now = self._clock()
        while self._held:
            name, (until, _) = next(iter(self._held.items()))
            if until > now:
                return
            del self._held[name]
