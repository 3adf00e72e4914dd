"""Reading forward through bytes that come in pieces of any size.

This module alone knows where pieces end; its users ask for exact numbers of bytes.
"""

from collections.abc import Callable, Iterator

from rafsight.formats.tables import MalformedImage


class ByteStream:
    """A forward-only view of an iterator of pieces. One user at a time."""

    __slots__ = ("_buffer", "_cursor", "_leap", "_pieces", "_start", "where")

    def __init__(self, pieces: Iterator[bytes], where: str, leap: Callable[[int], int] | None = None) -> None:
        """Begin.

        Args:
            pieces: the bytes.
            where: what to call them in messages.
            leap: lets the pieces go on some bytes [bytes] later, and returns how many were there to be passed over;
                None: what is skipped has to be read.
        """
        self._pieces = pieces
        self._leap = leap
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
            if self._leap is not None:
                self._replace(b"")
                passed = self._leap(size)
                self._start += passed
                size -= passed
            piece = next(self._pieces, None) if size else b""
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


def stream_at(read: Callable[[int, int], bytes], size: int, *, where: str, piece_size: int) -> ByteStream:
    """Read forward through something that can be read by position; what is skipped is never read.

    Args:
        read: given offset and size [bytes], returns the bytes that are there.
        size: [bytes] of all of it.
        where: what to call it in messages.
        piece_size: [bytes] to read at a time.
    """
    pieces = _Pieces(read, size, piece_size)
    return ByteStream(pieces, where, pieces.leap)


class _Pieces:
    """Bytes in order, from wherever the last leap ended."""

    def __init__(self, read: Callable[[int, int], bytes], size: int, piece_size: int) -> None:
        self._read = read
        self._left = size
        self._piece_size = piece_size
        self._offset = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = self._read(self._offset, min(self._piece_size, self._left))
        if not piece:
            raise StopIteration
        self.leap(len(piece))
        return piece

    def leap(self, size: int) -> int:
        """Go on `size` bytes later; return how many there were."""
        passed = min(size, self._left)
        self._offset += passed
        self._left -= passed
        return passed
