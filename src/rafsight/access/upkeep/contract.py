"""What each part of the cache folder can tell and do. Values, and one protocol."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from uuid import uuid4

_SECTOR: Final = 512
GONE: Final = ".gone-"
"""Folders that are being removed begin so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something that can go by itself."""

    size: int
    """[bytes] on disk."""
    used: float
    """[s since 1970] when it was used last; within a day."""
    remove: Callable[[], bool]
    """Remove it; False if somebody uses it now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFacts:
    """How much a part holds."""

    name: str
    title: str
    size: int
    """[bytes] on disk."""
    counts: tuple[tuple[str, int], ...]
    """What it holds, and how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What comparing a part with its checksums gave."""

    name: str
    checked: int
    """Things that were compared."""
    damaged: int
    """Of them, those that are not what they should be: they are gone now."""
    unchecked: int = 0
    """Things that were not compared: somebody writes to them now, or they have no checksum yet."""


class Part(Protocol):
    """One part of the cache folder."""

    name: str
    title: str

    def facts(self) -> PartFacts:
        """Tell how much there is."""
        ...

    def verify(self) -> Verified:
        """Compare everything with its checksum, and remove what is damaged. Cost: reads everything."""
        ...

    def clear(self) -> int:
        """Remove everything that nobody uses now; return how many bytes went."""
        ...


class ItemPart(Part, Protocol):
    """A part that consists of things that can go one by one."""

    def items(self) -> Iterator[Item]:
        """Yield them."""
        ...


def disk_size(path: Path) -> int:
    """Return what a file, or a folder with all below it, takes on disk [bytes]; links are not followed."""
    size = 0
    pending = [path]
    while pending:
        one = pending.pop()
        with suppress(OSError):
            state = one.lstat()
            size += state.st_blocks * _SECTOR
            if one.is_dir() and not one.is_symlink():
                pending += one.iterdir()
    return size


def last_changed(path: Path) -> float:
    """Return when a file was changed [s since 1970]; the beginning of time if it is gone."""
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def remove_tree(path: Path) -> bool:
    """Remove a file or a folder so that nobody sees half of it."""
    try:
        if path.is_dir() and not path.is_symlink():
            aside = path.with_name(f"{GONE}{uuid4().hex}")
            path.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            path.unlink()
    except OSError:
        return False
    return True


def entries_of(folder: Path) -> list[Path]:
    """Return what lies in a folder, ordered; nothing if there is none."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []
