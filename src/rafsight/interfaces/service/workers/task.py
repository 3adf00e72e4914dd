"""What a worker is told, and what it answers: values that go through a pipe, or to a cluster.

This module alone decides how they travel. Answers are read as exactly these values and nothing else: whatever an image
may do to the process that reads it, its words stay words.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from rafsight.base.errors import Defect, RafsightError
from rafsight.interfaces.service.jobs.model import Failure, NewNews, NewReport
from rafsight.interfaces.service.jobs.reports_kept import REPORT_SIZE
from rafsight.interfaces.service.workers.terms import ScanSettings

ANSWER_SIZE: Final = REPORT_SIZE + 1024 * 1024
"""[bytes] The largest answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanPlace:
    """Where the image may be read, and who we are there."""

    registry: str
    repository: str
    tag: str = ""
    plain_http: bool | None = None
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    """Empty: the service's own logins count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanTask:
    """One scan, or one report that is to be matched again."""

    job_id: str
    digest: str
    """Empty: what the place's tag names."""
    scanners: tuple[str, ...]
    declared: bool
    platform: str
    places: tuple[ScanPlace, ...]
    """Tried in order, until one has the image and lets us read it."""
    kept: bytes = field(default=b"", repr=False)
    """Not empty: the content of a report; no registry is asked then, and no place is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSetup:
    """What a worker process is told first."""

    work: str
    """`MODULE:FUNCTION` from a task and settings to a report."""
    settings: ScanSettings
    nice: int
    memory_limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanAnswer:
    """What came of a task: one of the two."""

    job_id: str
    report: NewReport | None = None
    failure: Failure | None = None
    news: NewNews | None = None
    """Beside a report that was matched again: what is new in it."""
    is_spent: bool = False
    """The worker ends after this answer."""


def failure_from(error: BaseException) -> Failure:
    """Say an error in words that are kept; of an unexpected one its kind alone, for its text may hold anything."""
    if isinstance(error, RafsightError):
        return Failure(code=error.code, message=str(error), remedy=error.advice, is_permanent=error.permanent)
    if isinstance(error, MemoryError):
        return Failure(
            code="out-of-memory",
            message="the scan needs more memory than a worker may have",
            remedy="Raise the memory limit of the workers.",
        )
    defect = Defect(what=f"a scan ended in {type(error).__name__}")
    return Failure(code=defect.code, message=str(defect), remedy=defect.advice)


def encode(value: ScanTask | WorkerSetup | ScanAnswer) -> bytes:
    """Write a value for a pipe."""
    return msgspec.msgpack.encode(value, enc_hook=_plain)


def decode_task(content: bytes) -> ScanTask:
    """Read a task."""
    return msgspec.msgpack.decode(content, type=ScanTask)


def decode_setup(content: bytes) -> WorkerSetup:
    """Read a setup."""
    return msgspec.msgpack.decode(content, type=WorkerSetup, dec_hook=_rich)


def decode_answer(content: bytes) -> ScanAnswer | None:
    """Read an answer; None if it is none."""
    try:
        return msgspec.msgpack.decode(content, type=ScanAnswer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _plain(value: object) -> object:
    from pathlib import PurePath

    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise NotImplementedError


def _rich(kind: type, value: object) -> object:
    from pathlib import Path

    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError
