"""A layer that is being made: hashed, compressed by another thread, and kept until its digest is known and it is sent.

This module alone decides how far the compression may lag behind. The content lies in a temporary file without a name,
so that nothing is left behind, whatever ends the process.
"""

import hashlib
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from rafsight.access.counting import Meter
from rafsight.access.local_files import FilePart
from rafsight.access.work_folder import writing_work
from rafsight.base.units import MiB
from rafsight.formats.stream_compression import LayerCompression, start_compressor

_PIECE: Final = 1 * MiB
"""[bytes] that are handed to the other thread at a time."""
_AHEAD: Final = 4
"""Pieces that may wait for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftedLayer:
    """What a layer became."""

    digest: str
    size: int
    """[bytes] as stored."""
    diff_id: str
    """Digest of the uncompressed tar."""
    tar_size: int
    """[bytes]"""


class LayerDraft:
    """Takes one layer's tar. For one thread; what is finished can be read by any."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        compression: LayerCompression,
        level: int | None = None,
        *,
        folder: Path | None = None,
    ) -> None:
        """Begin.

        Args:
            pool: one thread, that compresses.
            compression: of the layer.
            level: of the compression.
            folder: for the temporary file, made if it is missing; None: that of the system.
        Raises: WorkFolderUnusable.
        """
        self._pool = pool
        self._compressor = start_compressor(compression, level)
        self._folder = folder or Path(tempfile.gettempdir())
        with writing_work(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - lives as long as we do
        self._tar_hash, self._hash = hashlib.sha256(), hashlib.sha256()
        self._tar_size = self._size = 0
        self._held = bytearray()
        self._waiting: deque[Future[None]] = deque()

    def write(self, content: bytes) -> None:
        """Take the next bytes of the tar.

        Raises: WorkFolderUnusable.
        """
        self._held += content
        self._tar_size += len(content)
        if len(self._held) >= _PIECE:
            self._hand_over()

    def finish(self) -> DraftedLayer:
        """End the tar, and wait for the layer.

        Raises: WorkFolderUnusable.
        """
        self._hand_over()
        self._waiting.append(self._pool.submit(self._end))
        while self._waiting:
            self._waiting.popleft().result()
        return DraftedLayer(
            digest=f"sha256:{self._hash.hexdigest()}",
            size=self._size,
            diff_id=f"sha256:{self._tar_hash.hexdigest()}",
            tar_size=self._tar_size,
        )

    @contextmanager
    def pieces(self) -> Iterator[Iterator[bytes]]:
        """Open the finished layer as a stream of pieces of at most 1 MiB; may be done again."""
        part = FilePart(
            descriptor=self._file.fileno(), start=0, extent=self._size, what="a layer", place="temporary file"
        )
        with part.pieces(Meter()) as pieces:
            yield pieces

    def close(self) -> None:
        """Drop the layer."""
        wait([future for future in self._waiting if not future.cancel()])
        self._file.close()

    def _hand_over(self) -> None:
        content, self._held = bytes(self._held), bytearray()
        self._waiting.append(self._pool.submit(self._compress, content))
        while len(self._waiting) > _AHEAD:
            self._waiting.popleft().result()

    def _compress(self, content: bytes) -> None:
        self._tar_hash.update(content)
        self._store(self._compressor.compress(content))

    def _end(self) -> None:
        self._store(self._compressor.flush())
        with writing_work(self._folder):
            self._file.flush()

    def _store(self, content: bytes) -> None:
        self._hash.update(content)
        self._size += len(content)
        with writing_work(self._folder):
            self._file.write(content)
