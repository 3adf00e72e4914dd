"""Lines to many repositories of a few registries: connections are shared by host, tokens by repository.

This module alone decides what images of one registry have in common.
"""

import threading

from rafsight.access.counting import Meter
from rafsight.access.pace import Pace
from rafsight.access.registry.credentials import FindCredentials
from rafsight.access.registry.endpoint import Endpoint
from rafsight.access.registry.line import Line, open_line
from rafsight.access.registry.transport import Transport
from rafsight.base.limits import Limits


class SharedLines:
    """The lines of one piece of work. Thread-safe; nothing is asked before somebody uses a line."""

    def __init__(self, *, meter: Meter, limits: Limits, pace: Pace | None = None) -> None:
        """Open nothing yet.

        Args:
            meter: counts every request.
            limits: bounds tokens.
            pace: how often a host may be asked; None: as often as anybody likes.
        """
        self._meter = meter
        self._limits = limits
        self._pace = pace
        self._transports: dict[str, Transport] = {}
        self._lines: dict[tuple[str, str], Line] = {}
        self._lock = threading.Lock()

    def line(self, endpoint: Endpoint, credentials: FindCredentials, *, place: str = "") -> Line:
        """Return the line to a repository; the same one each time.

        Args:
            endpoint: the repository; all endpoints of a host are reached alike.
            credentials: asked when the registry wants to know who we are.
            place: what people call what is asked; empty: the repository.
        """
        with self._lock:
            key = (endpoint.place, place)
            if key not in self._lines:
                self._lines[key] = open_line(
                    endpoint,
                    credentials=credentials,
                    meter=self._meter,
                    limits=self._limits,
                    connect=self._transport,
                    place=place,
                )
            return self._lines[key]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for transport in self._transports.values():
                transport.close()
            self._transports.clear()
            self._lines.clear()

    def _transport(self, endpoint: Endpoint) -> Transport:
        """Return the connections to a host; they know no repository."""
        known = self._transports.get(endpoint.origin)
        if known is None:  # two threads may both make one: the later is kept, the other closes with its last answer
            known = self._transports[endpoint.origin] = Transport(endpoint, self._meter, pace=self._pace)
        return known
