"""What a view leaves behind is taken away: by itself at its end, by its guardian, or by the next view.

This module alone decides what belongs to a view: mounts inside its folder, mounts whose source is a file of its folder,
and FUSE mounts of its name. The kernel's table of mounts says so, whatever step the server got to, and a mount that
somebody else made in the same place is left alone.
"""

import errno
import fcntl
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from rafsight.views.mount.kernel import Mounted, UnmountRefused, is_on_top, list_mounts, unmount
from rafsight.views.mount.records import LOCK, Record, all_views, list_views, open_lock, read_record, source_of


def clean_stale(views: Path) -> list[Record]:
    """Take away what views left whose server and guardian were both killed.

    Args:
        views: the folder of all views.

    Returns: what was known of them.
    """
    if all(one.is_alive for one in list_views(views)):
        return []
    with all_views(views):
        cleaned = [one.record for one in list_views(views) if not one.is_alive and _clean_one(one.folder)]
    return [record for record in cleaned if record is not None]


def _clean_one(folder: Path) -> bool:
    try:
        lock = open_lock(folder)
    except FileNotFoundError:
        return take_down(folder)  # ended between making the folder and its lock
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return take_down(folder)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)


def take_down(folder: Path) -> bool:
    """Unmount all mounts of a view, whoever uses them, and remove its folder.

    Args:
        folder: of the view; the caller holds its lock.

    Returns: False if a mount cannot be taken away, or somebody else's lies on it; the folder stays, then.
    """
    record = read_record(folder)
    for one in reversed(mounts_of(folder)):
        if is_on_top(one):
            with suppress(UnmountRefused):
                unmount_anyhow(one.path, one.kind, lazy=True)
    if mounts_of(folder):
        return False
    if record is not None and record.made_directory:
        with suppress(OSError):
            Path(record.directory).rmdir()
    remove_folder(folder)
    return True


def mounts_of(folder: Path) -> list[Mounted]:
    """Return the mounts of a view, in the order in which they were made."""
    inside, name = os.fsencode(folder) + b"/", source_of(folder)
    return [
        one
        for one in list_mounts()
        if one.directory.startswith(inside) or os.fsencode(one.source).startswith(inside) or one.source == name
    ]


def unmount_anyhow(directory: Path, kind: str, *, lazy: bool) -> None:
    """Unmount as root or, for FUSE, through the helper that ordinary users have.

    Raises: UnmountRefused.
    """
    try:
        unmount(directory, lazy=lazy)
    except UnmountRefused as refused:
        helper = shutil.which("fusermount3") or shutil.which("fusermount")
        if refused.errno != errno.EPERM or not kind.startswith("fuse") or helper is None:
            raise
        arguments = [helper, "-u", *(["-z"] if lazy else []), "--", str(directory)]
        done = subprocess.run(arguments, capture_output=True, check=False)  # noqa: S603 - the system's own helper
        if done.returncode != 0:
            number = errno.EBUSY if b"busy" in done.stderr else errno.EPERM
            raise UnmountRefused(directory=str(directory), number=number) from refused


def remove_folder(folder: Path) -> None:
    """Remove the folder of a view: its files and empty folders, and never anything through a mount or a link.

    The lock goes last: as long as it is held and there, others wait for the end.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda one: one.name == LOCK):
            with suppress(OSError):
                (os.rmdir if entry.is_dir(follow_symlinks=False) else os.unlink)(entry.path)
    with suppress(OSError):
        folder.rmdir()
