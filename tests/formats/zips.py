"""Zip archives made by hand, from APPNOTE 4.3: sound ones, and ones that say what is not so."""

import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Lie:
    """What an entry of the directory says instead of the truth."""

    size: int | None = None
    compressed_size: int | None = None
    header_offset: int | None = None
    method: int | None = None
    flags: int = 0
    crc: int | None = None
    extra: bytes = b""


TRUTH = Lie()


def deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def make_zip(
    members: Mapping[str, bytes] | Iterable[tuple[str, bytes]],
    *,
    stored: bool | Callable[[str], bool] = False,
    lies: Mapping[str, Lie] = {},
    prefix: bytes = b"",
    comment: bytes = b"",
    zip64: bool = False,
    local_extra: bytes = b"",
) -> bytes:
    """Write an archive; offsets count from behind the prefix."""
    body, directory, count = bytearray(), bytearray(), 0
    for text, content in members.items() if isinstance(members, Mapping) else members:
        name = text.encode()
        plain = stored(text) if callable(stored) else stored
        packed = content if plain else deflate(content)
        lie = lies.get(text, TRUTH)
        method = (0 if plain else 8) if lie.method is None else lie.method
        crc = zlib.crc32(content) if lie.crc is None else lie.crc
        size = len(content) if lie.size is None else lie.size
        packed_size = len(packed) if lie.compressed_size is None else lie.compressed_size
        header = len(body) if lie.header_offset is None else lie.header_offset
        extra = lie.extra
        if zip64:
            extra += struct.pack("<HHQQQ", 1, 24, size, packed_size, header)
            size = packed_size = header = 0xFFFFFFFF
        local = struct.pack(
            "<HHHHHIIIHH", 20, lie.flags, method, 0, 0, crc, size, packed_size, len(name), len(local_extra)
        )
        body += b"PK\x03\x04" + local + name + local_extra + packed
        entry = (20, 20, lie.flags, method, 0, 0, crc, packed_size, size, len(name), len(extra), 0, 0, 0, 0, header)
        directory += b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHHII", *entry) + name + extra
        count += 1
    size, offset = len(directory), len(body)
    ends = b""
    if zip64:
        ends = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, count, count, size, offset)
        ends += b"PK\x06\x07" + struct.pack("<IQI", 0, offset + size, 1)
        count, size, offset = 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF
    ends += b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, count, count, size, offset, len(comment)) + comment
    return prefix + bytes(body) + bytes(directory) + ends
