"""A small process beside each server: if the server dies without a word, it takes the mounts away.

The guardian waits for a word on its standard input. `bye` means that all is in order; the end of the input without it
means that the server was killed. It holds the view's lock, too, so that nobody takes the folder for abandoned while it
cleans. It lives in a session of its own and ignores what is meant for its terminal.

It is started, not forked: the server may have threads by then, and a fork would keep its files open and its memory
alive. This module alone decides how the two speak.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from rafsight.base.errors import HostLimit
from rafsight.views.mount.stale import take_down

_BYE: Final = b"bye\n"
_PACKAGES: Final = Path(__file__).resolve().parents[3]
_CODE: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from rafsight.views.mount.guardian import watch; watch(sys.argv[2])"
)
_PATIENCE: Final = 5.0
"""[s] for a guardian to end that was told to."""


class NoGuardian(HostLimit):
    """The process that cleans up after a killed server cannot be started."""

    code = "no-guardian"
    template = "the process that unmounts after a crash cannot be started: {why}"
    remedy = "Check the limits of processes and memory (ulimit -u), and that Python can be started."


@contextmanager
def guarded(folder: Path, lock: int) -> Iterator[None]:
    """Have a guardian for a view, and take the view down at the end, by whatever way the block is left.

    The guardian is told that all is in order only once it is: if taking down is interrupted, the guardian does it.

    Args:
        folder: of the view.
        lock: its lock, held.

    Raises: NoGuardian.
    """
    command = [sys.executable, "-I", "-S", "-c", _CODE, str(_PACKAGES), str(folder)]
    try:
        guardian = subprocess.Popen(  # noqa: S603 - our own interpreter with our own code
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(lock,),
            start_new_session=True,
            cwd="/",
        )
    except OSError as error:
        raise NoGuardian(why=error.strerror or str(error)) from error
    last_word = b""
    try:
        try:
            yield
        finally:
            if take_down(folder):
                last_word = _BYE
    finally:
        _dismiss(guardian, last_word)


def _dismiss(guardian: subprocess.Popen[bytes], last_word: bytes) -> None:
    if guardian.stdin is not None:
        with suppress(OSError):
            guardian.stdin.write(last_word)
            guardian.stdin.flush()
        with suppress(OSError):
            guardian.stdin.close()
    try:
        guardian.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        guardian.kill()
        guardian.wait()


def watch(folder: str) -> None:
    """Wait for the server's last word, or clean up after it: the guardian's whole life."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    said = b""
    while part := os.read(0, len(_BYE)):
        said += part
    if said != _BYE:
        take_down(Path(folder))
