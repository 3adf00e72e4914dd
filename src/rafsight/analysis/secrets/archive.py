"""The members of archives, in memory and within bounds: tar, gzip, zip.

This module alone decides how much of an archive is opened. A member that is an archive itself is opened once more, no
deeper. What is over a bound, or damaged, is said, and ends that archive, not the scan.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rafsight.base.errors import ImageFault
from rafsight.base.limits import Limits
from rafsight.base.units import KiB, MiB
from rafsight.formats.compressed_stream import GZIP_MAGIC, decompressed
from rafsight.formats.tables import MalformedImage
from rafsight.formats.tar import Member, MemberKind, read_members
from rafsight.formats.zip_tail import Range, ZipEntry, find_directory, read_directory, read_member

TOTAL_SIZE: Final = 64 * MiB
"""[bytes] of content that one archive may have; what lies behind is not looked at."""
MEMBER_COUNT: Final = 20_000
"""Members of one archive that are looked at."""
_NAME_SIZE: Final = 1 * KiB
_MEMBER_LIMITS: Final = Limits(path_size=4096, tar_header_size=64 * KiB)
_PIECE: Final = 64 * KiB
_TAR_MARK: Final = (257, b"ustar")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveMember:
    """A regular file in an archive."""

    name: bytes
    """As it would be unpacked; for gzip the archive's own name without its ending."""
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveGap:
    """Something of an archive that was not looked at."""

    what: str


class _TooMuch(Exception):
    """An archive is over a bound."""


def read_archive(content: bytes, name: bytes, *, max_size: int) -> Iterator[ArchiveMember | ArchiveGap] | None:
    """Open an archive.

    Args:
        content: of the archive.
        name: its base name.
        max_size: [bytes] of members; larger ones are passed over.

    Returns: Its members, each valid until the next; None if it is no archive.
    Cost: memory of one member, or of the content of a gzip, at most `TOTAL_SIZE`; each byte is seen once.
    """
    if content.startswith(GZIP_MAGIC):
        return _guarded(_read_gzip(content, name, max_size))
    if content.startswith(b"PK\x03\x04"):
        return _guarded(_read_zip(content, max_size))
    if _is_tar(content):
        return _guarded(_read_tar(iter((content,)), max_size))
    return None


def _is_tar(content: bytes) -> bool:
    at, mark = _TAR_MARK
    return content[at : at + len(mark)] == mark


def _guarded(members: Iterator[ArchiveMember | ArchiveGap]) -> Iterator[ArchiveMember | ArchiveGap]:
    """Turn what ends an archive into a gap."""
    count = 0
    try:
        for member in members:
            count += 1
            if count > MEMBER_COUNT:
                yield ArchiveGap(what=f"more than {MEMBER_COUNT} members; the others were not looked at")
                return
            yield member
    except _TooMuch:
        yield ArchiveGap(what=f"more than {TOTAL_SIZE} bytes of content; what lies behind was not looked at")
    except ImageFault as fault:
        yield ArchiveGap(what=f"the archive is damaged: {fault}")


def _bounded(pieces: Iterator[bytes]) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > TOTAL_SIZE:
            raise _TooMuch
        yield piece


def _read_gzip(content: bytes, name: bytes, max_size: int) -> Iterator[ArchiveMember | ArchiveGap]:
    """A gzip is a tar in most cases, else one file."""
    pieces = _bounded(decompressed(_sliced(content), where="archive"))
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _PIECE:
            break
    if _is_tar(head):
        yield from _read_tar(_chained(head, pieces), max_size)
        return
    whole = [head]
    total = len(head)
    for piece in pieces:
        total += len(piece)
        if total > max_size:
            yield ArchiveGap(what=f"more than the {max_size} bytes that are read")
            return
        whole.append(piece)
    yield ArchiveMember(name=name.removesuffix(b".gz") or b"content", content=b"".join(whole))


def _sliced(content: bytes) -> Iterator[bytes]:
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]


def _chained(head: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from pieces


def _read_tar(pieces: Iterator[bytes], max_size: int) -> Iterator[ArchiveMember | ArchiveGap]:
    for member in read_members(pieces, _MEMBER_LIMITS, where="archive"):
        if member.kind is MemberKind.FILE and _is_readable(member, max_size):
            yield ArchiveMember(name=member.name[:_NAME_SIZE], content=member.content.read(max_size))


def _is_readable(member: Member, max_size: int) -> bool:
    return 0 < member.content.size <= max_size


def _read_zip(content: bytes, max_size: int) -> Iterator[ArchiveMember | ArchiveGap]:
    def read(offset: int, size: int) -> bytes:
        return content[offset : offset + size]

    directory = find_directory(read, len(content))
    if directory is None or isinstance(directory, Range):
        yield ArchiveGap(what="a zip without a directory")
        return
    listed = read(directory.offset, directory.size)
    total = 0
    for entry in read_directory(listed, directory):
        if not 0 < entry.size <= max_size or entry.name.endswith(b"/"):
            continue
        total += entry.size
        if total > TOTAL_SIZE:
            raise _TooMuch
        yield from _zip_member(content, entry, max_size)


def _zip_member(content: bytes, entry: ZipEntry, max_size: int) -> Iterator[ArchiveMember | ArchiveGap]:
    def read(offset: int, size: int) -> bytes:
        return content[offset : offset + size]

    try:
        member = read_member(read, entry, max_size)
    except (MalformedImage, zlib.error) as fault:
        yield ArchiveGap(what=f"a member cannot be read: {fault}")
        return
    if isinstance(member, bytes):
        yield ArchiveMember(name=entry.name[:_NAME_SIZE], content=member)
