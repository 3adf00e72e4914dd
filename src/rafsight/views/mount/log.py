"""Where a server without a terminal says what a person should know: back to its maker first, then into a file.

This module alone decides how long that file may get.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from rafsight.base.events import Event, Noticed
from rafsight.base.text import printable
from rafsight.base.units import MiB

_MOST: Final = 4 * MiB
"""[bytes] of lines; what comes then is not written."""
_LINE: Final = 1000


class Log:
    """A listener that changes its ear once. Thread-safe."""

    def __init__(self, first: Callable[[Event], object]) -> None:
        """Take who hears the events until there is a file."""
        self._first = first
        self._lock = threading.Lock()
        self._size = 0
        self._to_file = False

    def write_to(self, path: Path) -> None:
        """Write to a file from now on, along with whatever this process prints."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(path, flags, 0o600)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)
        self._to_file = True

    def hear(self, event: Event) -> None:
        """Pass an event on, or write what a person should know."""
        if not self._to_file:
            self._first(event)
        elif isinstance(event, Noticed):
            moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self._write(f"{moment} {printable(event.message, _LINE)}\n".encode("utf-8", "backslashreplace"))

    def note(self, message: str) -> None:
        """Write into the file alone, if there is one yet."""
        if self._to_file:
            self.hear(Noticed(message=message))

    def _write(self, line: bytes) -> None:
        with self._lock:
            if self._size + len(line) <= _MOST:
                self._size += len(line)
                os.write(2, line)
