"""Wait until a view is to end, and let go of its mount whoever still uses it.

This module alone decides what ends a view: a signal, a call of `Endable.end`, or somebody who unmounted it. Signals are
written into a pipe by their handler, which is all that a handler can do safely.
"""

import errno
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import Final

from rafsight.base.events import Listener, Noticed
from rafsight.base.text import printable
from rafsight.views.mount.kernel import Mounted, UnmountRefused, is_on_top, list_mounts, mount_at
from rafsight.views.mount.stale import unmount_anyhow

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MOUNTINFO: Final = "/proc/self/mountinfo"
_PERIOD: Final = 0.25
"""[s] between two looks at the statistics."""
_TRIES: Final = 4
_PAUSE: Final = 0.05
"""[s] before a busy mount is tried again: programs that were told to end take a moment."""
_USERS_SHOWN: Final = 5


class Ending(Enum):
    """Why a view ended."""

    SIGNAL = "signal"
    UNMOUNTED = "unmounted"
    """Somebody else took the mount away."""
    WITHDRAWN = "withdrawn"
    """The engine cannot go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A process that uses a mount."""

    pid: int
    name: str


class Supervisor:
    """Waits for the end of one view. Made by `supervised`."""

    def __init__(self, reading: int, writing: int) -> None:
        """Take both ends of the pipe."""
        self._reading = reading
        self._writing = writing

    def end(self, ending: Ending = Ending.SIGNAL) -> None:
        """End the waiting, from any thread or from a handler of a signal; after `close` there is none."""
        with suppress(OSError):
            os.write(self._writing, ending.value.encode() + b"\n")

    def close(self) -> None:
        """Give the pipe back."""
        both, self._reading, self._writing = (self._reading, self._writing), -1, -1
        for number in both:
            os.close(number)

    def wait(self, mounted: Mounted, tick: Callable[[], object], *, timeout: float | None = None) -> Ending | None:
        """Wait for the end.

        Args:
            mounted: the root of the view.
            tick: called every quarter of a second, and once at the end.
            timeout: [s] None waits for ever.

        Returns: why it ended, None if the time ran out.
        """
        until = None if timeout is None else time.monotonic() + timeout
        next_tick = time.monotonic() + _PERIOD
        table = os.open(_MOUNTINFO, os.O_RDONLY | os.O_CLOEXEC)
        try:
            poll = select.poll()
            poll.register(self._reading, select.POLLIN)
            poll.register(table, select.POLLPRI)  # the kernel says when the table changes
            while True:
                if not is_there(mounted):
                    return Ending.UNMOUNTED
                rest = (next_tick if until is None else min(next_tick, until)) - time.monotonic()
                ready = [number for number, _ in poll.poll(max(rest, 0) * 1000)]
                if self._reading in ready:
                    return Ending(os.read(self._reading, 100).partition(b"\n")[0].decode())
                if until is not None and time.monotonic() >= until:
                    return None
                if time.monotonic() >= next_tick:
                    tick()
                    next_tick = time.monotonic() + _PERIOD
        finally:
            os.close(table)
            tick()


@contextmanager
def supervised() -> Iterator[Supervisor]:
    """Have a supervisor; it hears no signals yet."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    supervisor = Supervisor(reading, writing)
    try:
        yield supervisor
    finally:
        supervisor.close()


class Stage(Enum):
    """How far a view is, which decides what a signal does."""

    OPENING = "opening"
    """The first one takes back what was begun."""
    SERVING = "serving"
    """End the waiting."""
    ENDING = "ending"
    """Only an impatient Ctrl-C counts: it leaves the rest to the guardian."""


class Signals:
    """What signals do to a view; made by `heard_by`."""

    def __init__(self, supervisor: Supervisor) -> None:
        """Begin with the opening."""
        self._supervisor = supervisor
        self.stage = Stage.OPENING

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Raises: KeyboardInterrupt.
        """
        del frame
        before = self.stage
        if before is not Stage.ENDING:
            self._supervisor.end()  # also while it opens: an exception may get lost, in a destructor for example
        if before is Stage.OPENING:
            self.stage = Stage.ENDING
        if before is Stage.OPENING or (before is Stage.ENDING and number == signal.SIGINT):
            raise KeyboardInterrupt


@contextmanager
def heard_by(supervisor: Supervisor) -> Iterator[Signals]:
    """Let the signals that end programs end a view instead, but for those that whoever started us had us ignore.

    Only the main thread hears them.
    """
    signals = Signals(supervisor)
    is_main = threading.current_thread() is threading.main_thread()
    heard = [number for number in _SIGNALS if is_main and signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, signals.handle) for number in heard}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def is_there(mounted: Mounted) -> bool:
    """Tell whether a mount is still in the table."""
    return mounted in list_mounts()


@contextmanager
def left_at_the_end(directory: Path, listener: Listener) -> Iterator[None]:
    """Leave, at the end, what is mounted at a directory now.

    Raises: UnmountRefused: it cannot be detached.
    """
    mounted = mount_at(directory)
    try:
        yield
    finally:
        if mounted is not None:
            leave(mounted, listener)


def leave(mounted: Mounted, listener: Listener) -> None:
    """Unmount; if programs still use it, say which, and detach it: they keep what they have open.

    Raises: UnmountRefused: it cannot be detached either.
    """
    if not leave_if_free(mounted, listener) and is_on_top(mounted):
        unmount_anyhow(mounted.path, mounted.kind, lazy=True)


def leave_if_free(mounted: Mounted, listener: Listener) -> bool:
    """Unmount, unless programs still use it; say which, then. One that lies below somebody else's mount is let be.

    Returns: False if it is still mounted.
    Raises: UnmountRefused: for another reason.
    """
    for _ in range(_TRIES):
        if not is_on_top(mounted):
            return True
        try:
            unmount_anyhow(mounted.path, mounted.kind, lazy=False)
        except UnmountRefused as refused:
            if refused.errno == errno.EINVAL:
                return True  # somebody else was faster
            if refused.errno != errno.EBUSY:
                raise
            time.sleep(_PAUSE)
        else:
            return True
    users = find_users(mounted)
    names = ", ".join(f"{user.name} ({user.pid})" for user in users[:_USERS_SHOWN]) or "somebody"
    more = f" and {len(users) - _USERS_SHOWN} more" if len(users) > _USERS_SHOWN else ""
    listener(Noticed(message=f"{mounted.path} was still in use by {names}{more}; what they read from now on fails"))
    return False


def find_users(mounted: Mounted) -> list[User]:
    """Return the processes that use a mount, as far as this user may know. Asks nothing of the mount itself."""
    return [User(pid=pid, name=_name(pid)) for pid in _processes() if pid != os.getpid() and _uses(pid, mounted)]


def _processes() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())  # noqa: PTH208 - names only


def _uses(pid: int, mounted: Mounted) -> bool:
    process = f"/proc/{pid}"
    for link in ("cwd", "root", "exe"):
        with suppress(OSError):
            where = os.fsencode(Path(f"{process}/{link}").readlink())
            if where == mounted.directory or where.startswith(mounted.directory + b"/"):
                return True
    wanted = f"mnt_id:\t{mounted.mount_id}\n"
    with suppress(OSError):
        for descriptor in Path(f"{process}/fdinfo").iterdir():
            with suppress(OSError):
                if wanted in descriptor.read_text(errors="replace"):
                    return True
    device = b" %02x:%02x " % mounted.device
    with suppress(OSError):
        return device in Path(f"{process}/maps").read_bytes()
    return False


def _name(pid: int) -> str:
    try:
        return printable(Path(f"/proc/{pid}/comm").read_bytes().strip(), 40)
    except OSError:
        return "a process"
