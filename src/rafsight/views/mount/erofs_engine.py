"""The kernel's EROFS over files: names, attributes and cached pages at native speed.

With a complete cache the kernel reads the backing files themselves, and nobody is asked. Otherwise it reads files of a
small FUSE mount of ours, which brings chunks when they are asked for. Some file systems (tmpfs) hold no files that
EROFS can read; then the metadata comes from the FUSE mount, too.

This module alone decides which of these an image gets.
"""

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from rafsight.base.units import KiB
from rafsight.image.backing import Backing
from rafsight.views.fuse.blob_files import BlobFiles
from rafsight.views.fuse.channel import MountOptions
from rafsight.views.fuse.server import FuseMount, serve
from rafsight.views.mount.engine import Plan, Served
from rafsight.views.mount.fanotify import FanotifyRefused
from rafsight.views.mount.kernel import MountRefused, mount_erofs, require_kind
from rafsight.views.mount.opened import watch_opened
from rafsight.views.mount.records import BLOBS, METADATA
from rafsight.views.mount.supervisor import left_at_the_end
from rafsight.views.mount.volume import Volume, write_volume

_LARGE: Final = 128 * KiB
"""[bytes] of a chunk."""
_NOT_FROM_THIS_FILE: Final = (errno.ENOTBLK, errno.EINVAL)
"""What the kernel says if it cannot read a file of this file system, or does not mount files at all."""


class ErofsEngine:
    """EROFS over cache files or over FUSE files."""

    name = "erofs"

    @contextmanager
    def mount(self, plan: Plan) -> Iterator[Served]:
        """Mount an image.

        Raises: MountRefused, EngineUnfit, NoFuse.
        """
        require_kind("erofs", plan.site.directory)
        volume = write_volume(plan, self.name)
        with ExitStack() as stack:
            how = _mount(plan, volume, stack)
            stack.enter_context(left_at_the_end(plan.site.directory, plan.listener))
            yield Served(engine=self.name, how=how, count_files=count_files(plan, volume, stack))


def count_files(plan: Plan, volume: Volume, stack: ExitStack) -> Callable[[], int] | None:
    """Watch which files of a mounted EROFS are opened.

    Args:
        plan: what is mounted.
        volume: its metadata.
        stack: takes what ends the watching.

    Returns: how many were opened so far; None if the kernel does not say it here.
    Raises: FanotifyRefused: likewise, and somebody wants to know which.
    """
    try:
        watch = stack.enter_context(watch_opened(plan.site.directory, volume.nids, on_read=plan.on_read))
    except FanotifyRefused:
        if plan.on_read is not None:
            raise
        return None
    return lambda: watch.opened_count


def _mount(plan: Plan, volume: Volume, stack: ExitStack) -> str:
    """Mount one way or the other, and say which."""
    if plan.store.is_complete():
        plan.store.confirm_all()
    if plan.store.is_complete() and _try(volume.path, plan.store.paths(), plan.site.directory):
        return "the kernel alone, from the cache"
    names = [f"blob{number}" for number in range(len(plan.store.backing.sizes))]
    folder = plan.site.folder / BLOBS
    devices = [folder / name for name in names]
    with ExitStack() as inner:
        inner.enter_context(_serve(plan, names, {}))
        if _try(volume.path, devices, plan.site.directory):
            stack.enter_context(inner.pop_all())
            return "the kernel, content through FUSE"
    stack.enter_context(_serve(plan, names, {METADATA: bytes(volume.content)}))
    mount_erofs(folder / METADATA, devices, plan.site.directory)
    return "the kernel, metadata and content through FUSE"


def _serve(plan: Plan, names: Sequence[str], extra: Mapping[str, bytes]) -> AbstractContextManager[FuseMount]:
    """Serve the backing files, and small ones beside them, in the view's folder."""
    files = BlobFiles(plan.store, names, extra, uncached=_blobs_of_large_chunks(plan.store.backing))
    options = MountOptions(name=plan.site.source, allow_other=False, default_permissions=False)
    return serve(files, plan.site.folder / BLOBS, options=options, listener=plan.listener)


def _blobs_of_large_chunks(backing: Backing) -> frozenset[int]:
    """Return the blobs whose chunks are as large, on average, as what the kernel reads ahead anyway."""
    counts = np.diff(backing.first)
    return frozenset(np.flatnonzero((counts > 0) & (backing.sizes >= _LARGE * counts)).tolist())


def _try(metadata: Path, devices: Sequence[Path], directory: Path) -> bool:
    """Mount; False if the kernel does not want these files.

    Raises: MountRefused: for any other reason.
    """
    try:
        mount_erofs(metadata, devices, directory)
    except MountRefused as refused:
        if refused.errno in _NOT_FROM_THIS_FILE:
            return False
        raise
    return True
