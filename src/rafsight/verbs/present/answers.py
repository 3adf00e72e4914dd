"""What a client of the presenting registry gets, and how errors look there.

This module alone decides the form of errors (distribution-spec, "Error Codes") and the status of each of ours. What
this machine lacks stays with it: paths are nobody's business.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Final, Protocol

from rafsight.access.backend import NotFound
from rafsight.access.registry.errors import RateLimited
from rafsight.access.registry.transport import Reply
from rafsight.base.errors import CallerError, Defect, HostLimit, ImageFault, RafsightError, RegistryFault
from rafsight.base.units import KiB

Headers = tuple[tuple[str, str], ...]

JSON: Final = "application/json"
VERSION: Final = ("Docker-Distribution-Api-Version", "registry/2.0")
PIECE: Final = 256 * KiB
"""[bytes] of a body that are handed over at a time."""
_LATER: Final = "5"
"""[s] after which a client may try again what may pass."""


class Body(Protocol):
    """Where the bytes of an answer come from. To be closed, whether they were taken or not."""

    def pieces(self) -> Iterator[bytes]:
        """Yield them in order.

        Raises: RegistryFault; OSError.
        """
        ...

    def close(self) -> None:
        """Give back what is open. May be called again."""
        ...


@dataclass(slots=True, kw_only=True)
class Memory:
    """Bytes that are there."""

    content: bytes = b""

    def pieces(self) -> Iterator[bytes]:
        """Yield them at once."""
        if self.content:
            yield self.content

    def close(self) -> None:
        """Nothing is open."""


@dataclass(slots=True, kw_only=True)
class FilePart:
    """Bytes of a file."""

    file: "IO[bytes]"
    start: int
    size: int
    """[bytes]"""

    def pieces(self) -> Iterator[bytes]:
        """Read on, piece by piece; a file that was cut ends early."""
        self.file.seek(self.start)
        left = self.size
        while left and (piece := self.file.read(min(left, PIECE))):
            left -= len(piece)
            yield piece

    def close(self) -> None:
        """Close the file."""
        self.file.close()


@dataclass(slots=True, kw_only=True)
class Passing:
    """The body of a registry's answer, on its way through."""

    reply: Reply

    def pieces(self) -> Iterator[bytes]:
        """Pass it on as it comes."""
        while piece := self.reply.read(PIECE):
            yield piece

    def close(self) -> None:
        """Give the connection back, or close it."""
        self.reply.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes out: to be closed."""

    status: int
    headers: Headers = ()
    body: Body = field(default_factory=Memory)

    def header(self, name: str) -> str | None:
        """Return the first header of a name."""
        return next((value for key, value in self.headers if key.lower() == name), None)


def document_answer(content: bytes, media_type: str, headers: Headers = (), *, head: bool = False) -> Answer:
    """Answer a document; a HEAD is told about it only."""
    said = (("Content-Type", media_type), ("Content-Length", str(len(content))), VERSION, *headers)
    return Answer(status=200, headers=said, body=Memory(content=b"" if head else content))


def error_answer(
    status: int, code: str, message: str, *, detail: dict[str, str] | None = None, headers: Headers = ()
) -> Answer:
    """Answer an error in the registry's own form."""
    one: dict[str, object] = {"code": code, "message": message}
    content = json.dumps({"errors": [one | {"detail": detail} if detail else one]}).encode()
    said = (("Content-Type", JSON), ("Content-Length", str(len(content))), VERSION, *headers)
    return Answer(status=status, headers=said, body=Memory(content=content))


def fault_answer(error: RafsightError) -> Answer:
    """Answer that something went wrong here or in the registry behind."""
    status, code = _status_of(error)
    message = str(error) + "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    detail = {"code": error.code, "remedy": error.advice}
    if isinstance(error, HostLimit | Defect):
        message, detail = "the registry cannot do that now; its own messages say why", {"code": error.code}
    headers: Headers = (("Retry-After", _LATER),) if status in (429, 503) else ()
    return error_answer(status, code, message, detail=detail, headers=headers)


def _status_of(error: RafsightError) -> tuple[int, str]:
    """Return the status and the registry's code of an error."""
    if isinstance(error, CallerError):
        return 400, "UNSUPPORTED"
    if isinstance(error, ImageFault):
        return 502, "MANIFEST_INVALID"
    if isinstance(error, NotFound):
        return 502, "MANIFEST_BLOB_UNKNOWN"
    if isinstance(error, RateLimited):
        return 429, "TOOMANYREQUESTS"
    if isinstance(error, RegistryFault):
        return (502, "UNKNOWN") if error.permanent else (503, "UNAVAILABLE")
    return (503, "UNAVAILABLE") if isinstance(error, HostLimit) else (500, "UNKNOWN")
