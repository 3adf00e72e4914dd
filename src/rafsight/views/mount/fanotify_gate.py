"""Who may read backing files when: a read waits until its bytes are there, or is refused.

A few threads take events of a pre-content group, one each: they have the store fill what is missing and let the reader
go on. A blob that is complete loses its mark, and is read at the kernel's speed from then on.

This module alone decides who is let through without that: a process that reads or writes a backing file *itself*, not
through a mount. That is another chunk store, which knows what is there and holds a lock that our filling would wait
for; or a program that copies the cache, and should see the files as they are. Our own store has its files open since
before the marks: the kernel asks nobody about those.
"""

import os
import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from errno import EIO, ENOENT
from pathlib import Path
from typing import Final, Protocol

from rafsight.access.chunk_store.errors import NotKept
from rafsight.base.errors import RafsightError
from rafsight.base.events import Listener, Noticed
from rafsight.views.mount.fanotify import (
    FanotifyRefused,
    PermissionEvent,
    answer,
    mark_file,
    open_pre_content_group,
    read_permission,
    unmark_file,
)

_THREADS: Final = 8
"""They wait for the registry most of the time."""
_LOOK_PAUSE: Final = 0.5
"""[s] at least between two looks whether a blob is complete; a look reads all its labels."""
_LOOK_SHARE: Final = 20
"""A look that takes long is repeated after this many times as long."""
_BLINK: Final = 0.0002
"""[s] for a thread that has asked us to get as far as waiting."""
_PATIENCE: Final = 5.0
"""[s] for fills to end that were begun."""


class Fillable(Protocol):
    """What a gate needs of `ChunkStore`."""

    def fill(self, blob: int, offset: int, size: int) -> None:
        """Make sure that a piece of a backing file is on disk and verified."""
        ...

    def is_complete(self, blob: int | None = None) -> bool:
        """Tell whether every chunk of a blob (or of all) is on disk and verified."""
        ...

    def paths(self) -> list[Path]:
        """Return the backing files, by blob."""
        ...


class Gate:
    """A group with its marks. Made by `open_gate`."""

    def __init__(self, group: int, store: Fillable, listener: Listener) -> None:
        """Mark what is not complete. From here on reads of it wait.

        Args:
            group: pre-content.
            store: open, so that it has its files open too.
            listener: told what can be said once.
        Raises: FanotifyRefused, NotKept.
        """
        self.group = group
        self._store = store
        self._listener = listener
        self._paths: Sequence[Path] = store.paths()
        self._blobs: dict[tuple[int, int], int] = {}
        self._sizes: list[int] = []
        self._marked: set[int] = set()
        self._next_look: list[float] = []
        self._turn = threading.Lock()
        self._answering = threading.Lock()
        self._is_over = False
        self.refused = 0
        """Reads that failed though content could be had: it has no place, or its file was cut."""
        self._said: set[str] = set()
        for blob, path in enumerate(self._paths):
            self._add(blob, path)

    @property
    def marked_count(self) -> int:
        """Blobs whose reads still wait for us."""
        return len(self._marked)

    def _add(self, blob: int, path: Path) -> None:
        try:
            state = path.stat()
        except OSError as error:
            raise FanotifyRefused(what=str(path), number=error.errno or EIO) from error
        self._blobs[state.st_dev, state.st_ino] = blob
        self._sizes.append(state.st_size)
        self._next_look.append(0.0)
        if not self._store.is_complete(blob):
            mark_file(self.group, path)
            self._marked.add(blob)

    def serve(self, stop: int) -> None:
        """Answer events until a descriptor can be read: what each thread does."""
        poll = select.poll()
        poll.register(self.group, select.POLLIN)
        poll.register(stop, select.POLLIN)
        while True:
            with self._turn:
                if any(descriptor == stop for descriptor, _ in poll.poll()):
                    return
                try:
                    event = read_permission(self.group)
                except OSError as error:  # no descriptor for it: the kernel has refused that reader itself
                    self._say(f"a read was refused: {error.strerror}")
                    continue
            if event is not None:
                self._handle(event)

    def close(self) -> None:
        """Answer nothing from now on, whatever is still on its way."""
        with self._answering:
            self._is_over = True

    def _handle(self, event: PermissionEvent) -> None:
        blob, verdict = None, EIO
        try:
            state = os.fstat(event.fd)
            blob = self._blobs.get((state.st_dev, state.st_ino))
            verdict = self._judge(event, state, blob)
        except RafsightError as error:
            if isinstance(error, NotKept):  # all else the store has said already
                self._refuse(f"{error}; reads of it fail")
        finally:
            with self._answering:
                if not self._is_over:
                    answer(self.group, event.fd, verdict)
            os.close(event.fd)
        if blob is not None and not verdict:
            self._look(blob)

    def _judge(self, event: PermissionEvent, state: os.stat_result, blob: int | None) -> int:
        """Return errno for a reader, 0 once all that it wants is there.

        Raises: RafsightError.
        """
        if blob is None or _reads_itself(event.thread, state):
            return 0
        if state.st_size < self._sizes[blob]:
            self._refuse(f"{self._paths[blob]} was cut by somebody; reads of it fail")
            return EIO
        end = self._sizes[blob] if event.size is None else event.offset + event.size
        self._store.fill(blob, event.offset, end - event.offset)
        return 0

    def _look(self, blob: int) -> None:
        """Take the mark away from a blob that is complete."""
        begin = time.monotonic()
        if blob not in self._marked or begin < self._next_look[blob]:
            return
        self._next_look[blob] = float("inf")  # nobody else looks meanwhile
        is_complete = self._store.is_complete(blob)
        took = time.monotonic() - begin
        self._next_look[blob] = begin + max(_LOOK_PAUSE, _LOOK_SHARE * took)
        if not is_complete:
            return
        self._marked.discard(blob)
        try:
            unmark_file(self.group, self._paths[blob])
        except FanotifyRefused as refused:
            if refused.errno != ENOENT:  # the file was taken out of the cache: its mark stays, and does no harm
                self._say(str(refused))

    def _refuse(self, message: str) -> None:
        with self._answering:
            self.refused += 1
        self._say(message)

    def _say(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            self._listener(Noticed(message=message))


@contextmanager
def open_gate(store: Fillable, listener: Listener) -> Iterator[Gate]:
    """Have reads of the incomplete backing files of a store wait. `answering` is who lets them go on.

    Raises: FanotifyRefused: no root, an old kernel, or a file system that it does not do this for; NotKept.
    """
    group = open_pre_content_group()
    try:
        yield Gate(group, store, listener)
    finally:
        os.close(group)


@contextmanager
def answering(gate: Gate) -> Iterator[None]:
    """Answer as long as the block runs. Those who wait at its end are left to the guardian."""
    stop, wake = os.pipe2(os.O_CLOEXEC)
    threads = [
        threading.Thread(target=gate.serve, args=(stop,), name=f"rafsight-gate-{number}", daemon=True)
        for number in range(_THREADS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        os.close(wake)  # the other end is readable from now on, for all of them
        until = time.monotonic() + _PATIENCE
        for thread in threads:
            thread.join(max(until - time.monotonic(), 0))
        gate.close()
        if not any(thread.is_alive() for thread in threads):
            os.close(stop)


def _reads_itself(thread: int, state: os.stat_result) -> bool:
    """Tell whether a waiting thread is in a system call on the backing file, not on a file of a mount."""
    if not thread:
        return False
    with suppress(OSError, ValueError, IndexError):
        while (words := _system_call_of(thread)) == [b"running"]:  # it has asked us, and is about to wait
            time.sleep(_BLINK)
        number = int(words[1], 16)
        return os.path.samestat(os.stat(f"/proc/{thread}/fd/{number}"), state)  # noqa: PTH116
    return False


def _system_call_of(thread: int) -> list[bytes]:
    """Return the number of the system call in which a thread waits, and its arguments."""
    with open(f"/proc/{thread}/syscall", "rb", buffering=0) as file:  # noqa: PTH123 - a few microseconds count
        return file.read(256).split()
