"""A view that outlives the command that made it.

The server is forked away, twice, before there are threads: it has a session of its own, no terminal, and nobody waits
for it. A pipe leads back until the view is there: events, and then the view's facts or the error, which is raised where
the caller is. This module alone decides what goes through that pipe.
"""

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from typing import Any, Final, NoReturn

from rafsight.base.errors import CallerError, ExitStatus, HostLimit, RafsightError
from rafsight.base.events import Event, Listener

_FIRST_FREE: Final = 3
"""Descriptors from here on are not the standard ones."""


class ServerDied(HostLimit):
    """The process that was to serve a view ended without a word."""

    code = "view-server-died"
    template = "the process that was to serve the view ended without saying why"
    remedy = "It may have been killed for want of memory: try again without --detach, and look into the system's log."


class NotAlone(CallerError):
    """A process with threads cannot be forked safely."""

    code = "not-alone"
    template = "a view that outlives this process cannot be started from one with {count} threads"
    remedy = "Start it before the other threads, or run `rafsight view --detach` as a program of its own."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True)
class _Ready:
    facts: Any


@dataclass(frozen=True, slots=True)
class _Failed:
    kind: type[BaseException]
    arguments: tuple[Any, ...]
    state: dict[str, Any]


class WayBack:
    """The server's end of the pipe."""

    def __init__(self, connection: Connection) -> None:
        """Take the end that is written."""
        self._connection = connection
        self._is_open = True
        self._lock = threading.Lock()

    def tell(self, event: Event) -> None:
        """Pass an event on; the listener of a server that is not ready yet.

        Raises: KeyboardInterrupt: nobody waits any more.
        """
        with self._lock:
            if self._is_open and threading.current_thread() is threading.main_thread():
                self._send(event)
            elif self._is_open:
                with suppress(OSError):
                    self._connection.send(event)

    def ready(self, facts: object) -> None:
        """Hand over the view's facts, and hang up.

        Raises: KeyboardInterrupt: nobody waits any more.
        """
        with self._lock:
            self._send(_Ready(facts))
            self._is_open = False
            self._connection.close()

    def fail(self, error: BaseException) -> None:
        """Hand over an error."""
        state = {name: value for name, value in error.__dict__.items() if _travels(value)}
        with self._lock, suppress(OSError):
            if self._is_open:
                self._connection.send(_Failed(type(error), tuple(map(str, error.args)), state))

    def _send(self, message: object) -> None:
        try:
            self._connection.send(message)
        except OSError as error:
            raise KeyboardInterrupt from error


class Starting:
    """A view that is being made by another process."""

    def __init__(self, connection: Connection, pid: int) -> None:
        """Take the end that is read, and the process."""
        self._connection = connection
        self._pid = pid

    def wait(self, listener: Listener) -> Any:
        """Wait until the view is there, and return its facts. If the wait is interrupted, the view is taken back.

        Raises: whatever the server raised; ServerDied.
        """
        try:
            with self._connection:
                while True:
                    message = self._connection.recv()
                    if isinstance(message, _Ready):
                        return message.facts
                    if isinstance(message, _Failed):
                        raise _rebuilt(message)
                    listener(message)
        except (EOFError, ConnectionError) as error:
            raise ServerDied from error
        except KeyboardInterrupt:
            with suppress(OSError):
                os.kill(self._pid, signal.SIGTERM)
            raise


def start(serve: Callable[[WayBack], object]) -> Starting:
    """Fork a server.

    Args:
        serve: the server's whole life; an error that it raises before it was ready is raised by `Starting.wait`.

    Raises: NotAlone, ServerDied.
    """
    if threading.active_count() > 1:
        raise NotAlone(count=threading.active_count())
    reading, writing = Pipe(duplex=False)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    child = os.fork()
    if child == 0:
        _become_server(serve, writing)
    writing.close()
    os.waitpid(child, 0)
    try:
        pid = reading.recv()
    except EOFError as error:
        reading.close()
        raise ServerDied from error
    return Starting(reading, pid)


def _become_server(serve: Callable[[WayBack], object], writing: Connection) -> NoReturn:
    """Leave session, terminal and files of the caller, and serve."""
    status = ExitStatus.DEFECT
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        _close_others(writing.fileno())
        writing.send(os.getpid())
        back = WayBack(writing)
        try:
            serve(back)
            status = ExitStatus.OK
        except BaseException as error:  # noqa: BLE001 - the whole life of a process: the caller hears of it
            back.fail(error)
    finally:
        os._exit(status)


def _close_others(kept: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(_FIRST_FREE):
        os.dup2(nowhere, number)
    os.closerange(_FIRST_FREE, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


def _travels(value: object) -> bool:
    try:
        pickle.dumps(value)
    except (pickle.PicklingError, TypeError, AttributeError):
        return False
    return True


def _rebuilt(failed: _Failed) -> BaseException:
    if not issubclass(failed.kind, RafsightError | OSError | KeyboardInterrupt):
        return RuntimeError(f"{failed.kind.__name__}: {' '.join(failed.arguments)}")
    error = failed.kind.__new__(failed.kind, *failed.arguments)
    error.args = failed.arguments
    error.__dict__.update(failed.state)
    return error
