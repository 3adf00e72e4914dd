"""Answer the kernel for files that never change.

This module alone decides which answer belongs to which question: it takes the bodies of requests apart and asks a
`Source` for what only that knows. Files and directories are opened without a message: a small file costs one question.
"""

import errno
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from rafsight.base.errors import HostLimit, ImageFault, RegistryFault
from rafsight.formats.tables import Xattr
from rafsight.views.fuse import wire
from rafsight.views.fuse.protocol import Answer, Piece, Request
from rafsight.views.fuse.records import Records
from rafsight.views.fuse.wire import Opcode
from rafsight.views.vfs import IO_BLOCK, NAME_MAX, VolumeSize

_LINK_MAX: Final = 4095
"""[bytes] of a link's target: the kernel takes a page with its NUL."""
_LIST_MAX: Final = 65_536
"""[bytes] of all names of xattrs (XATTR_LIST_MAX)."""


class Source(Protocol):
    """What there is, by row."""

    @property
    def records(self) -> Records:
        """Names and attributes."""
        ...

    def child(self, row: int, name: bytes) -> int | None:
        """Return the row of a name in a directory."""
        ...

    def is_directory(self, row: int) -> bool:
        """Tell whether a row is a directory."""
        ...

    def target(self, row: int) -> bytes | None:
        """Return where a symbolic link points; None for other kinds."""
        ...

    def xattrs(self, row: int) -> Sequence[Xattr]:
        """Return the extended attributes.

        Raises: ImageFault.
        """
        ...

    def read(self, row: int, offset: int, size: int) -> Piece | None:
        """Return a piece of a regular file, short at its end; None for other kinds.

        Raises: RegistryFault, ImageFault, HostLimit.
        """
        ...

    def volume_size(self) -> VolumeSize:
        """Return what statfs(2) says."""
        ...


@dataclass(slots=True)
class FuseTally:
    """What was asked for."""

    files: int = 0
    """Different files of which pieces were asked for."""
    reads: int = 0
    """Pieces of files that the kernel did not have."""
    bytes: int = 0
    """[bytes] of them."""
    failed: int = 0
    """Questions answered with EIO, since content or metadata could not be had."""


class StaticFiles:
    """The answers for a `Source`. Thread-safe."""

    def __init__(
        self,
        source: Source,
        *,
        has_xattrs: bool,
        on_first_read: Callable[[int], object] | None = None,
        is_cached: Callable[[int], bool] | None = None,
    ) -> None:
        """Take a source.

        Args:
            source: what there is.
            has_xattrs: False spares the kernel all questions about extended attributes.
            on_first_read: told of the row of each file when it is read for the first time; must not raise.
            is_cached: tells whether the kernel shall keep the pages of a row; None: it keeps all.
        """
        self._source = source
        self._records = source.records
        self._lock = threading.Lock()
        self.tally = FuseTally()
        self._on_first_read = on_first_read
        self._read_before = bytearray(self._records.count)
        self._handlers = {
            Opcode.LOOKUP: self._lookup,
            Opcode.GETATTR: self._getattr,
            Opcode.READLINK: self._readlink,
            Opcode.READ: self._read,
            Opcode.READDIRPLUS: self._readdirplus,
            Opcode.STATFS: self._statfs,
        }
        self._is_cached = is_cached
        if is_cached is not None:
            self._handlers[Opcode.OPEN] = self._open
        if has_xattrs:
            self._handlers |= {Opcode.GETXATTR: self._getxattr, Opcode.LISTXATTR: self._listxattr}

    def answer(self, request: Request) -> Answer:
        """Answer a request."""
        handler = self._handlers.get(request.opcode)  # type: ignore[call-overload]
        if handler is None:
            return None if request.opcode in (Opcode.FORGET, Opcode.BATCH_FORGET) else errno.ENOSYS
        row = self._records.row_of(request.node)
        if row is None:
            return errno.ESTALE
        try:
            answer: Answer = handler(row, request.body)
        except struct.error:
            return errno.EINVAL
        except (RegistryFault, ImageFault, HostLimit):
            with self._lock:
                self.tally.failed += 1
            return errno.EIO
        return answer

    def _lookup(self, row: int, body: memoryview) -> Answer:
        if not self._source.is_directory(row):
            return errno.ENOTDIR
        name = _text(body)
        if len(name) > NAME_MAX:
            return errno.ENAMETOOLONG
        return (self._records.entry(self._source.child(row, name)),)

    def _getattr(self, row: int, _body: memoryview) -> Answer:
        return (self._records.attributes(row),)

    def _open(self, row: int, _body: memoryview) -> Answer:
        assert self._is_cached is not None
        return (wire.OPEN_OUT.pack(0, 0 if self._is_cached(row) else wire.DIRECT_IO, 0),)

    def _readlink(self, row: int, _body: memoryview) -> Answer:
        target = self._source.target(row)
        if target is None:
            return errno.EINVAL
        return (target,) if len(target) <= _LINK_MAX else errno.ENAMETOOLONG

    def _read(self, row: int, body: memoryview) -> Answer:
        _handle, offset, size, *_ = wire.READ_IN.unpack_from(body)
        piece = self._source.read(row, offset, size)
        if piece is None:
            return errno.EINVAL
        with self._lock:
            self.tally.reads += 1
            self.tally.bytes += len(piece)
            is_first = not self._read_before[row]
            self._read_before[row] = 1
            self.tally.files += is_first
        if is_first and self._on_first_read is not None:
            self._on_first_read(row)
        return (piece,)

    def _readdirplus(self, row: int, body: memoryview) -> Answer:
        _handle, offset, size, *_ = wire.READ_IN.unpack_from(body)
        if not self._source.is_directory(row):
            return errno.ENOTDIR
        pieces = self._records.directory(row, offset, size)
        return errno.EINVAL if pieces is None else pieces

    def _statfs(self, _row: int, _body: memoryview) -> Answer:
        size = self._source.volume_size()
        return (wire.STATFS_OUT.pack(size.blocks, 0, 0, size.files, 0, IO_BLOCK, NAME_MAX, IO_BLOCK, *[0] * 7),)

    def _getxattr(self, row: int, body: memoryview) -> Answer:
        size, _padding = wire.GETXATTR_IN.unpack_from(body)
        name = _text(body[wire.GETXATTR_IN.size :])
        for one in self._source.xattrs(row):
            if one.name == name:
                return _sized(one.value, size)
        return errno.ENODATA

    def _listxattr(self, row: int, body: memoryview) -> Answer:
        size, _padding = wire.GETXATTR_IN.unpack_from(body)
        names = b"".join(one.name + b"\0" for one in self._source.xattrs(row))
        return _sized(names, size) if len(names) <= _LIST_MAX else errno.E2BIG


def _sized(value: bytes, size: int) -> Answer:
    """Answer with a value, or with how long it is if the size is 0."""
    if size == 0:
        return (wire.GETXATTR_OUT.pack(len(value), 0),)
    return (value,) if len(value) <= size else errno.ERANGE


def _text(body: memoryview) -> bytes:
    """Return a name that ends at NUL."""
    return bytes(body).partition(b"\0")[0]
