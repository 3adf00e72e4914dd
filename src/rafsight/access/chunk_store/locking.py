"""Locks between processes.

A shared lock on `data` says that a process uses the file: it is not removed, and what is labelled there is not taken
away. An exclusive lock on `labels` is held while something is written. Both end with the process, whatever ends it.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PATIENCE: Final = 10.0
"""[s] A writer that was stopped in the middle must not stop everybody else for good."""
_PAUSE: Final = 0.002


def try_lock(descriptor: int, kind: int) -> bool:
    """Lock a file if that can be done at once; a lock that was held before may be lost otherwise."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock(descriptor: int, kind: int, patience: float = PATIENCE) -> None:
    """Lock a file.

    Raises: OSError: it cannot be locked, or others held it for too long.
    """
    end = time.monotonic() + patience
    while not try_lock(descriptor, kind):
        if time.monotonic() > end:
            raise OSError(errno.EBUSY, "another process holds it and does not go on")
        time.sleep(_PAUSE)


@contextmanager
def exclusive(descriptor: int) -> Iterator[None]:
    """Hold the exclusive lock.

    Raises: OSError.
    """
    lock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def is_at(path: Path, descriptor: int) -> bool:
    """Tell whether an open file is still the one that has a name."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
