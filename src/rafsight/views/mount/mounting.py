"""Mount an image, from its written record to the tree that shows it.

This module alone knows the order of the steps, and what holds when the process dies between two of them:

    the view is written down    (killed: the next view of this user removes the folder)
    its guardian starts         (killed from here on: the guardian unmounts and removes)
    the image is opened, the cache, the mounts are made
    the view is ready

The end goes the same way back.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.access.chunk_store.store import ChunkStore, open_chunk_store
from rafsight.access.session import Image
from rafsight.base.errors import Defect
from rafsight.base.events import Listener, Noticed
from rafsight.base.text import escape
from rafsight.base.units import GiB
from rafsight.image.plan import RowArray
from rafsight.views.mount.access_log import open_access_log, read_listed
from rafsight.views.mount.choice import engines_for, mount_first
from rafsight.views.mount.engine import Plan, Served
from rafsight.views.mount.guardian import guarded
from rafsight.views.mount.kernel import mount_at
from rafsight.views.mount.place import find_place, make_place
from rafsight.views.mount.prefetch import ALL, TABLE, chunks_to_prefetch
from rafsight.views.mount.records import opened_site, views_folder
from rafsight.views.mount.stale import clean_stale
from rafsight.views.mount.statistics import StatisticsFile, ViewStatistics
from rafsight.views.mount.supervisor import Supervisor
from rafsight.views.mount.view import View, ViewTerms, facts_of

_CHUNKS: Final = "chunks"
_MOST_CACHE: Final = 20 * GiB
_SHARE: Final = 10
"""The cache takes a tenth of what is free, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be mounted, and where."""

    reference: str
    """For people, and for the record."""
    open_image: Callable[[], AbstractContextManager[Image]]
    """Opens it, once the view is written down and guarded."""
    cache: Path
    """rafsight's cache folder."""
    directory: Path | None
    """None: a folder inside the cache."""
    terms: ViewTerms
    hears_signals: bool
    """SIGTERM ends the view and nothing else."""


@contextmanager
def mounted(wish: Wish, supervisor: Supervisor, listener: Listener) -> Iterator[View]:
    """Mount an image; it is unmounted at the end of the block, whoever uses it then.

    Args:
        wish: what and where.
        supervisor: ends the waiting.
        listener: told about long work, reads that fail, and who used it at the end; by any thread.

    Raises: UnusablePlace, AlreadyAView, UnreadablePathList, AccessLogNotWritten, UnsafeFolder, NoRecords, NoGuardian,
        HostLimit of the last engine; what `open_image` raises.
    """
    engines = engines_for(wish.terms.engine)
    prefetch = _read_wanted(wish.terms.prefetch)
    folder = views_folder(wish.cache)
    for record in clean_stale(folder):
        what = f"{escape(os.fsencode(record.reference))} at {escape(os.fsencode(record.directory))}"
        listener(Noticed(message=f"took away what was left of a killed view: {what}"))
    place, exists = (None, True) if wish.directory is None else find_place(wish.directory, wish.cache)
    with ExitStack() as stack:
        site = stack.enter_context(
            opened_site(folder, wish.reference, place, made_directory=not exists, hears_signals=wish.hears_signals)
        )
        stack.enter_context(guarded(site.folder, site.lock))
        make_place(site.directory)
        image = stack.enter_context(wish.open_image())
        on_read = _on_read(image, wish.terms, listener, stack)
        limit = wish.terms.cache_size if wish.terms.cache_size is not None else _default_limit(wish.cache)
        store = stack.enter_context(open_chunk_store(image, wish.cache / _CHUNKS, limit=limit, listener=listener))
        plan = Plan(image=image, store=store, site=site, supervisor=supervisor, listener=listener, on_read=on_read)
        served = mount_first(engines, plan, stack)
        place_in_table = mount_at(site.directory)
        if place_in_table is None:
            raise Defect(what=f"{served.engine} mounted nothing")
        if prefetch is not None:
            store.prefetch(chunks_to_prefetch(image.tree, prefetch, store.backing.order, listener), listener)
        statistics = StatisticsFile(site.folder, _counting(image, store, served))
        statistics.refresh()
        site.change(engine=served.engine, is_ready=True)
        yield View(facts_of(site.folder, site.record), served.how, place_in_table, supervisor, statistics)


def _read_wanted(prefetch: str | Path | None) -> str | list[bytes] | None:
    """Read the list of what to prefetch before anything is done.

    Raises: UnreadablePathList.
    """
    if prefetch is None or prefetch in (TABLE, ALL):
        return None if prefetch is None else str(prefetch)
    return read_listed(Path(prefetch))


def _on_read(image: Image, terms: ViewTerms, listener: Listener, stack: ExitStack) -> Callable[[RowArray], None] | None:
    if terms.access_log is None:
        return None
    return stack.enter_context(open_access_log(image.tree, terms.access_log, listener=listener)).add


def _default_limit(cache: Path) -> int:
    """Return what the chunk cache may take [bytes], what it has by now included."""
    held = cache / _CHUNKS
    free = shutil.disk_usage(cache).free
    used = sum(map(_size_on_disk, held.glob("*/*"))) if held.is_dir() else 0
    return min(_MOST_CACHE, (free + used) // _SHARE)


def _size_on_disk(file: Path) -> int:
    with suppress(OSError):  # another process makes room
        return file.lstat().st_blocks * 512
    return 0


def _counting(image: Image, store: ChunkStore, served: Served) -> Callable[[], ViewStatistics]:
    began = time.monotonic()

    def gather() -> ViewStatistics:
        tally, cost = store.tally, image.cost
        refused = served.count_refused() if served.count_refused is not None else 0
        return ViewStatistics(
            seconds=time.monotonic() - began,
            files_opened=served.count_files() if served.count_files is not None else None,
            bytes_served=tally.served,
            bytes_fetched=cost.bytes_fetched,
            requests=cost.requests,
            chunk_hits=tally.hits,
            chunk_misses=tally.misses,
            failed=tally.failed + refused,
        )

    return gather
