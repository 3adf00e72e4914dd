"""The line to a registry's repository: HTTP or HTTPS, where nobody said which.

This module alone decides to change from the one to the other. A registry on loopback is asked in plain HTTP unless
something is said about TLS; if its first answer is none, and it proves to speak TLS, it is asked in HTTPS from then on.
Nothing secret has been sent by then: the first request is always a stranger's.
"""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from threading import Lock
from typing import Final
from urllib.parse import urlsplit

from rafsight.access.counting import Meter
from rafsight.access.registry.answers import fault_of
from rafsight.access.registry.credentials import FindCredentials
from rafsight.access.registry.endpoint import Endpoint
from rafsight.access.registry.errors import RegistryMisbehaves, RegistryUnreachable
from rafsight.access.registry.exchange import Exchange
from rafsight.access.registry.flows import Conversation, Conversations
from rafsight.access.registry.transport import Reply, Transport
from rafsight.base.errors import RegistryFault
from rafsight.base.limits import Limits

_SUSPECT: Final = (RegistryUnreachable, RegistryMisbehaves)
"""How a TLS server that is asked in HTTP looks: an answer 400, a TLS alert, a connection that is reset."""
_PROBE: Final = 2.0
"""[s] that a server on this machine may take to answer a greeting."""
_RECORDS: Final = (b"\x16\x03", b"\x15\x03")
"""How an answer in TLS begins: a handshake or an alert, of SSL 3 or later."""


class Line:
    """An exchange with a registry, and its scheme. Thread-safe."""

    def __init__(self, endpoint: Endpoint, make: Callable[[Endpoint], Exchange]) -> None:
        """Ask nothing yet.

        Args:
            endpoint: the registry.
            make: makes the exchange; called again, with `plain_http` False, if the registry proves to speak TLS.
        """
        self._endpoint, self._make = endpoint, make
        self._first_origin = endpoint.origin
        self._exchange = make(endpoint)
        self._settled = endpoint.plain_http is not None or not endpoint.speaks_http
        self._lock = Lock()

    @property
    def origin(self) -> str:
        """`https://HOST[:PORT]`, as the registry is asked now."""
        return self._exchange.conversations.origin

    def present(self, url: str) -> str:
        """Return a URL of the registry as it is to be asked now, others as they are."""
        if url.startswith(f"{self._first_origin}/"):
            return self.origin + url.removeprefix(self._first_origin)
        return url

    def begin(
        self, ask: Callable[[Conversations], Conversation], what: str, *accepted: int, meter: Meter | None = None
    ) -> Reply:
        """Carry out a conversation; `ask` makes it, twice if the scheme changes in between.

        Arguments as of `Exchange.begin`.
        Raises: as `Exchange.begin`.
        """
        exchange = self._exchange
        if self._settled:
            return exchange.begin(ask(exchange.conversations), what, *accepted, meter=meter)
        try:
            reply = exchange.begin(ask(exchange.conversations), what, *accepted, meter=meter)
        except RegistryFault as fault:
            if type(fault) not in _SUSPECT:
                self._settled = self._settled or not isinstance(fault, RegistryUnreachable)
                raise
            if not self._changed(exchange):
                raise
        else:
            self._settled = True
            return reply
        exchange = self._exchange
        return exchange.begin(ask(exchange.conversations), what, *accepted, meter=meter)

    def close(self) -> None:
        """Close the connections."""
        self._exchange.transport.close()

    def _changed(self, failed: Exchange) -> bool:
        """Tell whether the scheme is another than that of a failed exchange, after changing it if that is right."""
        with self._lock:
            if self._exchange is failed and not self._settled and _speaks_tls(self._first_origin):
                failed.transport.close()
                self._exchange = self._make(replace(self._endpoint, plain_http=False))
                self._settled = True
            return self._exchange is not failed


def open_line(
    endpoint: Endpoint,
    *,
    credentials: FindCredentials,
    meter: Meter,
    limits: Limits,
    pushes: bool = False,
    judge: Callable[..., RegistryFault] = fault_of,
    connect: Callable[[Endpoint], Transport] | None = None,
    place: str = "",
) -> Line:
    """Make the line to a repository; nothing is asked yet.

    Args:
        endpoint: the repository, and how its registry is reached.
        credentials: asked when the registry wants to know who we are.
        meter: counts every request, and the bytes of every body.
        limits: bounds tokens.
        pushes: tokens are asked for that allow to push, too.
        judge: makes the error for an unwanted answer.
        connect: gives the connections, where others use them, too; None: the line has its own.
        place: what people call what is asked; empty: the repository.
    """

    def make(endpoint: Endpoint) -> Exchange:
        return Exchange(
            transport=connect(endpoint) if connect is not None else Transport(endpoint, meter),
            conversations=Conversations(
                origin=endpoint.origin,
                repository=endpoint.repository,
                credentials=lambda: credentials(endpoint.host, endpoint.repository),
                pushes=pushes,
                plain_http=endpoint.plain_http is True,
                limits=limits,
            ),
            place=place or endpoint.place,
            login=endpoint.host,
            judge=judge,
        )

    return Line(endpoint, make)


def _speaks_tls(origin: str) -> bool:
    """Tell whether a server on this machine answers a TLS greeting in TLS; trusts and sends nothing."""
    parts = urlsplit(origin)
    greeting = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    name = context.wrap_bio(ssl.MemoryBIO(), greeting, server_hostname=parts.hostname)
    with suppress(ssl.SSLWantReadError):  # the greeting is written, and nothing can have come
        name.do_handshake()
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=_PROBE) as connection:
            connection.sendall(greeting.read())
            connection.shutdown(socket.SHUT_WR)  # who waits for the end of a line sees that none will come
            answer = connection.recv(2)
            return (answer if len(answer) == 2 else answer + connection.recv(1)) in _RECORDS
    except OSError:
        return False
