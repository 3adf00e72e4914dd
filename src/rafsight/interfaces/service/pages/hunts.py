"""A hunt from a page: a question to many images, answered on one page that grows while answers come.

The page is sent piece by piece, so that browsers show each answer at once, without a script. This module alone decides
how many images a page may ask, for how long, and how much of an answer it shows.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, Protocol

import msgspec
from anyio import CancelScope
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from rafsight.base.errors import CallerError, RafsightError
from rafsight.interfaces.service.jobs.model import ImageOrder, Paging
from rafsight.interfaces.service.pages.faults import TooManyImages
from rafsight.interfaces.service.pages.visits import HEADERS, Page, Visit, problem_of
from rafsight.interfaces.service.web.api_hunts import HuntWish, task_of
from rafsight.interfaces.service.web.faults import MalformedRequest, UnusableField, status_of
from rafsight.interfaces.service.web.hunting import begin_hunt

MOST_IMAGES: Final = 500
_TIME: Final = 300.0
"""[s]"""
_MATCHES: Final = 50
"""Files and packages of one image that are shown, each."""
_HERE: Final = "<!-- answers -->"
"""Where the template of the page is cut."""
_TEXTS: Final = ("content", "package", "version", "search", "images")
_LISTS: Final = ("paths", "sha256", "advisories", "references")
_EMPTY: Final = dict.fromkeys((*_TEXTS, *_LISTS), "") | {"images": "known"}


async def _show_hunt(visit: Visit) -> Response:
    return _form(visit, _EMPTY)


async def _begin_hunt(visit: Visit) -> Response:
    form = {name: visit.text(name) for name in (*_TEXTS, *_LISTS)}
    try:
        wish = _wish(visit, form)
        await _check_number(visit, wish)
        hunt = await begin_hunt(visit.service, await task_of(visit.service, wish))
    except CallerError as error:
        return _form(visit, form, error)
    return GrowingPage(visit, hunt, visit.write("hunting", form=form))


class Lines(Protocol):
    """The lines of a hunt, and a way to end it."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return what is iterated."""
        ...

    async def aclose(self) -> None:
        """End the hunt; again does no harm."""
        ...


class GrowingPage(StreamingResponse):
    """A page around the answers of a hunt, each sent when it comes; the hunt ends with it, whatever ends it."""

    def __init__(self, visit: Visit, lines: Lines, page: str, *, seconds: float = _TIME) -> None:
        """Take the hunt and the page.

        Args:
            visit: whose hunt it is.
            lines: of the hunt.
            page: written, with a mark where answers go.
            seconds: [s] after which the hunt is ended.
        """
        self._visit = visit
        self._lines = lines
        self._seconds = seconds
        super().__init__(self._pieces(*page.split(_HERE, 1)), media_type="text/html", headers=HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what comes, until the end or until nobody looks."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await self._lines.aclose()

    async def _pieces(self, head: str, tail: str) -> AsyncIterator[str]:
        yield head
        number, has_end = 0, False
        try:
            async with asyncio.timeout(self._seconds):
                async for line in self._lines:
                    answer = json.loads(line)
                    number += answer["type"] == "image"
                    has_end = answer["type"] in ("summary", "error")
                    yield self._write(_readable(answer), number)
        except TimeoutError:
            has_end = False
        if not has_end:
            yield self._write({"type": "error", "message": "the hunt was ended before it was done"}, number)
        yield tail

    def _write(self, answer: dict[str, Any], number: int) -> str:
        return self._visit.write("hunt_answer", answer=answer, number=number, most=_MATCHES)


def _form(visit: Visit, form: Mapping[str, str], error: RafsightError | None = None) -> Response:
    return visit.show(
        "hunt",
        status=status_of(error) if error else 200,
        form=form,
        problem=problem_of(error) if error else None,
        most=MOST_IMAGES,
        minutes=int(_TIME / 60),
        registries=visit.service.settings.registries.allow,
        has_database=visit.service.settings.database is not None,
    )


def _wish(visit: Visit, form: Mapping[str, str]) -> HuntWish:
    """Make a question of the form.

    Raises: UnusableField, MalformedRequest.
    """
    is_known = form["images"] != "named"
    lists = {name: visit.lines(name) for name in _LISTS}
    given: dict[str, Any] = {name: form[name] for name in ("content", "package", "version")} | lists
    given |= {"known": is_known, "search": form["search"] if is_known else "", "show_all": True}
    if is_known:
        given["references"] = []
    elif not lists["references"]:
        raise UnusableField(field="references", why="no image is named")
    try:
        return msgspec.convert(given, HuntWish)
    except msgspec.ValidationError as error:
        raise MalformedRequest(why=str(error)) from error


async def _check_number(visit: Visit, wish: HuntWish) -> None:
    """See that a page is enough for the answers.

    Raises: TooManyImages, UnusableField.
    """
    count = len(wish.references)
    if wish.known:
        store = visit.service.store
        found = await visit.service.ask(store.images, Paging(limit=1), search=wish.search, order=ImageOrder.NAME)
        count = found.total
        if not count:
            raise UnusableField(field="search", why="the service knows no such image")
    if count > MOST_IMAGES:
        raise TooManyImages(count=count, most=MOST_IMAGES)


def _readable(answer: dict[str, Any]) -> dict[str, Any]:
    """Put names that are not UTF-8 into an answer as the bytes that they are."""
    for file in answer.get("files", ()):
        for key in ("path", "target"):
            _restore(file, key)
    for package in answer.get("packages", ()):
        for place in package["locations"]:
            _restore(place, "path")
    return answer


def _restore(members: dict[str, Any], key: str) -> None:
    packed = members.get(f"{key}_b64")
    if packed is not None:
        members[key] = base64.b64decode(packed)


PAGES: Final = (Page(path="/hunt", name="page_hunt", get=_show_hunt, post=_begin_hunt, scope="hunt", place="hunt"),)
