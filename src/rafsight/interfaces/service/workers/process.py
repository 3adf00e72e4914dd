"""Worker processes, seen from the service: begun anew, never forked, talked to through a pipe, killed when need be.

This module alone starts and kills them.
"""

import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Final

from rafsight.interfaces.service.workers.task import (
    ANSWER_SIZE,
    ScanAnswer,
    ScanTask,
    WorkerSetup,
    decode_answer,
    encode,
)

_MODULE: Final = "rafsight.interfaces.service.workers.worker"
_PASSED: Final = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_PASSED_FAMILIES: Final = ("LC_", "PYTHON", "COVERAGE_", "MALLOC_")
_STALL: Final = 30
"""[s]"""
_PATIENCE: Final = 10.0
"""[s] until a process that was killed is gone."""


class WorkerProcess:
    """One process that does one task at a time. For one thread."""

    def __init__(self, setup: WorkerSetup, environment: Mapping[str, str]) -> None:
        """Start it; it is ready when it answers.

        Args:
            setup: how it works.
            environment: of this process; passwords and the like that stand there do not reach the worker.
        Raises: OSError: this machine does not let us.
        """
        self._pipe, theirs = Pipe()
        _limit_waits(self._pipe)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=worker_environment(environment),
                start_new_session=True,
            )
        with suppress(OSError):  # who is dead already is found to be when it is asked for the answer
            self._pipe.send_bytes(encode(setup))

    @property
    def pipe(self) -> Connection:
        """To wait for: it can be read when there is an answer, or the process has ended."""
        return self._pipe

    def send(self, task: ScanTask) -> None:
        """Hand over a task."""
        with suppress(OSError):
            self._pipe.send_bytes(encode(task))

    def answer(self, timeout: float = 0.0) -> ScanAnswer | None:
        """Return the answer, if it is there.

        Args:
            timeout: [s] to wait for it.
        Raises: EOFError: the process is no more, or makes no sense.
        """
        try:
            if not self._pipe.poll(timeout):
                return None
            found = decode_answer(self._pipe.recv_bytes(ANSWER_SIZE))
        except OSError as error:
            raise EOFError from error
        if found is None:
            raise EOFError
        return found

    def kill(self) -> None:
        """End it at once, with all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """Let it end, which it does when its pipe is closed."""
        self._pipe.close()
        for _ in range(2):
            try:
                self._process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()  # the kernel may hold it back; it is collected some day
            else:
                return


def _limit_waits(pipe: Connection) -> None:
    """Let nobody wait for the rest of a message for ever: whoever sends half of one is not sound."""
    with socket.socket(fileno=os.dup(pipe.fileno())) as ours:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", _STALL, 0))


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what a worker gets of an environment: what Python and the system need."""
    return {name: value for name, value in environment.items() if name in _PASSED or name.startswith(_PASSED_FAMILIES)}
