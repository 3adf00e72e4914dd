"""Programs of Windows (PE) and macOS (Mach-O) as far as their sections, from the first bytes of the file.

Both keep their tables at the start. What does not follow the format has no sections here, and that is no error.
"""

import struct
from typing import Final

_PE_ENTRY: Final = 40
_MACHO_ORDERS: Final = {b"\xcf\xfa\xed\xfe": "<", b"\xfe\xed\xfa\xcf": ">"}
_SEGMENT_64: Final = 0x19
_SEGMENT_SIZE: Final = 72
_SECTION_SIZE: Final = 80
_MOST: Final = 256
"""Sections or commands that are read; linked programs have a few dozen."""


def foreign_sections(head: bytes) -> dict[bytes, tuple[int, int]] | None:
    """Read the table of sections.

    Args:
        head: the first bytes of the file; sections whose entry lies beyond are missing.

    Returns: (offset, size) [bytes] in the file by name, not compared with its size; None if it is of neither kind.
    """
    if head.startswith(b"MZ"):
        return _pe_sections(head)
    order = _MACHO_ORDERS.get(head[:4])
    return _macho_sections(head, order) if order else None


def _pe_sections(head: bytes) -> dict[bytes, tuple[int, int]] | None:
    if len(head) < 64:
        return None
    start = struct.unpack_from("<I", head, 60)[0]
    if head[start : start + 4] != b"PE\0\0" or start + 24 > len(head):
        return None
    count, optional_size = struct.unpack_from("<H12xH", head, start + 6)
    found: dict[bytes, tuple[int, int]] = {}
    table = start + 24 + optional_size
    for position in range(table, min(table + _PE_ENTRY * min(count, _MOST), len(head) - _PE_ENTRY + 1), _PE_ENTRY):
        size, offset = struct.unpack_from("<II", head, position + 16)
        found.setdefault(head[position : position + 8].rstrip(b"\0"), (offset, size))
    return found


def _macho_sections(head: bytes, order: str) -> dict[bytes, tuple[int, int]]:
    found: dict[bytes, tuple[int, int]] = {}
    position = 32
    for _ in range(_MOST):
        if position + _SEGMENT_SIZE > len(head):
            break
        command, size = struct.unpack_from(order + "II", head, position)
        if size < 8:
            break
        if command == _SEGMENT_64:
            count = struct.unpack_from(order + "I", head, position + 64)[0]
            first = position + _SEGMENT_SIZE
            last = min(first + _SECTION_SIZE * min(count, _MOST), len(head) - _SECTION_SIZE + 1)
            for place in range(first, last, _SECTION_SIZE):
                length, offset = struct.unpack_from(order + "QI", head, place + 40)
                found.setdefault(head[place : place + 16].rstrip(b"\0"), (offset, length))
        position += size
    return found
