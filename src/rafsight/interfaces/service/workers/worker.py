"""A worker: a process that scans what it is told, one image at a time.

    python -m rafsight.interfaces.service.workers.worker FD     started by `process.py`, with one end of a pipe

It ends when the pipe does, so that nothing is left behind when the service is killed. This module alone decides how an
image of an order is scanned.
"""

import importlib
import logging
import os
import resource
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Final, cast

import rafsight
from rafsight.base.errors import RafsightError, RegistryFault
from rafsight.interfaces.service.jobs.model import NewReport
from rafsight.interfaces.service.jobs.reports_kept import REPORT_SIZE, pack_report
from rafsight.interfaces.service.web.logs import catch_strays, configure, say
from rafsight.interfaces.service.workers.novelty import match_kept
from rafsight.interfaces.service.workers.task import (
    ScanAnswer,
    ScanPlace,
    ScanTask,
    decode_setup,
    decode_task,
    encode,
    failure_from,
)
from rafsight.interfaces.service.workers.terms import ScanSettings

Work = Callable[[ScanTask, ScanSettings], NewReport]
SCAN: Final = "rafsight.interfaces.service.workers.worker:scan"
TASKS: Final = 200
"""Scans after which a worker ends and another begins, so that memory stays flat."""
_TASK_SIZE: Final = REPORT_SIZE
_FRAMES: Final = 30


def scan(task: ScanTask, settings: ScanSettings) -> NewReport:
    """Scan the image of a task, at the first of its places that gives it.

    Raises: CallerError, RegistryFault, ImageFault, HostLimit.
    """
    refused: RegistryFault | None = None
    for place in task.places:
        try:
            return _scan_at(place, task, settings)
        except RegistryFault as error:
            if not error.permanent:
                raise
            refused = refused or error
    assert refused is not None
    raise refused


def _scan_at(place: ScanPlace, task: ScanTask, settings: ScanSettings) -> NewReport:
    twins = settings.twins
    budget = {} if settings.secret_budget is None else {"secret_budget": settings.secret_budget}
    scanner = rafsight.Scanner(
        database=settings.database,
        config=settings.config,
        twin_in_index=twins.index,
        twin_in_referrers=twins.referrer,
        twin_tag_suffix=twins.tag_suffix,
        **budget,
    )
    report = scanner.scan(
        reference_of(place, task),
        scanners=task.scanners,
        declared=task.declared,
        options=_options(place, task, settings),
    )
    return pack_report(report, digest=task.digest or _digest_of(report), version=rafsight.__version__)


def _digest_of(report: rafsight.ScanReport) -> str:
    """Return the digest of what a tag named."""
    image = report.image
    named = [place.rpartition("@")[2] for place in image.repo_digests]
    return next(filter(None, (image.index_digest, *named, image.manifest_digest)), "")


def reference_of(place: ScanPlace, task: ScanTask) -> str:
    """Return the reference of the image at a place; the tag says what it is called, the digest which it is."""
    tag = f":{place.tag}" if place.tag else ""
    digest = f"@{task.digest}" if task.digest else ""
    return f"{place.registry}/{place.repository}{tag}{digest}"


def _options(place: ScanPlace, task: ScanTask, settings: ScanSettings) -> rafsight.Options:
    platform = task.platform or settings.platform
    options = rafsight.Options(
        cache_dir=settings.cache_dir,
        plain_http=place.plain_http,
        ca_files=settings.ca_files,
        username=place.username,
        password=place.password,
        timeout=settings.timeout,
        connections=settings.connections,
        environment=settings.environment,
        permits=settings.reach.permits if settings.reach else None,
    )
    return replace(options, platform=platform) if platform else options


def load_work(name: str) -> Work:
    """Return the function that a setup names."""
    module, _, function = name.partition(":")
    return cast("Work", getattr(importlib.import_module(module), function))


def answer_task(work: Work, task: ScanTask, settings: ScanSettings) -> ScanAnswer:
    """Do a task; whatever goes wrong is part of the answer."""
    try:
        if task.kept:
            report, news = match_kept(task.kept, settings)
            return ScanAnswer(job_id=task.job_id, report=report, news=news)
        return ScanAnswer(job_id=task.job_id, report=work(task, settings))
    except MemoryError as error:
        return ScanAnswer(job_id=task.job_id, failure=failure_from(error), is_spent=True)
    except Exception as error:  # noqa: BLE001 - a mistake of ours must not take the worker with it
        if not isinstance(error, RafsightError):
            _complain(error, task.job_id)
        return ScanAnswer(job_id=task.job_id, failure=failure_from(error))


def _complain(error: Exception, job_id: str) -> None:
    """Log where something happened that nobody foresaw; not its words, in which anything may stand."""
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    say(
        "a scan failed in a way that nobody foresaw",
        level=logging.ERROR,
        job=job_id,
        kind=type(error).__name__,
        at=places,
    )


def main(descriptor: int) -> None:
    """Do what comes through a pipe until it ends."""
    configure()
    catch_strays()
    pipe = Connection(descriptor)
    setup = decode_setup(pipe.recv_bytes(_TASK_SIZE))
    os.chdir("/")  # no configuration lies there for us
    with suppress(OSError):
        os.nice(setup.nice)
    if setup.memory_limit is not None:
        resource.setrlimit(resource.RLIMIT_AS, (setup.memory_limit, setup.memory_limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    work = load_work(setup.work)
    tasks: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(pipe, tasks), name="rafsight-listen", daemon=True).start()
    for count in range(1, TASKS + 1):
        answer = answer_task(work, decode_task(tasks.get()), setup.settings)
        answer = replace(answer, is_spent=answer.is_spent or count == TASKS)
        pipe.send_bytes(encode(answer))
        if answer.is_spent:
            return


def _listen(pipe: Connection, tasks: "SimpleQueue[bytes]") -> None:
    """Take tasks from the pipe; when it ends, so does the process, whatever it is doing."""
    with suppress(EOFError, OSError):
        while True:
            tasks.put(pipe.recv_bytes(_TASK_SIZE))
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
