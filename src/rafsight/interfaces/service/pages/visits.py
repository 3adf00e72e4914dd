"""A visit: somebody asks for a page, or sends a form, and is answered with a page whatever happens.

    who asks -> may they -> is the form one of ours -> the handler -> a page; errors become pages, too

Whoever is not logged in is led to the login. This module alone decides that order, and the headers of pages.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlencode

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from rafsight.base.errors import RafsightError
from rafsight.interfaces.service.pages.rendering import Renderer
from rafsight.interfaces.service.pages.sessions import FIELD, Sessions, form_token
from rafsight.interfaces.service.web.dispatch import check_scope, identify
from rafsight.interfaces.service.web.endpoints import ANONYMOUS
from rafsight.interfaces.service.web.faults import (
    MalformedRequest,
    NotAuthenticated,
    WrongMediaType,
    WrongMethod,
    document_of,
    headers_of,
    status_of,
)
from rafsight.interfaces.service.web.guard import FACTS
from rafsight.interfaces.service.web.logs import complain
from rafsight.interfaces.service.web.service import Service
from rafsight.interfaces.service.web.tokens import Identity

Query = TypeVar("Query", bound=msgspec.Struct)

FORM_TYPE: Final = "application/x-www-form-urlencoded"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",
}
"""No script at all, nothing from elsewhere. Forms name their origin to this service, and to nobody else."""
_FIELDS: Final = 200
_NOBODY: Final = Identity(name="", scopes=frozenset())
_ANONYMOUS: Final = "anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A request for a page that was checked, on its way to its handler."""

    service: Service
    request: Request
    identity: Identity
    place: str
    """The part of the menu that the page belongs to."""
    form: Mapping[str, list[str]]
    """Fields of the form that was sent; empty for GET."""
    renderer: Renderer
    form_key: str

    def query(self, kind: type[Query]) -> Query:
        """Read the query; what `kind` does not know is left aside, since mailers and trackers add to addresses.

        Raises: MalformedRequest.
        """
        known = {field.encode_name for field in msgspec.structs.fields(kind)}
        given = {name: value for name, value in self.request.query_params.items() if name in known}
        try:
            return msgspec.convert(given, kind, strict=False)
        except msgspec.ValidationError as error:
            raise MalformedRequest(why=str(error)) from error

    def text(self, name: str) -> str:
        """Return a field of the form without spaces around it; empty if it is not there."""
        return self.form.get(name, [""])[0].strip()

    def texts(self, name: str) -> list[str]:
        """Return all values of a field of the form."""
        return self.form.get(name, [])

    def lines(self, name: str) -> list[str]:
        """Return the lines of a field of the form that are not empty."""
        return [line.strip() for line in self.text(name).splitlines() if line.strip()]

    def may(self, scope: str) -> bool:
        """Tell whether whoever looks may do something."""
        return self.identity.may(scope)

    def write(self, template: str, /, **values: Any) -> str:
        """Write a page with what all pages have in common."""
        return self.renderer.render(
            template,
            place=self.place,
            who="" if self.identity.name == _ANONYMOUS else self.identity.name,
            may=self.may,
            form_field=FIELD,
            form_token=form_token(self.form_key),
            **values,
        )

    def show(
        self, template: str, /, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
    ) -> Response:
        """Answer with a page."""
        return HTMLResponse(self.write(template, **values), status_code=status, headers={**HEADERS, **(headers or {})})

    def go(self, path: str, /, **query: Any) -> Response:
        """Lead to another page, after a form was taken."""
        return RedirectResponse(self.renderer.url(path, **query), status_code=303)


Handler = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An address for people."""

    path: str
    name: str
    """In the log and the metrics."""
    get: Handler | None = None
    post: Handler | None = None
    scope: str = "read"
    """Of whoever looks; ANONYMOUS: anybody may."""
    post_scope: str = ""
    """Of whoever sends the form; empty: `scope`."""
    place: str = ""
    """The part of the menu that it belongs to."""


class Door:
    """Answers for one page, as an ASGI application: a class, so that starlette leaves methods to it."""

    def __init__(self, page: Page, service: Service, renderer: Renderer, sessions: Sessions) -> None:
        """Take what visits need."""
        self._page = page
        self._service = service
        self._renderer = renderer
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        request.scope[FACTS]["route"] = self._page.name
        key, is_new = self._sessions.form_key(request)
        visit = self._visit(request, key)
        try:
            handler, wanted = self._choose(request.method)
            if wanted != ANONYMOUS:
                visit = replace(visit, identity=await self._identify(request))
                request.scope[FACTS]["who"] = visit.identity.name
                check_scope(visit.identity, wanted)
            response = await handler(await self._with_form(visit))
        except NotAuthenticated as error:
            response = self._lead_to_login(visit, error)
        except RafsightError as error:
            response = _refuse(visit, error)
        if is_new and response.media_type == HTMLResponse.media_type:
            self._sessions.keep_form_key(response, key)
        await response(scope, receive, send)

    def _choose(self, method: str) -> tuple[Handler, str]:
        """Return who answers, and the scope that it takes.

        Raises: WrongMethod.
        """
        page = self._page
        if method == "POST" and page.post is not None:
            return page.post, page.post_scope or page.scope
        if method in ("GET", "HEAD") and page.get is not None:
            return page.get, page.scope
        allowed = [*(("GET", "HEAD") if page.get else ()), *(("POST",) if page.post else ())]
        raise WrongMethod(method=method, allowed=", ".join(allowed))

    async def _with_form(self, visit: Visit) -> Visit:
        """Read the form, if one was sent, and see that it is one of ours.

        Raises: WrongMediaType, MalformedRequest, ForeignForm.
        """
        if visit.request.method != "POST":
            return visit
        form = await _read_form(visit.request)
        self._sessions.check_form(visit.request, form.get(FIELD, [""])[0])
        return replace(visit, form=form)

    async def _identify(self, request: Request) -> Identity:
        """Find out who looks: by the header as everywhere, else by the cookie."""
        token = None if "authorization" in request.headers else self._sessions.token(request)
        return await identify(self._service, request, token)

    def _visit(self, request: Request, key: str) -> Visit:
        return Visit(
            service=self._service,
            request=request,
            identity=_NOBODY,
            place=self._page.place,
            form={},
            renderer=self._renderer,
            form_key=key,
        )

    def _lead_to_login(self, visit: Visit, error: NotAuthenticated) -> Response:
        """Ask who it is; whoever comes from another site is let in by a second request, which has their cookie."""
        request = visit.request
        if request.method not in ("GET", "HEAD"):
            return _refuse(visit, error)
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if request.headers.get("sec-fetch-site") == "cross-site":
            return visit.show("again", here=self._renderer.root + here)
        behind = "" if here == "/" else f"?{urlencode({'next': here})}"
        return RedirectResponse(f"{self._renderer.root}/login{behind}", status_code=303)


def _refuse(visit: Visit, error: RafsightError) -> Response:
    """Say what went wrong, on a page."""
    status = status_of(error)
    if status >= 500:
        complain("a page failed", error, code=error.code)
    return visit.show("error", status=status, headers=headers_of(error), problem=problem_of(error), status_code=status)


def problem_of(error: RafsightError) -> dict[str, str]:
    """Return what people are told of an error: code, message, remedy."""
    told: dict[str, str] = document_of(error)["error"]
    return told


async def _read_form(request: Request) -> dict[str, list[str]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM_TYPE:
        raise WrongMediaType(media_type=kind)
    try:
        content = (await request.body()).decode("ascii")
        return parse_qs(content, keep_blank_values=True, max_num_fields=_FIELDS, errors="replace")
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise MalformedRequest(why="the form cannot be read") from error
