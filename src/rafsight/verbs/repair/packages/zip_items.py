"""Zips of packages: each member is read from the file itself, when it is asked for.

This module alone decides how much of such a zip is believed: its directory is bounded before it is parsed, a member
while it is unpacked.
"""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from rafsight.base.units import KiB, MiB
from rafsight.formats.tar import MemberKind
from rafsight.image.changes import Content
from rafsight.verbs.repair.packages.faults import MalformedPackage, reading
from rafsight.verbs.repair.packages.items import (
    FILE_SIZE,
    MEMBER_COUNT,
    PIECE,
    TOTAL_SIZE,
    Item,
    file_pieces,
    is_plain,
)

_DIRECTORY_SIZE: Final = 64 * MiB
"""[bytes] of a zip's own directory."""
_INPUT: Final = 64 * KiB
_TAIL_SIZE: Final = 22 + 0xFFFF
_LOCAL_HEADER: Final = struct.Struct("<4s22xHH")
_LOCAL_MAGIC: Final = b"PK\x03\x04"
_ENCRYPTED: Final = 0x41


def zip_items(file: Path) -> list[Item]:
    """List the files of a zip; their content is read from the file when it is asked for, and checked then.

    Raises: UnreadablePackage, MalformedPackage; reading a content MalformedPackage, too.
    """
    with reading(file), _damages(file), file.open("rb") as stream:
        _check_directory(stream, file)
        with zipfile.ZipFile(stream) as archive:
            infos = archive.infolist()
    if len(infos) > MEMBER_COUNT or sum(info.file_size for info in infos) > TOTAL_SIZE:
        raise MalformedPackage(file=str(file), what="it holds more than any package does")
    return [_zip_item(file, info) for info in infos if not info.is_dir()]


def _zip_item(file: Path, info: zipfile.ZipInfo) -> Item:
    name = info.filename
    if info.flag_bits & _ENCRYPTED:
        raise MalformedPackage(file=str(file), what=f"{name} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise MalformedPackage(file=str(file), what=f"{name} is packed in a way that packages do not use")
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        raise MalformedPackage(file=str(file), what=f"the name {name!r} is no text") from None
    if not is_plain(encoded) or "\\" in name:
        raise MalformedPackage(file=str(file), what=f"the name {name!r} does not stay inside the package")

    @contextmanager
    def opened() -> Iterator[Iterator[bytes]]:
        with reading(file), file.open("rb") as stream:
            yield _inflated(stream, file, info)

    return Item(
        name=encoded,
        kind=MemberKind.FILE,
        mode=0o755 if info.external_attr >> 16 & 0o111 else 0o644,
        mtime=_zip_time(info),
        content=Content(size=info.file_size, open=opened),
    )


def _zip_time(info: zipfile.ZipInfo) -> int:
    """Return the time [ns] that a zip says, which has no zone: as if it were UTC, so that it is the same everywhere."""
    try:
        return int(datetime(*info.date_time, tzinfo=UTC).timestamp()) * 1_000_000_000
    except ValueError:
        return 0


def _inflated(stream: BinaryIO, file: Path, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Read one member: no more than its size, and only if it is whole."""
    stream.seek(info.header_offset)
    header = stream.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(_LOCAL_MAGIC):
        raise MalformedPackage(file=str(file), what=f"{info.filename} is not where the directory says")
    _, name_size, extra_size = _LOCAL_HEADER.unpack(header)
    stream.seek(name_size + extra_size, 1)
    stored = file_pieces(stream, info.compress_size)
    size, checksum = 0, 0
    with _damages(file):
        for piece in stored if info.compress_type == zipfile.ZIP_STORED else _deflated(stored):
            size += len(piece)
            checksum = zlib.crc32(piece, checksum)
            if size > info.file_size:
                break
            yield piece
    if size != info.file_size or checksum != info.CRC:
        raise MalformedPackage(file=str(file), what=f"{info.filename} is damaged")


def _deflated(stored: Iterator[bytes]) -> Iterator[bytes]:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    for large in stored:
        for start in range(0, len(large), _INPUT):
            pending = large[start : start + _INPUT]
            while pending and not inflate.eof:
                piece = inflate.decompress(pending, PIECE)
                pending = inflate.unconsumed_tail
                if piece:
                    yield piece
    while not inflate.eof and (piece := inflate.decompress(b"", PIECE)):
        yield piece


@contextmanager
def _damages(file: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError) as error:
        raise MalformedPackage(file=str(file), what=str(error) or "it is damaged") from error


def _check_directory(stream: BinaryIO, file: Path) -> None:
    """Bound the zip's directory by what its end record says, before anything of it is parsed."""
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _TAIL_SIZE))
    tail = stream.read(_TAIL_SIZE)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or end + 22 > len(tail):
        raise MalformedPackage(file=str(file), what="it is no zip, or its end is missing")
    directory_size = int.from_bytes(tail[end + 12 : end + 16], "little")
    end64 = tail.rfind(b"PK\x06\x06", 0, end)
    if end64 >= 0 and end64 + 56 <= len(tail):
        directory_size = max(directory_size, int.from_bytes(tail[end64 + 40 : end64 + 48], "little"))
    if size > FILE_SIZE or directory_size > min(_DIRECTORY_SIZE, size):
        raise MalformedPackage(file=str(file), what="it is larger than any package")
