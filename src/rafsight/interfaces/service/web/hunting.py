"""A hunt under way: a process of its own (`hunt_process`), whose lines are passed on as they come.

It ends when whoever asked goes away, or when its time is over. This module alone decides how many hunts there are at
once, and starts and kills their processes.
"""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

import msgspec
from anyio import WouldBlock

from rafsight.base.errors import Defect
from rafsight.interfaces.service.web.faults import TooBusy, UnusableField
from rafsight.interfaces.service.web.hunt_process import BEGUN, HuntTask
from rafsight.interfaces.service.web.logs import say
from rafsight.interfaces.service.web.service import Service

_PROCESS: Final = "rafsight.interfaces.service.web.hunt_process"
_LINE: Final = 16 << 20
"""[bytes] One image can have many matches."""
_END_TIME: Final = 5.0
_START_TIME: Final = 30.0


class QuestionRefused(UnusableField):
    """A hunt's question is none."""

    code = "question-refused"
    template = "{why}"
    remedy = "{advice}."


async def begin_hunt(service: Service, task: HuntTask) -> "Hunt":
    """Begin a hunt, which has to be read to its end, or to be closed.

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
    return Hunt(process, seconds, lambda: limiter.release_on_behalf_of(place))


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


async def _start(task: HuntTask, environment: dict[str, str]) -> Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", _PROCESS),
        stdin=PIPE,
        stdout=PIPE,
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
    if not line:
        raise Defect(what="the process of a hunt ended before it began")
    first = json.loads(line)
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
