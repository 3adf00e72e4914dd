"""What every request passes before anything is done for it, and every answer before it leaves.

Sizes, times and rates are bounded here, errors get their form, answers their headers, and each request its line in the
log. This module alone decides those. It is a plain ASGI application around another, so that streams stay streams.
"""

import asyncio
import json
import re
import secrets
import time
from collections.abc import Callable
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rafsight.base.errors import RafsightError
from rafsight.interfaces.service.web.faults import (
    PROBLEM,
    AddressTooLong,
    BodyTooLarge,
    HeadersTooLarge,
    MalformedRequest,
    ServiceDefect,
    TooManyRequests,
    TooSlow,
    document_of,
    harbor_document_of,
    headers_of,
    status_of,
)
from rafsight.interfaces.service.web.logs import REQUEST, complain, say
from rafsight.interfaces.service.web.metrics import IN_FLIGHT, REQUESTS, SECONDS, Metrics, now
from rafsight.interfaces.service.web.settings import WebLimits

HARBOR: Final = "/api/v1/"
"""Below it errors have Harbor's form."""
HARBOR_ERROR: Final = "application/vnd.scanner.adapter.error+json; version=1.0"
FACTS: Final = "rafsight"
"""Where in the scope the application leaves word for the log: `route` and `who`."""

_HEADERS: Final = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"x-frame-options": b"DENY",
    b"cache-control": b"no-store",
}
_POLICY: Final = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_PAGE_POLICY: Final = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADER_COUNT: Final = 100
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_GONE: Final = 499
"""For the log: the client went away before it had sent everything. Nobody receives this status."""
_CLIENTS: Final = 10_000
"""Clients whose rate is known at the same time."""


class Rates:
    """Counts how often each client asks. For one event loop."""

    def __init__(self, rate: float, burst: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Take the bounds.

        Args:
            rate: [requests/s] on average; 0: any.
            burst: requests at once.
            clock: [s]
        """
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left: dict[str, tuple[float, float]] = {}

    def check(self, client: str) -> None:
        """Count a request.

        Raises: TooManyRequests.
        """
        if not self._rate:
            return
        moment = self._clock()
        left, since = self._left.pop(client, (float(self._burst), moment))
        left = min(self._burst, left + (moment - since) * self._rate)
        if len(self._left) >= _CLIENTS:
            del self._left[next(iter(self._left))]  # who asked least recently
        self._left[client] = (left - 1 if left >= 1 else left, moment)
        if left < 1:
            raise TooManyRequests(rate=int(self._rate))


class Guard:
    """The application, guarded."""

    def __init__(self, app: ASGIApp, *, limits: WebLimits, metrics: Metrics) -> None:
        """Stand before an application.

        Args:
            app: what is guarded.
            limits: how much of anything is taken.
            metrics: where requests are counted.
        """
        self._app = app
        self._limits = limits
        self._metrics = metrics
        self._rates = Rates(limits.rate, limits.burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        await _Exchange(self._app, self._limits, self._metrics, self._rates, scope).run(receive, send)


class _Exchange:
    """One request and its answer."""

    def __init__(self, app: ASGIApp, limits: WebLimits, metrics: Metrics, rates: Rates, scope: Scope) -> None:
        self._app, self._limits, self._metrics, self._rates = app, limits, metrics, rates
        self._scope = scope
        self._facts: dict[str, str] = {"route": "other", "who": ""}
        scope[FACTS] = self._facts
        self._headers = _first_of_each(scope)
        self._status = 0
        self._sent = 0
        self._received = 0
        self._has_body = self._headers.get("content-length", "0") != "0" or "transfer-encoding" in self._headers
        self._deadline: float | None = None
        given = self._headers.get("x-request-id", "")
        self._id = given if _REQUEST_ID.match(given) else secrets.token_hex(8)

    async def run(self, receive: Receive, send: Send) -> None:
        """Answer it, whatever happens."""
        token = REQUEST.set(self._id)
        began = now()
        self._metrics.count(IN_FLIGHT)
        try:
            await self._answer(receive, send)
        finally:
            seconds = now() - began
            self._metrics.count(IN_FLIGHT, amount=-1)
            self._tell(seconds)
            REQUEST.reset(token)

    async def _answer(self, receive: Receive, send: Send) -> None:
        async def take() -> Message:
            return await self._take(receive)

        async def give(message: Message) -> None:
            await self._give(message, send)

        try:
            self._check()
            await self._app(self._scope, take, give)
        except RafsightError as error:
            if status_of(error) >= 500:
                complain("a request failed", error, code=error.code)
            await self._refuse(error, send)
        except ClientDisconnect:
            self._status = self._status or _GONE
        except Exception as error:  # noqa: BLE001 - the last net: the client gets a number, the log the rest
            complain("a request failed in a way that nobody foresaw", error)
            await self._refuse(ServiceDefect(request=self._id), send)

    def _check(self) -> None:
        scope, limits = self._scope, self._limits
        if scope["method"] not in _METHODS:
            raise MalformedRequest(why="nobody knows its method")
        self._rates.check(scope["client"][0] if scope.get("client") else "")
        address = len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"")
        if address > limits.address:
            raise AddressTooLong(limit=limits.address)
        headers = scope["headers"]
        if len(headers) > _HEADER_COUNT or sum(len(name) + len(value) for name, value in headers) > limits.headers:
            raise HeadersTooLarge(limit=limits.headers)
        length = self._headers.get("content-length", "")
        if length.isdigit() and int(length[:20]) > limits.body:
            raise BodyTooLarge(limit=limits.body)

    async def _take(self, receive: Receive) -> Message:
        """Receive a part of the body, in time and within its size."""
        if not self._has_body:
            return await receive()
        loop = asyncio.get_running_loop()
        if self._deadline is None:
            self._deadline = loop.time() + self._limits.body_time
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await receive()
        except TimeoutError as error:
            raise TooSlow(seconds=int(self._limits.body_time)) from error
        self._received += len(message.get("body", b""))
        if self._received > self._limits.body:
            raise BodyTooLarge(limit=self._limits.body)
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._has_body = False  # what comes now is only that the client went away
        return message

    async def _give(self, message: Message, send: Send) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message = {**message, "headers": self._dress(list(message.get("headers", ())))}
        else:
            self._sent += len(message.get("body", b""))
        await send(message)

    def _dress(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Add what every answer has, unless the application says it otherwise."""
        there = {name.lower(): value for name, value in headers}
        more = {**_HEADERS, b"x-request-id": self._id.encode()}
        is_page = there.get(b"content-type", b"").startswith(b"text/html")
        more[b"content-security-policy"] = _PAGE_POLICY if is_page else _POLICY
        if self._has_body:
            more[b"connection"] = b"close"  # nobody reads the rest of the request
        return headers + [(name, value) for name, value in more.items() if name not in there]

    async def _refuse(self, error: RafsightError, send: Send) -> None:
        if self._status:
            # an answer is under way; without its end the client sees that it is not whole
            raise ConnectionAbortedError("an answer could not be completed") from error
        is_harbor = self._scope["path"].startswith(HARBOR)
        body = json.dumps(harbor_document_of(error) if is_harbor else document_of(error)).encode()
        kind = HARBOR_ERROR if is_harbor else PROBLEM
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in headers_of(error).items()]
        await self._give({"type": "http.response.start", "status": status_of(error), "headers": headers}, send)
        await self._give({"type": "http.response.body", "body": body}, send)

    def _tell(self, seconds: float) -> None:
        scope, route = self._scope, self._facts["route"]
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.count(REQUESTS, method, route, str(self._status))
        self._metrics.time(SECONDS, seconds, route)
        say(
            "answered",
            method=method,
            path=scope["path"][:500],
            route=route,
            status=self._status,
            ms=round(seconds * 1000, 1),
            bytes_in=self._received,
            bytes_out=self._sent,
            client=scope["client"][0] if scope.get("client") else "",
            who=self._facts["who"],
        )


def _first_of_each(scope: Scope) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return found
