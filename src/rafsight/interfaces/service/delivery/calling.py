"""One HTTP request to an address that was looked at: sent once, its answer's head read, within a time.

The connection goes to exactly the given addresses, whatever their name means by then; a redirect is an answer like any
other, and proxies are not asked. The body of the answer is never read: there is nothing in it that anybody here wants,
and whoever could read it through us would see what is none of theirs. This module alone touches the network for that.
"""

import io
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rafsight.base.units import KiB
from rafsight.interfaces.service.delivery.faults import (
    MalformedTarget,
    TargetRefuses,
    TargetUnreachable,
    TargetUntrusted,
)
from rafsight.interfaces.service.delivery.targets import Resolve, Target, TargetRules, ask_system

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Connect = Callable[[str, int, float], socket.socket]
"""From an address, a port and a time-out [s] to a connection. Raises OSError."""

_LARGEST_HEAD: Final = 32 * KiB
"""[bytes] of the head of an answer, all informational ones before it included."""
_TRIED: Final = 4
"""Addresses of one name that are tried, one after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    retry_after: str
    """As it was sent; empty if it was not."""
    date: str
    """Likewise."""


def connect_to(address: str, port: int, timeout: float) -> socket.socket:
    """Connect to an address. Nothing is resolved.

    Raises: OSError.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect((address, port))
    except BaseException:
        connection.close()
        raise
    return connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """How requests are made. Thread-safe."""

    time_limit: float = 10.0
    """[s] for all of it: name, connection, TLS, request, head of the answer."""
    ca_files: tuple[Path, ...] = ()
    """PEM files with authorities beside those of the system."""
    resolve: Resolve = ask_system
    connect: Connect = connect_to
    clock: Callable[[], float] = time.monotonic
    _context: list[ssl.SSLContext] = field(default_factory=list, repr=False)

    def post(self, target: Target, rules: TargetRules, *, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        """Send a request.

        Args:
            target: where to.
            rules: what may be called.
            headers: of the request, beside those that HTTP itself needs.
            body: of it.
        Raises: TargetForbidden, MalformedTarget; TargetUnreachable, TargetUntrusted, TargetRefuses.
        """
        until = self.clock() + self.time_limit
        rules.check(target)
        addresses = rules.addresses(target, resolve=self.resolve, patience=self.time_limit)
        try:
            with self._connected(target, addresses, until) as connection:
                return self._ask(connection, target, headers, body, until)
        except ssl.SSLCertVerificationError as error:
            raise TargetUntrusted(target=target.origin, why=error.verify_message) from error
        except (ssl.SSLError, ssl.CertificateError) as error:
            reason = (getattr(error, "reason", None) or "TLS failed").lower().replace("_", " ")
            raise TargetUntrusted(target=target.origin, why=reason) from error
        except TimeoutError as error:
            raise TargetUnreachable(target=target.origin, why=f"no answer within {self.time_limit:g} s") from error
        except HTTPException as error:
            raise TargetRefuses(target=target.origin, why="its answer is not HTTP") from error
        except OSError as error:
            why = (error.strerror or "the connection broke").lower()
            raise TargetUnreachable(target=target.origin, why=why) from error

    def _connected(self, target: Target, addresses: Sequence[str], until: float) -> socket.socket:
        """Connect to the first address that answers."""
        for address in addresses[:_TRIED]:
            try:
                connection = self.connect(address, target.port, self._left(until))
                break
            except OSError as error:
                last = error
        else:
            raise last
        if target.scheme == "http":
            return connection
        try:
            connection.settimeout(self._left(until))
            return self._tls().wrap_socket(connection, server_hostname=target.host)
        except BaseException:
            connection.close()
            raise

    def _ask(
        self, connection: socket.socket, target: Target, headers: Sequence[tuple[str, str]], body: bytes, until: float
    ) -> Answer:
        port = "" if target.origin.endswith(target.authority) else f":{target.port}"
        request = HTTPConnection(target.host)
        request.auto_open = 0  # nothing is to connect by itself
        request.sock = connection
        connection.settimeout(self._left(until))
        request.putrequest("POST", target.path, skip_host=True, skip_accept_encoding=True)
        request.putheader("Host", f"{target.authority}{port}")
        for name, value in (*headers, ("Content-Length", str(len(body))), ("Connection", "close")):
            request.putheader(name, value)
        with suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before all was sent
            request.endheaders(body)
        head = _Head(connection, lambda: self._left(until))
        response = HTTPResponse(head, method="POST")  # type: ignore[arg-type]  # of a socket it only takes the file
        try:
            response.begin()
            date, retry = response.getheader("Date", ""), response.getheader("Retry-After", "")
            return Answer(status=response.status, retry_after=retry, date=date)
        finally:
            response.close()

    def _left(self, until: float) -> float:
        left = until - self.clock()
        if left <= 0:
            raise TimeoutError
        return left

    def _tls(self) -> ssl.SSLContext:
        """Make the context, once: the system's authorities take 25 ms."""
        if not self._context:
            context = ssl.create_default_context()
            for path in self.ca_files:
                try:
                    context.load_verify_locations(cafile=path)
                except (OSError, ssl.SSLError) as error:
                    raise MalformedTarget(target=str(path), why="it holds no certificates") from error
            self._context.append(context)
        return self._context[0]


class _Head(io.RawIOBase):
    """What comes over a connection, until a time and up to a size: stands in for the socket of an HTTP response."""

    def __init__(self, connection: socket.socket, left: Callable[[], float]) -> None:
        super().__init__()
        self._connection = connection
        self._left = left
        self._size = 0

    def makefile(self, *mode: object) -> io.BufferedReader:
        """Return the file that the response is read from."""
        del mode
        return io.BufferedReader(self, 1 * KiB)

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read what has come.

        Raises: OSError; HTTPException: the head has no end.
        """
        if self._size >= _LARGEST_HEAD:
            raise HTTPException("the head has no end")
        self._connection.settimeout(self._left())
        size = self._connection.recv_into(buffer)
        self._size += size
        return size
