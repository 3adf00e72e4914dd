"""How often a host may be asked.

This module alone spreads requests over time. Clock and sleep are arguments, so that tests do not wait.
"""

import threading
import time
from collections.abc import Callable


class Pace:
    """Lets no host be asked more often than so many times a second. Thread-safe."""

    def __init__(
        self,
        rate: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Begin; nobody was asked yet.

        Args:
            rate: [requests/s] to one host, above zero.
            clock: [s]
            sleep: [s]
        """
        self._distance = 1 / rate
        self._clock = clock
        self._sleep = sleep
        self._free: dict[str, float] = {}
        self._lock = threading.Lock()

    def change(self, rate: float) -> None:
        """Let hosts be asked more or less often from now on.

        Args:
            rate: [requests/s] to one host, above zero.
        """
        with self._lock:
            self._distance = 1 / rate

    def wait(self, host: str) -> None:
        """Wait until a host may be asked again; those who wait come one after the other, each at its own time."""
        with self._lock:
            now = self._clock()
            moment = max(now, self._free.get(host, now))
            self._free[host] = moment + self._distance
        if moment > now:
            self._sleep(moment - now)
