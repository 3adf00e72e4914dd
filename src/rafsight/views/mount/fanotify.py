"""The calls of fanotify(7) and inotify(7), by ctypes: groups, marks, and events that want an answer.

Two kinds of group are used. A *notification* group tells afterwards what was opened and read in a mount; its events
come by the thousand, so `fanotify_columns` parses them. A *pre-content* group is asked before bytes of a marked file
are read; its events come one by one and are parsed here. This module alone knows these calls and the layout of
permission events (linux/fanotify.h); what to do about them is decided by those who call it. It needs the standard
library only, as the guardian of the fanotify engine does.
"""

import ctypes
import errno
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.base.errors import HostLimit

FAN_ACCESS: Final = 0x1
FAN_OPEN: Final = 0x20
FAN_OPEN_EXEC: Final = 0x1000
FAN_Q_OVERFLOW: Final = 0x4000
FAN_PRE_ACCESS: Final = 0x100000

_FAN_CLOEXEC: Final = 0x1
_FAN_NONBLOCK: Final = 0x2
_FAN_CLASS_PRE_CONTENT: Final = 0x8
_FAN_UNLIMITED_QUEUE: Final = 0x10
_FAN_REPORT_TID: Final = 0x100
_FAN_REPORT_FID: Final = 0x200
_FAN_MARK_ADD: Final = 0x1
_FAN_MARK_REMOVE: Final = 0x2
_FAN_MARK_FILESYSTEM: Final = 0x100
_FAN_ALLOW: Final = 0x1
_FAN_DENY: Final = 0x2
_ERRNO_SHIFT: Final = 24
_AT_FDCWD: Final = -100

_METADATA: Final = struct.Struct("=IBBHQii")
"""event_len, vers, reserved, metadata_len, mask, fd, pid."""
_RANGE: Final = struct.Struct("=BBHIQQ")
"""info_type, pad, len, pad, offset, count."""
_RANGE_TYPE: Final = 6
_VERSION: Final = 3
_RESPONSE: Final = struct.Struct("=iI")
_ONE_EVENT: Final = 80
"""[bytes] room for one permission event (48) and never for two: so each is taken by one thread."""

_IN_CLOEXEC: Final = 0o2000000
_IN_NONBLOCK: Final = 0o4000
_IN_ATTRIB: Final = 0x4
_INOTIFY_EVENT: Final = struct.Struct("=iIII")
_IN_GONE: Final = 0x2000 | 0x8000
"""IN_UNMOUNT, IN_IGNORED."""

_libc = ctypes.CDLL(None, use_errno=True)


class FanotifyRefused(HostLimit):
    """The kernel does not watch these files for us; `errno` says why."""

    code = "fanotify-refused"
    template = "the kernel does not watch {what}: {why}"
    remedy = (
        "This needs root. Being asked before a read (`--engine erofs-fanotify`) also needs Linux 6.14 and a cache on "
        "ext4, xfs or btrfs: `--engine auto` does without."
    )

    def __init__(self, *, what: str, number: int) -> None:
        """Name the refusal.

        Args:
            what: should be watched.
            number: errno.
        """
        super().__init__(what=what, why=os.strerror(number))
        self.errno = number


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionEvent:
    """A process wants to read a marked file, and waits."""

    fd: int
    """The file, opened for us; the answer goes by its number. Whoever answers closes it."""
    thread: int
    """Number of the thread that waits; 0 if it is of another PID namespace."""
    offset: int
    """[bytes]"""
    size: int | None
    """[bytes]; None if the kernel did not say which bytes: it may be all."""


def open_notification_group() -> int:
    """Open a group that tells which inodes were opened and read. Its queue has no bound: read it often.

    Raises: FanotifyRefused.
    """
    return _init(_FAN_CLOEXEC | _FAN_NONBLOCK | _FAN_UNLIMITED_QUEUE | _FAN_REPORT_FID, "files that are opened")


def open_pre_content_group() -> int:
    """Open a group that is asked before files are read. When its last descriptor closes, all is allowed.

    Raises: FanotifyRefused.
    """
    ours = _FAN_CLOEXEC | _FAN_NONBLOCK | _FAN_UNLIMITED_QUEUE | _FAN_REPORT_TID
    return _init(_FAN_CLASS_PRE_CONTENT | ours, "files before they are read")


def mark_filesystem(group: int, directory: Path, mask: int) -> None:
    """Watch a whole mounted file system, by whichever mount it is used.

    Args:
        group: of either kind.
        directory: any of it.
        mask: FAN_* events.
    Raises: FanotifyRefused.
    """
    _mark(group, _FAN_MARK_ADD | _FAN_MARK_FILESYSTEM, mask, directory)


def mark_file(group: int, path: Path) -> None:
    """Have the group asked before a file is read. Descriptors that are open already ask nobody.

    Raises: FanotifyRefused.
    """
    _mark(group, _FAN_MARK_ADD, FAN_PRE_ACCESS, path)


def unmark_file(group: int, path: Path) -> None:
    """Take the mark of `mark_file` away.

    Raises: FanotifyRefused: with ENOENT if there is none.
    """
    _mark(group, _FAN_MARK_REMOVE, FAN_PRE_ACCESS, path)


def read_permission(group: int) -> PermissionEvent | None:
    """Take one waiting event of a pre-content group.

    Returns: the event, or None if none waits.
    Raises: OSError: the kernel could not open the file for us; it has refused the reader already.
    """
    try:
        content = os.read(group, _ONE_EVENT)
    except BlockingIOError:
        return None
    length, version, _, start, mask, fd, thread = _METADATA.unpack_from(content)
    if version != _VERSION:
        raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))
    if mask & FAN_Q_OVERFLOW or fd < 0:
        return None  # permission events are never dropped: what overflows is refused by the kernel
    offset, size = 0, None
    while start + _RANGE.size <= length:
        kind, _, record, _, range_offset, count = _RANGE.unpack_from(content, start)
        if kind == _RANGE_TYPE:
            offset, size = range_offset, count
        start += max(record, 4)
    return PermissionEvent(fd=fd, thread=thread, offset=offset, size=size)


def answer(group: int, fd: int, number: int = 0) -> bool:
    """Let a waiting reader go on, or refuse it.

    Args:
        group: of the event.
        fd: its descriptor, or the number that it had in a process that died.
        number: errno that the reader sees: EIO, EPERM, EBUSY, EAGAIN or ENOSPC; 0 to let it read.
    Returns: False if nobody waits under that number.
    """
    response = _FAN_DENY | number << _ERRNO_SHIFT if number else _FAN_ALLOW
    try:
        os.write(group, _RESPONSE.pack(fd, response))
    except FileNotFoundError:
        return False
    return True


def watch_end(directory: Path) -> int:
    """Open an inotify(7) descriptor that tells when the file system of a directory is gone for good.

    Unlike the table of mounts this also covers mounts that were detached while in use, and other mount namespaces.

    Raises: FanotifyRefused.
    """
    descriptor = int(_libc.inotify_init1(_IN_CLOEXEC | _IN_NONBLOCK))
    if descriptor < 0:
        raise FanotifyRefused(what=str(directory), number=ctypes.get_errno())
    if _libc.inotify_add_watch(descriptor, os.fsencode(directory), ctypes.c_uint32(_IN_ATTRIB)) < 0:
        number = ctypes.get_errno()
        os.close(descriptor)
        raise FanotifyRefused(what=str(directory), number=number)
    return descriptor


def has_ended(watch: int) -> bool:
    """Tell whether the file system of `watch_end` is gone. Asks once: what was said is not said again."""
    try:
        content = os.read(watch, 4096)
    except BlockingIOError:
        return False
    start = 0
    while start + _INOTIFY_EVENT.size <= len(content):
        _, mask, _, name_size = _INOTIFY_EVENT.unpack_from(content, start)
        if mask & _IN_GONE:
            return True
        start += _INOTIFY_EVENT.size + name_size
    return False


def _init(flags: int, what: str) -> int:
    access = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_LARGEFILE", 0)
    try:
        group = int(_libc.fanotify_init(ctypes.c_uint(flags), ctypes.c_uint(access)))
    except AttributeError:  # a C library without it
        raise FanotifyRefused(what=what, number=errno.ENOSYS) from None
    if group < 0:
        raise FanotifyRefused(what=what, number=ctypes.get_errno())
    return group


def _mark(group: int, flags: int, mask: int, path: Path) -> None:
    done = _libc.fanotify_mark(group, ctypes.c_uint(flags), ctypes.c_uint64(mask), _AT_FDCWD, os.fsencode(path))
    if done != 0:
        raise FanotifyRefused(what=str(path), number=ctypes.get_errno())
