"""The service's log: one JSON object a line on standard error, each with the request that it belongs to.

This module alone decides how a line looks. Everything is ASCII and no control character stands in it, so that no text
of a stranger can begin a line, colour a terminal, or pass for another field. Headers, bodies and queries are never
logged.
"""

import json
import logging
import math
import sys
import threading
import time
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from rafsight.base.text import escape

LOGGER: Final = logging.getLogger("rafsight.service")
REQUEST: Final[ContextVar[str]] = ContextVar("request", default="")
"""Id of the request that is being answered; empty outside of one."""

_TEXT: Final = 2000
"""[characters] of one value."""
_TRACE: Final = 8000
_QUIET: Final = ("uvicorn.access",)
"""Loggers whose lines say what ours say already."""


class JsonLines(logging.Formatter):
    """Makes a line of a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record as JSON."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _safe(record.getMessage()),
        }
        if request := REQUEST.get():
            line["request"] = request
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict):
            line |= {name: _safe(value) for name, value in fields.items() if name not in line}
        if record.exc_info and record.exc_info[0] is not None:
            line["trace"] = escape("".join(traceback.format_exception(*record.exc_info))[-_TRACE:])
        return json.dumps(line, allow_nan=False)


def say(message: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log something.

    Args:
        message: what happened; a sentence that is the same each time, so that it can be searched.
        level: of `logging`.
        fields: values of this time.
    """
    LOGGER.log(level, message, extra={"fields": fields})


def complain(message: str, error: BaseException, **fields: Any) -> None:
    """Log an exception with its place in the code."""
    LOGGER.error(message, exc_info=error, extra={"fields": fields})


def configure(stream: TextIO | None = None, *, level: int = logging.INFO) -> None:
    """Let every logger of the process write lines of JSON.

    Args:
        stream: where to; None: standard error.
        level: what is left out below.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    for name in ("uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.Formatter.converter = time.gmtime


def catch_strays() -> None:
    """Let what Python writes to standard error by itself become lines, too: warnings, and errors that end a thread.

    For processes of our own; it changes all of the process.
    """
    logging.captureWarnings(capture=True)

    def tell(what: threading.ExceptHookArgs) -> None:
        name = what.thread.name if what.thread else ""
        LOGGER.error("a thread ended in an error", exc_info=what.exc_value, extra={"fields": {"thread": name}})

    threading.excepthook = tell


def _safe(value: Any) -> Any:
    """Make a value fit for a line."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, (list, tuple)):
        return [_safe(one) for one in value[:100]]
    return escape(str(value)[:_TEXT])
