"""All pages by their addresses.

This module alone decides what lies where:

    /                     images, and the worst that was found in them
    /image                one image: all its reports
    /reports/ID           a report in short; /full is all of it, /download a file of it
    /changes              two reports of an image beside each other
    /news                 what newer advisories say about images known before
    /scans, /scans/ID     asking for a scan, the queue; what became of a scan
    /hunt                 one question to many images
    /state                queue, workers, database, cache, deliveries
    /login, /logout       who looks
    /assets/NAME          style and icon
    everything else       for browsers, a page that says so
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from rafsight.interfaces.service.pages import changes, hunts, images, login, reports, scans, state
from rafsight.interfaces.service.pages.rendering import ASSET_PATH, Renderer
from rafsight.interfaces.service.pages.sessions import Sessions
from rafsight.interfaces.service.pages.visits import Door, Page, Visit
from rafsight.interfaces.service.web.endpoints import ANONYMOUS
from rafsight.interfaces.service.web.faults import NotFound
from rafsight.interfaces.service.web.service import Service

_YEAR: Final = 365 * 24 * 3600


def pages_of(renderer: Renderer, sessions: Sessions) -> tuple[Page, ...]:
    """List all pages."""
    return (
        *images.PAGES,
        *reports.PAGES,
        *changes.PAGES,
        *scans.PAGES,
        *hunts.PAGES,
        *state.PAGES,
        *login.pages(sessions),
        _assets(renderer),
    )


def routes(service: Service) -> list[BaseRoute]:
    """Make the routes of all pages.

    Args:
        service: what they show.
    """
    base_url = service.settings.base_url
    renderer, sessions = Renderer(base_url), Sessions(base_url)
    doors = [Route(page.path, Door(page, service, renderer, sessions)) for page in pages_of(renderer, sessions)]
    nowhere = Page(path="/{path:path}", name="page_nowhere", get=_say_nowhere, scope=ANONYMOUS)
    return [*doors, Route(nowhere.path, _Nowhere(Door(nowhere, service, renderer, sessions)))]


async def _say_nowhere(visit: Visit) -> Response:
    del visit
    raise NotFound(what="such address")


class _Nowhere:
    """Answers for all addresses that there are not: people get a page, programs what they always get."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        if request.method not in ("GET", "HEAD") or "text/html" not in request.headers.get("accept", ""):
            raise NotFound(what="such address")
        await self._door(scope, receive, send)


def _assets(renderer: Renderer) -> Page:
    async def show_asset(visit: Visit) -> Response:
        name = str(visit.request.path_params["name"])
        if name not in renderer.assets:
            raise NotFound(what="such file")
        media_type, content = renderer.assets[name]
        headers = {"Cache-Control": f"public, max-age={_YEAR}, immutable"}
        return Response(content, media_type=media_type, headers=headers)

    return Page(path=ASSET_PATH + "/{name}", name="page_asset", get=show_asset, scope=ANONYMOUS)
