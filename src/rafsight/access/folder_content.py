"""Bytes of the files of a folder, as contents of members, and whose fault it is if they cannot be had.

This module alone decides what counts as a change: a file that is shorter, longer or of another time when its reading
ends than when it was opened, and whatever goes away between two looks at it.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rafsight.base.errors import Defect, HostLimit
from rafsight.base.units import MiB

GONE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE, errno.ENODATA)
"""What the system says of something that was there a moment ago."""
_PIECE_SIZE: Final = MiB


class UnreadableSource(HostLimit):
    """A file or folder that should become part of an image cannot be read."""

    code = "unreadable-source"
    template = "{path} in {folder} cannot be read: {why}"
    remedy = "Make it readable for this user, run as one who may read it, or leave it out."


class SourceChanged(HostLimit):
    """A file or folder that should become part of an image changed, or went away, while it was read."""

    code = "source-changed"
    template = "{path} in {folder} changed while it was read"
    remedy = "Read a folder that nobody writes to: a copy, a snapshot; or leave out what changes."
    permanent = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Blame:
    """Makes the errors about one folder."""

    folder: bytes

    def changed(self, path: bytes) -> SourceChanged:
        """Say that something is not what it was."""
        return SourceChanged(path=path or b".", folder=self.folder)

    def unreadable(self, path: bytes, error: OSError) -> UnreadableSource:
        """Say that the system refuses something."""
        return UnreadableSource(path=path or b".", folder=self.folder, why=error.strerror or str(error))

    def fault(self, path: bytes, error: OSError) -> HostLimit:
        """Say what the system's answer means of something that was there a moment ago."""
        return self.changed(path) if error.errno in GONE else self.unreadable(path, error)

    @contextmanager
    def told(self, path: bytes) -> Iterator[None]:
        """Turn what the system raises in the block into an error about `path`."""
        try:
            yield
        except OSError as error:
            raise self.fault(path, error) from error


class FolderContent:
    """The bytes of one file, as the content of a member; of anything else there are none."""

    __slots__ = ("_blame", "_descriptor", "_is_open", "_path", "_position", "_status", "size")

    def __init__(self, *, descriptor: int, status: os.stat_result | None, path: bytes, blame: Blame) -> None:
        """Begin.

        Args:
            descriptor: of the file; whoever opened it closes it.
            status: of the file when it was opened; None: there is no content.
            path: of the file.
            blame: makes the errors.
        """
        self._descriptor = descriptor
        self._status = status
        self._path = path
        self._blame = blame
        self._position = 0
        self._is_open = True
        self.size = 0 if status is None else status.st_size
        """[bytes]"""

    def __iter__(self) -> Iterator[bytes]:
        """Read what is left, in pieces of at most 1 MiB; holes are zeros.

        Raises: SourceChanged, UnreadableSource.
        """
        while left := self.size - self._position:
            if not self._is_open:
                raise Defect(what="the content of a file was read after the next file was asked for")
            with self._blame.told(self._path):
                piece = os.pread(self._descriptor, min(left, _PIECE_SIZE), self._position)
            if not piece:
                raise self._blame.changed(self._path)
            self._position += len(piece)
            if self._position == self.size:
                self._confirm()
            yield piece

    def read(self, max_size: int) -> bytes:
        """Read what is left as one piece of memory.

        Raises: SourceChanged, UnreadableSource; Defect: it is more than `max_size` bytes.
        """
        left = self.size - self._position
        if left > max_size:
            raise Defect(what=f"a file of {left} bytes was read as one piece of at most {max_size}")
        return b"".join(self)

    def close(self) -> None:
        """End the reading."""
        self._is_open = False

    def _confirm(self) -> None:
        """Say if the file is not what it was when it was opened."""
        before, now = self._status, os.fstat(self._descriptor)
        if before is None or (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise self._blame.changed(self._path)
