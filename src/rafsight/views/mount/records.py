"""What is known of a running view: a folder of its own, that any process of the same user finds.

    CACHE/views/lock                  held for a moment by whoever makes or removes a folder here
    CACHE/views/ID/lock               held by the server and its guardian as long as one of them lives
    CACHE/views/ID/record.json        what is mounted where, written before anything is mounted
    CACHE/views/ID/stats.json, log    written while it runs
    CACHE/views/ID/root, blobs        where mounts may be
    CACHE/views/ID/metadata           what the kernel mounts

This module alone decides what lies there. That a view runs is told by the lock, never by a process number, which may be
somebody else's by now. The folders are the user's own, and nobody else may write there or above.
"""

import fcntl
import json
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

from rafsight.base.errors import CallerError, ExitStatus, HostLimit

ROOT: Final = "root"
BLOBS: Final = "blobs"
METADATA: Final = "metadata"
LOG: Final = "log"
STATISTICS: Final = "stats.json"
LOCK: Final = "lock"
_RECORD: Final = "record.json"
_RECORD_SIZE: Final = 1 << 20
_OPEN: Final = os.O_CLOEXEC | os.O_NOFOLLOW


class UnsafeFolder(HostLimit):
    """Somebody else could change what lies in the folder of running views."""

    code = "unsafe-folder"
    template = "{folder} is no place for running views: {why}"
    remedy = (
        "Name another folder by --cache-dir, one that belongs to you, and whose parents only you or root can change."
    )


class NoRecords(HostLimit):
    """The folder of running views cannot be used."""

    code = "no-view-records"
    template = "running views cannot be written down in {folder}: {why}"
    remedy = "Check space and permissions there, or name another folder by --cache-dir."


class AlreadyAView(CallerError):
    """The folder shows a view already."""

    code = "already-a-view"
    template = "{directory} shows {reference} already"
    remedy = "Choose another folder, or end that view: `rafsight view --umount DIR`."
    exit_status = ExitStatus.OUTPUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One view."""

    view_id: str
    reference: str
    directory: str
    """Where its root is, absolute."""
    made_directory: bool
    """The folder was made for the view and goes with it."""
    engine: str = ""
    """Empty until it is mounted."""
    started: int
    """[s since 1970]"""
    pid: int
    pid_started: int
    """[ticks since boot]: a process number alone may be somebody else's by now."""
    hears_signals: bool
    """SIGTERM ends the view and nothing else; otherwise it is a part of some program."""
    is_ready: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A folder of a view; `record` is None if there is none that makes sense."""

    folder: Path
    record: Record | None
    is_alive: bool


class Site:
    """The folder of a view that this process serves."""

    def __init__(self, folder: Path, lock: int, record: Record) -> None:
        """Take over a folder that `open_site` made."""
        self.folder = folder
        self.lock = lock
        self.record = record

    @property
    def directory(self) -> Path:
        """Where the root of the view is."""
        return Path(self.record.directory)

    @property
    def source(self) -> str:
        """The name of our FUSE mounts in the kernel's table of mounts."""
        return source_of(self.folder)

    def change(self, *, engine: str, is_ready: bool) -> None:
        """Write down how far it came.

        Raises: NoRecords.
        """
        self.record = replace(self.record, engine=engine, is_ready=is_ready)
        write_record(self.folder, self.record)


def source_of(folder: Path) -> str:
    """Return the name of a view's FUSE mounts in the kernel's table of mounts."""
    return f"rafsight-{folder.name}"


def views_folder(cache: Path) -> Path:
    """Return the folder of all views, made if it is missing, once it is known to be safe.

    Args:
        cache: rafsight's cache folder.

    Raises: UnsafeFolder, NoRecords.
    """
    with _noting(cache):
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = Path(os.path.realpath(cache)) / "views"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        state = folder.lstat()
        if not stat.S_ISDIR(state.st_mode):
            raise UnsafeFolder(folder=str(folder), why="it is not a folder")
        if state.st_uid != os.geteuid():
            raise UnsafeFolder(folder=str(folder), why=f"it belongs to user {state.st_uid}")
        if state.st_mode & 0o077:
            folder.chmod(0o700)
        if os.geteuid() == 0:
            _check_parents(folder)
    return folder


def _check_parents(folder: Path) -> None:
    """Refuse, for root, what an ordinary user could exchange for something else."""
    for parent in folder.parents:
        state = parent.stat()
        is_sticky = bool(state.st_mode & stat.S_ISVTX)
        if state.st_uid != 0:
            raise UnsafeFolder(folder=str(folder), why=f"{parent} belongs to user {state.st_uid}")
        if not is_sticky and (state.st_mode & 0o002 or (state.st_mode & 0o020 and state.st_gid != 0)):
            raise UnsafeFolder(folder=str(folder), why=f"others may write into {parent}")


@contextmanager
def all_views(folder: Path) -> Iterator[None]:
    """Keep other processes from making and removing folders of views for a moment."""
    with _noting(folder):
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | _OPEN, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextmanager
def opened_site(
    folder: Path, reference: str, directory: Path | None, *, made_directory: bool, hears_signals: bool
) -> Iterator[Site]:
    """Make the folder of a new view and write it down; its lock is let go at the end.

    Args:
        folder: of all views.
        reference: of the image.
        directory: where it will be mounted, absolute; None: in the view's own folder.
        made_directory: whether we make that folder.
        hears_signals: whether SIGTERM ends the view.

    Raises: AlreadyAView, NoRecords.
    """
    site = _open_site(folder, reference, directory, made_directory=made_directory, hears_signals=hears_signals)
    try:
        yield site
    finally:
        os.close(site.lock)


def _open_site(
    folder: Path, reference: str, directory: Path | None, *, made_directory: bool, hears_signals: bool
) -> Site:
    view_id = secrets.token_hex(6)
    own = folder / view_id
    root = directory or own / ROOT
    with all_views(folder), _noting(folder):
        for other in list_views(folder):
            if other.is_alive and other.record is not None and other.record.directory == str(root):
                raise AlreadyAView(directory=str(root), reference=other.record.reference)
        record = Record(
            view_id=view_id,
            reference=reference,
            directory=str(root),
            made_directory=made_directory,
            started=int(time.time()),
            pid=os.getpid(),
            pid_started=process_start(os.getpid()),
            hears_signals=hears_signals,
        )
        own.mkdir(mode=0o700)
        lock = os.open(own / LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | _OPEN, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)  # who only looks whether it is held lets it go at once
            (own / BLOBS).mkdir(mode=0o700)
            if directory is None:
                root.mkdir(mode=0o755)
            write_record(own, record)
        except BaseException:
            os.close(lock)  # without it the folder is one that somebody left, and is taken away
            raise
    return Site(own, lock, record)


def list_views(folder: Path) -> list[Found]:
    """Return all views that have a folder, the oldest first."""
    found = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                path = folder / entry.name
                found.append(Found(folder=path, record=read_record(path), is_alive=is_alive(path)))
    return sorted(found, key=lambda one: (one.record.started if one.record else 0, one.folder.name))


def is_alive(folder: Path) -> bool:
    """Tell whether a server or its guardian holds the lock of a view."""
    try:
        lock = open_lock(folder)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def open_lock(folder: Path) -> int:
    """Open the lock of a view without taking it.

    Raises: OSError.
    """
    return os.open(folder / LOCK, os.O_RDWR | _OPEN)


def read_record(folder: Path) -> Record | None:
    """Read what is written of a view; None if there is nothing that makes sense."""
    try:
        said = json.loads(read_small(folder / _RECORD))
    except (OSError, ValueError, RecursionError):
        return None
    wanted: dict[str, Any] = {field.name: field.type for field in fields(Record)}
    if not isinstance(said, dict) or set(said) != set(wanted):
        return None
    if any(type(said[name]) is not kind for name, kind in wanted.items()):
        return None
    return Record(**said)


def write_record(folder: Path, record: Record) -> None:
    """Write a view down, all or nothing.

    Raises: NoRecords.
    """
    with _noting(folder):
        write_small(folder / _RECORD, json.dumps(asdict(record)))


def read_small(path: Path) -> bytes:
    """Read a small file of ours, never through a link.

    Raises: OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | _OPEN)
    try:
        return os.read(descriptor, _RECORD_SIZE)
    finally:
        os.close(descriptor)


def write_small(path: Path, text: str) -> None:
    """Replace a small file of ours, all or nothing.

    Raises: OSError.
    """
    draft = path.with_name(path.name + ".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _OPEN, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)
    draft.replace(path)


def process_start(pid: int) -> int:
    """Return when a process began [ticks since boot]; 0 if there is none."""
    try:
        content = Path(f"/proc/{pid}/stat").read_bytes()
        return int(content.rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


@contextmanager
def _noting(folder: Path) -> Iterator[None]:
    try:
        yield
    except (UnsafeFolder, NoRecords):
        raise
    except OSError as error:
        raise NoRecords(folder=str(folder), why=error.strerror or str(error)) from error
