"""Where results go: standard output, or a file that is written whole or not at all.

This module alone decides what happens when nobody reads, or nothing can be written.
"""

import errno
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from rafsight.base.errors import ExitStatus, HostLimit


class OutputFailed(HostLimit):
    """The result cannot be written."""

    code = "output-failed"
    template = "cannot write {where}: {why}"
    remedy = "Check the space and the permissions there."
    exit_status = ExitStatus.OUTPUT


class NoOutputFolder(OutputFailed):
    """The folder that a result shall go to does not exist."""

    code = "no-output-folder"
    template = "cannot write {where}: there is no folder {folder}"
    remedy = "Make the folder first, or check how the path is written."


class ReaderGone(Exception):
    """The program that reads standard output has ended; nothing is wrong."""


Sink = Callable[[str], None]
BytesSink = Callable[[bytes], None]

_STANDARD_OUTPUT: Final = "standard output"
_DESCRIPTOR: Final = re.compile(r"(?:/dev/fd|/proc/self/fd)/([0-9]{1,9})\Z")
_NAMED_DESCRIPTORS: Final = {"-": 1, "/dev/stdout": 1, "/dev/stderr": 2}


def write_bytes(content: bytes) -> None:
    """Write to standard output, all of it: unbuffered, the system takes a part and says how much.

    Raises: ReaderGone, OutputFailed.
    """
    stream = _stdout()
    rest = memoryview(content)
    try:
        stream.flush()
        while rest:
            taken = stream.buffer.write(rest) or 0
            if not taken:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            rest = rest[taken:]
    except OSError as error:
        raise _translated(error, _STANDARD_OUTPUT) from error


def write_text(text: str) -> None:
    """Write to standard output in its encoding; what that lacks is escaped.

    Raises: ReaderGone, OutputFailed.
    """
    write_bytes(text.encode(_stdout().encoding or "ascii", "backslashreplace"))


def write_names(text: str) -> None:
    """Write names to standard output as the bytes that they are: surrogate escapes become what they stand for.

    Raises: ReaderGone, OutputFailed.
    """
    write_bytes(text.encode("utf-8", "surrogateescape"))


def flush_output() -> None:
    """Hand over what standard output still holds; nothing if it is closed, as whoever writes is told.

    Raises: ReaderGone, OutputFailed.
    """
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        raise _translated(error, _STANDARD_OUTPUT) from error


def drop_output() -> None:
    """Point standard output nowhere, so that the interpreter's last flush has nobody to disappoint."""
    if sys.stdout is None:
        return
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _stdout() -> TextIO:
    """Return standard output, which is None in a process that was started without one.

    Raises: OutputFailed.
    """
    if sys.stdout is None:
        raise OutputFailed(where=_STANDARD_OUTPUT, why="it is closed")
    return sys.stdout


def is_standard_output(path: Path) -> bool:
    """Tell whether a path is a name of standard output, `-` among them."""
    return _descriptor_of(path) == 1


def _descriptor_of(path: Path) -> int | None:
    """Return the open file that a path names. It is written where it stands: it may be a log that others append to."""
    named = _DESCRIPTOR.match(str(path))
    return int(named[1]) if named else _NAMED_DESCRIPTORS.get(str(path))


def _translated(error: OSError, where: str) -> Exception:
    if error.errno == errno.EPIPE:
        return ReaderGone()
    return OutputFailed(where=where, why=error.strerror or str(error))


@contextmanager
def open_output(path: Path | None) -> Iterator[Sink]:
    """Open the place for a text; else as `open_bytes_output`.

    Raises: OutputFailed.
    """
    if path is None or is_standard_output(path):
        _stdout()
        yield write_text
        return
    with open_bytes_output(path) as put:
        yield lambda text: put(text.encode("utf-8", "backslashreplace"))


@contextmanager
def open_bytes_output(path: Path | None) -> Iterator[BytesSink]:
    """Open the place for a result, before the work begins, so that nobody waits in vain.

    A regular file appears under its name when all is written, and keeps its old content otherwise. Devices, pipes and
    open files (`/dev/fd/63`) are written as they are. None, `-` and `/dev/stdout` are standard output.

    Raises: OutputFailed.
    """
    if path is None or is_standard_output(path):
        _stdout()
        yield write_bytes
        return
    target = Path(os.path.realpath(path))
    with _guarded(path):
        in_place = _is_special(path)
        draft = path if in_place else target.with_name(f".{target.name}.{os.getpid()}.part")
        place = os.dup(descriptor) if (descriptor := _descriptor_of(path)) is not None else draft
        stream = open(place, "wb" if in_place else "xb")  # noqa: SIM115, PTH123
    try:

        def sink(content: bytes) -> None:
            with _guarded(path):
                stream.write(content)

        yield sink
        with _guarded(path):
            stream.flush()
            if not in_place:
                os.fsync(stream.fileno())
                _keep_mode(target, draft)
                draft.replace(target)
    finally:
        with suppress(OSError):
            stream.close()
        if not in_place:
            draft.unlink(missing_ok=True)


def _is_special(path: Path) -> bool:
    """Tell whether a path is a device, a pipe or an open file; a folder is an error, what does not exist is a file."""
    if _descriptor_of(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return not stat.S_ISREG(mode)


def _keep_mode(target: Path, draft: Path) -> None:
    with suppress(FileNotFoundError):
        draft.chmod(stat.S_IMODE(target.stat().st_mode))


@contextmanager
def _guarded(path: Path) -> Iterator[None]:
    """Turn the system's errors into ours; never around a caller's own work, whose faults are other ones."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR) and not path.parent.is_dir():
            raise NoOutputFolder(where=str(path), folder=str(path.parent)) from error
        raise OutputFailed(where=str(path), why=error.strerror or str(error)) from error
