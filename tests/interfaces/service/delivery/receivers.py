"""Receivers of notifications on loopback: good ones, and ones that answer in every wrong way."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

HEAD_END = b"\r\n\r\n"


@dataclass(slots=True)
class Receiver:
    """A server that reads whole requests, and lets a function answer each."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    """Heads and bodies."""
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=abc"

    def headers(self, number: int = -1) -> dict[str, str]:
        lines = self.requests[number].partition(HEAD_END)[0].decode().split("\r\n")[1:]
        return {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines}

    def body(self, number: int = -1) -> bytes:
        return self.requests[number].partition(HEAD_END)[2]

    def line(self, number: int = -1) -> str:
        return self.requests[number].partition(b"\r\n")[0].decode()


Answer = Callable[[socket.socket, Receiver], None]


def answering(status: int, *headers: str, body: bytes = b"") -> Answer:
    """Make a function that answers well."""
    lines = (f"HTTP/1.1 {status} Whatever", *headers, f"Content-Length: {len(body)}")
    content = "\r\n".join(lines).encode() + HEAD_END + body
    return lambda connection, receiver: connection.sendall(content)


def dripping(start: bytes, piece: bytes) -> Answer:
    """Make a function that sends something, and then small pieces until somebody ends it."""

    def answer(connection: socket.socket, receiver: Receiver) -> None:
        connection.sendall(start)
        while not receiver.ended.wait(0.01):
            connection.sendall(piece)

    return answer


def flooding(start: bytes, piece: bytes) -> Answer:
    """Make a function that sends something, and then as much as it can."""

    def answer(connection: socket.socket, receiver: Receiver) -> None:
        connection.sendall(start)
        while not receiver.ended.is_set():
            connection.sendall(piece)

    return answer


def silent(connection: socket.socket, receiver: Receiver) -> None:
    """Answer nothing, for as long as the server runs."""
    receiver.ended.wait(30)


def hanging_up(connection: socket.socket, receiver: Receiver) -> None:
    """Answer nothing, and go."""


@contextmanager
def receiving(answer: Answer, *, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """Run a receiver until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        receiver = Receiver(port=server.getsockname()[1])
        threads: list[threading.Thread] = []

        def serve(connection: socket.socket) -> None:
            with suppress(OSError), connection:
                if tls is None:
                    _one(connection, receiver, answer)
                else:
                    with tls.wrap_socket(connection, server_side=True) as wrapped:
                        _one(wrapped, receiver, answer)

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                connection.settimeout(10)
                thread = threading.Thread(target=serve, args=(connection,))
                threads.append(thread)
                thread.start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield receiver
        finally:
            receiver.ended.set()
            server.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


def _one(connection: socket.socket, receiver: Receiver, answer: Answer) -> None:
    got = b""
    while HEAD_END not in got:
        piece = connection.recv(65536)
        if not piece:
            return
        got += piece
    head, _, body = got.partition(HEAD_END)
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            return
        body += piece
    receiver.requests.append(head + HEAD_END + body)
    answer(connection, receiver)
