"""What is kept between runs, by digest: bootstraps with their bundled chunk-info arrays, manifests and configs.

    CACHE/documents/HEX            a manifest, index or config, named by its SHA-256
    CACHE/bootstraps/HEX/NAME      what a bootstrap layer held, named by the layer's SHA-256, with `sums` beside

This module alone knows the layout. An entry appears whole or not at all (written aside, then renamed), and is verified
whenever it is read: a damaged one is removed and fetched again. A cache that cannot be written is no error. Bootstraps
are the largest of it: those that were used longest ago go when there are too many.
"""

import hashlib
import mmap
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from rafsight.base.digest import is_digest
from rafsight.base.units import GiB

ROOM: Final = 4 * GiB
"""[bytes] that bootstraps may take: a thousand large images."""

_SUMS: Final = "sums"
_MARK_AFTER: Final = 24 * 3600
"""[s] An entry that is used again is marked as such no more often than that."""


class Cache:
    """Files by digest below one folder; `None` for the folder keeps nothing."""

    def __init__(self, folder: Path | None, *, room: int = ROOM, marks_use: bool = True) -> None:
        """Look at nothing yet.

        Args:
            folder: made when something is kept.
            room: [bytes] for bootstraps.
            marks_use: False: to be taken is not to be used, for those who only look after the folder.
        """
        self._folder = folder
        self._room = room
        self._marks_use = marks_use

    def document(self, digest: str) -> bytes | None:
        """Return a document, verified, or None."""
        path = self._path("documents", digest)
        if path is None:
            return None
        try:
            content = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content).hexdigest() == path.name:
            self._mark_used(path)
            return content
        with suppress(OSError):
            path.unlink()
        return None

    def keep_document(self, digest: str, content: bytes) -> None:
        """Keep a verified document."""
        path = self._path("documents", digest)
        if path is None:
            return
        with suppress(OSError), _beside(path) as aside:
            aside.write_bytes(content)
            aside.replace(path)

    def bootstrap(self, digest: str) -> Mapping[str, memoryview] | None:
        """Return the parts of a bootstrap layer by name, mapped and verified, or None.

        Cost: reads every byte once, to verify it.
        """
        path = self._path("bootstraps", digest)
        if path is None or not path.is_dir():
            return None
        try:
            lines = (path / _SUMS).read_text("ascii").splitlines()
            parts = {name: _map(path / name) for name in (line[66:] for line in lines)}
            sound = all(hashlib.sha256(parts[line[66:]]).hexdigest() == line[:64] for line in lines)
        except (OSError, ValueError):
            sound, parts = False, {}
        if sound and parts:
            self._mark_used(path)
            return parts
        shutil.rmtree(path, ignore_errors=True)
        return None

    def has_bootstrap(self, digest: str) -> bool:
        """Tell whether there are parts of a bootstrap layer, verified or not. Cost: reads none of them."""
        path = self._path("bootstraps", digest)
        return path is not None and path.is_dir()

    def keep_bootstrap(self, digest: str, parts: Mapping[str, bytes | memoryview]) -> None:
        """Keep the parts of a verified bootstrap layer. Names are plain file names."""
        path = self._path("bootstraps", digest)
        if path is None:
            return
        with suppress(OSError), _beside(path) as aside:
            aside.mkdir()
            sums = []
            for name, content in parts.items():
                (aside / name).write_bytes(content)
                sums.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
            (aside / _SUMS).write_text("".join(sums), "ascii")
            aside.rename(path)
            _make_room(path.parent, self._room)

    def _mark_used(self, path: Path) -> None:
        """Give an entry the time of its use, for those who make room."""
        with suppress(OSError):
            if self._marks_use and path.stat().st_mtime < time.time() - _MARK_AFTER:
                os.utime(path)

    def _path(self, kind: str, digest: str) -> Path | None:
        if self._folder is None or not digest.startswith("sha256:") or not is_digest(digest):
            return None
        return self._folder / kind / digest.removeprefix("sha256:")


def _make_room(folder: Path, room: int) -> None:
    """Remove the entries that were used longest ago, until the rest fits with an eighth to spare."""
    entries = []
    for path in folder.iterdir():
        with suppress(OSError):
            entries.append((path.stat().st_mtime, sum(part.stat().st_size for part in path.iterdir()), path))
    excess = sum(size for _, size, _ in entries) - room
    if excess <= 0:
        return
    excess += room // 8
    for _, size, path in sorted(entries):
        if excess > 0:
            shutil.rmtree(path, ignore_errors=True)
            excess -= size


def _map(path: Path) -> memoryview:
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return memoryview(b"")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give a fresh name in the folder of `path`; whatever is left there afterwards is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = Path(tempfile.mkdtemp(prefix=".new-", dir=path.parent))
    try:
        yield holder / "entry"
    finally:
        shutil.rmtree(holder, ignore_errors=True)
