"""A program on a terminal of its own, and what a person would see of it."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")
_WHERE_IS_THE_CURSOR = b"\x1b[6n"
_OWN_TERMINAL = "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


class Session:
    """Types keys and reads the screen's text, without what moves the cursor."""

    def __init__(self, command, *, environment, size=(40, 160)):
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _OWN_TERMINAL, *map(str, command)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
        )
        os.close(slave)
        self.raw = b""
        self._from = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def type(self, keys):
        """Press keys."""
        os.write(self._master, keys)

    def expect(self, text, timeout=60.0):
        """Read until a text is there, and return everything up to it since the last one that was expected."""
        deadline = time.monotonic() + timeout
        while (found := self.text().find(text, self._from)) < 0:
            assert self._read(deadline - time.monotonic()), f"no {text!r} in {self.text()[self._from :]!r}"
        start, self._from = self._from, found + len(text)
        return self.text()[start : self._from]

    def end(self, timeout=60.0):
        """Read to the end; return the rest, and the exit status."""
        deadline = time.monotonic() + timeout
        while self._read(deadline - time.monotonic()):
            pass
        return self.text()[self._from :], self._process.wait(max(deadline - time.monotonic(), 1))

    def text(self):
        """Return all that was written so far."""
        return _CONTROL.sub("", self.raw.decode("utf-8", "replace"))

    def _read(self, timeout):
        if not select.select([self._master], [], [], max(timeout, 0))[0]:
            return False
        content = b""
        with suppress(OSError):  # the other side is closed
            content = os.read(self._master, 1 << 16)
        self.raw += content
        for _ in range(content.count(_WHERE_IS_THE_CURSOR)):
            os.write(self._master, b"\x1b[1;1R")
        return bool(content)
