"""Messages over the FUSE device: the handshake, and one thread's loop of question and answer.

This module alone reads and writes the device.
"""

import errno
import os
import select
from collections.abc import Callable
from typing import Final

from rafsight.base.errors import Defect
from rafsight.views.fuse import wire
from rafsight.views.fuse.channel import NoFuse
from rafsight.views.fuse.protocol import Answer, Filesystem, Piece, Request
from rafsight.views.fuse.wire import InitFlag, Opcode

_BUFFER: Final = 64 * 1024
"""[bytes] of one request: names are short, only long lists of forgotten inodes fill it."""
_BACKGROUND: Final = 64
"""Reads ahead that the kernel may have waiting."""
_PATIENCE: Final = 20_000
"""[ms] until the kernel greets."""
_PAGE: Final = 4096
_FLAGS: Final = (
    InitFlag.ASYNC_READ
    | InitFlag.DO_READDIRPLUS
    | InitFlag.PARALLEL_DIROPS
    | InitFlag.MAX_PAGES
    | InitFlag.CACHE_SYMLINKS
    | InitFlag.EXPLICIT_INVAL_DATA
)
_TAKEN_BACK: Final = (errno.ENOENT, errno.EINTR, errno.EAGAIN)
"""The request was withdrawn while we read it, or another thread has it."""


def greet(fd: int, filesystem: Filesystem, *, directory: str, max_read: int) -> None:
    """Answer the kernel's INIT, the first message on a connection.

    Args:
        fd: of the connection.
        filesystem: says which flags it wants.
        directory: for the error.
        max_read: [bytes] of one read.
    Raises: NoFuse: the kernel is too old, or says nothing.
    """
    buffer, waiting = bytearray(_BUFFER), select.poll()
    waiting.register(fd, select.POLLIN)
    while True:
        if not waiting.poll(_PATIENCE):
            raise NoFuse(directory=directory, why="the kernel does not begin the conversation")
        try:
            size = os.readv(fd, (buffer,))
        except OSError as error:
            raise NoFuse(directory=directory, why=f"the kernel hung up: {error.strerror}") from error
        _length, opcode, unique, *_ = wire.IN_HEADER.unpack_from(buffer)
        if opcode != Opcode.INIT or size < wire.IN_HEADER.size + wire.INIT_IN.size:
            raise NoFuse(directory=directory, why=f"the kernel began with message {opcode}")
        major, minor, max_readahead, flags = wire.INIT_IN.unpack_from(buffer, wire.IN_HEADER.size)
        if major < wire.MAJOR or (major == wire.MAJOR and minor < wire.OLDEST_MINOR):
            _write(fd, unique, errno.EPROTO)
            oldest = f"{wire.MAJOR}.{wire.OLDEST_MINOR}"
            raise NoFuse(directory=directory, why=f"the kernel speaks {major}.{minor}; at least {oldest} is needed")
        body = wire.INIT_OUT.pack(
            wire.MAJOR,
            min(minor, wire.MINOR) if major == wire.MAJOR else wire.MINOR,
            max_readahead,
            flags & (_FLAGS | filesystem.init_flags),
            _BACKGROUND,
            _BACKGROUND * 3 // 4,
            wire.MIN_MAX_WRITE,
            1,
            max(max_read // _PAGE, 1),
            *[0] * 9,
        )
        _write(fd, unique, (body,))
        if major == wire.MAJOR:
            return


def converse(fd: int, filesystem: Filesystem, pace: Callable[[bool], bool], tell: Callable[[Exception], None]) -> None:
    """Answer requests until the connection ends or `pace` says so.

    Args:
        fd: of the connection.
        filesystem: answers.
        pace: called with False before a request is waited for and with True when there is one; False ends the loop.
        tell: told of exceptions that nobody expected; the request is answered with EIO.
    """
    buffer = bytearray(_BUFFER)
    view, unpack, head = memoryview(buffer), wire.IN_HEADER.unpack_from, wire.IN_HEADER.size
    while pace(False):
        try:
            size = os.readv(fd, (buffer,))
        except OSError as error:
            if error.errno in _TAKEN_BACK:
                continue
            return  # ENODEV: unmounted
        pace(True)
        if size < head:
            continue
        _length, opcode, unique, node, _uid, _gid, _pid, _extension, _padding = unpack(buffer)
        try:
            answer = filesystem.answer(Request(opcode, node, view[head:size]))
        except Exception as defect:  # noqa: BLE001 - without an answer the reader, and all behind it, would hang
            tell(defect)
            answer = errno.EIO
        if answer is not None:
            try:
                _write(fd, unique, answer)
            except Defect as defect:
                tell(defect)


def _write(fd: int, unique: int, answer: Answer) -> None:
    """Write one answer.

    Raises: Defect: the kernel does not take it.
    """
    pieces: list[Piece]
    if isinstance(answer, int):
        pieces = [wire.OUT_HEADER.pack(wire.OUT_HEADER.size, -answer, unique)]
    else:
        assert answer is not None
        pieces = [wire.OUT_HEADER.pack(wire.OUT_HEADER.size + sum(map(len, answer)), 0, unique), *answer]
    try:
        os.writev(fd, pieces)
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise Defect(what=f"the kernel does not take an answer of {sum(map(len, pieces))} bytes") from error
        # ENOENT: nobody waits for it any more; ENODEV: the next read says so, too
