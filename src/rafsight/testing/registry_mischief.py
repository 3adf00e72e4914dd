"""What the stand-in registry in `registry.py` can be asked to do wrong; no behaviour here."""

from dataclasses import dataclass

from rafsight.testing.registry_pages import Headers


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
    take_only: int | None = None
    """[bytes] of the request's body (of an upload or a manifest) after which the connection is closed unanswered."""
    unanswered: bool = False
    """Do what is asked for, and close the connection instead of answering."""
