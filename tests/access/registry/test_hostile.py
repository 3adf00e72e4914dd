"""Whatever a server sends: an answer, or one of our errors. Never another exception, never more memory than allowed."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.access.registry.helpers import Time

from rafsight.access.registry.client import RegistryBackend
from rafsight.access.registry.credentials import fixed_credentials
from rafsight.access.registry.endpoint import Endpoint
from rafsight.base.errors import RafsightError

DIGEST = "sha256:" + "1" * 64


class Scripted:
    """Answers every request with the same bytes, and hangs up."""

    def __init__(self) -> None:
        self.payload = b""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    connection.settimeout(2)
                    head = b""
                    while b"\r\n\r\n" not in head and (piece := connection.recv(65536)):
                        head += piece
                    connection.sendall(self.payload)
                    connection.shutdown(socket.SHUT_WR)
                    connection.settimeout(0.02)  # the client may keep its end open; the next one waits
                    while connection.recv(65536):
                        pass

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture(scope="module")
def server() -> Iterator[Scripted]:
    scripted = Scripted()
    yield scripted
    scripted.close()


def try_everything(server: Scripted, payload: bytes) -> RegistryBackend:
    server.payload = payload
    endpoint = Endpoint(host=server.host, repository="app", certificate_folders=(), connect_timeout=2, read_timeout=2)
    backend = RegistryBackend(
        endpoint, credentials=fixed_credentials("alice", "pw"), retrier=Time().retrier(attempts=2)
    )

    def stream() -> None:
        with backend.open_blob(DIGEST) as pieces:
            for piece in pieces:
                assert len(piece) <= 1 << 20

    def read() -> None:
        assert len(backend.fetch_range(DIGEST, 1, 5)) == 5

    calls: list[Callable[[], object]] = [
        lambda: backend.fetch_manifest("v1"),
        lambda: backend.exists("v1"),
        lambda: backend.blob_size(DIGEST),
        backend.tags,
        backend.ping,
        stream,
        read,
    ]
    for call in calls:
        with suppress(RafsightError):
            call()
    backend.close()
    return backend


STATUS = st.sampled_from([100, 101, 200, 204, 206, 301, 304, 307, 400, 401, 403, 404, 416, 429, 500, 503, 999])
NAMES = st.sampled_from(
    [
        "Content-Length", "Content-Length", "Content-Range", "Transfer-Encoding", "Location", "WWW-Authenticate", "Retry-After",
        "Content-Type", "Content-Encoding", "Docker-Content-Digest", "Link", "Connection", "Set-Cookie", "X", "",
    ]
)  # fmt: skip
VALUES = st.sampled_from(
    [
        b"", b"0", b"5", b"-1", b"99999999999999999999", b"5, 6", b"5, 5", b"chunked", b"gzip", b"gzip, chunked", b"identity", b"close",
        b"bytes 1-5/10", b"bytes 0-4/10", b"bytes */3", b"bytes 1-5/*", b"/", b"//", b"http://127.0.0.1:1/", b"https://127.0.0.1:1/",
        b"http://[::1", b"?", b'Bearer realm="/token"', b'Basic realm="x"', b'Bearer realm="http://127.0.0.1:1/"', b"sha256:" + b"0" * 64,
        b"application/json", b"multipart/byteranges", b'</v2/app/tags/list?n=2>; rel="next"', b"\xff\xfe", b"\x00", b"1" * 9000,
    ]
)  # fmt: skip
BODIES = st.sampled_from(
    [
        b"", b"{}", b"[]", b'{"token":"abc"}', b'{"tags":["a"]}', b"5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello", b"fffffffffffffffffff\r\nhello", b"zz\r\n",
        b"5;" + b"x" * 70_000, b'{"errors":[]}', b'{"errors":[{"code":"DENIED","message":"\\u001b[31m"}]}', b"x" * 100_000, b"[" * 10_000,
    ]
)  # fmt: skip


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    head = b"HTTP/1.1 %d Status\r\n" % draw(STATUS)
    for name, value in draw(st.lists(st.tuples(NAMES, VALUES), max_size=5)):
        head += name.encode() + b": " + value + b"\r\n"
    return head + b"\r\n" + draw(BODIES)


@settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(
    payload=answers() | st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail)
)
@example(payload=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n" + b"x" * 100_000)
@example(
    payload=b"HTTP/1.1 206 OK\r\nTransfer-Encoding: chunked\r\nContent-Range: bytes 1-5/10\r\n\r\n-5\r\n"
    + b"x" * 100_000
)
@example(payload=b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabc")
@example(payload=b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
@example(payload=b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello")
@example(payload=b"")
def test_only_our_errors(server: Scripted, payload: bytes):
    try_everything(server, payload)


def test_endless_bodies_end(server: Scripted):
    backend = try_everything(
        server, b"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=/token\r\n\r\n" + b"x" * 3_000_000
    )
    assert backend.meter.cost.requests < 60
    assert backend.meter.cost.bytes_fetched < 60 << 20


def test_tokens_are_bounded(server: Scripted):
    backend = try_everything(server, b'HTTP/1.1 200 OK\r\n\r\n{"token":"' + b"x" * 3_000_000)
    assert backend.meter.cost.requests < 60
