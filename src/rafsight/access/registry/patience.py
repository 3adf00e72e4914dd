"""How long the head of an answer may take.

A socket's time-out counts from byte to byte; a server that drips headers, or sends `100 Continue` for ever, never meets
it. This module alone bounds the head as a whole. Imported late, with the HTTP library.
"""

import io
import socket
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Final, cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_TIMEOUTS: Final = 2.0
"""Time-outs that a head may take: one until its first byte, as much again until its last."""


class HeadTooSlow(TimeoutError):
    """The head of an answer took longer than it may, though bytes kept coming."""


class _Watched(io.RawIOBase):
    """A socket's file that refuses to be read after a deadline."""

    def __init__(self, inner: io.RawIOBase) -> None:
        super().__init__()
        self._inner = inner
        self.until = float("inf")
        """[s] on the monotonic clock."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        if time.monotonic() > self.until:
            raise HeadTooSlow("timed out")
        return cast("int | None", self._inner.readinto(buffer))

    def close(self) -> None:
        self._inner.close()
        super().close()


class _Answer(HTTPResponse):
    """The standard library's answer, read with a deadline until its head is complete."""

    def __init__(self, sock: socket.socket, *arguments: object, **more: object) -> None:
        super().__init__(sock, *arguments, **more)  # type: ignore[arg-type]
        self._patience = sock.gettimeout()
        self._file = _Watched(self.fp.detach())
        self.fp = io.BufferedReader(self._file)

    def begin(self) -> None:
        if self._patience is not None:
            self._file.until = time.monotonic() + _TIMEOUTS * self._patience
        super().begin()
        self._file.until = float("inf")  # bodies have a bound of their own: transport.Reply


class PlainConnection(HTTPConnection):
    """A connection in plain HTTP."""

    response_class = _Answer


class SecureConnection(HTTPSConnection):
    """A connection in TLS."""

    response_class = _Answer


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = SecureConnection


POOLS: Final = {"http": _PlainPool, "https": _SecurePool}
"""The library's pools, with answers that have a deadline."""
