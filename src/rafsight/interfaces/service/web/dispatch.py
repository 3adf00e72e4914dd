"""From endpoints to routes: who asks is found out, what they send is checked, then the handler is asked.

This module alone decides the order of these steps, and how a query or a body becomes a value.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rafsight.interfaces.service.web.endpoints import ANONYMOUS, PATH_PATTERNS, Call, Endpoint
from rafsight.interfaces.service.web.faults import (
    MalformedRequest,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    WrongHost,
    WrongMediaType,
    WrongMethod,
)
from rafsight.interfaces.service.web.guard import FACTS
from rafsight.interfaces.service.web.service import Service
from rafsight.interfaces.service.web.settings import LOOPBACK
from rafsight.interfaces.service.web.tokens import SCOPES, Identity, shown_token

_ALL_SCOPES: Final = frozenset(SCOPES)
NOBODY: Final = Identity(name="", scopes=frozenset())
_PATTERNS: Final = {name: re.compile(pattern) for name, pattern in PATH_PATTERNS.items()}
_READING: Final = ("GET", "HEAD")
_PORT: Final = re.compile(r":[0-9]{1,5}\Z")


def routes_of(endpoints: Sequence[Endpoint], service: Service) -> list[Route]:
    """Make routes; those of one path are one route, so that every method of it is known."""
    paths: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return [Route(path, _Place(by_method, service)) for path, by_method in paths.items()]


class _Place:
    """All endpoints of one path, as an ASGI application: a class, so that starlette leaves methods to it."""

    def __init__(self, by_method: dict[str, Endpoint], service: Service) -> None:
        self._by_method = by_method
        self._service = service

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive, send)
        response = await self._respond(request)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        endpoint = self._by_method.get(method)
        if endpoint is None:
            raise WrongMethod(method=request.method, allowed=", ".join(self._allowed()))
        facts = request.scope[FACTS]
        facts["route"] = endpoint.name
        identity = NOBODY
        if endpoint.scope != ANONYMOUS:
            identity = await identify(self._service, request)
            facts["who"] = identity.name
            check_scope(identity, endpoint.scope)
        if endpoint.gate is not None:
            endpoint.gate(self._service, request)
        call = Call(
            service=self._service,
            request=request,
            identity=identity,
            path=_path_of(request),
            query=_query_of(request, endpoint),
            body=await _body_of(request, endpoint),
        )
        return await endpoint.handler(call)

    def _allowed(self) -> list[str]:
        return sorted({*self._by_method, *(["HEAD"] if "GET" in self._by_method else [])})


async def identify(service: Service, request: Request, token: str | None = None) -> Identity:
    """Find out who asks.

    Without a token that was ever made, and listening on loopback only, whoever is on this machine may do everything, by
    the names of this machine: a page of a stranger in a browser here must not lead it to us by a name of its own.

    Args:
        service: that is asked.
        request: of whoever asks.
        token: that is shown; None: the one of the headers, if any.
    Raises: WrongHost; NotAuthenticated if a token is shown that is none.
    """
    token = shown_token(request.headers) if token is None else token
    if token:
        found = service.tokens.remembered(token) or await service.ask(service.tokens.find, token)
        if found is not None:
            return Identity(name=found.name, scopes=frozenset(found.scopes))
        if await _needs_tokens(service):
            raise NotAuthenticated
    elif await _needs_tokens(service):
        return NOBODY
    check_host(service, request)
    return Identity(name="anonymous", scopes=_ALL_SCOPES)


def check_scope(identity: Identity, scope: str) -> None:
    """See that somebody may do something.

    Raises: NotAuthenticated, NotPermitted.
    """
    if identity.may(scope):
        return
    if not identity.scopes:
        raise NotAuthenticated
    raise NotPermitted(scope=scope)


def check_host(service: Service, request: Request) -> None:
    """See that the service is asked by a name of its own, and that no page of another one makes a browser ask.

    Raises: WrongHost.
    """
    host = request.headers.get("host", "")
    origin = request.headers.get("origin", "")
    if origin and request.method not in _READING and origin.partition("://")[2] != host:
        raise WrongHost(host=origin)
    base = service.settings.base_url.partition("://")[2].partition("/")[0]
    own = {*LOOPBACK, service.settings.host, _host_name(base)}
    name = _host_name(host)
    if not name or name not in own:
        raise WrongHost(host=host)


def _host_name(text: str) -> str:
    return _PORT.sub("", text).strip("[]").lower()


async def _needs_tokens(service: Service) -> bool:
    if not service.settings.is_local:
        return True
    known = service.tokens.any_remembered
    return await service.ask(service.tokens.are_any) if known is None else known


def _path_of(request: Request) -> dict[str, str]:
    path = {name: str(value) for name, value in request.path_params.items()}
    for name, value in path.items():
        if name in _PATTERNS and not _PATTERNS[name].fullmatch(value):
            raise NotFound(what=name.removesuffix("_id"))
    return path


def _query_of(request: Request, endpoint: Endpoint) -> Any:
    if endpoint.query is None:
        return None
    given = request.query_params
    repeated = [name for name in given if len(given.getlist(name)) > 1]
    if repeated:
        raise MalformedRequest(why=f"{repeated[0]} is there twice")
    try:
        return msgspec.convert(dict(given), endpoint.query, strict=False)
    except (msgspec.ValidationError, RecursionError) as error:
        raise MalformedRequest(why=str(error)) from error


async def _body_of(request: Request, endpoint: Endpoint) -> Any:
    if endpoint.body is None:
        return None
    kind = request.headers.get("content-type", "")
    if _media_type(kind) not in endpoint.body_types:
        raise WrongMediaType(media_type=kind)
    content = await request.body()
    try:
        # as much memory and time as the body is large, which the guard bounds: no large work for a thread
        return await _decode(content, endpoint.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest(why=str(error)) from error


_LARGE: Final = 64 * 1024


async def _decode(content: bytes, kind: type[msgspec.Struct]) -> Any:
    if len(content) <= _LARGE:
        return msgspec.json.decode(content, type=kind)
    return await to_thread.run_sync(lambda: msgspec.json.decode(content, type=kind))


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()
