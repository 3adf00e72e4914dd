"""Zip archives read from their end: only the directory, and the members that somebody wants.

The end record says where the directory lies, the directory where each member does (APPNOTE 4.3). Everything is read
from ranges that the caller has; a range that is not at hand yet is an answer, too. This module alone decides where an
archive begins inside its file (what stands before it may be a shell script), and how much of it is believed: every size
is checked before anything is allocated, and nothing is believed that lies outside the archive.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from rafsight.base.units import KiB, MiB
from rafsight.formats.tables import MalformedImage

DIRECTORY_SIZE: Final = 32 * MiB
"""[bytes] no directory is larger; one of a quarter of a million entries is not."""
FIRST_TAIL: Final = 16 * KiB
"""[bytes] from the end that hold the end record, unless a long comment follows it, and mostly a small directory."""
LONGEST_TAIL: Final = 22 + 0xFFFF + 20 + 56
"""[bytes] from the end that hold all end records, whatever the length of the comment."""
LOCAL_SLACK: Final = 256
"""[bytes] that are read behind a local header: its extra fields may be longer than the directory says."""

_END: Final = b"PK\x05\x06"
_END_FIELDS: Final = struct.Struct("<4sHHHHIIH")
_LOCATOR: Final = struct.Struct("<4sIQI")
_END64_FIELDS: Final = struct.Struct("<4sQHHIIQQQQ")
_ENTRY: Final = struct.Struct("<4s4xHH4xIIIHHH8xI")
_LOCAL: Final = struct.Struct("<4s22xHH")
_STORED: Final = 0
_DEFLATED: Final = 8
_ENCRYPTED: Final = 1
_EVERYTHING: Final = 0xFFFFFFFF
"""A field of 32 bits that says: look into the zip64 record."""
_END_CANDIDATES: Final = 16
"""A comment may contain the signature of an end record; so many are tried."""

Read = Callable[[int, int], bytes | None]
"""Returns `size` bytes from `offset`, cut at the end of the archive's file, or None: they are not at hand yet."""


class Range(NamedTuple):
    """Bytes that have to be read first."""

    offset: int
    """[bytes] from the start of the file."""
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipDirectory:
    """Where the directory of an archive lies."""

    base: int
    """[bytes] that stand before the archive; all its offsets count from here."""
    offset: int
    """[bytes] from the start of the file."""
    size: int
    """[bytes], at most `DIRECTORY_SIZE`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipEntry:
    """What the directory says about one member. Nothing of it has been compared with the member itself."""

    name: bytes
    is_encrypted: bool
    method: int
    crc: int
    compressed_size: int
    """[bytes] in the archive."""
    size: int
    """[bytes] of the content."""
    header_offset: int
    """[bytes] from the start of the file."""
    header_size: int
    """[bytes] the local header has at least, extra fields as in the directory."""

    @property
    def is_stored(self) -> bool:
        """True if the content stands in the archive as it is."""
        return self.method == _STORED and not self.is_encrypted and self.size == self.compressed_size


def find_directory(read: Read, size: int) -> ZipDirectory | Range | None:
    """Find the directory of an archive.

    Args:
        read: ranges of the file.
        size: [bytes] of the file.

    Returns: Where it lies, or what has to be read first. None if no end record is there, so that this is no archive.
    Raises: MalformedImage.
    """
    for length in (min(FIRST_TAIL, size), min(LONGEST_TAIL, size)):
        tail = read(size - length, length)
        if tail is None:
            return Range(size - length, length)
        found = _find_end(tail, size)
        if found is not None:
            return _read_end(read, found, tail[found - (size - length) :])
    return None


def read_directory(
    content: bytes, directory: ZipDirectory, wanted: Callable[[bytes], object] | None = None
) -> Iterator[ZipEntry]:
    """Yield the members that a directory names, in its order.

    Args:
        content: `directory.size` bytes of the file from `directory.offset`.
        directory: where it lies.
        wanted: tells from a name whether the entry is; the others cost least. None: all are.

    Raises: MalformedImage: what was yielded before is as sound as the rest of the file.
    Cost: linear in the size of the directory; about a second for the largest.
    """
    at, end = 0, len(content)
    unpack, fixed = _ENTRY.unpack_from, _ENTRY.size
    while at < end:
        if at + fixed > end:
            raise _fault(what="the directory ends inside an entry", offset=directory.offset + at)
        mark, flags, method, crc, packed, size, name_size, extra_size, comment_size, header = unpack(content, at)
        start = at + fixed
        stop = start + name_size + extra_size + comment_size
        if mark != b"PK\x01\x02" or stop > end:
            what = "the directory ends inside an entry" if stop > end else "no directory entry"
            raise _fault(what=what, offset=directory.offset + at)
        name = content[start : start + name_size]
        if wanted is None or wanted(name):
            extra = content[start + name_size : start + name_size + extra_size]
            size, packed, header = _widen((size, packed, header), extra)
            yield ZipEntry(
                name=name,
                is_encrypted=bool(flags & _ENCRYPTED),
                method=method,
                crc=crc,
                compressed_size=packed,
                size=size,
                header_offset=directory.base + header,
                header_size=_LOCAL.size + name_size + extra_size,
            )
        at = stop


def overlapping(entries: Iterable[ZipEntry], directory: ZipDirectory) -> frozenset[int]:
    """Return which of some members (by position) share bytes with another one or with the directory.

    No archive needs that but one that wants to be larger than it is. Of two that overlap, the later one counts as bad.
    """
    bad = set()
    last = directory.base
    ordered = sorted(enumerate(entries), key=lambda pair: (pair[1].header_offset, pair[0]))
    for index, entry in ordered:
        end = entry.header_offset + _LOCAL.size + len(entry.name) + entry.compressed_size
        if entry.header_offset < last or end > directory.offset:
            bad.add(index)
        else:
            last = end
    return frozenset(bad)


def member_range(entry: ZipEntry, size: int | None = None) -> Range:
    """Return the range that holds a member with its local header; the header of a few writers is longer still.

    Args:
        entry: the member.
        size: [bytes] of the stored form that are wanted; None: all.
    """
    length = entry.compressed_size if size is None else min(size, entry.compressed_size)
    return Range(entry.header_offset, entry.header_size + LOCAL_SLACK + length)


def find_content(read: Read, entry: ZipEntry) -> int | Range:
    """Find where the stored form of a member begins: behind its local header.

    Returns: [bytes] from the start of the file, or what has to be read first.
    Raises: MalformedImage.
    """
    header = read(entry.header_offset, _LOCAL.size)
    if header is None:
        return Range(entry.header_offset, entry.header_size)
    if len(header) < _LOCAL.size or not header.startswith(b"PK\x03\x04"):
        raise _fault(what="no member where the directory says there is one", offset=entry.header_offset)
    _, name_size, extra_size = _LOCAL.unpack(header)
    return entry.header_offset + _LOCAL.size + int(name_size) + int(extra_size)


def check_form(entry: ZipEntry) -> None:
    """Check that a member is stored or deflated, and not encrypted.

    Raises: MalformedImage.
    """
    if entry.is_encrypted:
        raise _fault(what="an encrypted member", offset=entry.header_offset)
    if entry.method not in (_STORED, _DEFLATED):
        raise _fault(what=f"a member compressed by method {entry.method}", offset=entry.header_offset)
    if entry.method == _STORED and entry.size != entry.compressed_size:
        raise _fault(what="a stored member of two sizes", offset=entry.header_offset)


def read_member(read: Read, entry: ZipEntry, max_size: int) -> bytes | Range:
    """Read a member that may be at most `max_size` bytes.

    Returns: its content, or what has to be read first.
    Raises: MalformedImage: it is larger, or damaged, or of a form that is not read.
    Cost: at most `max_size` bytes of memory, whatever the archive says.
    """
    check_form(entry)
    if max(entry.size, entry.compressed_size) > max_size:
        raise _fault(
            what=f"a member of {entry.size} bytes, more than the {max_size} that are read", offset=entry.header_offset
        )
    stored = _stored_form(read, entry, entry.compressed_size)
    if isinstance(stored, Range):
        return stored
    content = _inflate(entry, stored, entry.size + 1) if entry.method == _DEFLATED else stored
    if len(content) != entry.size or zlib.crc32(content) != entry.crc:
        raise _fault(what="a member is not what the directory says", offset=entry.header_offset)
    return content


def read_head(read: Read, entry: ZipEntry, size: int) -> bytes | Range:
    """Read the first bytes of a member, however large it is. What is cut short cannot be compared with its check sum.

    Args:
        read: ranges of the file.
        entry: the member.
        size: [bytes] of content that are wanted at most, and of the stored form that are read for them.

    Returns: the content, or what has to be read first.
    Raises: MalformedImage.
    """
    if max(entry.size, entry.compressed_size) <= size:
        return read_member(read, entry, size)
    check_form(entry)
    stored = _stored_form(read, entry, min(size, entry.compressed_size))
    if isinstance(stored, Range):
        return stored
    return _inflate(entry, stored, size) if entry.method == _DEFLATED else stored


def _find_end(tail: bytes, size: int) -> int | None:
    """Return where the end record stands in the file; one that ends exactly with the file is the best."""
    start = size - len(tail)
    first = None
    at = len(tail)
    for _ in range(_END_CANDIDATES):
        at = tail.rfind(_END, 0, at + len(_END) - 1)
        if at < 0:
            break
        if at + _END_FIELDS.size > len(tail):
            continue
        end = at + _END_FIELDS.size + _END_FIELDS.unpack_from(tail, at)[-1]
        if end == len(tail):
            return start + at
        if end < len(tail) and first is None:
            first = start + at  # something was appended to the archive
    return first


def _read_end(read: Read, position: int, record: bytes) -> ZipDirectory | Range:
    """Read the end record, and that of zip64 before it where there is one."""
    _, disk, first_disk, _, count, size, offset, _ = _END_FIELDS.unpack_from(record)
    end = position
    if 0xFFFF in (disk, count) or _EVERYTHING in (size, offset):
        wide = _read_end64(read, position)
        if isinstance(wide, Range):
            return wide
        if wide is not None:
            end, disk, first_disk, size, offset = wide
    if disk or first_disk:
        raise _fault(what="one part of an archive of several", offset=position)
    base = end - size - offset
    if base < 0:
        raise _fault(what="the end record names a directory outside the file", offset=position)
    if size > DIRECTORY_SIZE:
        raise _fault(what=f"a directory of {size} bytes, more than the {DIRECTORY_SIZE} that are read", offset=position)
    return ZipDirectory(base=base, offset=end - size, size=size)


def _read_end64(read: Read, position: int) -> tuple[int, int, int, int, int] | Range | None:
    """Return position, disks, size and offset out of the zip64 end record; None if there is none."""
    at = position - _LOCATOR.size
    if at < 0:
        return None
    locator = read(at, _LOCATOR.size)
    if locator is None:
        return Range(at, _LOCATOR.size)
    mark, _, offset, _ = _LOCATOR.unpack(locator)
    if mark != b"PK\x06\x07":
        return None
    # Just before the locator, also where something stands before the archive; elsewhere only with an extension.
    for place in (at - _END64_FIELDS.size, offset):
        if not 0 <= place <= at - _END64_FIELDS.size:
            continue
        record = read(place, _END64_FIELDS.size)
        if record is None:
            return Range(place, _END64_FIELDS.size)
        if record.startswith(b"PK\x06\x06"):
            fields = _END64_FIELDS.unpack(record)
            return place, fields[4], fields[5], fields[8], fields[9]
    raise _fault(what="the zip64 end record is not where its locator says", offset=at)


def _widen(fields: tuple[int, int, int], extra: bytes) -> tuple[int, int, int]:
    """Replace the fields that do not fit into 32 bits by those of the zip64 extra field; they stand in this order."""
    if _EVERYTHING not in fields:
        return fields
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            wide = iter(struct.unpack_from(f"<{min(size, len(extra) - at - 4) // 8}Q", extra, at + 4))
            first, second, third = (next(wide, field) if field == _EVERYTHING else field for field in fields)
            return first, second, third
        at += 4 + size
    return fields


def _stored_form(read: Read, entry: ZipEntry, size: int) -> bytes | Range:
    """Return the first bytes of a member's stored form."""
    start = find_content(read, entry)
    if isinstance(start, Range):
        return member_range(entry, size)
    stored = read(start, size)
    if stored is None:
        return Range(start, size)
    if len(stored) < size:
        raise _fault(what="a member reaches over the end of the file", offset=entry.header_offset)
    return stored


def _inflate(entry: ZipEntry, stored: bytes, max_size: int) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(stored, max_size)
    except zlib.error as error:
        raise _fault(what="a member that does not inflate", offset=entry.header_offset) from error


def _fault(*, what: str, offset: int) -> MalformedImage:
    return MalformedImage(where="a zip archive", what=what, offset=offset)
