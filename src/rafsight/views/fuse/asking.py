"""Ask a mount something that only its server can answer, without waiting for it in this process.

This module alone decides who asks: a small process that is killed afterwards. Whoever waits for an answer of a FUSE
server cannot be ended before he gets it; a thread of the server itself would keep a killed server alive that can answer
no more.
"""

import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_CODE: Final = "import os, sys\nwhile os.read(0, 1): os.statvfs(int(sys.argv[1])); os.write(1, b'.')"
_PATIENCE: Final = 0.2
"""[s] for one answer; the question stays."""
_LINGER: Final = 0.5
"""[s] for the process to end."""
_LEFT: Final[list[subprocess.Popen[bytes]]] = []
"""Processes that still wait for an answer when nobody asks any more; they end with the connection."""


@contextmanager
def asking(root: int) -> Iterator[Callable[[], None]]:
    """Have a process that asks for the size of a file system.

    Args:
        root: descriptor of a directory of it.
    Yields: asks once, and waits a moment for the answer. Raises OSError: the file system is gone.
    Raises: OSError: the process cannot be started.
    """
    process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own code
        [sys.executable, "-I", "-S", "-c", _CODE, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(root,),
        start_new_session=True,
        cwd="/",
        bufsize=0,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    question, answer = process.stdin.fileno(), process.stdout.fileno()
    waiting = select.poll()
    waiting.register(answer, select.POLLIN)

    def ask() -> None:
        os.write(question, b"?")
        if waiting.poll(_PATIENCE * 1000) and not os.read(answer, 64):
            raise OSError

    try:
        yield ask
    finally:
        process.kill()
        process.stdin.close()
        process.stdout.close()
        _LEFT[:] = [one for one in _LEFT if one.poll() is None]
        try:
            process.wait(_LINGER)
        except subprocess.TimeoutExpired:
            _LEFT.append(process)
