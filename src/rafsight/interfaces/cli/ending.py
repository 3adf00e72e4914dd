"""How a process ends by a signal while it holds what must not be left behind: a foreign process, files, a mount.

This module alone decides which signals end it in order, and what the exit status is then.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

_SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)
_SIGNAL_STATUS: Final = 128
"""Shells report a program that a signal ended by this and the signal's number."""
ENDED: Final = frozenset(_SIGNAL_STATUS + number for number in _SIGNALS)
"""Exit statuses of processes that were ended so."""


class Signalled(BaseException):
    """A signal ends the process; like `KeyboardInterrupt`, so that everything is put in order on the way up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = _SIGNAL_STATUS + number


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the work as Ctrl-C does; whoever started the process without SIGHUP keeps that."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: "FrameType | None") -> None:
        del frame
        raise Signalled(number)

    asked = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    try:
        for number in asked:
            signal.signal(number, end)
        yield
    finally:
        for number in asked:
            signal.signal(number, signal.SIG_DFL)
