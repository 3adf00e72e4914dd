"""The archives of `ar`, as Debian packages are: a few members, one after the other.

This module alone decides what such an archive says. Names are at most 16 bytes and stand in the headers themselves
(deb(5)): the longer forms of object libraries are other archives, and refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rafsight.base.units import MiB
from rafsight.formats.byte_stream import ByteStream

MAGIC: Final = b"!<arch>\n"
_HEADER_SIZE: Final = 60
_NAME: Final = slice(0, 16)
_SIZE: Final = slice(48, 58)
_END: Final = slice(58, 60)
_END_MARK: Final = b"`\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArMember:
    """One member; its content is readable until the next member is asked for."""

    name: bytes
    """Without the blanks, and the slash that some writers put behind it."""
    size: int
    """[bytes]"""
    content: Iterator[bytes]
    """In pieces of at most 1 MiB."""


def read_members(stream: Iterator[bytes], *, where: str) -> Iterator[ArMember]:
    """Read an archive member by member.

    Args:
        stream: the archive, in pieces of any size.
        where: what to call it in messages.
    Raises: MalformedImage: it is no such archive, or ends too early.
    Cost: one pass; memory of one piece.
    """
    source = ByteStream(stream, where)
    if source.peek(len(MAGIC)) != MAGIC:
        raise source.fault("this is no ar archive")
    source.skip(len(MAGIC))
    while source.peek(1):
        header = source.take(_HEADER_SIZE)
        digits = header[_SIZE].rstrip(b" ")
        if header[_END] != _END_MARK or not digits.isdigit():
            raise source.fault("a header of an ar archive is damaged")
        name = header[_NAME].rstrip(b" ").removesuffix(b"/")
        if not name or b"/" in name or name.startswith(b"#"):
            raise source.fault(what=f"a member with the name {name!r}")
        size, start = int(digits), source.position
        yield ArMember(name=name, size=size, content=_content(source, start + size))
        source.skip(start + size - source.position)
        if size % 2 and source.peek(1):
            source.skip(1)


def _content(source: ByteStream, end: int) -> Iterator[bytes]:
    while left := end - source.position:
        piece = source.some(min(left, MiB))
        if not piece:
            raise source.fault(what=f"the archive ends {left} bytes before its member does")
        yield piece
