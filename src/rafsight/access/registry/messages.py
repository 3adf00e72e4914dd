"""Requests and responses as values: what conversations are made of. No socket here."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace

from rafsight.base.text import printable

Headers = tuple[tuple[str, str], ...]
OpenBody = Callable[[], Generator[bytes, None, None]]
"""Gives a body in pieces, from its start each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""
    stream: OpenBody | None = None
    """The body instead of `body`; a Content-Length among the headers says how long it is."""
    timeout: float | None = None
    """[s] without a byte of the answer; None: as usual."""
    wants_body: bool = False
    """The conversation itself reads the answer's body (a token); otherwise the body is left to the caller."""

    def with_authorization(self, value: str | None) -> "Request":
        """Return the request with an Authorization header, if there is a value."""
        if not value:
            return self
        return replace(self, headers=(*self.headers, ("Authorization", value)))

    def at(self, url: str) -> "Request":
        """Return the same request to another place."""
        return replace(self, url=url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """The head of an HTTP response; the body only where the request wanted it here."""

    status: int
    url: str = ""
    """Who answered."""
    headers: Headers = ()
    """Names in lower case."""
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Return the first header of a (lower-case) name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def every(self, name: str) -> tuple[str, ...]:
        """Return all headers of a (lower-case) name."""
        return tuple(value for key, value in self.headers if key == name)

    @property
    def size(self) -> int | None:
        """[bytes] of the body by Content-Length; None if there is none that makes sense."""
        text = self.header("content-length")
        return int(text) if text and len(text) <= 19 and text.isascii() and text.isdigit() else None

    @property
    def redirects(self) -> bool:
        """Tell whether the answer lies elsewhere."""
        return 300 <= self.status < 400 and self.status != 304 and self.header("location") is not None


def host_of(url: str) -> str:
    """Return the host and port of a URL for messages: never its path or query, which may hold signatures."""
    return printable(url.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2])
