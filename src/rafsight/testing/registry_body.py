"""The body of a request to the stand-in registry: read as it comes, never past its end.

This module alone decides how bodies are framed (RFC 9112, section 6): Content-Length, or chunks.
"""

from io import BufferedIOBase
from typing import Final

from rafsight.base.units import MiB

_LONGEST_LINE: Final = 4096
"""[bytes] of a chunk's size, or of a line after the last chunk."""
_MOST_TRAILERS: Final = 100
_WORTH_DRAINING: Final = MiB
"""[bytes] of an unwanted body that are read so that the connection can be kept."""
_PIECE: Final = 64 * 1024


class BodyBroken(ConnectionError):
    """The body ended too early, or is not framed as bodies are; nothing more can be read from the connection."""


class Body:
    """What follows the head of a request."""

    def __init__(self, file: BufferedIOBase, *, length: str | None, encoding: str | None) -> None:
        """Read nothing yet.

        Args:
            file: the connection, behind the head.
            length: the Content-Length header.
            encoding: the Transfer-Encoding header; with it the length does not count.
        """
        self._file = file
        self._is_chunked = bool(encoding) and (encoding or "").lower() != "identity"
        self._ended = False
        self.received = 0
        """[bytes] that were read."""
        self.limit: int | None = None
        """[bytes] after which the connection is as good as broken: a test wants it so."""
        if self._is_chunked:
            self._left = 0
        elif length is None or (length.isascii() and length.isdigit() and len(length) <= 19):
            self._left = int(length or 0)
        else:
            raise BodyBroken("the length is none")

    def read(self, size: int) -> bytes:
        """Return the next bytes, at most `size`; empty at the end.

        Raises: BodyBroken.
        """
        if self._is_chunked and not self._left and not self._ended:
            self._begin_chunk()
        if not self._left or self._ended:
            return b""
        if self.limit is not None:
            if self.received >= self.limit:
                raise BodyBroken("that was enough")
            size = min(size, self.limit - self.received)
        try:
            piece = self._file.read(min(size, self._left, _PIECE))
        except OSError as error:
            raise BodyBroken("the connection broke") from error
        if not piece:
            raise BodyBroken("the client went away")
        self._left -= len(piece)
        self.received += len(piece)
        if self._is_chunked and not self._left:
            self._line()
        return piece

    def read_up_to(self, limit: int) -> bytes:
        """Return the body, or the first `limit` bytes of it.

        Raises: BodyBroken.
        """
        pieces = []
        left = limit
        while left and (piece := self.read(left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def drain(self) -> bool:
        """Read what nobody wanted; False if there is so much of it that the connection is better closed."""
        left = _WORTH_DRAINING
        while left > 0:
            piece = self.read(left)
            if not piece:
                return True
            left -= len(piece)
        return not self.read(1)

    def _begin_chunk(self) -> None:
        text = self._line().partition(b";")[0].strip()
        try:
            self._left = int(text, 16)
        except ValueError:
            raise BodyBroken("the size of a chunk is none") from None
        if self._left < 0:
            raise BodyBroken("the size of a chunk is none")
        if self._left == 0:
            self._ended = True
            for _ in range(_MOST_TRAILERS):
                if not self._line():
                    return
            raise BodyBroken("there is no end of trailers")

    def _line(self) -> bytes:
        try:
            line = self._file.readline(_LONGEST_LINE)
        except OSError as error:
            raise BodyBroken("the connection broke") from error
        if not line.endswith(b"\n"):
            raise BodyBroken("a line has no end")
        return line.rstrip(b"\r\n")
