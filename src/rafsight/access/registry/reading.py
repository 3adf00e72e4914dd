"""The bytes of a blob out of answers that may be cut, shifted, too long, or not ranged at all.

This module alone judges the body of a blob's answer (RFC 9110, section 14). It decides nothing about retries: it says
what is still missing.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from rafsight.access.backend import ShortRead
from rafsight.access.registry.errors import InterruptedRead, RegistryMisbehaves, RegistryUnreachable
from rafsight.access.registry.messages import Headers, Response, host_of
from rafsight.access.registry.transport import Reply
from rafsight.access.retry import Attempts
from rafsight.base.errors import RegistryFault
from rafsight.base.units import KiB, MiB

_CONTENT_RANGE: Final = re.compile(r"bytes\s+(?:(\d{1,19})-(\d{1,19})|\*)/(\d{1,19}|\*)\Z", re.ASCII)
_PIECE: Final = 256 * KiB
PROGRESS: Final = MiB
"""[bytes] that make a broken answer count as progress."""


def total_of(head: Response) -> int | None:
    """Return the size of the whole blob by Content-Range; None if it is not said."""
    match = _CONTENT_RANGE.match(head.header("content-range") or "")
    return int(match[3]) if match and match[3] != "*" else None


def check_start(head: Response, start: int) -> None:
    """Check that a 206 answer begins where it was asked to.

    A missing Content-Range is let pass: what the bytes are is verified by digests anyway.

    Raises: RegistryMisbehaves.
    """
    said = head.header("content-range")
    if said is None and not (head.header("content-type") or "").startswith("multipart/"):
        return
    match = _CONTENT_RANGE.match(said or "")
    if match is None or match[1] is None or int(match[1]) != start or int(match[2]) < start:
        why = f"byte {start} was asked for, and it answers the range '{said}'"
        raise RegistryMisbehaves(host=host_of(head.url), why=why)


class RangeRead:
    """A ranged read that may need several answers."""

    def __init__(self, *, place: str, digest: str, offset: int, size: int) -> None:
        """Nothing has come yet; `offset` and `size` in bytes."""
        self._place, self._digest = place, digest
        self._offset, self._size = offset, size
        self._pieces: list[bytes] = []
        self.received = 0
        """[bytes]"""
        self.whole_blobs = False
        """The server ignored a range."""

    @property
    def complete(self) -> bool:
        """Tell whether all bytes have come."""
        return self.received >= self._size

    def header(self) -> Headers:
        """Return the header that asks for what is missing."""
        return (("Range", f"bytes={self._offset + self.received}-{self._offset + self._size - 1}"),)

    def content(self) -> bytes:
        """Return the bytes."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)

    def take(self, reply: Reply) -> None:
        """Take from an answer (200, 206 or 416) what is missing, and no more.

        Raises: ShortRead: the blob ends before the range does. InterruptedRead: the answer ended before the range did.
            RegistryMisbehaves.
        """
        start = self._offset + self.received
        if reply.head.status == 206:
            check_start(reply.head, start)
            total = total_of(reply.head)
        else:
            total = reply.head.size
            self.whole_blobs = self.whole_blobs or reply.head.status == 200
        if reply.head.status == 416 or (total is not None and total < self._offset + self._size):
            raise ShortRead(**self._details())
        try:
            if reply.head.status == 200:
                skip(reply, start)
            while self.received < self._size and (piece := reply.read(min(self._size - self.received, MiB))):
                self._pieces.append(piece)
                self.received += len(piece)
            if self.complete and reply.head.size is None:
                reply.read(1)  # finds the end of a chunked body, so that the connection can be kept
        except RegistryUnreachable as fault:
            if not self.complete:
                raise InterruptedRead(**self._details()) from fault
        if not self.complete:
            raise InterruptedRead(**self._details())

    def _details(self) -> dict[str, object]:
        return {
            "what": f"blob {self._digest}",
            "place": self._place,
            "got": self.received,
            "wanted": self._size,
            "offset": self._offset,
        }


class BlobStream:
    """A whole blob, continued by ranged reads when the connection breaks."""

    def __init__(self, *, place: str, digest: str, attempts: Attempts, ask: Callable[[Headers], Reply]) -> None:
        """Ask nothing yet.

        Args:
            place: for messages.
            digest: the blob's.
            attempts: patience.
            ask: make a GET with more headers; answers 200, 206 or 416.
        """
        self._place, self._digest = place, digest
        self._attempts, self._ask = attempts, ask
        self._reply: Reply | None = None
        self._position = 0
        self._total: int | None = None
        self._ended = False
        self._ranges = True
        """False: the server starts anew each time; to call that progress would make the cost quadratic."""

    def begin(self) -> None:
        """Open the blob.

        Raises: NotFound, RegistryFault.
        """
        while self._reply is None:  # ends: `wait` raises after a bounded number of failures
            try:
                self._reply = self._continued()
            except RegistryFault as fault:
                self._attempts.wait(fault)

    def pieces(self) -> Iterator[bytes]:
        """Yield the blob's bytes in order.

        Raises: ShortRead, RegistryFault.
        """
        failed_at = 0
        while True:  # ends: at the blob's end, or `wait` raises, unless there was progress
            try:
                if self._reply is None:
                    self._reply = self._continued()
                while piece := self._reply.read(_PIECE):
                    self._position += len(piece)
                    yield piece
                if self._ended or self._total is None or self._position >= self._total:
                    return
                raise self._interrupted()
            except RegistryFault as fault:
                self.close()
                if self._ranges and self._position - failed_at >= PROGRESS:
                    self._attempts.progressed()
                failed_at = self._position
                cut = isinstance(fault, RegistryUnreachable) and not fault.permanent
                self._attempts.wait(self._interrupted() if cut else fault)

    def close(self) -> None:
        """Give the connection back."""
        if self._reply is not None:
            self._reply.close()
            self._reply = None

    def _continued(self) -> Reply:
        start = self._position
        reply = self._ask((("Range", f"bytes={start}-"),) if start else ())
        try:
            self._judge(reply.head, start)
            if reply.head.status == 200 and start:
                self._ranges = False
                skip(reply, start)
        except BaseException:
            reply.close()
            raise
        if self._ended:
            reply.discard()
        return reply

    def _judge(self, head: Response, start: int) -> None:
        """Check that an answer continues the blob.

        Raises: ShortRead, RegistryMisbehaves.
        """
        total = head.size if head.status == 200 else total_of(head)
        if head.status == 416:
            self._ended = total == start  # the connection broke exactly at the end
            if not self._ended:
                raise ShortRead(**self._details())
        elif head.status == 206:
            check_start(head, start)
        if self._total is not None and total is not None and total != self._total:
            why = f"blob {self._digest} had {self._total} bytes and has {total} now"
            raise RegistryMisbehaves(host=host_of(head.url), why=why)
        self._total = total if self._total is None else self._total

    def _interrupted(self) -> InterruptedRead:
        return InterruptedRead(**self._details())

    def _details(self) -> dict[str, object]:
        wanted = "unknown" if self._total is None else self._total
        return {
            "what": f"blob {self._digest}",
            "place": self._place,
            "got": self._position,
            "wanted": wanted,
            "offset": 0,
        }


def skip(reply: Reply, size: int) -> None:
    """Read over the first bytes of a body.

    Raises: RegistryUnreachable: it ends there, or broke.
    """
    left = size
    while left > 0:
        piece = reply.read(min(left, MiB))
        if not piece:
            raise RegistryUnreachable(host=host_of(reply.head.url), why="the answer ended too early")
        left -= len(piece)
