"""The layers that were made, as files named by their digests.

    FOLDER/layers/HEX           a layer's tar, named by its SHA-256
    FOLDER/layers/.new-XXXX     one that is being written

A layer appears whole or not at all, and is compared with its digest before it is handed out for the first time in the
life of this object. This module alone decides how much room layers may take, and which go when it is not enough: those
that were used longest ago. Whoever reads one that goes reads on.
"""

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import IO, Final

from rafsight.base.digest import is_digest
from rafsight.base.errors import HostLimit, RafsightError
from rafsight.base.units import GiB, MiB

DEFAULT_ROOM: Final = 20 * GiB
"""[bytes]; half of what is free if that is less."""
_BEGUN: Final = ".new-"
_LEFT: Final = 24 * 3600
"""[s] after which a file that is being written was left behind by a process that was killed."""
_MARK_AFTER: Final = 3600
"""[s] A layer that is used again is marked as such no more often than that."""
_MOST_REMEMBERED: Final = 100_000
"""Layers of which is remembered that they were compared."""
_PIECE: Final = 1 * MiB


class ShelfUnusable(HostLimit):
    """The folder for layers cannot be written."""

    code = "layers-not-kept"
    template = "layers cannot be kept in {folder}: {why}"
    remedy = "Make room there, or name another folder by --cache-dir."


class ShelfTooSmall(HostLimit):
    """An image has more in it than layers may take together."""

    code = "too-little-room-for-layers"
    template = "the layers of one image take more than the {room} bytes that all may take"
    remedy = "Allow more by --cache-size, or show less of images: --for names what is shown."


class LayerDraft:
    """A layer that is being written."""

    def __init__(self, file: "IO[bytes]", room: int) -> None:
        """Take an empty file, and how many bytes there may be in it."""
        self._file = file
        self._hash = hashlib.sha256()
        self._room = room
        self.size = 0
        """[bytes] so far."""

    @property
    def digest(self) -> str:
        """Of what was written so far."""
        return f"sha256:{self._hash.hexdigest()}"

    def write(self, content: bytes) -> None:
        """Take the next bytes.

        Raises: ShelfTooSmall; OSError.
        """
        self.size += len(content)
        if self.size > self._room:
            raise ShelfTooSmall(room=self._room)
        self._hash.update(content)
        self._file.write(content)


class Shelf:
    """Layers in a folder. Thread-safe; several processes may share the folder."""

    def __init__(self, folder: Path, room: int | None = None) -> None:
        """Take the folder, made when something is kept.

        Args:
            folder: of presented images.
            room: [bytes] that layers may take; None: `DEFAULT_ROOM`, or half of what is free if that is less.
        """
        self._folder = folder / "layers"
        self._room = room
        self._verified: set[tuple[str, int, int, int]] = set()
        self._lock = Lock()

    @property
    def room(self) -> int:
        """[bytes] that layers may take."""
        if self._room is None:
            with _writing(self._folder):
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._room = min(DEFAULT_ROOM, (self._size() + shutil.disk_usage(self._folder).free) // 2)
        return self._room

    @contextmanager
    def draft(self, keep: frozenset[str] = frozenset()) -> Iterator[LayerDraft]:
        """Write a layer; at the end of the block it has its name.

        Args:
            keep: digests of layers that do not go to make room for it.
        Raises: ShelfUnusable; ShelfTooSmall.
        """
        with _writing(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(prefix=_BEGUN, dir=self._folder)
        begun = Path(name)
        try:
            with _writing(self._folder), os.fdopen(descriptor, "wb") as file:
                draft = LayerDraft(file, self.room)
                yield draft
            with _writing(self._folder):
                begun.replace(self._path(draft.digest))
                self._trust(draft.digest, self._path(draft.digest).stat())
        finally:
            begun.unlink(missing_ok=True)
        self._make_room(keep | {draft.digest})

    def has(self, digest: str) -> bool:
        """Tell whether a layer is there, without looking into it."""
        return self._path(digest).is_file()

    def open(self, digest: str) -> "IO[bytes] | None":
        """Open a layer, verified; None if it is not there. Who asks for it closes it.

        Raises: ShelfUnusable.
        Cost: reads it once, if this object has not handed it out before.
        """
        path = self._path(digest)
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ShelfUnusable(folder=str(self._folder), why=error.strerror or str(error)) from error
        try:
            if self._is_sound(file, digest):
                self._mark_used(path)
                return file
        except OSError as error:
            file.close()
            raise ShelfUnusable(folder=str(self._folder), why=error.strerror or str(error)) from error
        file.close()
        with suppress(OSError):
            path.unlink()
        return None

    def tidy(self) -> None:
        """Remove what killed processes began and left."""
        before = time.time() - _LEFT
        with suppress(OSError):
            for path in self._folder.glob(f"{_BEGUN}*"):
                with suppress(OSError):
                    if path.stat().st_mtime < before:
                        path.unlink()

    def _is_sound(self, file: "IO[bytes]", digest: str) -> bool:
        state = os.fstat(file.fileno())
        with self._lock:
            if _identity(digest, state) in self._verified:
                return True
        running = hashlib.sha256()
        while piece := file.read(_PIECE):
            running.update(piece)
        file.seek(0)
        if f"sha256:{running.hexdigest()}" != digest:
            return False
        self._trust(digest, state)
        return True

    def _trust(self, digest: str, state: os.stat_result) -> None:
        with self._lock:
            if len(self._verified) >= _MOST_REMEMBERED:
                self._verified.clear()
            self._verified.add(_identity(digest, state))

    def _make_room(self, keep: frozenset[str]) -> None:
        """Remove the layers that were used longest ago, until the rest fits.

        Raises: ShelfTooSmall: those to be kept do not fit.
        """
        found = []
        with suppress(OSError):
            for entry in os.scandir(self._folder):
                with suppress(OSError):
                    state = entry.stat(follow_symlinks=False)
                    found.append((state.st_mtime, state.st_size, Path(entry.path)))
        excess = sum(size for _, size, _ in found) - self.room
        for _, size, path in sorted(found):
            if excess <= 0:
                return
            if f"sha256:{path.name}" not in keep and not path.name.startswith(_BEGUN):
                with suppress(OSError):
                    path.unlink()
                    excess -= size
        kept = sum(size for _, size, path in found if f"sha256:{path.name}" in keep)
        if kept > self.room:
            raise ShelfTooSmall(room=self.room)

    def _size(self) -> int:
        size = 0
        for path in self._folder.iterdir():
            with suppress(OSError):  # it has gone meanwhile
                size += path.stat().st_size
        return size

    def _mark_used(self, path: Path) -> None:
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - _MARK_AFTER:
                os.utime(path)

    def _path(self, digest: str) -> Path:
        if not digest.startswith("sha256:") or not is_digest(digest):
            return self._folder / ".none"
        return self._folder / digest.removeprefix("sha256:")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn what the operating system says about the folder into ShelfUnusable."""
    try:
        yield
    except OSError as error:
        if isinstance(error, RafsightError):
            raise
        raise ShelfUnusable(folder=str(folder), why=error.strerror or str(error)) from error


def _identity(digest: str, state: os.stat_result) -> tuple[str, int, int, int]:
    return digest, state.st_dev, state.st_ino, state.st_size
