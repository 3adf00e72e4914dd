"""Where a conversion keeps the layers that it has packed, until the whole image is where it belongs.

A layer is there once its record has its name: records are written last, under another name first. So an interrupted
conversion goes on where it stopped. One conversion at a time has the folder; others work in one of their own, which is
gone at their end. This module alone decides what is kept, and for how long.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from rafsight.access.layer_records import LayerSummary, RecordWriter, read_record
from rafsight.base.errors import HostLimit, RafsightError
from rafsight.image.compose import PackedLayer

_LOCK: Final = "lock"
_KEPT: Final = 7 * 24 * 3600
"""[s] that the layers of a conversion which never ended are kept."""
_PIECE: Final = 1 << 20
"""[bytes] of a blob that are read at a time."""
_TEMPORARY: Final = "rafsight-convert-"


class WorkFolderUnusable(HostLimit):
    """The folder for unfinished work cannot be written."""

    code = "work-folder-unusable"
    template = "the work folder {folder} cannot be used: {why}"
    remedy = "Make room there, or name another folder by --work-dir."


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedFiles:
    """A packed layer in the folder."""

    layer: PackedLayer
    summary: LayerSummary
    blob: Path

    @contextmanager
    def open_blob(self) -> Iterator[Iterator[bytes]]:
        """Give the bytes of the blob."""
        with writing_work(self.blob.parent), self.blob.open("rb") as file:
            yield iter(lambda: file.read(_PIECE), b"")


@dataclass(slots=True, kw_only=True)
class WorkFolder:
    """A folder for packed layers. Thread-safe for different layers."""

    path: Path
    _used: set[str] = field(default_factory=set)
    _made: set[str] = field(default_factory=set)

    def was_made(self, key: str) -> bool:
        """Tell whether a layer was packed by this conversion, not by one before it."""
        return key in self._made

    def find(self, key: str) -> PackedFiles | None:
        """Return a layer that was packed before; None if there is none."""
        self._used.add(key)
        record, blob = self._names(key)
        found = read_record(record)
        if found is None:
            return None
        layer, summary = found
        try:
            is_whole = blob.stat().st_size == summary.blob_size
        except OSError:
            return None
        return PackedFiles(layer=layer, summary=summary, blob=blob) if is_whole else None

    @contextmanager
    def make(self, key: str) -> Iterator[tuple[IO[bytes], RecordWriter]]:
        """Give files for a layer; they have their names once the block ends well.

        Raises: WorkFolderUnusable.
        """
        self._used.add(key)
        record, blob = self._names(key)
        parts = [path.with_name(f"{path.name}.part") for path in (blob, record)]
        try:
            with writing_work(self.path), parts[0].open("wb") as blob_file, parts[1].open("wb") as record_file:
                yield blob_file, RecordWriter(record_file)
            with writing_work(self.path):
                parts[0].rename(blob)
                parts[1].rename(record)
            self._made.add(key)
        finally:
            for part in parts:
                with suppress(OSError):
                    part.unlink()

    def drop(self) -> None:
        """Remove the layers of this conversion: it has come to its end."""
        for key in self._used:
            for path in self._names(key):
                with suppress(OSError):
                    path.unlink()

    def _names(self, key: str) -> tuple[Path, Path]:
        return self.path / f"{key}.layer", self.path / f"{key}.blob"


@contextmanager
def open_work_folder(folder: Path | None, *, keeps: bool = True) -> Iterator[WorkFolder]:
    """Open the folder for unfinished work.

    Args:
        folder: made if it is missing; None, or in the hands of another conversion: a temporary one.
        keeps: False: nothing that is made could be used again, so that a temporary one in it is enough.
    Raises: WorkFolderUnusable.
    """
    lock = None
    if folder is not None:
        with writing_work(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _lock(folder) if keeps else None
    if folder is None or lock is None:
        with _temporary(folder) as path:
            yield WorkFolder(path=path)
        return
    try:
        _forget_old(folder)
        yield WorkFolder(path=folder)
    finally:
        _forget_begun(folder)
        os.close(lock)


@contextmanager
def writing_work(folder: Path) -> Iterator[None]:
    """Turn what the operating system says about a folder into WorkFolderUnusable."""
    try:
        yield
    except OSError as error:
        if isinstance(error, RafsightError):
            raise
        raise WorkFolderUnusable(folder=str(folder), why=error.strerror or str(error)) from error


@contextmanager
def _temporary(beside: Path | None) -> Iterator[Path]:
    with writing_work(beside or Path(tempfile.gettempdir())):
        path = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=beside))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _lock(folder: Path) -> int | None:
    """Take the folder's lock; None if another process has it."""
    file = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def _forget_old(folder: Path) -> None:
    """Remove what a conversion left long ago, and what a killed one had begun."""
    _forget_begun(folder)
    before = time.time() - _KEPT
    for path in folder.iterdir():
        with suppress(OSError):
            if path.lstat().st_mtime >= before:
                continue
            if path.suffix in (".layer", ".blob"):
                path.unlink()
            elif path.name.startswith(_TEMPORARY):
                shutil.rmtree(path, ignore_errors=True)


def _forget_begun(folder: Path) -> None:
    for path in folder.glob("*.part"):
        with suppress(OSError):
            path.unlink()
