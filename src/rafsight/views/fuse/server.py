"""Mount a file system and serve it until it is unmounted.

This module alone decides when a mount of ours ends: its user may leave it, somebody else may unmount it, and one that
is in use is detached, so that nobody else comes in.

The process that serves must not itself run programs from the mount, nor map its files into memory: Python would wait
for the kernel with the interpreter lock held, and the kernel for Python. Nor must a thread of it ever wait for the
mount: if the process is killed meanwhile, the kernel keeps that thread until it is answered, and with it the connection
that would have to be closed first, for ever.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from rafsight.base.errors import Defect, RafsightError
from rafsight.base.events import Listener, Noticed, silent
from rafsight.views.fuse.asking import asking
from rafsight.views.fuse.channel import Channel, MountOptions, NoFuse, open_channel
from rafsight.views.fuse.crew import Crew
from rafsight.views.fuse.device import greet
from rafsight.views.fuse.protocol import Filesystem
from rafsight.views.mount.kernel import UnmountRefused, mount_at

THREADS: Final = 4
"""Threads that wait for requests from the start."""
_PATIENCE: Final = 20.0
"""[s] that threads may take to end; those that wait for a registry end later."""
_SHORT_PATIENCE: Final = 2.0
"""[s] likewise, of a mount that somebody else took away: if it is still in use, nothing can end them."""
_MOST_TOLD: Final = 100
"""Different defects that are said."""


class FuseMount:
    """A file system that is mounted and answers; made by `serve`."""

    def __init__(self, filesystem: Filesystem, channel: Channel, *, threads: int, listener: Listener) -> None:
        """Start to serve a connection whose handshake is done.

        Args:
            filesystem: answers.
            channel: the connection, ours from now on.
            threads: how many wait from the start.
            listener: told of defects, each once, by any thread.
        """
        self.directory = channel.directory
        """Where it is mounted."""
        self._place = mount_at(self.directory)
        self._channel = channel
        self._listener = listener
        self._process = os.getpid()
        self._told: set[str] = set()
        self._telling, self._leaving = threading.Lock(), threading.Lock()
        self._is_abandoned = False
        self._crew = Crew(filesystem, channel, threads=threads, tell=self._tell)

    @property
    def is_alive(self) -> bool:
        """False once the mount was taken away, whoever did it, and nobody uses it any more."""
        return not self._crew.gone.is_set()

    def wait_gone(self, timeout: float | None = None) -> bool:
        """Wait until the mount was taken away and nobody uses it any more.

        Args:
            timeout: [s]; None waits for ever.
        Returns: True if it is gone.
        """
        return self._crew.gone.wait(timeout)

    def abandon(self) -> None:
        """Detach the mount from its directory; those who use it are served until they let go, or until the end."""
        with self._leaving:
            if self._is_abandoned or not self._is_in_place():
                return
            self._is_abandoned = True
            # keeps the mount reachable for the questions that call the threads out, and no longer
            root = os.open(self.directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) if self.is_alive else -1
            with suppress(UnmountRefused):
                self._channel.unmount(lazy=True)
            if root >= 0:
                try:
                    self._call_out(root)
                finally:
                    os.close(root)

    def close(self) -> None:
        """Unmount and stop serving; whoever still uses the mount gets errors from now on.

        A mount that is in use is detached. Does nothing in a forked child.
        """
        if os.getpid() != self._process:
            return
        if self._is_in_place():
            try:
                self._channel.unmount()
            except UnmountRefused:
                self.abandon()
        if self._is_abandoned:
            self._crew.stop()
        self._crew.ended.wait(_PATIENCE if self._is_abandoned else _SHORT_PATIENCE)

    def _is_in_place(self) -> bool:
        """Tell whether what is mounted at the directory is this mount, without asking the mount.

        Its number alone does not tell: the kernel gives the number of a mount that is gone to the next one.
        """
        return self._place is not None and mount_at(self.directory) == self._place

    def _call_out(self, root: int) -> None:
        """Bring the threads out of the device, by questions of another process: see the head of this module."""
        with suppress(OSError), asking(root) as ask:  # the connection ended, or no process can be started
            self._crew.call_out(ask)

    def _tell(self, fault: Exception) -> None:
        """Say once what nobody expected."""
        message = (
            str(fault) if isinstance(fault, RafsightError) else str(Defect(what=f"{type(fault).__name__}: {fault}"))
        )
        with self._telling:
            is_new = message not in self._told and len(self._told) < _MOST_TOLD
            self._told.update((message,) if is_new else ())
        if is_new:
            self._listener(Noticed(message=f"{self.directory}: {message}"))


@contextmanager
def serve(
    filesystem: Filesystem,
    directory: Path,
    *,
    options: MountOptions | None = None,
    threads: int = THREADS,
    listener: Listener = silent,
) -> Iterator[FuseMount]:
    """Mount a file system and answer for it; leaving unmounts it.

    Args:
        filesystem: answers.
        directory: an existing one.
        options: how it is mounted.
        threads: how many wait from the start; more come when all wait for content.
        listener: told of defects by any thread; readers see EIO.
    Raises: NoFuse.
    """
    options = options or MountOptions()
    channel = open_channel(directory, options)
    try:
        greet(channel.fd, filesystem, directory=str(directory), max_read=options.max_read)
        mount = FuseMount(filesystem, channel, threads=threads, listener=listener)
    except BaseException:
        with suppress(UnmountRefused, NoFuse):
            channel.unmount(lazy=True)
        channel.close()
        raise
    try:
        yield mount
    finally:
        mount.close()
