"""What lies in the cache folder: how much it is, whether it is sound, and how to get rid of it.

This module alone decides which parts there are and what goes first. Running views, the advisory database and the
history of the prompt lie in the same folder and are no cache: nothing here touches them.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from rafsight.access.results.opening import FOLDER as RESULTS
from rafsight.access.upkeep.chunks import ChunksPart
from rafsight.access.upkeep.contract import Item, ItemPart, Part, Verified, disk_size
from rafsight.access.upkeep.entries import (
    bootstraps_part,
    documents_part,
    downloads_part,
    index_part,
    presented_part,
    work_part,
)
from rafsight.access.upkeep.results import ResultsPart
from rafsight.base.errors import CallerError, ExitStatus, HostLimit
from rafsight.reports.caches import CacheStatus

Answer = TypeVar("Answer")

PARTS: Final = ("results", "documents", "bootstraps", "chunks", "convert", "downloads", "index", "presented")


class NoSuchPart(CallerError):
    """The cache has no part of that name."""

    code = "no-such-cache-part"
    template = "the cache has no part '{name}'"
    remedy = "Name one of: results, documents, bootstraps, chunks, convert, downloads, index, presented."
    exit_status = ExitStatus.USAGE


class CacheNotChanged(HostLimit):
    """The cache folder cannot be put in order."""

    code = "cache-not-changed"
    template = "{folder} cannot be changed: {why}"
    remedy = "Check who owns the folder; --cache-dir names another one."


class Caches:
    """The cache folder of one user."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        """Look at nothing yet.

        Args:
            folder: rafsight's cache folder; it need not exist.
            clock: [s since 1970].
        """
        self._folder = folder
        self._clock = clock
        self._results = ResultsPart(folder / RESULTS)
        self._others: tuple[ItemPart, ...] = (
            documents_part(folder),
            bootstraps_part(folder),
            ChunksPart(folder / "chunks"),
            work_part(folder),
            downloads_part(folder),
            index_part(folder),
            presented_part(folder),
        )

    def status(self) -> CacheStatus:
        """Tell how much there is. Cost: looks at each file, opens the results."""
        facts = tuple(part.facts() for part in self._parts())
        size = sum(part.size for part in facts)
        whole = sum(disk_size(path) for path in self._folder.iterdir()) if self._folder.is_dir() else 0
        return CacheStatus(folder=str(self._folder), parts=facts, size=size, other_size=max(whole - size, 0))

    def prune(self, *, max_size: int | None = None, unused_for: float | None = None) -> int:
        """Remove what was not used for long; nothing that a process uses now.

        Args:
            max_size: [bytes] that may be left: what was used longest ago goes first, results of scans last, since they
                are small and spare the most.
            unused_for: [s] after which something goes whatever its size.
        Returns: How many bytes went.
        Raises: CacheNotChanged.
        """
        freed = 0
        items = sorted((item for part in self._others for item in part.items()), key=lambda item: item.used)
        if unused_for is not None:
            before = self._clock() - unused_for
            freed += _remove([item for item in items if item.used <= before])
            items = [item for item in items if item.used > before]
            freed += self._guarded(lambda: self._results.forget(before))
        if max_size is None:
            return freed
        excess = sum(part.facts().size for part in self._parts()) - max_size
        for item in items:
            if excess <= 0:
                break
            if item.remove():
                excess -= item.size
                freed += item.size
        if excess > 0:
            left = max(self._results.facts().size - excess, 0)
            freed += self._guarded(lambda: self._results.shrink(left))
        return freed

    def clear(self, parts: Sequence[str] = ()) -> int:
        """Remove everything of some parts that nobody uses now.

        Args:
            parts: names; none: all.
        Returns: How many bytes went.
        Raises: NoSuchPart, CacheNotChanged.
        """
        chosen = self._parts(parts)
        return sum(self._guarded(part.clear) for part in chosen)

    def verify(self, parts: Sequence[str] = ()) -> tuple[Verified, ...]:
        """Compare everything with its checksum; what is damaged is removed, and fetched again when it is needed.

        Args:
            parts: names; none: all.
        Raises: NoSuchPart, CacheNotChanged.
        Cost: reads everything.
        """
        chosen = self._parts(parts)
        return tuple(self._guarded(part.verify) for part in chosen)

    def _parts(self, names: Sequence[str] = ()) -> tuple[Part, ...]:
        every: tuple[Part, ...] = (self._results, *self._others)
        for name in names:
            if name not in PARTS:
                raise NoSuchPart(name=name)
        return tuple(part for part in every if not names or part.name in names)

    def _guarded(self, action: Callable[[], Answer]) -> Answer:
        try:
            return action()
        except (OSError, sqlite3.Error) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise CacheNotChanged(folder=str(self._folder), why=why) from error


def _remove(items: Sequence[Item]) -> int:
    return sum(item.size for item in items if item.remove())
