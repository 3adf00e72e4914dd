"""Regular files of this machine, read as blobs: by position, never by a shared cursor.

This module alone decides what counts as a readable local file: regular, and not reached through a link that leaves
the folder where links are not trusted. A `LocalFile` is opened once a call; a `FilePart` is of a file that somebody
holds open.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.access.backend import NoSuchFile, NotRegular, ShortRead
from rafsight.access.counting import Meter
from rafsight.base.errors import ExitStatus, RegistryFault
from rafsight.base.units import MiB

_PIECE_SIZE: Final = MiB
_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO in the folder must not block us
_ABSENT: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


class Unreadable(RegistryFault):
    """The system refuses to open or read a local file."""

    code = "unreadable-file"
    template = "{what} in {place} cannot be read: {reason}"
    remedy = "Check the permissions of the file and of the folders above it."
    exit_status = ExitStatus.HOST


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """A part of an open file, or all of it. Thread-safe."""

    descriptor: int
    start: int
    """[bytes] where it begins."""
    extent: int
    """[bytes] of it; more is never read."""
    what: str
    """What to call it in messages."""
    place: str

    def size(self) -> int:
        """Return its size [bytes]."""
        return self.extent

    def read_range(self, offset: int, size: int, meter: Meter) -> bytes:
        """Read exactly `size` bytes; nothing is allocated before they are known to be there.

        Raises: ShortRead, Unreadable.
        """
        available = min(size, max(0, self.extent - offset))
        content = self.read(offset, available) if available == size >= 0 <= offset else b""
        if len(content) != size:
            raise ShortRead(what=self.what, place=self.place, got=available, wanted=size, offset=offset)
        meter.count(requests=1, received=size)
        return content

    def read_whole(self, max_size: int, meter: Meter) -> bytes | None:
        """Read all of it; None if it is larger than `max_size` bytes.

        Raises: ShortRead, Unreadable.
        """
        return None if self.extent > max_size else self.read_range(0, self.extent, meter)

    @contextmanager
    def pieces(self, meter: Meter) -> Iterator[Iterator[bytes]]:
        """Open it as a stream of pieces of at most 1 MiB.

        Raises: while reading: ShortRead, Unreadable.
        """
        meter.count(requests=1)
        yield self._stream(meter)

    def read(self, offset: int, size: int) -> bytes:
        """Read `size` bytes that lie inside the part; fewer only of a file that shrank.

        Raises: Unreadable.
        """
        parts: list[bytes] = []
        try:
            while size > 0 and (part := os.pread(self.descriptor, size, self.start + offset)):
                parts.append(part)
                offset += len(part)
                size -= len(part)
        except OSError as error:
            raise Unreadable(what=self.what, place=self.place, reason=str(error.strerror)) from None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _stream(self, meter: Meter) -> Iterator[bytes]:
        offset = 0
        while offset < self.extent:
            piece = self.read(offset, min(_PIECE_SIZE, self.extent - offset))
            if not piece:
                raise ShortRead(what=self.what, place=self.place, got=offset, wanted=self.extent, offset=0)
            offset += len(piece)
            meter.count(received=len(piece))
            yield piece


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """One file of a place, not opened yet."""

    path: Path
    what: str
    """What to call it in messages."""
    place: str
    root: Path | None = None
    """Links may not lead out of this folder; None: links are trusted."""

    def size(self) -> int:
        """Return its size [bytes].

        Raises: NotFound, Unreadable.
        """
        with self._opened() as part:
            return part.extent

    def read_range(self, offset: int, size: int, meter: Meter) -> bytes:
        """Read exactly `size` bytes; nothing is allocated before they are known to be there.

        Raises: NotFound, ShortRead, Unreadable.
        """
        with self._opened() as part:
            return part.read_range(offset, size, meter)

    def read_whole(self, max_size: int, meter: Meter) -> bytes | None:
        """Read all of it; None if it is larger than `max_size` bytes.

        Raises: NotFound, ShortRead, Unreadable.
        """
        with self._opened() as part:
            return part.read_whole(max_size, meter)

    @contextmanager
    def pieces(self, meter: Meter) -> Iterator[Iterator[bytes]]:
        """Open it as a stream of pieces of at most 1 MiB.

        Raises: NotFound, Unreadable; while reading: ShortRead.
        """
        with self._opened() as part, part.pieces(meter) as pieces:
            yield pieces

    @contextmanager
    def _opened(self) -> Iterator[FilePart]:
        descriptor = self.open()
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise NotRegular(what=self.what, place=self.place)
            yield FilePart(descriptor=descriptor, start=0, extent=status.st_size, what=self.what, place=self.place)
        finally:
            os.close(descriptor)

    def open(self) -> int:
        """Open it, whatever it is; return the descriptor, which the caller closes.

        Raises: NotFound, Unreadable.
        """
        path, flags = self._target()
        try:
            return os.open(path, flags)
        except OSError as error:
            if error.errno in _ABSENT:
                raise NoSuchFile(what=self.what, place=self.place) from None
            raise Unreadable(what=self.what, place=self.place, reason=str(error.strerror)) from None

    def _target(self) -> tuple[str, int]:
        """Return the path to open, with every link resolved where links are not trusted, and how to open it."""
        if self.root is None:
            return str(self.path), _FLAGS
        real = os.path.realpath(self.path)
        if not Path(real).is_relative_to(os.path.realpath(self.root)):
            raise NoSuchFile(what=f"{self.what} within itself (a link leads out)", place=self.place)
        return real, _FLAGS | os.O_NOFOLLOW
