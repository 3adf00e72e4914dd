"""Clients that are slow, over real sockets."""

import asyncio
import queue
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from rafsight.interfaces.service.web.connections import patient_protocol
from rafsight.interfaces.service.web.guard import Guard
from rafsight.interfaces.service.web.metrics import Metrics
from rafsight.interfaces.service.web.settings import WebLimits

LARGE = b"x" * (16 << 20)
IMPATIENT = patient_protocol(0.4, 0.4)
LONG = 20.0
"""[s] that nobody here waits for, and that no server lets a client go on."""


async def app(scope, receive, send):
    if scope["path"] == "/large":
        await PlainTextResponse(LARGE)(scope, receive, send)
    elif scope["path"] == "/slow":
        await asyncio.sleep(1.0)
        await PlainTextResponse(b"late")(scope, receive, send)
    else:
        more = True
        while more:
            more = (await receive()).get("more_body", False)
        await PlainTextResponse(b"ok")(scope, receive, send)


@contextmanager
def serving(protocol=IMPATIENT, **limits):
    guard = Guard(app, limits=WebLimits(**limits), metrics=Metrics())
    config = uvicorn.Config(
        guard,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join()


def test_small_answers_leave_at_once():
    """Head and body are two parts: with Nagle's algorithm the second waits 40 ms for the client's word about the first."""
    seen = []

    class Noticed(patient_protocol(5.0, 5.0)):
        def connection_made(self, transport):
            super().connection_made(transport)
            line = transport.get_extra_info("socket")
            seen.append(line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    with serving(protocol=Noticed) as address, connected(address) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert read_all(line).endswith(b"ok")
    assert seen == [1]


@pytest.fixture(scope="module")
def address():
    with serving(body_time=0.4) as address:
        yield address


@contextmanager
def connected(address):
    with socket.create_connection(address, timeout=LONG) as line:
        yield line


def read_until(line, end):
    content = b""
    while end not in content:
        piece = line.recv(65536)
        assert piece, content
        content += piece
    return content


def read_all(line):
    """Read until the other side ends it; how it does is no matter."""
    content = b""
    try:
        while piece := line.recv(65536):
            content += piece
    except ConnectionError:
        pass
    return content


def test_a_connection_that_says_nothing(address):
    with connected(address) as line:
        assert read_all(line) == b""


def test_headers_that_drip(address):
    """Every byte in time, and the whole of it never."""
    with connected(address) as line:
        until = time.monotonic() + LONG
        with suppress(OSError):
            while time.monotonic() < until:
                line.sendall(b"G")
                time.sleep(0.05)
        assert time.monotonic() < until


def test_headers_that_begin_after_a_request(address):
    with connected(address) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        read_until(line, b"\r\n\r\nok")
        line.sendall(b"GET / HT")
        assert read_all(line) == b""


def test_an_idle_connection_may_stay(address):
    with connected(address) as line:
        for _ in range(2):
            line.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            read_until(line, b"\r\n\r\nok")
            time.sleep(0.6)


def test_an_answer_that_takes_its_time(address):
    with connected(address) as line:
        line.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        read_until(line, b"\r\n\r\nlate")


def test_a_body_that_drips(address):
    with connected(address) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        content = b""
        line.settimeout(0.05)
        until = time.monotonic() + LONG
        while time.monotonic() < until:
            try:
                line.sendall(b"a")
                piece = line.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                break
            if not piece:
                break
            content += piece
        assert time.monotonic() < until
        assert content.startswith(b"HTTP/1.1 408")


def test_an_answer_that_nobody_reads():
    left = threading.Event()

    class Noticed(IMPATIENT):
        def connection_lost(self, exc):
            super().connection_lost(exc)
            left.set()

    with serving(protocol=Noticed) as address, connected(address) as line:
        line.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        assert left.wait(LONG)
        assert len(read_all(line)) < len(LARGE)


def test_an_answer_that_is_read_slowly_but_read():
    """The server's looks are made when this test wants them: each time some of it was read since the last one."""
    watched = queue.SimpleQueue()

    class Patient(patient_protocol(60.0, 3600.0)):
        def _watch(self):
            super()._watch()
            watched.put((self, self.transport.get_write_buffer_size()))

    with serving(protocol=Patient) as address, connected(address) as line:
        line.sendall(b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        size = 0
        for _ in range(3):
            protocol, left = watched.get(timeout=LONG)
            while protocol.transport.get_write_buffer_size() >= left:
                size += len(line.recv(1 << 16))
            protocol.loop.call_soon_threadsafe(protocol._look, left)
        assert size + len(read_all(line)) > len(LARGE)


@pytest.mark.parametrize(
    "request_",
    [b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00" * 20 + b"\r\n\r\n"],
)
def test_what_is_no_request(address, request_):
    with connected(address) as line:
        line.sendall(request_)
        assert b" 400 " in read_all(line).partition(b"\r\n")[0]


def test_the_server_still_answers(address):
    with connected(address) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert read_all(line).endswith(b"ok")
