"""A small process that keeps a pre-content group open, so that the death of the server never shows zeros.

Nobody asks before a read any more once the last descriptor of such a group is closed: what was not fetched by then
would read as zeros. So a guardian holds a second descriptor. When the server ends or dies, the guardian detaches the
mount, refuses who waits and who comes later with EIO, and goes when the mounted file system is gone for good: programs
that still have files of it open may keep it for a while. Both the server and the guardian would have to be killed at
once to get past that, and the guardian is spared by the kernel when memory is short.

This module alone decides how the two speak: messages over a socket pair, in order.
    guardian: READY once it watches
    server:   MOUNTED and st_dev, with a descriptor of `fanotify.watch_end`; END; or nothing more, if it was killed
"""

import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EIO
from pathlib import Path
from typing import Final

from rafsight.base.events import Listener, Noticed
from rafsight.views.mount.fanotify import FanotifyRefused, answer, has_ended, read_permission, watch_end
from rafsight.views.mount.guardian import NoGuardian
from rafsight.views.mount.kernel import UnmountRefused, unmount

_READY: Final = b"ready"
_MOUNTED: Final = b"mounted "
_END: Final = b"end"
_PACKAGES: Final = Path(__file__).resolve().parents[3]
_CODE: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from rafsight.views.mount.fanotify_guardian import guard; guard(int(sys.argv[2]), sys.argv[3])"
)
_PATIENCE: Final = 10.0
"""[s] for a guardian to start."""
_LINGER: Final = 2.0
"""[s] for a guardian to end that was told to; it stays longer if the mount is still in use."""
_HIGHEST_NUMBER: Final = 1 << 20
"""Descriptor numbers that a dead server may have had."""


class GroupGuardian:
    """The server's end. Made by `guarded_group`."""

    def __init__(self, group: int, directory: Path, on_lost: Callable[[], object]) -> None:
        """Start the process.

        Args:
            group: of the marks.
            directory: where the mount will be.
            on_lost: called by a thread of ours if the guardian is killed.
        Raises: NoGuardian.
        """
        self._group = group
        self._directory = directory
        self._on_lost = on_lost
        self._watch = -1
        self._device: int | None = None
        self._is_ending = False
        self._is_lost = threading.Event()
        self._channel = _start(group, directory)
        self._thread = threading.Thread(target=self._listen, name="guardian", daemon=True)
        self._thread.start()

    def say_mounted(self) -> None:
        """Tell the guardian that the mount is there; from now on it knows when the file system is gone.

        Raises: FanotifyRefused.
        """
        self._watch = watch_end(self._directory)
        self._device = _device(self._directory)
        with suppress(OSError):
            self._send_mount()

    def end(self) -> bool:
        """Hand the group over: the guardian refuses all from now on.

        Returns: False if programs still use the mount; then the guardian stays until they do not.
        """
        self._is_ending = True
        if self._is_lost.is_set():
            try:
                self._replace()
            except NoGuardian:  # then nobody else can do it
                _refuse_all(self._group, self._directory, None, self._watch)
        with suppress(OSError):
            self._channel.send(_END)
        has_gone = self._is_lost.wait(_LINGER)
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._channel.close()
        if self._watch >= 0:
            os.close(self._watch)
        return has_gone

    def _replace(self) -> None:
        """Start another one, for the end."""
        self._thread.join()
        self._channel.close()
        self._channel = _start(self._group, self._directory)
        if self._watch >= 0:
            self._send_mount()
        self._is_lost.clear()
        self._thread = threading.Thread(target=self._listen, name="guardian", daemon=True)
        self._thread.start()

    def _send_mount(self) -> None:
        """Say which file system it is, too: somebody else may mount something there before this is read."""
        socket.send_fds(self._channel, [_MOUNTED + str(self._device).encode()], [self._watch])

    def _listen(self) -> None:
        with suppress(OSError):
            while self._channel.recv(16):
                continue
        self._is_lost.set()
        if not self._is_ending:
            self._on_lost()


@contextmanager
def guarded_group(
    group: int, directory: Path, on_lost: Callable[[], object], listener: Listener
) -> Iterator[GroupGuardian]:
    """Have a guardian for a group. When the block is left the mount must be gone or detached, and nobody may answer.

    Args:
        group: pre-content, with its marks.
        directory: where the mount will be.
        on_lost: called if the guardian is killed: the view should end.
        listener: told if the mount is still used at the end.
    Raises: NoGuardian.
    """
    guardian = GroupGuardian(group, directory, on_lost)
    try:
        yield guardian
    finally:
        if not guardian.end():
            listener(Noticed(message=f"a guardian stays until the last program has left {directory}"))


def _start(group: int, directory: Path) -> socket.socket:
    """Start a guardian and wait until it is ready.

    Raises: NoGuardian.
    """
    command = [sys.executable, "-I", "-S", "-c", _CODE, str(_PACKAGES), str(group), str(directory)]
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    word = b""
    try:
        with theirs:  # the process that is started leaves at once; its child, nobody's, is the guardian
            subprocess.run(  # noqa: S603 - our own interpreter with our own code
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(group,),
                start_new_session=True,
                cwd="/",
                check=True,
                timeout=_PATIENCE,
            )
        ours.settimeout(_PATIENCE)
        word = ours.recv(16)
        ours.settimeout(None)
    except (OSError, subprocess.SubprocessError) as error:
        raise NoGuardian(why=getattr(error, "strerror", None) or str(error)) from error
    finally:
        if word != _READY:
            ours.close()
    if word != _READY:
        raise NoGuardian(why="it ended at once")
    return ours


def guard(group: int, where: str) -> None:
    """Be the guardian: wait for the end of the server, then refuse all reads until the mount is gone.

    Args:
        group: inherited.
        where: the mount will be.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    if os.fork():
        os._exit(0)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("-1000", encoding="ascii")
    directory = Path(where)
    channel = socket.socket(fileno=0)
    before = _device(directory)
    mounted, watch = None, -1
    channel.send(_READY)
    with suppress(OSError):  # the server died while it spoke
        while True:
            message, descriptors, _, _ = socket.recv_fds(channel, 64, 1)
            if message.startswith(_MOUNTED) and descriptors:
                watch, mounted = descriptors[0], int(message.removeprefix(_MOUNTED))
            elif message in (_END, b""):
                break
    if watch < 0 and _device(directory) != before:  # killed between the mount and telling us
        with suppress(FanotifyRefused):
            watch = watch_end(directory)
            mounted = _device(directory)
    _refuse_all(group, directory, mounted, watch)


def _device(directory: Path) -> int | None:
    try:
        return directory.stat().st_dev
    except OSError:
        return None


def _refuse_all(group: int, directory: Path, mounted: int | None, watch: int) -> None:
    """Detach the mount, and refuse reads until its file system is gone."""
    if mounted is not None and _device(directory) == mounted:
        with suppress(UnmountRefused):
            unmount(directory, lazy=True)
    _refuse_waiting(group)
    if watch < 0:
        return
    poll = select.poll()
    poll.register(group, select.POLLIN)
    poll.register(watch, select.POLLIN)
    while True:
        poll.poll()
        with suppress(OSError):  # the kernel has refused that one itself
            event = read_permission(group)
            if event is not None:
                answer(group, event.fd, EIO)
                os.close(event.fd)
                continue
        if has_ended(watch):
            return


def _refuse_waiting(group: int) -> None:
    """Refuse those whose events the server had taken. They are known by the numbers that descriptors had there."""
    highest = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for number in range(min(highest if highest > 0 else _HIGHEST_NUMBER, _HIGHEST_NUMBER)):
        while answer(group, number, EIO):
            continue
