"""The mount calls of Linux, by ctypes: mount(2), umount2(2) and the file descriptors of fsopen(2).

This module alone decides how the kernel is asked for a mount, and that every mount is read-only, without set-user-ID
programs and without devices. A call that the kernel refuses is a `MountRefused` with its `errno`.
"""

import ctypes
import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.base.errors import HostLimit

MS_RDONLY: Final = 0x1
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
SAFE_FLAGS: Final = MS_RDONLY | MS_NOSUID | MS_NODEV
MNT_DETACH: Final = 0x2
UMOUNT_NOFOLLOW: Final = 0x8

_SYS_MOVE_MOUNT: Final = 429
_SYS_FSOPEN: Final = 430
_SYS_FSCONFIG: Final = 431
_SYS_FSMOUNT: Final = 432
# numbers of system calls from 424 on are the same on every architecture
_FSOPEN_CLOEXEC: Final = 0x1
_FSCONFIG_SET_FLAG: Final = 0
_FSCONFIG_SET_STRING: Final = 1
_FSCONFIG_CMD_CREATE: Final = 6
_FSMOUNT_CLOEXEC: Final = 0x1
_MOUNT_ATTR_SAFE: Final = 0x1 | 0x2 | 0x4  # RDONLY, NOSUID, NODEV: the same bits as of mount(2)
_MOVE_MOUNT_F_EMPTY_PATH: Final = 0x4
_AT_FDCWD: Final = -100
_MOUNTINFO: Final = Path("/proc/self/mountinfo")
_LOG_SIZE: Final = 4096
"""[bytes] of one message of the kernel about a mount that it refuses."""

_libc = ctypes.CDLL(None, use_errno=True)


class MountRefused(HostLimit):
    """The kernel does not make this mount; `errno` says why."""

    code = "mount-refused"
    template = "mounting {kind} at {directory} was refused: {why}"
    remedy = "`--engine fuse` works for ordinary users, too, where FUSE is there."

    def __init__(self, *, kind: str, directory: str, number: int, said: str = "") -> None:
        """Name the refusal.

        Args:
            kind: of file system.
            directory: where.
            number: errno.
            said: what the kernel's log of the mount says.
        """
        why = os.strerror(number) + (f" ({said})" if said else "")
        super().__init__(kind=kind, directory=directory, why=why)
        self.errno = number


class UnmountRefused(HostLimit):
    """The kernel does not take this mount away; `errno` says why."""

    code = "unmount-refused"
    template = "{directory} cannot be unmounted: {why}"
    remedy = "End the programs that use it, or unmount it as the user who mounted it."

    def __init__(self, *, directory: str, number: int) -> None:
        """Name the refusal.

        Args:
            directory: where.
            number: errno.
        """
        super().__init__(directory=directory, why=os.strerror(number))
        self.errno = number


@dataclass(frozen=True, slots=True, kw_only=True)
class Mounted:
    """One line of the kernel's table of mounts."""

    directory: bytes
    kind: str
    source: str
    device: tuple[int, int]
    """Major and minor number, as st_dev has them."""
    mount_id: int
    """The kernel gives it again at once, like the number of the device: only all fields together tell mounts apart."""

    @property
    def path(self) -> Path:
        """Where it is."""
        return Path(os.fsdecode(self.directory))


def mount(source: str, directory: Path, kind: str, *, data: str, flags: int = SAFE_FLAGS) -> None:
    """Make a mount by the system call of that name.

    Args:
        source: as the table of mounts shows it.
        directory: an existing one.
        kind: of file system.
        data: its options; at most a page.
        flags: MS_*.

    Raises: MountRefused.
    """
    done = _libc.mount(
        os.fsencode(source), os.fsencode(directory), kind.encode(), ctypes.c_ulong(flags), os.fsencode(data)
    )
    if done != 0:
        raise MountRefused(kind=kind, directory=str(directory), number=ctypes.get_errno())


def mount_erofs(metadata: Path, devices: Sequence[Path], directory: Path) -> None:
    """Mount EROFS metadata that lies in a file, with its devices as files.

    By fsopen(2), since mount(2) takes a page of options only, and no path with a comma.

    Args:
        metadata: the file with the superblock.
        devices: one file for each slot of the device table, in order.
        directory: an existing one.

    Raises: MountRefused.
    """
    with _asking("erofs", directory):
        context = _call(_SYS_FSOPEN, b"erofs", _FSOPEN_CLOEXEC)
    try:
        with _asking("erofs", directory, context):
            _call(_SYS_FSCONFIG, context, _FSCONFIG_SET_FLAG, b"ro", None, 0)
            _call(_SYS_FSCONFIG, context, _FSCONFIG_SET_STRING, b"source", os.fsencode(metadata), 0)
            for device in devices:
                _call(_SYS_FSCONFIG, context, _FSCONFIG_SET_STRING, b"device", os.fsencode(device), 0)
            _call(_SYS_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
            mounted = _call(_SYS_FSMOUNT, context, _FSMOUNT_CLOEXEC, _MOUNT_ATTR_SAFE)
            try:
                _call(_SYS_MOVE_MOUNT, mounted, b"", _AT_FDCWD, os.fsencode(directory), _MOVE_MOUNT_F_EMPTY_PATH)
            finally:
                os.close(mounted)
    finally:
        os.close(context)


def require_kind(kind: str, directory: Path) -> None:
    """Make sure that this process may mount a kind of file system, and that the kernel knows it.

    Raises: MountRefused.
    """
    with _asking(kind, directory):
        os.close(_call(_SYS_FSOPEN, kind.encode(), _FSOPEN_CLOEXEC))


def unmount(directory: Path, *, lazy: bool = False) -> None:
    """Take a mount away.

    Args:
        directory: where it is; a symbolic link there is not followed.
        lazy: detach it now, whoever still uses it.

    Raises: UnmountRefused: with EBUSY if it is in use, EINVAL if nothing is mounted there.
    """
    flags = UMOUNT_NOFOLLOW | (MNT_DETACH if lazy else 0)
    if _libc.umount2(os.fsencode(directory), flags) != 0:
        raise UnmountRefused(directory=str(directory), number=ctypes.get_errno())


def list_mounts() -> list[Mounted]:
    """Return the table of mounts, later ones last."""
    found = []
    for line in _MOUNTINFO.read_bytes().splitlines():
        left, _, right = line.partition(b" - ")
        fields, rest = left.split(b" "), right.split(b" ")
        major, _, minor = fields[2].partition(b":")
        found.append(
            Mounted(
                directory=_unescape(fields[4]),
                kind=rest[0].decode(errors="replace"),
                source=os.fsdecode(_unescape(rest[1])),
                device=(int(major), int(minor)),
                mount_id=int(fields[0]),
            )
        )
    return found


def mount_at(directory: Path) -> Mounted | None:
    """Return what is mounted at a directory, the topmost; None if nothing is. Never asks the mount itself."""
    wanted = os.fsencode(directory)
    return next((one for one in reversed(list_mounts()) if one.directory == wanted), None)


def is_on_top(mounted: Mounted) -> bool:
    """Tell whether unmounting its directory would take this mount away, and not one that somebody made there since."""
    return mount_at(mounted.path) == mounted


def _unescape(field: bytes) -> bytes:
    parts = field.split(b"\\")
    return parts[0] + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in parts[1:])


def _call(number: int, *arguments: object) -> int:
    # every argument as a word: varargs of int width would leave the upper half of the register to chance
    words = [ctypes.c_long(one) if isinstance(one, int) else ctypes.c_char_p(one) for one in arguments]  # type: ignore[arg-type]
    result = int(_libc.syscall(ctypes.c_long(number), *words))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


@contextmanager
def _asking(kind: str, directory: Path, context: int = -1) -> Iterator[None]:
    try:
        yield
    except MountRefused:
        raise
    except OSError as error:
        number = error.errno or errno.EIO
        raise MountRefused(kind=kind, directory=str(directory), number=number, said=_said(context)) from error


def _said(context: int) -> str:
    """Return what the kernel wrote into the log of a mount's context."""
    lines: list[str] = []
    if context >= 0:
        with suppress(OSError):  # ENODATA: no more messages
            while len(lines) < 4:
                lines.append(os.read(context, _LOG_SIZE).decode(errors="replace").strip())
    return "; ".join(lines)
