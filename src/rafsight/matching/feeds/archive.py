"""Zips of JSON files, as OSV publishes an ecosystem.

This module alone decides how much of a zip is believed. The directory at its end is bounded before it is parsed, each
member before and while it is unpacked; a member that is too large is a problem of that member, a broken stream one of
the whole.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.units import GiB, MiB

DIRECTORY_SIZE: Final = 192 * MiB
"""[bytes] of the zip's own directory: two million members with the usual names."""
MEMBER_COUNT: Final = 2_000_000
MEMBER_SIZE: Final = 16 * MiB
"""[bytes] of one unpacked member."""
MEMBER_RATIO: Final = 400
"""Unpacked to packed size; asked of members above one MiB only."""
TOTAL_SIZE: Final = 64 * GiB
"""[bytes] of all members unpacked."""

_TAIL_SIZE: Final = 22 + 0xFFFF
_END_MAGIC: Final = b"PK\x05\x06"
_END64_MAGIC: Final = b"PK\x06\x06"


class DamagedArchive(CallerError):
    """A file that should be a zip of advisories is none, or not whole."""

    code = "damaged-advisory-archive"
    template = "{name} is no intact zip of advisories: {reason}"
    remedy = "Download it again. The database was left as it was."
    exit_status = ExitStatus.DATABASE


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One JSON file of a zip."""

    name: str
    content: bytes
    problem: str = ""
    """Why it has no content; empty if it has."""


def read_members(file: BinaryIO, name: str) -> Iterator[Member]:
    """Read the JSON files of a zip one by one.

    Args:
        file: seekable, at any position.
        name: what to call it in an error.
    Raises: DamagedArchive: at once or later; what came before must be given up.
    """
    _check_directory(file, name)
    try:
        with zipfile.ZipFile(file) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".json")]
            if len(members) > MEMBER_COUNT or sum(info.file_size for info in members) > TOTAL_SIZE:
                raise DamagedArchive(name=name, reason="it holds more than any database publishes")
            for info in members:
                yield _read(archive, info)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError) as error:
        if isinstance(error, CallerError):
            raise
        raise DamagedArchive(name=name, reason=str(error)) from error


def _read(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return Member(name=info.filename, content=b"", problem="it is packed in a way that no database uses")
    if info.file_size > MEMBER_SIZE:
        return Member(name=info.filename, content=b"", problem="it is too large")
    if info.file_size > MiB and info.file_size > MEMBER_RATIO * info.compress_size:
        return Member(name=info.filename, content=b"", problem="it is packed tighter than text can be")
    with archive.open(info) as stream:
        content = stream.read(MEMBER_SIZE + 1)
    if len(content) > MEMBER_SIZE:
        return Member(name=info.filename, content=b"", problem="it is larger than it says")
    return Member(name=info.filename, content=content)


def _check_directory(file: BinaryIO, name: str) -> None:
    """Bound the zip's directory by what its end record says, before anything of it is parsed."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL_SIZE))
    tail = file.read(_TAIL_SIZE)
    end = tail.rfind(_END_MAGIC)
    if end < 0 or end + 22 > len(tail):
        raise DamagedArchive(name=name, reason="its end is missing")
    count = int.from_bytes(tail[end + 10 : end + 12], "little")
    directory_size = int.from_bytes(tail[end + 12 : end + 16], "little")
    end64 = tail.rfind(_END64_MAGIC, 0, end)
    if end64 >= 0 and end64 + 56 <= len(tail):
        count = max(count, int.from_bytes(tail[end64 + 32 : end64 + 40], "little"))
        directory_size = max(directory_size, int.from_bytes(tail[end64 + 40 : end64 + 48], "little"))
    elif directory_size == 0xFFFFFFFF:
        raise DamagedArchive(name=name, reason="its end is out of place")
    if count > MEMBER_COUNT or directory_size > min(DIRECTORY_SIZE, size):
        raise DamagedArchive(name=name, reason="its directory is larger than any database needs")
