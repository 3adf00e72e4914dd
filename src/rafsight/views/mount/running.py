"""Views that some process serves: find the one of a folder, ask it to end, wait until it has.

This module alone decides how a server is told: by SIGTERM if the view is all that it does, by unmounting otherwise. A
process number is only used while the server's lock is held, and while the process is as old as the record says.
"""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus, HostLimit
from rafsight.base.events import Listener
from rafsight.views.mount.kernel import Mounted
from rafsight.views.mount.records import Record, is_alive, list_views, process_start
from rafsight.views.mount.stale import mounts_of
from rafsight.views.mount.supervisor import leave

_PATIENCE: Final = 30.0
"""[s] for a server that was asked to end."""
_LAST_PATIENCE: Final = 5.0
"""[s] for the guardian of a server that was killed."""
_PAUSE: Final = 0.02


class NoSuchView(CallerError):
    """The folder shows no view."""

    code = "no-such-view"
    template = "{directory} shows no view of yours"
    remedy = "`rafsight view --list` shows those that run; those of another user or cache folder are not seen here."
    exit_status = ExitStatus.NOT_FOUND


class StillRunning(HostLimit):
    """A view does not end."""

    code = "view-still-running"
    template = "the view at {directory} does not end; process {pid} serves it"
    remedy = "End that process; the next `rafsight view` takes away what it leaves."


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A view that somebody serves."""

    folder: Path
    record: Record


def list_running(views: Path) -> list[Running]:
    """Return the views that somebody serves, the oldest first.

    Args:
        views: the folder of all views.
    """
    return [
        Running(folder=one.folder, record=one.record)
        for one in list_views(views)
        if one.is_alive and one.record is not None
    ]


def ask_to_end(view: Running, listener: Listener) -> None:
    """Ask a server to end, without waiting for it.

    Raises: UnmountRefused.
    """
    if view.record.hears_signals:
        _signal(view, signal.SIGTERM)
    else:
        for mounted in _roots_of(view):
            leave(mounted, listener)


def wait_until_gone(view: Running, *, patience: float = _PATIENCE, last_patience: float = _LAST_PATIENCE) -> None:
    """Wait until nothing is left of a view. A server that does not react is killed; its guardian cleans up.

    Args:
        view: was asked to end.
        patience: [s] before its server is killed.
        last_patience: [s] after that.

    Raises: StillRunning.
    """
    if _is_gone_within(view, patience):
        return
    if view.record.hears_signals:
        _signal(view, signal.SIGKILL)
    if not _is_gone_within(view, last_patience):
        raise StillRunning(directory=view.record.directory, pid=view.record.pid)


def _signal(view: Running, number: int) -> None:
    with suppress(ProcessLookupError):
        process = os.pidfd_open(view.record.pid)
        try:
            is_it = is_alive(view.folder) and process_start(view.record.pid) == view.record.pid_started
            if is_it:
                signal.pidfd_send_signal(process, number)
        finally:
            os.close(process)


def _roots_of(view: Running) -> list[Mounted]:
    """Return what shows the tree. Other mounts in the view's folder stay until the program that made them goes on."""
    directory = os.fsencode(view.record.directory)
    return [one for one in mounts_of(view.folder) if one.directory == directory]


def _is_gone_within(view: Running, patience: float) -> bool:
    until = time.monotonic() + patience
    while True:
        is_over = not view.folder.exists() if view.record.hears_signals else not _roots_of(view)
        if is_over or not is_alive(view.folder):
            return True
        if time.monotonic() > until:
            return False
        time.sleep(_PAUSE)
