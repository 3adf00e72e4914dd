"""Logging in by a token, and out.

This module alone decides where somebody is led afterwards: to a page of this service, whatever the address says.
"""

import re
from typing import Annotated, Final

import msgspec
from starlette.responses import Response

from rafsight.interfaces.service.pages.faults import WrongToken
from rafsight.interfaces.service.pages.sessions import Sessions
from rafsight.interfaces.service.pages.visits import Page, Visit, problem_of
from rafsight.interfaces.service.web.endpoints import ANONYMOUS

_LENGTH: Final = 200
_OWN: Final = re.compile(r"/(?![/\\])[!-~]*\Z")
"""An address of this service: a path, and no host."""


class LoginQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Where to go afterwards."""

    next: Annotated[str, msgspec.Meta(max_length=4096)] = "/"


def pages(sessions: Sessions) -> tuple[Page, ...]:
    """Make the pages of logging in and out."""

    async def show_login(visit: Visit) -> Response:
        return visit.show("login", next=own_address(visit.query(LoginQuery).next), problem=None)

    async def log_in(visit: Visit) -> Response:
        token, after = visit.text("token"), own_address(visit.text("next"))
        found = None
        if token.isascii() and token.isprintable() and len(token) <= _LENGTH:
            found = await visit.service.ask(visit.service.tokens.find, token)
        if found is None:
            fault = WrongToken()
            return visit.show("login", status=fault.status, next=after, problem=problem_of(fault))
        path, _, query = after.partition("?")
        response = visit.go("/")
        response.headers["Location"] = visit.renderer.root + path + (f"?{query}" if query else "")
        sessions.begin(response, token)
        return response

    async def log_out(visit: Visit) -> Response:
        response = visit.go("/login")
        sessions.end(response)
        return response

    return (
        Page(path="/login", name="page_login", get=show_login, post=log_in, scope=ANONYMOUS),
        Page(path="/logout", name="page_logout", post=log_out, scope=ANONYMOUS),
    )


def own_address(text: str) -> str:
    """Return an address of this service; the first page for anything else."""
    return text if _OWN.match(text) else "/"
