"""The threads that answer a connection.

This module alone decides how many there are and how they end. They wait in blocking reads of the device, which is the
cheapest way, and end when it says that the mount is gone. To end them while the mount is in use they are called out of
there by requests of our own; from then on they poll, and can be told to stop.
"""

import os
import select
import threading
from collections.abc import Callable
from typing import Final

from rafsight.views.fuse.channel import Channel
from rafsight.views.fuse.device import converse
from rafsight.views.fuse.protocol import Filesystem

MOST_THREADS: Final = 32
"""Threads when all others wait for content."""
_WINDOW: Final = 0.003
"""[s] without an answer, all threads being busy, after which their number is doubled."""
_CALL_PATIENCE: Final = 1.0
"""[s] that threads may take to come out of the device before those that are out go on."""


class Crew:
    """Threads that answer until the connection ends, or until they are stopped. The last one closes the connection."""

    def __init__(
        self, filesystem: Filesystem, channel: Channel, *, threads: int, tell: Callable[[Exception], None]
    ) -> None:
        """Start.

        Args:
            filesystem: answers.
            channel: the connection, ours from now on.
            threads: how many wait from the start.
            tell: told of exceptions that nobody expected, by any thread.
        """
        self._filesystem = filesystem
        self._channel = channel
        self._tell = tell
        self.gone = threading.Event()
        """The connection is over: the mount was taken away and nobody uses it, or we were stopped."""
        self.ended = threading.Event()
        """All threads ended."""
        self._lock = threading.Lock()
        self._running = 0
        self._busy = bytearray()
        self._answered: list[int] = []
        self._is_short = threading.Event()
        self._polls = False
        self._parked: set[int] = set()
        self._all_out = threading.Event()
        self._waker = os.eventfd(0, os.EFD_CLOEXEC)
        self._add(threads)
        threading.Thread(target=self._grow, name="rafsight-fuse-grow", daemon=True).start()

    def call_out(self, ask: Callable[[], object]) -> None:
        """Bring the threads out of the device; from now on they poll.

        Args:
            ask: asks the kernel for something that only we can answer.
        Raises: OSError: of `ask`, if the connection ended.
        """
        self._polls = True
        timer = threading.Timer(_CALL_PATIENCE, self._all_out.set)
        timer.daemon = True
        timer.start()
        try:
            while not self._all_out.is_set() and not self.ended.is_set():
                ask()
        finally:
            self._all_out.set()
            timer.cancel()

    def stop(self) -> None:
        """Tell threads that poll to end."""
        with self._lock:
            if not self.ended.is_set():
                os.eventfd_write(self._waker, 1)

    def _add(self, count: int) -> None:
        """Start more threads, unless all ended."""
        with self._lock:
            if self.gone.is_set():
                return
            for _ in range(count):
                number, fd = len(self._busy), self._channel.clone()
                self._busy.append(0)
                self._answered.append(0)
                self._running += 1
                work = threading.Thread(
                    target=self._serve, args=(number, fd), name=f"rafsight-fuse-{number}", daemon=True
                )
                work.start()

    def _serve(self, number: int, fd: int) -> None:
        """Answer until the end."""
        busy, answered = self._busy, self._answered

        def pace(has_request: bool) -> bool:
            busy[number] = has_request
            if has_request:
                if 0 not in busy:
                    self._is_short.set()
                return True
            answered[number] += 1
            return not self._polls or self._poll(number, fd)

        try:
            converse(fd, self._filesystem, pace, self._tell)
        finally:
            self._leave(number)

    def _poll(self, number: int, fd: int) -> bool:
        """Wait for a request; False: stop."""
        if number not in self._parked:
            os.set_blocking(fd, False)
            self._parked.add(number)
            if len(self._parked) >= self._running:
                self._all_out.set()
            self._all_out.wait()
        waiting = select.poll()
        waiting.register(fd, select.POLLIN)
        waiting.register(self._waker, select.POLLIN)
        return all(found != self._waker for found, _event in waiting.poll())

    def _leave(self, number: int) -> None:
        """Count a thread that ends."""
        with self._lock:
            self._busy[number] = 1
            self._running -= 1
            self.gone.set()
            if self._running == 0:
                self._channel.close()
                os.close(self._waker)
                self.ended.set()
                self._is_short.set()

    def _grow(self) -> None:
        """Add threads whenever all of them wait for content."""
        while len(self._busy) < MOST_THREADS:
            self._is_short.wait()
            self._is_short.clear()
            before = sum(self._answered)
            if self.ended.wait(_WINDOW):
                return
            if 0 not in self._busy and sum(self._answered) == before:
                self._add(min(len(self._busy), MOST_THREADS - len(self._busy)))
                self._is_short.set()
