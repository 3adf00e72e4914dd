"""A folder for one run of an engine, gone when the run is over.

This module alone decides where it lies and when one that a killed process left behind is taken away: each has a lock
that its process holds, and the system lets go of it whatever ends the process. One process at a time sweeps and makes
a folder, so that nobody takes one away that has no lock yet.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from rafsight.base.errors import HostLimit

_PREFIX: Final = "run-"
_LOCK: Final = "lock"


class ScratchFailed(HostLimit):
    """There is no room for an engine's files."""

    code = "no-scratch-folder"
    template = "there is no room for the engine's files in {where}: {why}"
    remedy = "Check permissions and space there, or name another folder with --cache-dir."


@contextmanager
def open_scratch(parent: Path | None) -> Iterator[Path]:
    """Make an empty folder below a folder; whatever happens, it is removed in the end.

    Args:
        parent: made if it is missing; what killed processes left in it is removed. None: the system's temporary one.
    Raises: ScratchFailed.
    """
    try:
        folder, lock = _make(parent)
    except OSError as error:
        raise ScratchFailed(where=str(parent or tempfile.gettempdir()), why=error.strerror or str(error)) from error
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(lock)


def _make(parent: Path | None) -> tuple[Path, int]:
    """Make a folder with a lock that is held; sweep before."""
    if parent is None:
        return _make_in(None)
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    turn = _open_lock(parent)
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)
        _sweep(parent)
        return _make_in(parent)
    finally:
        os.close(turn)


def _make_in(parent: Path | None) -> tuple[Path, int]:
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        lock = _open_lock(folder)
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError:
        _remove(folder)
        raise
    return folder, lock


def _open_lock(folder: Path) -> int:
    return os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _sweep(parent: Path) -> None:
    """Remove the folders whose processes are gone."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            lock = _open_lock(folder)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
            finally:
                os.close(lock)


def _remove(folder: Path) -> None:
    """Remove a folder, also what an engine made read-only in it."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        for place, names, _ in os.walk(folder):
            for path in (Path(place, name) for name in names):
                if not path.is_symlink():
                    path.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)
