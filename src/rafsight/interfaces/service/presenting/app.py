"""The presenting registry over HTTP: requests become questions to the presenter, its answers go out piece by piece.

    /v2/...             the read-only part of the OCI distribution specification
    /rafsight/stats     what was fetched, served and made so far, as JSON: numbers alone, no names

This module alone decides how work is kept off the event loop: everything that may wait runs in a bounded number of
threads, and what may take as long as an image takes to be made has threads of its own. It may stand alone, or be
mounted in another application below `/v2`.
"""

import ipaddress
import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Final, Protocol

import anyio
from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from rafsight import Presenter

STATISTICS: Final = "/rafsight/stats"
_MAKING: Final = 64
"""Threads for manifests, which may have to be made."""
_GIVING: Final = 64
"""Threads for all else, and for the pieces of bodies."""
_MANIFESTS: Final = "/manifests/"


class _Body(Protocol):
    def pieces(self) -> Iterator[bytes]: ...

    def close(self) -> None: ...


class _Answer(Protocol):
    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> tuple[tuple[str, str], ...]: ...

    @property
    def body(self) -> _Body: ...


def build_presenting_app(presenter: Presenter, *, only_addresses: bool = False) -> ASGIApp:
    """Build the application.

    Args:
        presenter: answers; whoever made it closes it.
        only_addresses: answer only those who call the server by an address or as `localhost`. Then no page in a browser
            can lead it here by a name of its own; for servers that show to everybody what this machine may see.
    """
    return _Application(presenter, only_addresses=only_addresses)


class _Application:
    """One presenting registry."""

    def __init__(self, presenter: Presenter, *, only_addresses: bool) -> None:
        self._presenter = presenter
        self._only_addresses = only_addresses
        self._making = CapacityLimiter(_MAKING)
        self._giving = CapacityLimiter(_GIVING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        headers = Headers(scope=scope)
        path = scope["path"]
        if self._only_addresses and not _is_address(headers.get("host", "")):
            await _send_text(send, 421, "this registry is called by its address, or as localhost")
        elif path == STATISTICS and scope["method"] in ("GET", "HEAD"):
            await _send_json(send, asdict(self._presenter.statistics))
        elif path == "/":
            await _send_text(send, 200, "This is a registry that can only be read. Images are below /v2/.")
        else:
            ask = partial(
                self._presenter.answer,
                scope["method"],
                path,
                scope["query_string"].decode("latin-1"),
                dict(headers.items()),
            )
            limiter = self._making if _MANIFESTS in path else self._giving
            await self._give(await to_thread.run_sync(ask, limiter=limiter), receive, send)

    async def _give(self, answer: _Answer, receive: Receive, send: Send) -> None:
        """Send an answer, until its end or until nobody listens any more."""
        try:
            async with anyio.create_task_group() as group:

                async def watch() -> None:
                    while (await receive())["type"] != "http.disconnect":
                        pass  # a body that nobody reads
                    group.cancel_scope.cancel()

                group.start_soon(watch)
                await self._send(answer, send)
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(answer.body.close, limiter=self._giving)

    async def _send(self, answer: _Answer, send: Send) -> None:
        headers = [(name.lower().encode("latin-1"), _encoded(value)) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        pieces = answer.body.pieces()
        try:
            while piece := await to_thread.run_sync(next, pieces, b"", limiter=self._giving):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except OSError:
            return  # the registry or the disk broke off: so does the answer, and the server closes the connection
        await send({"type": "http.response.body", "body": b""})


async def _live(receive: Receive, send: Send) -> None:
    """Say that there is nothing to begin and nothing to end."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _send_text(send: Send, status: int, text: str) -> None:
    await _send_small(send, status, b"text/plain; charset=utf-8", f"{text}\n".encode())


async def _send_json(send: Send, value: object) -> None:
    await _send_small(send, 200, b"application/json", json.dumps(value).encode())


async def _send_small(send: Send, status: int, media_type: bytes, content: bytes) -> None:
    headers = [(b"content-type", media_type), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _encoded(value: str) -> bytes:
    return value.encode("latin-1", "replace")


def _is_address(host: str) -> bool:
    """Tell whether a Host header is an address, or this machine's own name for itself."""
    name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    if name.lower() == "localhost":
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
