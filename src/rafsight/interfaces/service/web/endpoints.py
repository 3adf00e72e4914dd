"""What an address of the service is: how it is called, what it takes and gives, who may use it, and who answers.

Routes and the OpenAPI document are made from the same `Endpoint` values, so that neither can say what the other does
not. This module alone decides what an endpoint consists of.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from rafsight.interfaces.service.web.faults import (
    BodyTooLarge,
    MalformedRequest,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    RequestFault,
    TooManyRequests,
    WrongMediaType,
)
from rafsight.interfaces.service.web.service import Service
from rafsight.interfaces.service.web.tokens import Identity
from rafsight.interfaces.service.web.wire import Wish

JSON: Final = "application/json"
ANONYMOUS: Final = ""
"""In the place of a scope: anybody may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One good answer."""

    status: int
    what: str
    """For the document."""
    document: Any = None
    """Type of the JSON; None: `media_types` say what it is, or there is no body."""
    media_types: tuple[str, ...] = (JSON,)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names to meanings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that was checked, on its way to its handler."""

    service: Service
    request: Request
    identity: Identity
    path: Mapping[str, str]
    query: Any
    """Of the type of the endpoint."""
    body: Any
    """Likewise."""


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one address."""

    method: str
    path: str
    """`/v1/scans/{scan_id}`"""
    name: str
    """`get_scan`: in the document, the log and the metrics."""
    summary: str
    handler: Handler
    scope: str
    """Of a token; ANONYMOUS: none is needed."""
    answers: tuple[Answer, ...]
    group: str
    query: type[Wish] | None = None
    body: type[msgspec.Struct] | None = None
    body_types: tuple[str, ...] = (JSON,)
    gate: Callable[[Service, Request], None] | None = None
    """Sees who asks where tokens do not, before the body is read."""
    faults: tuple[type[RequestFault], ...] = ()
    """What the handler may raise, beside `common_faults`."""

    @property
    def common_faults(self) -> tuple[type[RequestFault], ...]:
        """What may go wrong before the handler is asked."""
        faults: list[type[RequestFault]] = [TooManyRequests]
        if self.scope:
            faults += [NotAuthenticated, NotPermitted]
        if self.query is not None or self.body is not None:
            faults.append(MalformedRequest)
        if self.body is not None:
            faults += [BodyTooLarge, WrongMediaType]
        if "{" in self.path:
            faults.append(NotFound)
        return tuple(faults)


PATH_PATTERNS: Final = {
    "scan_id": r"^[A-Za-z0-9_-]{8,64}$",
    "job_id": r"^[A-Za-z0-9_-]{8,64}$",
    "report_id": r"^[A-Za-z0-9_-]{8,64}$",
    "digest": r"^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$",
}
"""What the variable parts of addresses look like; everything else is not there."""


def answer(document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(msgspec.json.encode(document), status_code=status, media_type=JSON, headers=headers)
