"""The way to the kernel: mount a FUSE connection, as root by mount(2), else through fusermount3, and unmount it.

This module alone decides who makes a FUSE mount and with which options. Descriptors of the connection are closed in
forked children: one that stays open elsewhere would let readers wait for ever when the server dies.
"""

import errno
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.base.errors import HostLimit
from rafsight.base.units import MiB
from rafsight.views.fuse import wire
from rafsight.views.mount import kernel

_DEVICE: Final = Path("/dev/fuse")
_CONFIG: Final = Path("/etc/fuse.conf")
_KIND: Final = "fuse.rafsight"
_HELPER: Final = "fusermount3"
_PATIENCE: Final = 30
"""[s] that the helper may take."""


class NoFuse(HostLimit):
    """FUSE cannot be used here."""

    code = "no-fuse"
    template = "FUSE cannot be mounted at {directory}: {why}"
    remedy = "Load the kernel module `fuse`, and for ordinary users install fusermount3 (package fuse3)."


@dataclass(frozen=True, slots=True, kw_only=True)
class MountOptions:
    """How a file system is mounted; always read-only, without set-user-ID programs and devices."""

    name: str = "rafsight"
    """What the table of mounts shows as the source."""
    allow_other: bool | None = None
    """Whether other users may look; None: if this user may allow it (root, or `user_allow_other` in fuse.conf)."""
    default_permissions: bool = True
    """Whether the kernel checks owners and modes."""
    max_read: int = MiB
    """[bytes] of one read."""


class Channel:
    """A mounted connection, and the descriptors through which it is served."""

    def __init__(self, *, directory: Path, fd: int, is_privileged: bool) -> None:
        """Take over a descriptor.

        Args:
            directory: where it is mounted.
            fd: of the connection.
            is_privileged: True if mount(2) made it, False if the helper did.
        """
        self.directory = directory
        self.fd = fd
        self._is_privileged = is_privileged
        self._clones: list[int] = []
        _OPEN.add(self)

    def clone(self) -> int:
        """Return one more descriptor, with a queue of its own where this process may open the device."""
        try:
            fd = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            fd = os.dup(self.fd)
        else:
            try:
                fcntl.ioctl(fd, wire.CLONE, struct.pack("=I", self.fd))
            except OSError:
                os.close(fd)
                fd = os.dup(self.fd)
        self._clones.append(fd)
        return fd

    def close(self) -> None:
        """Give up all descriptors: that ends the connection, and whoever waits for an answer gets an error."""
        fds = [*self._clones, self.fd]
        self._clones, self.fd = [], -1
        for fd in fds:
            if fd >= 0:
                os.close(fd)
        _OPEN.discard(self)

    def unmount(self, *, lazy: bool = False) -> None:
        """Take the mount away.

        Args:
            lazy: detach it, whoever still uses it.
        Raises: UnmountRefused: with EBUSY if it is in use.
        """
        if self._is_privileged:
            kernel.unmount(self.directory, lazy=lazy)
            return
        done = _run_helper(["-u", *(["-z"] if lazy else []), "--", str(self.directory)], self.directory)
        if done.returncode != 0:
            number = errno.EBUSY if "busy" in done.stderr.lower() else errno.EINVAL
            raise kernel.UnmountRefused(directory=str(self.directory), number=number)


_OPEN: Final[weakref.WeakSet[Channel]] = weakref.WeakSet()


def _close_in_child() -> None:
    for channel in list(_OPEN):
        channel.close()


os.register_at_fork(after_in_child=_close_in_child)


def open_channel(directory: Path, options: MountOptions) -> Channel:
    """Mount a connection; nothing answers on it yet.

    Args:
        directory: an existing one.
        options: how.
    Raises: NoFuse.
    """
    directory = directory.resolve()
    try:
        fd = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return _open_by_helper(directory, options)
    user = f"rootmode=40000,user_id={os.geteuid()},group_id={os.getegid()}"
    try:
        kernel.mount(options.name, directory, _KIND, data=f"fd={fd},{user},{','.join(_switches(options))}")
    except kernel.MountRefused as error:
        os.close(fd)
        if error.errno in (errno.EPERM, errno.EACCES):
            return _open_by_helper(directory, options)
        raise NoFuse(directory=str(directory), why=str(error)) from error
    return Channel(directory=directory, fd=fd, is_privileged=True)


def _open_by_helper(directory: Path, options: MountOptions) -> Channel:
    """Let fusermount3 mount, and take the descriptor that it hands over a socket.

    Raises: NoFuse.
    """
    name = options.name.replace("\\", "\\\\").replace(",", "\\,")
    words = ["ro", "nosuid", "nodev", f"fsname={name}", f"subtype={_KIND.rpartition('.')[2]}", *_switches(options)]
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            arguments = ["-o", ",".join(words), "--", str(directory)]
            done = _run_helper(arguments, directory, pass_fd=theirs.fileno())
        if done.returncode != 0:
            raise NoFuse(directory=str(directory), why=done.stderr.strip() or f"{_HELPER} failed")
        _content, fds, _flags, _sender = socket.recv_fds(ours, 1, 1, socket.MSG_CMSG_CLOEXEC)
    if not fds:
        raise NoFuse(directory=str(directory), why=f"{_HELPER} gave no descriptor")
    return Channel(directory=directory, fd=fds[0], is_privileged=False)


def _switches(options: MountOptions) -> list[str]:
    """Return the options that both ways take."""
    words = [f"max_read={options.max_read}"]
    if options.default_permissions:
        words.append("default_permissions")
    if _may_allow_other() if options.allow_other is None else options.allow_other:
        words.append("allow_other")
    return words


def _may_allow_other() -> bool:
    if os.geteuid() == 0:
        return True
    try:
        lines = _CONFIG.read_text(errors="replace").splitlines()
    except OSError:
        return False
    return any(line.strip() == "user_allow_other" for line in lines)


def _run_helper(arguments: list[str], directory: Path, *, pass_fd: int = -1) -> subprocess.CompletedProcess[str]:
    """Run fusermount3.

    Raises: NoFuse: it is not there or does not end.
    """
    program = shutil.which(_HELPER)
    if program is None:
        raise NoFuse(directory=str(directory), why=f"{_HELPER} is not installed")
    extra = {"_FUSE_COMMFD": str(pass_fd)} if pass_fd >= 0 else {}
    try:
        return subprocess.run(  # noqa: S603 - a fixed program
            [program, *arguments],
            env={**os.environ, "LC_ALL": "C", **extra},
            pass_fds=(pass_fd,) if pass_fd >= 0 else (),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoFuse(directory=str(directory), why=f"{_HELPER}: {error}") from error
