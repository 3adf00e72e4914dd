"""Reading forward through bytes that come in pieces of any size.

This module alone knows where pieces end; its users ask for exact numbers of bytes.
"""

from collections.abc import Iterator

from rafsight.formats.tables import MalformedImage


class ByteStream:
    """A forward-only view of an iterator of pieces. One user at a time."""

    __slots__ = ("_buffer", "_cursor", "_pieces", "_start", "where")

    def __init__(self, pieces: Iterator[bytes], where: str) -> None:
        self._pieces = pieces
        self._buffer = b""
        self._cursor = 0
        self._start = 0
        self.where = where

    @property
    def position(self) -> int:
        """[bytes] consumed so far."""
        return self._start + self._cursor

    def fault(self, what: str, offset: int | None = None) -> MalformedImage:
        """Make an error about these bytes, at the present position if no offset is given."""
        return MalformedImage(where=self.where, what=what, offset=self.position if offset is None else offset)

    def peek(self, size: int) -> bytes:
        """Return the next `size` bytes without consuming them; fewer at the end. For small sizes."""
        while len(self._buffer) - self._cursor < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._replace(self._buffer[self._cursor :] + piece)
        return self._buffer[self._cursor : self._cursor + size]

    def take(self, size: int) -> bytes:
        """Consume exactly `size` bytes; callers bound the size.

        Raises: MalformedImage: the stream ends before.
        """
        end = self._cursor + size
        if end <= len(self._buffer):
            content = self._buffer[self._cursor : end]
            self._cursor = end
            return content
        parts = []
        while size:
            part = self.some(size)
            if not part:
                raise self.fault(what=f"the stream ends {size} bytes too early")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def some(self, size: int) -> bytes:
        """Consume 1 to `size` bytes, whatever is at hand; none at the end."""
        while self._cursor == len(self._buffer):
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._replace(piece)
        part = self._buffer[self._cursor : self._cursor + size]
        self._cursor += len(part)
        return part

    def skip(self, size: int) -> None:
        """Consume exactly `size` bytes without keeping them.

        Raises: MalformedImage: the stream ends before.
        """
        while True:
            step = min(size, len(self._buffer) - self._cursor)
            self._cursor += step
            size -= step
            if not size:
                return
            piece = next(self._pieces, None)
            if piece is None:
                raise self.fault(what=f"the stream ends {size} bytes too early")
            self._replace(piece)

    def give_back(self, size: int) -> None:
        """Take back the last `size` bytes of what `some` returned last."""
        self._cursor -= size

    def rest(self, size: int) -> Iterator[bytes]:
        """Consume everything, in pieces of 1 to `size` bytes."""
        while part := self.some(size):
            yield part

    def _replace(self, buffer: bytes) -> None:
        """Go on with a buffer that begins at the present position."""
        self._start += self._cursor
        self._buffer = buffer
        self._cursor = 0
