"""Parts that are files or folders beside each other, each an item: documents, bootstraps, unfinished work."""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from rafsight.access.cache import Cache
from rafsight.access.upkeep.contract import (
    Item,
    PartFacts,
    Verified,
    disk_size,
    entries_of,
    last_changed,
    remove_tree,
)

Check = Callable[[Path], bool | None]
"""Tells whether an entry is what it should be; None if nobody can tell."""


class Digester(Protocol):
    """What hashlib and blake3 have in common."""

    def update(self, data: bytes, /) -> object:
        """Take more bytes."""
        ...

    def hexdigest(self) -> str:
        """Return the digest of all of them."""
        ...


_LOCK: Final = "lock"
_PIECE: Final = 1 << 20


@dataclass(slots=True, kw_only=True)
class EntriesPart:
    """An `ItemPart` whose entries lie in one folder."""

    name: str
    title: str
    unit: str
    """What an entry is called, plural."""
    folder: Path
    check: Check
    has_lock: bool = False
    """True: whoever works there holds `lock`, and nothing is touched then."""

    def facts(self) -> PartFacts:
        """Tell how much there is."""
        entries = self._entries()
        return PartFacts(
            name=self.name,
            title=self.title,
            size=disk_size(self.folder),
            counts=((self.unit, sum(not path.name.startswith(".") for path in entries)),),
        )

    def items(self) -> Iterator[Item]:
        """Yield the entries."""
        for path in self._entries():
            yield Item(size=disk_size(path), used=last_changed(path), remove=partial(self._remove, path))

    def verify(self) -> Verified:
        """Compare each entry with its checksum."""
        checked = damaged = unchecked = 0
        with self._held() as is_free:
            for path in self._entries():
                is_sound = self.check(path) if is_free and not path.name.startswith(".") else None
                if is_sound is None:
                    unchecked += 1
                    continue
                checked += 1
                if not is_sound:
                    damaged += 1
                    remove_tree(path)
        return Verified(name=self.name, checked=checked, damaged=damaged, unchecked=unchecked)

    def clear(self) -> int:
        """Remove the entries."""
        return sum(item.size for item in self.items() if item.remove())

    def _entries(self) -> list[Path]:
        return [path for path in entries_of(self.folder) if not (self.has_lock and path.name == _LOCK)]

    def _remove(self, path: Path) -> bool:
        with self._held() as is_free:
            return is_free and remove_tree(path)

    @contextmanager
    def _held(self) -> Iterator[bool]:
        """Hold the lock of the folder; False if somebody else does."""
        if not self.has_lock or not self.folder.is_dir():
            yield True
            return
        try:
            descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            yield False
            return
        try:
            is_free = True
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                is_free = False
            yield is_free
        finally:
            os.close(descriptor)


def documents_part(folder: Path) -> EntriesPart:
    """Manifests, indexes and configs."""
    cache = Cache(folder, marks_use=False)
    return EntriesPart(
        name="documents",
        title="manifests and configs",
        unit="documents",
        folder=folder / "documents",
        check=lambda path: cache.document(f"sha256:{path.name}") is not None,
    )


def bootstraps_part(folder: Path) -> EntriesPart:
    """Bootstraps, with the arrays that are bundled with them."""
    cache = Cache(folder, marks_use=False)
    return EntriesPart(
        name="bootstraps",
        title="file tables of images",
        unit="bootstraps",
        folder=folder / "bootstraps",
        check=lambda path: cache.bootstrap(f"sha256:{path.name}") is not None,
    )


def work_part(folder: Path) -> EntriesPart:
    """Layers of conversions that were interrupted."""
    return EntriesPart(
        name="convert",
        title="unfinished conversions",
        unit="files",
        folder=folder / "convert",
        check=_check_work,
        has_lock=True,
    )


def downloads_part(folder: Path) -> EntriesPart:
    """Files of the advisory database that are on their way."""
    return EntriesPart(
        name="downloads",
        title="advisories on their way",
        unit="files",
        folder=folder / "downloads",
        check=lambda path: None,  # noqa: ARG005 - their digest is known when they are complete, and then they are gone
    )


def presented_part(folder: Path) -> EntriesPart:
    """Layers that were made for those who do not know Nydus, named by their SHA-256."""
    return EntriesPart(
        name="presented",
        title="layers of presented images",
        unit="layers",
        folder=folder / "presented" / "layers",
        check=lambda path: _has_digest(path, hashlib.sha256(), path.name),
    )


def index_part(folder: Path) -> EntriesPart:
    """Copies of tables of distant fleet indexes, named by their digests."""
    return EntriesPart(
        name="index",
        title="tables of fleet indexes",
        unit="tables",
        folder=folder / "index",
        check=_check_table,
    )


def _check_table(path: Path) -> bool | None:
    from blake3 import blake3

    return _has_digest(path, blake3(), path.stem)


def _has_digest(path: Path, running: "Digester", expected: str) -> bool | None:
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                running.update(piece)
    except OSError:
        return None
    return running.hexdigest() == expected


def _check_work(path: Path) -> bool | None:
    """Compare a packed layer with its record."""
    from rafsight.access.layer_records import read_record

    if path.suffix == ".layer":
        return read_record(path) is not None
    if path.suffix != ".blob":
        return None
    found = read_record(path.with_suffix(".layer"))
    if found is None or not found[1].blob_digest:
        return None
    return _has_digest(path, hashlib.sha256(), found[1].blob_digest.removeprefix("sha256:"))
