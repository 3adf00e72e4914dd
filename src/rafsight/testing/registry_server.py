"""The stand-in registry's sockets and threads: connections, requests, answers, and what is done to them.

This module alone decides how `registry.py` speaks HTTP. What is answered is decided in `registry_pages.py` and
`registry_uploads.py`.
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Event, Lock

from rafsight.base.units import MiB
from rafsight.testing.registry_body import Body, BodyBroken
from rafsight.testing.registry_mischief import Mischief
from rafsight.testing.registry_pages import Answer, Call, answer_call, error_answer
from rafsight.testing.registry_uploads import Uploads


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One line of the log."""

    call: Call
    status: int
    sent: int
    """[bytes] of the body."""
    received: int = 0
    """[bytes] of the request's body."""

    @property
    def range(self) -> str | None:
        """The range that was asked for."""
        return self.call.header("range")


Gate = Callable[[Call], Answer | None]
"""Looks at each call first: an answer of its own, or None to let the registry answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a registry serves, and how."""

    layouts: Mapping[str, Path] = field(default_factory=dict)
    """Directories by repository, if it can only be read."""
    uploads: Uploads | None = None
    """All repositories of one that can be pushed to."""
    latency: float
    """[s] before each answer."""
    mischief: tuple[Mischief, ...]
    gate: Gate | None
    tls: ssl.SSLContext | None

    def all_layouts(self) -> Mapping[str, Path]:
        """Return the layouts of all repositories, by name."""
        return self.uploads.layouts() if self.uploads else self.layouts

    def answer(self, call: Call, body: Body) -> Answer:
        """Answer as a registry does."""
        if self.uploads is None or not self.uploads.wants(call):
            return answer_call(self.all_layouts(), call)
        try:
            return self.uploads.answer(call, body)
        except BodyBroken:
            raise
        except OSError as error:  # a full disk, a folder that somebody took away
            return error_answer(500, "UNKNOWN", str(error))


class Server(ThreadingHTTPServer):
    """Listens on a free port of 127.0.0.1; a thread for each connection."""

    daemon_threads = False  # joined by `stop`
    request_queue_size = 128

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.lock = Lock()
        self.idle = Condition(self.lock)
        self.busy = 0
        """Calls that are being answered; those that hang are not."""
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
        """Close a connection."""
        with contextlib.suppress(OSError):  # a wrapped socket has taken the descriptor with it
            super().shutdown_request(request)

    def hang(self, seconds: float) -> None:
        """Keep a call waiting, and whoever reads the log not: nothing is on its way."""
        self.count(-1)
        self.hanging.set()
        self.closing.wait(seconds)
        self.count(1)

    def count(self, calls: int) -> None:
        """Take note of calls that begin, or end."""
        with self.idle:
            self.busy += calls
            self.idle.notify_all()

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
    server: Server
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
        self.server.count(1)
        try:
            self._answer()
        finally:
            self.server.count(-1)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that http.server looks for

    def _answer(self) -> None:
        plan = self.server.plan
        call = Call(
            method=self.command,
            path=self.path,
            headers=tuple((name.lower(), value) for name, value in self.headers.items()),
        )
        length, encoding = call.header("content-length"), call.header("transfer-encoding")
        body = Body(self.rfile, length=length, encoding=encoding)
        if plan.uploads is None or not plan.uploads.wants(call):
            call = replace(call, body=body.read_up_to(MiB))
        if plan.latency:
            time.sleep(plan.latency)
        mischief = self.server.mischief_for(call) or Mischief()
        body.limit = mischief.take_only
        if mischief.hang:
            self.server.hang(mischief.hang)
        if mischief.hang_up or mischief.raw:
            self._leave(call, body, mischief.raw)
            return
        try:
            answer = self._spoilt(call, body, mischief)
            self.close_connection = not body.drain() or self.close_connection
        except BodyBroken:
            self._leave(call, body)
            return
        if mischief.unanswered:
            self._leave(call, body)
            return
        self._send(call, body, answer, mischief)

    def _leave(self, call: Call, body: Body, last: bytes = b"") -> None:
        """Close the connection without a proper answer."""
        self.close_connection = True
        self.wfile.write(last)
        self._log(call, body, 0, 0)

    def _spoilt(self, call: Call, body: Body, mischief: Mischief) -> Answer:
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
            answer = (plan.gate(call) if plan.gate else None) or plan.answer(call, body)
        if mischief.short_by and answer.file:
            answer = replace(answer, size=max(answer.size - mischief.short_by, 0))
        replaced = {name.lower() for name, _ in mischief.headers}
        kept = tuple(pair for pair in answer.headers if pair[0].lower() not in replaced)
        many = tuple((f"X-Header-{number}", "x") for number in range(mischief.many_headers))
        huge = (("X-Huge", "x" * mischief.huge_header),) if mischief.huge_header else ()
        return replace(answer, headers=(*kept, *mischief.headers, *many, *huge))

    def _send(self, call: Call, body: Body, answer: Answer, mischief: Mischief) -> None:
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
        if self.close_connection:
            self.send_header("Connection", "close")
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
            self._log(call, body, answer.status, sent)

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

    def _log(self, call: Call, body: Body, status: int, sent: int) -> None:
        with self.server.lock:
            self.server.log.append(Served(call=call, status=status, sent=sent, received=body.received))


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
