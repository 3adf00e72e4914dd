"""A blob's bytes on their way to a target: cut, counted and hashed.

This module alone decides that other bytes than were promised never arrive whole: the last piece is held back until all
of them are known to be right.
"""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from rafsight.access.target import OpenPieces
from rafsight.base.digest import hasher_for
from rafsight.base.errors import ImageFault
from rafsight.base.units import KiB

_CUT: Final = 64 * KiB
"""[bytes] The connect time-out holds for each piece, so that a slow line needs small ones."""


class WrongContent(ImageFault):
    """What is to be pushed is not what its digest and its size say."""

    code = "wrong-push-content"
    template = "{what} was not pushed to {place}: expected {expected}, the bytes are {actual}"
    remedy = "Nothing was changed there; check the source with `rafsight check REF --chunks`, then push again."


class ContentFailed(Exception):
    """Wraps what the content raised, so that nobody takes it for a fault of the target, or tries again for it."""

    def __init__(self, reason: Exception) -> None:
        """Keep the reason."""
        super().__init__(str(reason))
        self.reason = reason


@dataclass(slots=True, kw_only=True)
class Outgoing:
    """A blob that is sent, perhaps more than once."""

    digest: str
    size: int
    """[bytes]"""
    content: OpenPieces
    place: str
    """Where it goes."""
    sent: int = 0
    """[bytes] that went out, in all attempts."""
    complete: bool = False
    """The last attempt sent all of it."""

    def pieces(self) -> Generator[bytes, None, None]:
        """Give the bytes in small pieces, from the start.

        Raises: ContentFailed.
        """
        self.complete = False
        try:
            with closing(verified(self.content, self.digest, self.size, place=self.place)) as pieces:
                for piece in pieces:
                    for start in range(0, len(piece), _CUT):
                        part = piece[start : start + _CUT]
                        yield part
                        self.sent += len(part)
        except Exception as error:
            raise ContentFailed(error) from error
        self.complete = True


def verified(content: OpenPieces, digest: str, size: int, *, place: str) -> Generator[bytes, None, None]:
    """Give a blob's bytes; the last of them only if there are `size` [bytes] and their digest is right.

    Raises: WrongContent; what the content raises.
    """
    what = f"blob {digest}"
    hasher = hasher_for(digest)
    left = size
    held = b""
    with content() as pieces:
        for piece in pieces:
            left -= len(piece)
            if left < 0:
                raise WrongContent(what=what, place=place, expected=f"{size} bytes", actual="more")
            hasher.update(piece)
            if held:
                yield held
            held = piece
    if left:
        raise WrongContent(what=what, place=place, expected=f"{size} bytes", actual=f"{size - left} bytes")
    actual = f"{digest.partition(':')[0]}:{hasher.hexdigest()}"
    if actual != digest:
        raise WrongContent(what=what, place=place, expected=digest, actual=actual)
    if held:
        yield held
