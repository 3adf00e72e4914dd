"""A layer's tar, member by member, in one pass forward.

This module alone decides what a tar says: ustar, GNU, star and PAX headers, long names, sparse files. Names are bytes
in the form of the tree. Global PAX headers are ignored, as docker and containerd ignore them. Whoever iterates may read
a member's content before asking for the next one; what is not read is skipped.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from rafsight.base.errors import Defect
from rafsight.base.limits import Limits
from rafsight.base.units import KiB, MiB
from rafsight.formats import tar_layout as layout
from rafsight.formats.byte_stream import ByteStream, stream_at
from rafsight.formats.tables import Xattr
from rafsight.formats.tar_fields import (
    Extras,
    check_header,
    clean_path,
    header_name,
    parse_number,
    parse_text,
    read_pax,
)
from rafsight.formats.tar_sparse import Segments, check_segments, read_old_map, read_pax_map

_MAX_SIZE: Final = (1 << 62) - 1
_MAX_ID: Final = (1 << 32) - 1
_MAX_TIME: Final = 1 << 62
_NANOSECONDS: Final = 1_000_000_000


class MemberKind(StrEnum):
    """What a member is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    CHAR = "char"
    BLOCK = "block"
    FIFO = "fifo"
    OTHER = "other"
    """A type that no unpacker of images knows; it makes no file."""


_KINDS: Final = {
    **dict.fromkeys(layout.FILES, MemberKind.FILE),
    layout.HARDLINK: MemberKind.HARDLINK,
    layout.SYMLINK: MemberKind.SYMLINK,
    layout.CHAR: MemberKind.CHAR,
    layout.BLOCK_DEVICE: MemberKind.BLOCK,
    layout.DIRECTORY: MemberKind.DIRECTORY,
    layout.FIFO: MemberKind.FIFO,
}
_WITH_CONTENT: Final = (MemberKind.FILE, MemberKind.OTHER)
_HEADERS_SIZE: Final = 4 * KiB
"""[bytes] read at a time where contents are leaped over."""


class MemberContent(Protocol):
    """The stored bytes of one member, readable until the next member is asked for: iterate, or `read`."""

    size: int
    """[bytes]"""

    def __iter__(self) -> Iterator[bytes]:
        """Read what is left, in pieces of at most 1 MiB."""
        ...

    def read(self, max_size: int) -> bytes:
        """Read what is left as one piece of memory, at most `max_size` bytes."""
        ...

    def close(self) -> None:
        """End the reading; whoever makes the members does so before the next one."""
        ...


class Content:
    """The stored bytes of a member of a tar."""

    __slots__ = ("_end", "_is_open", "_stream", "size")

    def __init__(self, stream: ByteStream, size: int) -> None:
        self._stream = stream
        self._end = stream.position + size
        self._is_open = True
        self.size = size
        """[bytes]"""

    def __iter__(self) -> Iterator[bytes]:
        """Read what is left, in pieces of at most 1 MiB.

        Raises: MalformedImage: the stream ends before.
        """
        if not self._is_open:
            raise Defect(what="the content of a tar member was read after the next member was asked for")
        while left := self._end - self._stream.position:
            piece = self._stream.some(min(left, MiB))
            if not piece:
                raise self._stream.fault(what=f"the archive ends {left} bytes before its member does")
            yield piece

    def read(self, max_size: int) -> bytes:
        """Read what is left as one piece of memory.

        Raises: MalformedImage: it is more than `max_size` bytes, or the stream ends before.
        """
        left = self._end - self._stream.position
        if left > max_size:
            raise self._stream.fault(what=f"a member of {left} bytes where {max_size} are expected at most")
        return b"".join(self)

    def close(self) -> None:
        """Skip what was not read, and the padding."""
        self._is_open = False
        self._stream.skip(self._end - self._stream.position + -self.size % layout.BLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a tar, or of something that is read as one is."""

    name: bytes
    """Path relative to the root, no `.`, `..` or closing slash; empty for the root itself."""
    kind: MemberKind
    mode: int
    """Permission bits, without the type."""
    uid: int
    gid: int
    mtime: int
    """[ns] since 1970, signed."""
    size: int
    """[bytes] of the file, holes included; 0 for everything else."""
    target: bytes
    """A symlink's text as it is written, a hard link's path in the form of `name`."""
    rdev: int
    """Linux encoding; 0 for everything but devices."""
    xattrs: tuple[Xattr, ...]
    """Ordered by name."""
    content_offset: int
    """[bytes] of the first stored byte in the decompressed stream."""
    segments: Segments | None
    """(file offset, size) of the stored parts of a sparse file; None if the stored bytes are the file."""
    content: MemberContent
    """The stored bytes; for a sparse file its segments, one after the other."""


def read_members(stream: Iterator[bytes], limits: Limits | None = None, *, where: str) -> Iterator[Member]:
    """Read a tar.

    Args:
        stream: the archive, uncompressed, in pieces of any size (see `compressed_stream.decompressed`).
        limits: what to accept.
        where: what to call it in messages.
    Raises: MalformedImage; its offset counts bytes of the archive.
    Cost: one pass; memory of one piece and one member's headers. The stream is read to its end, behind the archive too.
    """
    source = ByteStream(stream, where)
    yield from _members(source, limits or Limits())
    for _ in source.rest(MiB):
        pass


def find_members(
    read: Callable[[int, int], bytes], size: int, limits: Limits | None = None, *, where: str
) -> Iterator[Member]:
    """Read a tar that lies where bytes can be read by position: contents that nobody reads are leaped over.

    Args:
        read: given offset and size [bytes], returns the bytes that are there.
        size: [bytes] of the archive, uncompressed.
        limits: what to accept.
        where: what to call it in messages.
    Raises: MalformedImage; its offset counts bytes of the archive.
    Cost: a read of 4 KiB a member. What lies behind the archive is not looked at.
    """
    yield from _members(stream_at(read, size, where=where, piece_size=_HEADERS_SIZE), limits or Limits())


def _members(source: ByteStream, limits: Limits) -> Iterator[Member]:
    while (found := _next_header(source, limits)) is not None:
        member = _member(*found, source, limits)
        yield member
        member.content.close()


def _next_header(stream: ByteStream, limits: Limits) -> tuple[bytes, Extras] | None:
    """Read up to the header of the next member; None at the end of the archive."""
    extras = Extras()
    extended = 0
    while stream.peek(1):
        block = stream.take(layout.BLOCK)
        if block == layout.ZERO_BLOCK:
            if stream.peek(1) and stream.take(layout.BLOCK) != layout.ZERO_BLOCK:
                raise stream.fault("something follows the end of the archive")
            break
        check_header(block, stream)
        kind = block[layout.TYPE]
        if kind == layout.PAX_GLOBAL:
            size = _bounded(parse_number(block[layout.SIZE], stream), _MAX_SIZE, "a size", stream)
            stream.skip(size + -size % layout.BLOCK)
        elif kind in (layout.PAX, layout.GNU_LONG_NAME, layout.GNU_LONG_LINK):
            size = _bounded(parse_number(block[layout.SIZE], stream), _MAX_SIZE, "a size", stream)
            extended += size
            if extended > limits.tar_header_size:
                raise stream.fault(what=f"extended headers of more than {limits.tar_header_size} bytes")
            _extend(kind, stream.take(size), extras, stream)
            stream.skip(-size % layout.BLOCK)
        else:
            return block, extras
    if extended:
        raise stream.fault("an extended header without a member")
    return None


def _extend(kind: int, content: bytes, extras: Extras, stream: ByteStream) -> None:
    if kind == layout.PAX:
        read_pax(content, extras, stream)
    elif kind == layout.GNU_LONG_NAME:
        extras.name = parse_text(content)
    else:
        extras.target = parse_text(content)


def _member(block: bytes, extras: Extras, stream: ByteStream, limits: Limits) -> Member:
    stored_name = header_name(block) if extras.name is None else extras.name
    kind = _KINDS.get(block[layout.TYPE], MemberKind.OTHER)
    if block[layout.TYPE] == layout.OLD_FILE and stored_name.endswith(b"/"):
        kind = MemberKind.DIRECTORY  # archives older than ustar
    name = clean_path(stored_name, stream, limits.path_size)
    if not name and kind != MemberKind.DIRECTORY:
        raise stream.fault("a member without a name")
    stored, size, segments = 0, 0, None
    if kind in _WITH_CONTENT:
        declared = parse_number(block[layout.SIZE], stream) if extras.size is None else extras.size
        stored, size, segments = _sizes(block, extras, declared, stream, limits)
    seconds = parse_number(block[layout.MTIME], stream) * _NANOSECONDS if extras.mtime is None else extras.mtime
    if not -_MAX_TIME * _NANOSECONDS < seconds < _MAX_TIME * _NANOSECONDS:
        raise stream.fault("an impossible time")
    return Member(
        name=name,
        kind=kind,
        mode=parse_number(block[layout.MODE], stream) & 0o7777,
        uid=_owner(block[layout.UID], extras.uid, stream),
        gid=_owner(block[layout.GID], extras.gid, stream),
        mtime=seconds,
        size=size,
        target=_target(block, extras, kind, stream, limits),
        rdev=_device(block, stream) if kind in (MemberKind.CHAR, MemberKind.BLOCK) else 0,
        xattrs=extras.xattrs,
        content_offset=stream.position,
        segments=segments,
        content=Content(stream, stored),
    )


def _sizes(
    block: bytes, extras: Extras, declared: int, stream: ByteStream, limits: Limits
) -> tuple[int, int, Segments | None]:
    """Return the stored size, the size of the file [bytes], and its segments if it is sparse."""
    _bounded(declared, _MAX_SIZE, "a size", stream)
    if block[layout.TYPE] == layout.SPARSE:
        segments, size = read_old_map(block, stream, limits.tar_header_size)
        stored = declared
    elif extras.sparse_pairs is not None:
        segments, taken = read_pax_map(extras, stream, limits.tar_header_size)
        stored = declared - taken
        size = declared if extras.sparse_size is None else extras.sparse_size
    else:
        return declared, declared, None
    _bounded(size, _MAX_SIZE, "a size", stream)
    return stored, size, check_segments(segments, stored_size=stored, real_size=size, stream=stream)


def _target(block: bytes, extras: Extras, kind: MemberKind, stream: ByteStream, limits: Limits) -> bytes:
    if kind not in (MemberKind.SYMLINK, MemberKind.HARDLINK):
        return b""
    target = parse_text(block[layout.LINK]) if extras.target is None else extras.target
    if kind == MemberKind.HARDLINK:
        return clean_path(target, stream, limits.path_size)
    if not 0 < len(target) <= limits.path_size or b"\0" in target:
        raise stream.fault("a symbolic link with an impossible target")
    return target


def _owner(field: bytes, extended: int | None, stream: ByteStream) -> int:
    return _bounded(parse_number(field, stream) if extended is None else extended, _MAX_ID, "an owner", stream)


def _device(block: bytes, stream: ByteStream) -> int:
    major = _bounded(parse_number(block[layout.DEV_MAJOR], stream), 0xFFF, "a device number", stream)
    minor = _bounded(parse_number(block[layout.DEV_MINOR], stream), 0xFFFFF, "a device number", stream)
    return encode_device(major, minor)


def encode_device(major: int, minor: int) -> int:
    """Return a device number as Linux's file systems store it."""
    return (minor & 0xFF) | major << 8 | (minor & ~0xFF) << 12


def _bounded(value: int, most: int, what: str, stream: ByteStream) -> int:
    if not 0 <= value <= most:
        raise stream.fault(what=f"{what} of {value} is impossible")
    return value
