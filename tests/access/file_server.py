"""A server of files on loopback that can do what servers do: conditions, ranges, breaking off, being busy."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Served:
    """One file, and how it is served."""

    content: bytes
    etag: str = ""
    """Empty: made from the content; `-`: none."""
    last_modified: str = ""
    break_after: list[int] = field(default_factory=list)
    """[bytes] after which each of the next answers breaks off."""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Status and headers of the next answers instead of the file."""
    ignores_ranges: bool = False
    chunked: bool = False

    @property
    def tag(self) -> str:
        return "" if self.etag == "-" else self.etag or f'"{hashlib.sha256(self.content).hexdigest()[:16]}"'


@dataclass
class Requested:
    """One request that came."""

    path: str
    headers: dict[str, str]
    status: int = 0
    sent: int = 0


class FileServer:
    """Files by path, and the requests for them."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.requests: list[Requested] = []
        self.url = ""

    def serve(self, path: str, content: bytes, **how: object) -> Served:
        self.files[path] = Served(content, **how)  # type: ignore[arg-type]
        return self.files[path]

    def statuses(self) -> list[int]:
        return [request.status for request in self.requests]


class Handler(BaseHTTPRequestHandler):
    """Answers one connection of a `_Server`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        files = self.server.files  # type: ignore[attr-defined]
        asked = Requested(self.path, {name.lower(): value for name, value in self.headers.items()})
        files.requests.append(asked)
        served = files.files.get(self.path)
        if served is None:
            self.finish_with(asked, 404, {}, b"no such file")
        elif served.answers:
            status, headers = served.answers.pop(0)
            self.finish_with(asked, status, headers, b"" if status == 304 else b"answer")
        elif is_current(asked, served):
            self.finish_with(asked, 304, version_of(served), b"")
        else:
            self.send_file(asked, served)

    def send_file(self, asked: Requested, served: Served) -> None:
        content, status, headers = served.content, 200, version_of(served)
        match = re.fullmatch(r"bytes=([0-9]+)-", asked.headers.get("range", ""))
        current = asked.headers.get("if-range") in (served.tag, served.last_modified)
        if match and current and not served.ignores_ranges:
            start = int(match[1])
            if start >= len(content):
                self.finish_with(asked, 416, {"Content-Range": f"bytes */{len(content)}"}, b"")
                return
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content = content[start:]
        self.finish_with(asked, status, headers, content, served)

    def finish_with(
        self, asked: Requested, status: int, headers: dict[str, str], content: bytes, served: Served | None = None
    ) -> None:
        asked.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if served is not None and served.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            content = b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)
        else:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if served is not None and served.break_after:
            content = content[: served.break_after.pop(0)]
            self.close_connection = True
        self.wfile.write(content)
        asked.sent = len(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def is_current(asked: Requested, served: Served) -> bool:
    """Tell whether the client has this version already."""
    if "if-none-match" in asked.headers:
        return bool(served.tag) and asked.headers["if-none-match"] == served.tag
    since = asked.headers.get("if-modified-since")
    return bool(since) and since == served.last_modified


def version_of(served: Served) -> dict[str, str]:
    """Return the headers that name the version."""
    found = {"ETag": served.tag, "Last-Modified": served.last_modified}
    return {name: value for name, value in found.items() if value}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    files: FileServer


@contextmanager
def running() -> Iterator[FileServer]:
    """Serve until the block ends."""
    server = _Server(("127.0.0.1", 0), Handler)
    server.files = FileServer()
    server.files.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.files
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
