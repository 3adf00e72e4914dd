"""Run a program to its end, or stop it: bounded in time and output, never left behind.

This module alone decides how a foreign program is started: without our open files, without a terminal, in a process
group of its own, so that everything it starts ends with it.
"""

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.base.units import KiB, MiB
from rafsight.engines.faults import EngineNotStarted

LOG_SIZE: Final = 256 * KiB
"""[bytes] the end of standard error that is kept."""
_PIECE: Final = 1 * MiB
_LOOK: Final = 0.2
"""[s] between looks whether a program still lives."""
_STARTING: Final = 10.0
"""[s] that the start of a program may take when it is to end at once."""
_NAP: Final = 0.01
"""[s] between them once it has closed its outputs: then it is about to end."""
_REST: Final = 1.0
"""[s] for what an ended program has written and nobody read yet; others may hold its outputs open for ever."""


class Stopped(Exception):
    """The program was stopped; `log` is what it had said."""

    def __init__(self, log: str) -> None:
        super().__init__(log)
        self.log = log


class OutOfTime(Stopped):
    """It did not end in time."""


class TooMuchOutput(Stopped):
    """It wrote more than it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended by itself."""

    status: int
    """Negative: by that signal."""
    output: bytes
    log: str


def run(
    program: Path,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    time_limit: float,
    output_limit: int,
) -> Ended:
    """Run a program and take what it writes.

    Args:
        program: absolute.
        arguments: without the program.
        environment: the whole of it.
        folder: where it works.
        time_limit: [s]
        output_limit: [bytes] of standard output.
    Raises: EngineNotStarted, OutOfTime, TooMuchOutput.
    Cost: one process. Memory: its output.
    """
    deadline = time.monotonic() + time_limit
    start = _Start([program, *arguments], environment, folder)
    try:
        process = start.process()
        output, log = _follow(process, deadline, output_limit)
    finally:
        start.end()
    return Ended(status=process.returncode, output=output, log=log)


class _Start:
    """A program that is started by a thread.

    Signals interrupt the main thread only, so that none can come between the start and our knowledge of the process.
    """

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str], folder: Path) -> None:
        self._command = command
        self._environment = dict(environment)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._error: OSError | None = None
        self._is_over = threading.Event()
        self._is_over.set()

    def process(self) -> subprocess.Popen[bytes]:
        """Start the program.

        Raises: EngineNotStarted.
        """
        self._is_over.clear()
        try:
            threading.Thread(target=self._work, name="rafsight-start", daemon=True).start()
        except RuntimeError as error:
            self._is_over.set()
            raise EngineNotStarted(program=str(self._command[0]), why=str(error)) from error
        self._is_over.wait()
        if self._process is None:
            why = (self._error.strerror or str(self._error)) if self._error else "it did not begin"
            raise EngineNotStarted(program=str(self._command[0]), why=why) from self._error
        return self._process

    def end(self) -> None:
        """End the program and all that it started, and bury it."""
        self._is_over.wait(_STARTING)
        if self._process is not None:
            _end(self._process)

    def _work(self) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603 - a program that the user named, without a shell
                self._command,
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                process_group=0,
            )
        except OSError as error:
            self._error = error
        finally:
            self._is_over.set()


def _follow(process: subprocess.Popen[bytes], deadline: float, output_limit: int) -> tuple[bytes, str]:
    """Take all that it writes, until it has ended; it stays unburied, so that its group keeps its number."""
    output, log = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        for stream, place in ((process.stdout, output), (process.stderr, log)):
            if stream is not None:
                selector.register(stream.fileno(), selectors.EVENT_READ, place)

        def take(patience: float) -> None:
            for key, _ in selector.select(patience):
                piece = os.read(key.fd, _PIECE)
                if not piece:
                    selector.unregister(key.fd)
                key.data.extend(piece)
            del log[:-LOG_SIZE]
            if len(output) > output_limit:
                raise TooMuchOutput(_text(log))

        while not _has_ended(process):
            left = deadline - time.monotonic()
            if left <= 0:
                raise OutOfTime(_text(log))
            take(min(left, _LOOK if selector.get_map() else _NAP))
        _kill(process)
        last = time.monotonic() + _REST
        while selector.get_map() and (left := last - time.monotonic()) > 0:
            take(left)
    return bytes(output), _text(log)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the whole group, also what the program started and left behind."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group, and bury the program."""
    _kill(process)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    process.wait()


def _text(log: bytearray) -> str:
    return log.decode("utf-8", "replace")
