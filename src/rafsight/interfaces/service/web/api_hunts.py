"""Hunts: one question to many images, answered line by line while it goes on.

The work is done in a process of its own (`hunt_process`), which ends when the client goes away or the time is over.
This module alone decides which images a client may ask, and how many hunts there are at once.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Final, Self

import msgspec
from anyio import CancelScope, WouldBlock, create_task_group
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rafsight.interfaces.service.jobs.model import PAGE_LIMIT, ImageOrder, Paging
from rafsight.interfaces.service.web.accepting import check_registry, plain_hosts
from rafsight.interfaces.service.web.endpoints import Answer, Call, Endpoint
from rafsight.interfaces.service.web.faults import TooBusy, UnusableField
from rafsight.interfaces.service.web.hunt_process import BEGUN, HuntTask
from rafsight.interfaces.service.web.logs import say
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
_PROCESS: Final = "rafsight.interfaces.service.web.hunt_process"
_LINE: Final = 16 << 20
"""[bytes] One image can have many matches."""
_MOST_KNOWN: Final = 20_000
"""Images of the store that one hunt asks."""
_END_TIME: Final = 5.0
_START_TIME: Final = 30.0
Glob = Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
Reference = Annotated[str, msgspec.Meta(max_length=800)]
Word = Annotated[str, msgspec.Meta(max_length=1024)]
Globs = Annotated[tuple[Glob, ...], msgspec.Meta(max_length=100)]


class QuestionRefused(UnusableField):
    """A hunt's question is none."""

    code = "question-refused"
    template = "{why}"
    remedy = "{advice}."


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
    return await stream_hunt(call.service, task)


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
    )


async def stream_hunt(service: Service, task: HuntTask) -> "HuntAnswer":
    """Begin a hunt; its answer has to be sent, or its `body_iterator` to be closed.

    Raises: TooBusy; QuestionRefused if there is nothing to be found that way.
    """
    limiter, place = service.threads.hunts, object()
    if not service.settings.limits.hunts:
        raise TooBusy(what="a hunt")
    try:
        limiter.acquire_on_behalf_of_nowait(place)
    except WouldBlock as error:
        raise TooBusy(what="a hunt") from error
    process = None
    try:
        process = await _start(task, dict(service.settings.scan.environment))
        await _begin(process)
    except BaseException:
        await _end(process)
        limiter.release_on_behalf_of(place)
        raise
    say("a hunt was begun", images=len(task.references), registry=task.registry)
    seconds = service.settings.limits.hunt_time
    return HuntAnswer(Hunt(process, seconds, lambda: limiter.release_on_behalf_of(place)))


class Hunt:
    """A hunt that runs: its lines, and its end.

    No generator: one that nobody began to read would never be ended. A hunt that nobody reads ends when its time is
    over.
    """

    def __init__(self, process: Process, seconds: float, release: Callable[[], None]) -> None:
        """Take a process that has begun.

        Args:
            process: of the hunt.
            seconds: [s] that it may take.
            release: makes room for another hunt; called once.
        """
        self._process = process
        self._release: Callable[[], None] | None = release
        self._is_late = False
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)
        self._ending: asyncio.Task[None] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next line; the last one tells of it if the hunt did not come to its end."""
        if self._release is None and not self._is_late:
            raise StopAsyncIteration
        assert self._process.stdout is not None
        if line := await self._process.stdout.readline():
            return line
        was_late, self._is_late = self._is_late, False
        status = await self._process.wait()
        await self.aclose()
        if was_late:
            return _error("hunt-too-long", "the hunt took too long, and was ended")
        if status:
            return _error("hunt-ended", "the hunt ended before it was done")
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the hunt, and make room for another."""
        self._timer.cancel()
        release, self._release = self._release, None
        if release is not None:
            await _end(self._process)
            release()

    def _expire(self) -> None:
        self._is_late = True
        self._ending = asyncio.ensure_future(self.aclose())


class HuntAnswer(Response):
    """The lines of a hunt while they come; the hunt ends with it, whatever ends it."""

    media_type = NDJSON

    def __init__(self, hunt: Hunt) -> None:
        """Take the hunt."""
        self.status_code = 200
        self.background = None
        self.init_headers()
        self.body_iterator = hunt

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what comes, until the end or until nobody listens."""
        del scope
        try:
            async with create_task_group() as group:
                group.start_soon(_watch, receive, group.cancel_scope)
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                async for line in self.body_iterator:
                    await send({"type": "http.response.body", "body": line, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
                group.cancel_scope.cancel()
        finally:
            with CancelScope(shield=True):
                await self.body_iterator.aclose()


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


async def _start(task: HuntTask, environment: dict[str, str]) -> Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", _PROCESS),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env={**os.environ, **environment},
        limit=_LINE,
    )
    assert process.stdin is not None
    with suppress(ConnectionError):  # it ended already; what it said comes next
        process.stdin.write(msgspec.json.encode(task))
        await process.stdin.drain()
        process.stdin.close()
    return process


async def _begin(process: Process) -> None:
    """Wait for the first line."""
    assert process.stdout is not None
    async with asyncio.timeout(_START_TIME):
        line = await process.stdout.readline()
    first = json.loads(line or b'{"type": "error", "message": "the hunt did not begin"}')
    if first["type"] != BEGUN:
        raise QuestionRefused(why=first["message"], advice=first.get("remedy", "Ask again").rstrip("."))


def _error(code: str, message: str) -> bytes:
    return json.dumps({"type": "error", "code": code, "message": message}).encode() + b"\n"


async def _end(process: Process | None) -> None:
    if process is None or process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.kill()
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_TIME):
            await process.wait()


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
