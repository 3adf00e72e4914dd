"""A folder of blobs beside a bootstrap, as nydusd's `localfs` backend has it: each file is called by its blob id.

This module alone decides which blob ids may become file names.
"""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from rafsight.access.backend import Document, NoSuchFile
from rafsight.access.counting import Meter
from rafsight.access.local_files import LocalFile
from rafsight.base.digest import is_digest
from rafsight.base.limits import Limits
from rafsight.formats.tables import MalformedImage

_BLOB_ID: Final = re.compile(r"(?!\.)[A-Za-z0-9._:-]{1,64}\Z")


class FolderBackend:
    """Blobs in a folder. There are no manifests; `digest` may be `sha256:` and a blob id, or a bare id."""

    supports_ranges = True

    def __init__(self, directory: Path | None, *, meter: Meter | None = None) -> None:
        """Look into `directory`; None: no folder was named, so every blob is missing."""
        self.place = str(directory) if directory else "the image (no --blob-dir was given)"
        self.meter = meter or Meter()
        self._directory = directory

    def fetch_manifest(self, name: str) -> Document:
        """Say that there are none.

        Raises: NotFound.
        """
        raise NoSuchFile(what=f"manifest '{name}': it is a folder of blobs", place=self.place)

    def fetch_range(self, digest: str, offset: int, size: int) -> bytes:
        """Read exactly `size` bytes of a blob.

        Raises: NotFound, ShortRead, Unreadable.
        """
        return self._file(digest).read_range(offset, size, self.meter)

    def open_blob(self, digest: str) -> AbstractContextManager[Iterator[bytes]]:
        """Open a whole blob as a stream.

        Raises: NotFound, Unreadable; while reading: ShortRead.
        """
        return self._file(digest).pieces(self.meter)

    def blob_size(self, digest: str) -> int:
        """Return a blob's size in bytes.

        Raises: NotFound, Unreadable.
        """
        return self._file(digest).size()

    def close(self) -> None:
        """Nothing is kept open."""

    def _file(self, digest: str) -> LocalFile:
        name = digest.partition(":")[2] if digest.startswith(("sha256:", "sha512:")) else digest
        what = f"blob {name}"
        if self._directory is None or not (_BLOB_ID.match(name) or is_digest(digest)):
            raise NoSuchFile(what=what, place=self.place)
        return LocalFile(path=self._directory / name, what=what, place=self.place)


def read_bootstrap_file(path: Path, *, limits: Limits | None = None, meter: Meter | None = None) -> bytes:
    """Read the file of a `boot:FILE` reference.

    Raises: NotFound, Unreadable, MalformedImage (too large).
    """
    limits = limits or Limits()
    file = LocalFile(path=path, what=f"file {path.name}", place=str(path.parent))
    content = file.read_whole(limits.bootstrap_size, meter or Meter())
    if content is None:
        what = f"it is larger than {limits.bootstrap_size} bytes, which no bootstrap is"
        raise MalformedImage(where=str(path), what=what, offset=limits.bootstrap_size)
    return content
