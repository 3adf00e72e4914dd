"""How much of the disk the store may take, and which blobs go when it is not enough.

This module alone decides that: whole blobs, those that were used longest ago first, never one that a process has open.
The bound is that of the folder, for all processes together; as each counts its own writes only and looks at the folder
now and then, they may pass it by a step each.
"""

import fcntl
import os
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.access.chunk_store.blob_file import DATA, LABELS
from rafsight.access.chunk_store.locking import is_at, try_lock
from rafsight.access.chunk_store.opening import ASIDE, set_aside
from rafsight.base.units import MiB

STEP: Final = 64 * MiB
"""[bytes] that this process writes before it looks at the folder again; a sixteenth of the limit if that is less."""
_PAUSE: Final = 1.0
"""[s] between looks at a folder that is full."""
_SECTOR: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """One blob on disk."""

    folder: Path
    size: int
    """[bytes] that it takes."""
    used: int
    """[ns] when it was opened or closed last."""


class Room:
    """The room of one store. Thread-safe."""

    def __init__(self, folder: Path, limit: int) -> None:
        """Count nothing yet.

        Args:
            folder: of all blobs.
            limit: [bytes] that they may take.
        """
        self._folder = folder
        self._limit = limit
        self._step = max(min(STEP, limit // 16), 1)
        self._lock = threading.Lock()
        self._used = 0
        self._written = 0
        self._on_its_way = 0
        self._looked = float("-inf")
        self._dropped = float("-inf")

    def make(self, size: int = 0) -> bool:
        """Make room for some bytes by removing blobs that nobody uses.

        Args:
            size: [bytes].
        Returns: False if there is not enough, whatever is removed.
        Cost: one look at each file of the store.
        """
        with self._lock:
            return self._make(size)

    def admit(self, size: int) -> bool:
        """Count bytes that are to be written; `written` says that they are.

        Args:
            size: [bytes].
        Returns: False if they must not be.
        """
        with self._lock:
            fits = self._used + size <= self._limit
            if not fits and time.monotonic() < self._looked + _PAUSE:
                return False
            if (not fits or self._written > self._step) and not self._make(size):
                return False
            self._used += size
            self._written += size
            self._on_its_way += size
            return True

    def written(self, size: int) -> None:
        """Take note that bytes that were admitted are written, or are not going to be."""
        with self._lock:
            self._on_its_way -= size

    def drop_oldest(self, since: float) -> bool:
        """Remove the blob that nobody has used for longest, where the disk is full before the limit is reached.

        Args:
            since: [s] when the write that failed was begun; nothing is removed if another thread has done so meanwhile.
        Returns: True if there is more room than there was.
        """
        with self._lock:
            if self._dropped > since:
                return True
            done = any(remove_blob(blob.folder) for blob in sorted(self._look(), key=lambda blob: blob.used))
            if done:
                self._dropped = time.monotonic()
            return done

    def _make(self, size: int) -> bool:
        blobs = self._look()
        used = sum(blob.size for blob in blobs) + self._on_its_way
        for blob in sorted(blobs, key=lambda blob: blob.used):
            if used + size <= self._limit:
                break
            if remove_blob(blob.folder):
                used -= blob.size
        self._used, self._written, self._looked = used, 0, time.monotonic()
        return used + size <= self._limit

    def _look(self) -> list[_Held]:
        result = []
        with suppress(OSError):
            for folder in self._folder.iterdir():
                if folder.name.startswith(ASIDE):
                    shutil.rmtree(folder, ignore_errors=True)  # somebody was stopped while removing it
                    continue
                with suppress(OSError):
                    data, labels = (folder / DATA).lstat(), (folder / LABELS).lstat()
                    size = (data.st_blocks + labels.st_blocks) * _SECTOR
                    result.append(_Held(folder=folder, size=size, used=labels.st_mtime_ns))
        return result


def remove_blob(folder: Path) -> bool:
    """Remove a blob unless somebody has it open."""
    try:
        descriptor = os.open(folder / DATA, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if not (try_lock(descriptor, fcntl.LOCK_EX) and is_at(folder / DATA, descriptor)):
            return False
        set_aside(folder)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
