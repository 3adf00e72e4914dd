"""Heads of answers that never end, though bytes keep coming."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from tests.access.registry.helpers import Time

from rafsight.access.registry.client import RegistryBackend
from rafsight.access.registry.endpoint import Endpoint
from rafsight.access.registry.errors import RegistryUnreachable

TIMEOUT = 1.0
"""[s] without a byte; the servers below send one more often."""


@contextmanager
def dripping(first: bytes, more: bytes) -> Iterator[str]:
    """Send the first bytes, then more and more of the others."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.settimeout(2)
                    connection.recv(65536)
                    connection.sendall(first)
                    while True:
                        connection.sendall(more)
                        time.sleep(TIMEOUT / 30)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        (b"HTTP", b"/"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    ],
    ids=["continue", "header", "status", "headers"],
)
def test_a_head_has_to_end(first, more):
    with dripping(first, more) as host:
        endpoint = Endpoint(
            host=host,
            repository="app",
            plain_http=True,
            connect_timeout=2,
            read_timeout=TIMEOUT,
            certificate_folders=(),
        )
        backend = RegistryBackend(endpoint, retrier=Time().retrier(attempts=1))
        with pytest.raises(RegistryUnreachable, match="no end within the time-out"):
            backend.fetch_manifest("v1")
        backend.close()


def test_bodies_may_take_longer_than_heads():
    with dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 20001\r\n\r\n{", b" " * 400) as host:
        endpoint = Endpoint(
            host=host,
            repository="app",
            plain_http=True,
            connect_timeout=2,
            read_timeout=TIMEOUT,
            certificate_folders=(),
        )
        backend = RegistryBackend(endpoint, retrier=Time().retrier(attempts=1))
        began = time.monotonic()
        assert len(backend.fetch_manifest("v1").content) == 20001
        assert time.monotonic() - began > TIMEOUT
        backend.close()
