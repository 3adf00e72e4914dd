"""A port of this machine that refuses connections for as long as a test needs it."""

import socket
from contextlib import contextmanager


@contextmanager
def closed_port():
    """Take a port and do not listen on it: nobody else can get it before the block ends."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
