"""Content that is too large for memory and not verified yet: in temporary files without names.

This module alone decides where such content lies. What was written is read by mapping it, so that only the pages that
somebody looks at take memory; nothing is left behind, whatever ends the process.
"""

import mmap
import os
import tempfile
from typing import IO

from rafsight.base.errors import HostLimit


class NoTemporarySpace(HostLimit):
    """A temporary file cannot be written."""

    code = "no-temporary-space"
    template = "a temporary file in {folder} cannot be written: {why}"
    remedy = "Make room there, or name another folder by TMPDIR."


class Spool:
    """Bytes that are appended first and read later. Reading is thread-safe."""

    def __init__(self) -> None:
        """Make the file.

        Raises: NoTemporarySpace.
        """
        self._size = 0
        try:
            self._file: IO[bytes] = tempfile.TemporaryFile(prefix="rafsight-")  # noqa: SIM115 - lives as long as we do
        except OSError as error:
            raise _refused(error) from error

    def append(self, content: bytes) -> None:
        """Write on.

        Raises: NoTemporarySpace.
        """
        try:
            self._file.write(content)
        except OSError as error:
            raise _refused(error) from error
        self._size += len(content)

    def finish(self) -> None:
        """End the writing.

        Raises: NoTemporarySpace.
        """
        try:
            self._file.flush()
        except OSError as error:
            raise _refused(error) from error

    def view(self, offset: int, size: int) -> memoryview:
        """Map some bytes; they stay while the view is held."""
        start = offset - offset % mmap.ALLOCATIONGRANULARITY
        mapped = mmap.mmap(self._file.fileno(), offset + size - start, access=mmap.ACCESS_READ, offset=start)
        return memoryview(mapped)[offset - start :]

    @property
    def descriptor(self) -> int:
        """The file, to be read by position; it is open as long as the spool is."""
        return self._file.fileno()

    @property
    def size(self) -> int:
        """[bytes] that were appended."""
        return self._size

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def _refused(error: OSError) -> NoTemporarySpace:
    return NoTemporarySpace(folder=tempfile.gettempdir(), why=error.strerror or os.strerror(error.errno or 0))
