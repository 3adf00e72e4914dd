"""The application: all addresses of the service, behind the guard.

This module alone decides what lies where:

    /api/v1/...          Harbor's scanner API
    /v1/..., /openapi.json, /metrics, /probe/...     for machines
    /events/...          notifications of registries
    /v2/...              the presenting registry, if the settings ask for it
    everything else      pages for people
"""

import time
from collections.abc import Sequence
from typing import Final

from anyio import CapacityLimiter
from starlette.responses import Response
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from rafsight.interfaces.service.jobs.contract import JobStore
from rafsight.interfaces.service.web import api_hunts, api_images, api_scans, api_state, events, harbor
from rafsight.interfaces.service.web.advisories import DatabaseWatch
from rafsight.interfaces.service.web.caches import CacheWatch
from rafsight.interfaces.service.web.dispatch import routes_of
from rafsight.interfaces.service.web.endpoints import ANONYMOUS, Answer, Call, Endpoint, answer
from rafsight.interfaces.service.web.faults import NotFound
from rafsight.interfaces.service.web.guard import FACTS, Guard
from rafsight.interfaces.service.web.metrics import Metrics
from rafsight.interfaces.service.web.openapi import make_document
from rafsight.interfaces.service.web.registries import Registries
from rafsight.interfaces.service.web.service import Crew, Service, Threads
from rafsight.interfaces.service.web.settings import ServiceSettings
from rafsight.interfaces.service.web.shelf import Shelf
from rafsight.interfaces.service.web.tokens import Tokens
from rafsight.interfaces.service.workers.lending import Lending

_PRESENTED: Final = ("/v2", "/rafsight/stats")

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *harbor.ENDPOINTS,
    *api_scans.ENDPOINTS,
    *api_images.ENDPOINTS,
    *api_hunts.ENDPOINTS,
    *api_state.ENDPOINTS,
    *events.ENDPOINTS,
)


def make_service(
    settings: ServiceSettings,
    store: JobStore,
    *,
    crew: Crew,
    lending: Lending,
    replica: str,
    metrics: Metrics | None = None,
) -> Service:
    """Put together what the handlers need.

    Args:
        settings: of the service.
        store: open.
        crew: who does the work.
        lending: where credentials of requests go.
        replica: this one.
        metrics: where is counted; None: new ones.
    """
    return Service(
        settings=settings,
        store=store,
        tokens=Tokens(store),
        registries=Registries(settings.registries.allow, settings.registries.networks),
        metrics=metrics or Metrics(),
        crew=crew,
        lending=lending,
        shelf=Shelf(),
        advisories=DatabaseWatch(settings.database),
        caches=CacheWatch(settings.scan.cache_dir),
        replica=replica,
        threads=Threads(hunts=CapacityLimiter(max(settings.limits.hunts, 1))),
        started=time.time(),
    )


def build_app(
    service: Service,
    *,
    presenting: ASGIApp | None = None,
    pages: Sequence[BaseRoute] = (),
) -> ASGIApp:
    """Build the application.

    Args:
        service: what handlers need.
        presenting: the registry that shows Nydus images as plain ones; None: there is none.
        pages: routes of the pages for people; they come last.
    """
    routes: list[BaseRoute] = [*routes_of((*ENDPOINTS, _openapi(service)), service), *pages]
    router = Router(routes=routes, redirect_slashes=False, default=_nowhere)
    inner = router if presenting is None else _beside(presenting, router)
    return Guard(inner, limits=service.settings.limits, metrics=service.metrics)


def _beside(presenting: ASGIApp, router: Router) -> ASGIApp:
    """Lead what is the presenting registry's to it, all else to the router."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path in _PRESENTED or path.startswith(f"{_PRESENTED[0]}/"):
            scope[FACTS]["route"] = "present"
            await presenting(scope, receive, send)
        else:
            await router(scope, receive, send)

    return choose


def _openapi(service: Service) -> Endpoint:
    """Make the endpoint that describes all, itself included."""

    async def get_openapi(call: Call) -> Response:
        del call
        return answer(document)

    endpoint = Endpoint(
        method="GET",
        path="/openapi.json",
        name="get_openapi",
        summary="This document.",
        handler=get_openapi,
        scope=ANONYMOUS,
        group="state",
        answers=(Answer(status=200, what="The document, OpenAPI 3.1."),),
    )
    document = make_document((*ENDPOINTS, endpoint), service.settings.base_url)
    return endpoint


async def _nowhere(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer for all addresses that there are not."""
    del scope, receive, send
    raise NotFound(what="such address")
