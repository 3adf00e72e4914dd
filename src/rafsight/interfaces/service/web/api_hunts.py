"""Hunts: one question to many images, answered line by line while it goes on.

This module alone decides which images a client may ask; `hunting.py` does it.
"""

from typing import Annotated, Any, Final

import msgspec
from anyio import CancelScope, create_task_group
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rafsight.interfaces.service.jobs.model import PAGE_LIMIT, ImageOrder, Paging
from rafsight.interfaces.service.web.accepting import check_registry, plain_hosts
from rafsight.interfaces.service.web.endpoints import Answer, Call, Endpoint
from rafsight.interfaces.service.web.faults import TooBusy, UnusableField
from rafsight.interfaces.service.web.hunt_process import HuntTask
from rafsight.interfaces.service.web.hunting import Hunt, QuestionRefused, begin_hunt
from rafsight.interfaces.service.web.logs import REQUEST
from rafsight.interfaces.service.web.registries import (
    MalformedName,
    Names,
    RegistryRefused,
    check_names,
    parse_reference,
)
from rafsight.interfaces.service.web.service import Service
from rafsight.interfaces.service.web.wire import Search, Wish

_GROUP: Final = "hunts"
NDJSON: Final = "application/x-ndjson"
_MOST_KNOWN: Final = 20_000
"""Images of the store that one hunt asks."""
Glob = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
Reference = Annotated[str, msgspec.Meta(max_length=800)]
Word = Annotated[str, msgspec.Meta(max_length=1024)]
Globs = Annotated[tuple[Glob, ...], msgspec.Meta(max_length=100)]


class HuntWish(Wish, frozen=True, kw_only=True):
    """A question, and the images that are asked: named ones, those of a registry, or those that the service knows."""

    references: Annotated[tuple[Reference, ...], msgspec.Meta(max_length=5000)] = ()
    registry: Annotated[str, msgspec.Meta(max_length=255)] = ""
    """All images of HOST[:PORT]."""
    repositories: Glob = "**"
    tags: Glob = "**"
    known: bool = False
    """All images that the service knows."""
    search: Search = ""
    """Of the known ones only those that have this in their names."""
    all_platforms: bool = False
    show_all: bool = False
    """Also images without a match."""
    paths: Globs = ()
    names: Globs = ()
    kinds: Word = ""
    size: Word = ""
    mode: Word = ""
    xattr: Word = ""
    sha256: Globs = ()
    content: Annotated[str, msgspec.Meta(max_length=65536)] = ""
    yara: Annotated[str, msgspec.Meta(max_length=524_288)] = ""
    max_file_size: Word = ""
    package: Word = ""
    version: Word = ""
    advisories: Globs = ()


_ASKED: Final = (
    *("paths", "names", "kinds", "size", "mode", "xattr", "sha256", "content", "yara", "max_file_size"),
    *("package", "version", "advisories"),
)


async def _post_hunt(call: Call) -> Response:
    wish: HuntWish = call.body
    task = await task_of(call.service, wish)
    return HuntAnswer(await begin_hunt(call.service, task))


async def task_of(service: Service, wish: HuntWish) -> HuntTask:
    """Work out what a hunt's process is told; every registry of it is looked at.

    Raises: RegistryRefused, MalformedName, UnusableField.
    """
    references = list(wish.references)
    names = [parse_reference(reference) for reference in references]
    if wish.known:
        names += await _known(service, wish.search)
        references += [_reference(one) for one in names[len(references) :]]
    hosts = {one.registry for one in names}
    if wish.registry:
        hosts.add(check_names(registry=wish.registry, repository="any", tag="", digest="").registry)
    if not hosts:
        raise UnusableField(field="references", why="no image is named")
    for host in sorted(hosts):
        await check_registry(service, host)
    scan = service.settings.scan
    question: dict[str, Any] = {name: getattr(wish, name) for name in _ASKED}
    return HuntTask(
        references=references,
        registry=wish.registry,
        repositories=wish.repositories,
        tags=wish.tags,
        all_platforms=wish.all_platforms,
        show_all=wish.show_all,
        question=question,
        database=str(scan.database or ""),
        cache_dir=str(scan.cache_dir or ""),
        ca_files=[str(path) for path in scan.ca_files],
        timeout=scan.timeout,
        plain_hosts=plain_hosts(service.settings, sorted(hosts)),
        reach=scan.reach,
        request=REQUEST.get(),
    )


class HuntAnswer(Response):
    """The lines of a hunt while they come; the hunt ends with it, whatever ends it."""

    media_type = NDJSON

    def __init__(self, hunt: Hunt) -> None:
        """Take the hunt."""
        self.status_code = 200
        self.background = None
        self.init_headers()
        self._hunt = hunt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what comes, until the end or until nobody listens."""
        del scope
        try:
            async with create_task_group() as group:
                group.start_soon(_watch, receive, group.cancel_scope)
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for line in self._hunt:
                    await send({"type": "http.response.body", "body": line, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
                group.cancel_scope.cancel()
        finally:
            with CancelScope(shield=True):
                await self._hunt.aclose()


async def _watch(receive: Receive, scope: CancelScope) -> None:
    """Wait until the client goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _known(service: Service, search: str) -> list[Names]:
    found: list[Names] = []
    while len(found) < _MOST_KNOWN:
        paging = Paging(offset=len(found), limit=PAGE_LIMIT)
        page = await service.ask(service.store.images, paging, search=search, order=ImageOrder.NAME)
        for row in page.items:
            place = row.place
            found.append(
                Names(registry=place.registry, repository=place.repository, tag=place.tag, digest=place.digest)
            )
        if not page.has_more:
            break
    return found


def _reference(names: Names) -> str:
    tag, digest = f":{names.tag}" if names.tag else "", f"@{names.digest}" if names.digest else ""
    return f"{names.registry}/{names.repository}{tag}{digest}"


ENDPOINTS: Final = (
    Endpoint(
        method="POST",
        path="/v1/hunts",
        name="post_hunt",
        summary="Ask many images one question; answers come as lines of JSON while it goes on.",
        handler=_post_hunt,
        scope="hunt",
        group=_GROUP,
        body=HuntWish,
        answers=(Answer(status=200, what="A line of JSON an image, the last a summary.", media_types=(NDJSON,)),),
        faults=(QuestionRefused, RegistryRefused, MalformedName, UnusableField, TooBusy),
    ),
)
