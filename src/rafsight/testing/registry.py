"""A small read-only registry on loopback, over OCI layouts: for `rafsight demo` and for tests.

This module alone decides what the stand-in registry does, well or, if asked, badly (`Mischief`). It speaks the pull
side of the OCI distribution specification: manifests, blobs with ranges, lists of tags.

    with serve_layout(PLANTED, repository="planted") as registry:
        rafsight.open_image(registry.reference("v6"))
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Event, Lock, Thread
from typing import Final

from rafsight.base.units import MiB
from rafsight.testing.registry_pages import Answer, Call, Headers, answer_call, error_answer

PLANTED: Final = Path(__file__).parent / "data" / "planted"
"""The shipped layout: tags `v5` and `v6`."""
_SETTLE: Final = 1.0
"""[s] that a reader of the log waits for answers which the client has already, and the log not yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One line of the log."""

    call: Call
    status: int
    sent: int
    """[bytes] of the body."""

    @property
    def range(self) -> str | None:
        """The range that was asked for."""
        return self.call.header("range")


Gate = Callable[[Call], Answer | None]
"""Looks at each call first: an answer of its own, or None to let the registry answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mischief:
    """What to do wrong. The fields can be combined; zero, empty and None mean: not this."""

    only: str = "/blobs/"
    """Only requests with this in their path."""
    method: str = "GET"
    """Only requests with this method; empty: all."""
    after: int = 0
    """So many of those requests are answered well before."""
    times: int | None = None
    """Only so many of them are answered badly; None: all."""
    status: int | None = None
    """Answer so, with an error document."""
    headers: Headers = ()
    """Add these to the answer (retry-after, docker-content-digest, ...), instead of those of the same name."""
    drop_after: int | None = None
    """[bytes] of the body after which the connection is closed, though more were announced."""
    short_by: int = 0
    """[bytes] fewer than asked for; Content-Length agrees, Content-Range does not."""
    extra: int = 0
    """[bytes] more than asked for."""
    flip: bool = False
    """Damage the first byte of the body."""
    ignore_range: bool = False
    chunked: bool = False
    """No Content-Length."""
    redirect_to: str = ""
    """`http://HOST:PORT`: send the same path there, by `redirect_status`."""
    redirect_status: int = 307
    hang: float = 0.0
    """[s] before anything is answered, or until the registry is closed."""
    huge_header: int = 0
    """[bytes] of a header."""
    many_headers: int = 0
    hang_up: bool = False
    """Close the connection instead of answering."""
    raw: bytes = b""
    """Send this instead of an HTTP answer, and close."""


class Registry:
    """A registry that runs."""

    def __init__(self, server: "_Server", repository: str, *, scheme: str) -> None:
        """Wrap the server; `repository` is what `reference` uses."""
        self._server = server
        self.repository = repository
        self.host = f"127.0.0.1:{server.server_address[1]}"
        """`127.0.0.1:PORT`."""
        self.url = f"{scheme}://{self.host}"

    def reference(self, name: str) -> str:
        """Write the reference of a tag or a digest."""
        return f"{self.host}/{self.repository}{'@' if ':' in name else ':'}{name}"

    @property
    def log(self) -> tuple[Served, ...]:
        """What was answered so far, in the order of the ends; waits a moment for answers that are on their way."""
        with self._server.idle:
            self._server.idle.wait_for(lambda: self._server.busy == 0, timeout=_SETTLE)
            return tuple(self._server.log)

    def wait_for_hang(self, timeout: float = 30.0) -> bool:
        """Wait until a request hangs (`Mischief.hang`); False if none does in time [s]."""
        return self._server.hanging.wait(timeout)

    def forget(self) -> None:
        """Empty the log."""
        with self._server.idle:
            self._server.idle.wait_for(lambda: self._server.busy == 0, timeout=_SETTLE)
            self._server.log.clear()


@contextmanager
def serve_layout(
    layout: Path | Mapping[str, Path],
    *,
    repository: str = "app",
    latency: float = 0.0,
    mischief: Sequence[Mischief] = (),
    gate: Gate | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Registry]:
    """Serve OCI layouts as repositories, on a free port of 127.0.0.1, until the block ends.

    Args:
        layout: the directory of one layout, or a directory for each repository.
        repository: the name of the one layout; with several, the one that `Registry.reference` uses.
        latency: [s] before each answer.
        mischief: the first that fits a request is done to it.
        gate: looks at each call first (authentication, tokens).
        tls: a server context; None: plain HTTP.
    """
    layouts = {repository: layout} if isinstance(layout, Path) else dict(layout)
    server = _Server(_Plan(layouts=layouts, latency=latency, mischief=tuple(mischief), gate=gate, tls=tls))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="rafsight-registry")
    thread.start()
    try:
        first = repository if repository in layouts else next(iter(layouts), repository)
        yield Registry(server, first, scheme="https" if tls else "http")
    finally:
        server.stop()
        thread.join()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    layouts: Mapping[str, Path]
    latency: float
    mischief: tuple[Mischief, ...]
    gate: Gate | None
    tls: ssl.SSLContext | None


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # joined by `stop`
    request_queue_size = 128

    def __init__(self, plan: _Plan) -> None:
        self.plan = plan
        self.lock = Lock()
        self.idle = Condition(self.lock)
        self.busy = 0
        """Calls that are being answered."""
        self.log: list[Served] = []
        self.closing = Event()
        self.hanging = Event()
        self._seen: dict[int, int] = {}
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def stop(self) -> None:
        """Stop accepting, break what is still open, and wait for the threads."""
        self.closing.set()
        self.shutdown()
        with self.lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Serve one connection, in its own thread: a TLS handshake that hangs must not stop the others."""
        if self.plan.tls is None:
            self._serve(request, client_address)
            return
        with self.plan.tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False) as wrapped:
            self._serve(wrapped, client_address)

    def _serve(self, connection: socket.socket, client_address: object) -> None:
        with self.lock:
            self._open.add(connection)  # so that `stop` can break it
        try:
            if isinstance(connection, ssl.SSLSocket):
                connection.do_handshake()
            _Handler(connection, client_address, self)
        except OSError:
            pass  # the client is gone, or trusts us as little as we it
        finally:
            with self.lock:
                self._open.discard(connection)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        with contextlib.suppress(OSError):  # a wrapped socket has taken the descriptor with it
            super().shutdown_request(request)

    def mischief_for(self, call: Call) -> Mischief | None:
        """Return the first mischief that is due for a call, and count it."""
        for number, mischief in enumerate(self.plan.mischief):
            if mischief.only not in call.path or (mischief.method and mischief.method != call.method):
                continue
            with self.lock:
                seen = self._seen[number] = self._seen.get(number, 0) + 1
            last = None if mischief.times is None else mischief.after + mischief.times
            if seen > mischief.after and (last is None or seen <= last):
                return mischief
        return None


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 64 * 1024  # head and small bodies leave in one packet

    def log_message(self, *arguments: object) -> None:
        """Print nothing: the log is data."""

    def handle(self) -> None:
        """Serve a connection; a client that goes away is its own business."""
        with contextlib.suppress(OSError):
            super().handle()

    def finish(self) -> None:
        """Close the files of a connection, which may be broken."""
        with contextlib.suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        """Answer whatever method."""
        with self.server.idle:
            self.server.busy += 1
        try:
            self._answer()
        finally:
            with self.server.idle:
                self.server.busy -= 1
                self.server.idle.notify_all()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that http.server looks for

    def _answer(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        call = Call(
            method=self.command,
            path=self.path,
            headers=tuple((name.lower(), value) for name, value in self.headers.items()),
            body=self.rfile.read(min(size, MiB)),
        )
        plan = self.server.plan
        if plan.latency:
            time.sleep(plan.latency)
        mischief = self.server.mischief_for(call) or Mischief()
        if mischief.hang:
            self.server.hanging.set()
            self.server.closing.wait(mischief.hang)
        if mischief.hang_up or mischief.raw:
            self.close_connection = True
            self.wfile.write(mischief.raw)
            self._log(call, 0, 0)
            return
        self._send(call, self._spoilt(call, mischief), mischief)

    def _spoilt(self, call: Call, mischief: Mischief) -> Answer:
        """Answer, with the mischief that can be done to a head."""
        plan = self.server.plan
        if mischief.ignore_range:
            call = replace(call, headers=tuple(pair for pair in call.headers if pair[0] != "range"))
        if mischief.status is not None:
            answer = error_answer(mischief.status, "UNKNOWN", "as was asked for")
        elif mischief.redirect_to:
            location = ("Location", mischief.redirect_to + call.path)
            answer = Answer(status=mischief.redirect_status, headers=(location,))
        else:
            answer = (plan.gate(call) if plan.gate else None) or answer_call(plan.layouts, call)
        if mischief.short_by and answer.file:
            answer = replace(answer, size=max(answer.size - mischief.short_by, 0))
        replaced = {name.lower() for name, _ in mischief.headers}
        kept = tuple(pair for pair in answer.headers if pair[0].lower() not in replaced)
        many = tuple((f"X-Header-{number}", "x") for number in range(mischief.many_headers))
        huge = (("X-Huge", "x" * mischief.huge_header),) if mischief.huge_header else ()
        return replace(answer, headers=(*kept, *mischief.headers, *many, *huge))

    def _send(self, call: Call, answer: Answer, mischief: Mischief) -> None:
        length = answer.length + mischief.extra
        self.send_response_only(answer.status)
        if not any(name.lower() == "date" for name, _ in answer.headers):
            self.send_header("Date", self.date_time_string())
        for name, value in answer.headers:
            self.send_header(name, value)
        if mischief.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif not any(name.lower() == "content-length" for name, _ in answer.headers):
            self.send_header("Content-Length", str(length))
        self.end_headers()
        sent = 0
        try:
            if call.method != "HEAD":
                for piece in self._pieces(answer, mischief):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if mischief.chunked else piece)
                    sent += len(piece)
                if mischief.chunked and mischief.drop_after is None:
                    self.wfile.write(b"0\r\n\r\n")
            if mischief.drop_after is not None:
                self.close_connection = True
            self.wfile.flush()
        finally:
            self._log(call, answer.status, sent)

    def _pieces(self, answer: Answer, mischief: Mischief) -> Iterator[bytes]:
        left = answer.length + mischief.extra if mischief.drop_after is None else mischief.drop_after
        flip = mischief.flip
        for piece in _body(answer, mischief.extra):
            kept = piece[:left]
            left -= len(kept)
            if flip and kept:
                kept, flip = bytes([kept[0] ^ 1]) + kept[1:], False
            if kept:
                yield kept

    def _log(self, call: Call, status: int, sent: int) -> None:
        with self.server.lock:
            self.server.log.append(Served(call=call, status=status, sent=sent))


def _body(answer: Answer, extra: int) -> Iterator[bytes]:
    if answer.file is None:
        yield answer.content
    else:
        with answer.file.open("rb") as file:
            file.seek(answer.offset)
            left = answer.size
            while left and (piece := file.read(min(left, MiB))):
                left -= len(piece)
                yield piece
    yield bytes(extra)
