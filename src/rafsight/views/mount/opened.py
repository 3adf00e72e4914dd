"""Which files of a mounted image are opened and read, told by the kernel while programs run.

One fanotify group watches the mounted EROFS, one thread reads it, in batches: a reader of the mount never waits for us.
It pays half a microsecond for each event, though, which is a third of what opening and reading a small cached file
takes: so this is for those who ask for it. What the kernel loses is counted. This module alone decides what counts as
opened (open(2), also by exec) and as read (read(2) and its like, or exec): pages that are read through mmap(2) alone
raise no event, so such files count as opened only.
"""

import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.image.plan import RowArray
from rafsight.views.mount.fanotify import (
    FAN_ACCESS,
    FAN_OPEN,
    FAN_OPEN_EXEC,
    mark_filesystem,
    open_notification_group,
)
from rafsight.views.mount.fanotify_columns import FileEvents, parse_file_events

_READ_SIZE: Final = 1 << 20
"""[bytes] of events taken at once: 18,000 of them."""
_PAUSE: Final = 0.01
"""[s] between two reads: events gather, so that the thread costs little. With many of them in its queue the kernel
takes longer for each, since it looks for one to merge with."""
_IS_OPEN: Final = np.uint64(FAN_OPEN | FAN_OPEN_EXEC)
_IS_READ: Final = np.uint64(FAN_ACCESS | FAN_OPEN_EXEC)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedTally:
    """How much of an image was used."""

    opens: int
    """Opens of files, at least: the kernel merges those of one process that follow each other closely."""
    files_opened: int
    """Distinct files."""
    files_read: int
    """Distinct files of which bytes were read."""
    gaps: int
    """How often the kernel lost events, or named an inode that the image does not have; 0: nothing is missing."""


class OpenedWatch:
    """What was opened and read so far. Safe to ask from any thread."""

    def __init__(self, nids: NDArray[np.uint64], on_read: Callable[[RowArray], None] | None) -> None:
        """Prepare the way back from inodes to rows.

        Args:
            nids: (n,) inode number of each entry row.
            on_read: told of the rows that were read for the first time, in order; called by the watching thread.
        """
        self._order = np.argsort(nids, kind="stable")  # names of one inode: the first row stands first
        self._nids = nids[self._order]
        self._on_read = on_read
        self._was_opened = np.zeros(len(nids), dtype=np.bool_)
        self._was_read = np.zeros(len(nids), dtype=np.bool_)
        self._opens = self._gaps = 0
        self._lock = threading.Lock()

    @property
    def tally(self) -> OpenedTally:
        """The counts, as of now; events of the last moment may still be on their way."""
        with self._lock:
            return OpenedTally(
                opens=self._opens,
                files_opened=int(np.count_nonzero(self._was_opened)),
                files_read=int(np.count_nonzero(self._was_read)),
                gaps=self._gaps,
            )

    @property
    def opened_count(self) -> int:
        """Different files that were opened."""
        return self.tally.files_opened

    def take(self, events: FileEvents) -> None:
        """Count events."""
        place = np.minimum(np.searchsorted(self._nids, events.ino), max(len(self._nids) - 1, 0))
        known = self._nids[place] == events.ino
        rows, mask = self._order[place][known], events.mask[known]
        is_open = mask & _IS_OPEN != 0
        read = rows[mask & _IS_READ != 0]
        with self._lock:
            self._gaps += events.gaps + len(known) - len(rows)
            self._opens += int(np.count_nonzero(is_open))
            self._was_opened[rows] = True  # also what was open before the watch began
            fresh = read[~self._was_read[read]]
            _, first = np.unique(fresh, return_index=True)
            fresh = fresh[np.sort(first)].astype(np.int64)
            self._was_read[fresh] = True
        if len(fresh) and self._on_read is not None:
            self._on_read(fresh)


@contextmanager
def watch_opened(
    directory: Path, nids: NDArray[np.uint64], *, on_read: Callable[[RowArray], None] | None = None
) -> Iterator[OpenedWatch]:
    """Watch a mounted EROFS of ours as long as the block runs. What was opened by then is counted when it ends.

    Leave the block before or after the mount is taken away, as suits: the watch keeps nothing busy.

    Args:
        directory: where it is mounted.
        nids: (n,) inode number of each entry row, as written into the mounted metadata.
        on_read: told of the rows that were read for the first time, in order; must not raise.
    Raises: FanotifyRefused: no root, or an old kernel.
    Cost: two events for a file that is opened and read. 50,000 small cached files: 0.20 s to read instead of 0.14, and
        0.03 s of this process.
    """
    watch = OpenedWatch(nids, on_read)
    group = open_notification_group()
    stop, wake = os.pipe2(os.O_CLOEXEC)
    try:
        mark_filesystem(group, directory, FAN_OPEN | FAN_OPEN_EXEC | FAN_ACCESS)
        thread = threading.Thread(target=_follow, args=(group, stop, watch), name="opened", daemon=True)
        thread.start()
        try:
            yield watch
        finally:
            os.write(wake, b"x")
            thread.join()
    finally:
        for descriptor in (group, stop, wake):
            os.close(descriptor)


def _follow(group: int, stop: int, watch: OpenedWatch) -> None:
    both, end = select.poll(), select.poll()
    both.register(group, select.POLLIN)
    both.register(stop, select.POLLIN)
    end.register(stop, select.POLLIN)
    is_over = False
    while not is_over:
        both.poll()
        is_over = bool(end.poll(_PAUSE * 1000))
        try:
            while content := os.read(group, _READ_SIZE):
                watch.take(parse_file_events(content))
        except BlockingIOError:
            continue
