"""The requests of earlier prompts, in a file that nobody else reads.

This module alone decides how many are kept, and how.
"""

import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from errno import EPERM
from pathlib import Path
from typing import Final

from prompt_toolkit.history import History

from rafsight.base.units import KiB

KEPT_SIZE: Final = 128 * KiB
"""[bytes] of the newest requests, that are read, and that remain when the file is cut."""
_CUT_AT: Final = 4 * KEPT_SIZE
"""[bytes] of a file that is cut."""


class RequestHistory(History):
    """One request a line, the newest last."""

    def __init__(self, file: Path) -> None:
        """Make the file if there is none; it is the user's alone.

        Raises: OSError: it cannot be written, or is not ours.
        """
        super().__init__()
        self._file = file
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = self._open(os.O_RDWR)
        try:
            size = os.fstat(descriptor).st_size
            if size > _CUT_AT:
                kept = _newest(descriptor, size)
                os.ftruncate(descriptor, 0)
                os.write(descriptor, kept)
        finally:
            os.close(descriptor)

    def load_history_strings(self) -> Iterable[str]:
        """Return the requests, the newest first."""
        try:
            descriptor = self._open(os.O_RDONLY)
        except OSError:
            return []
        try:
            content = _newest(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
        return [line.decode("utf-8", "surrogateescape") for line in reversed(content.split(b"\n")) if line]

    def store_string(self, string: str) -> None:
        """Write a request; one that does not fit on the disk is forgotten."""
        lines = "".join(f"{line}\n" for line in string.split("\n") if line.strip())
        with suppress(OSError):
            descriptor = self._open(os.O_WRONLY)
            try:
                os.write(descriptor, lines.encode("utf-8", "surrogateescape"))
            finally:
                os.close(descriptor)

    def _open(self, access: int) -> int:
        flags = access | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(self._file, flags, 0o600)
        try:
            _make_private(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor


def _make_private(descriptor: int) -> None:
    """Take others' permissions away.

    Raises: OSError: it is no regular file of the user's.
    """
    known = os.fstat(descriptor)
    if not stat.S_ISREG(known.st_mode) or known.st_uid != os.geteuid():
        raise OSError(EPERM, "it is not a file of yours")
    if stat.S_IMODE(known.st_mode) & 0o077:
        os.fchmod(descriptor, 0o600)


def _newest(descriptor: int, size: int) -> bytes:
    """Read the end of the file, from the beginning of a line."""
    if size <= KEPT_SIZE:
        return os.pread(descriptor, size, 0)
    return os.pread(descriptor, KEPT_SIZE, size - KEPT_SIZE).partition(b"\n")[2]
