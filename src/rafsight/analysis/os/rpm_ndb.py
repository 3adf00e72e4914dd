"""The ndb kind of rpm's database: SUSE and openSUSE 15.

All numbers are u32, little endian. Header of 32 bytes: magic `RpmP`, version, generation, slot pages, next index. Slots
of 16 bytes (magic `Slot`, package index, block offset, block count) fill the rest of the slot pages of 4 KiB. A block
is 16 bytes. A blob: head `BlbS`, index, generation, size; data; padding; tail of 12 bytes (check sum, size, `BlbE`).
"""

import struct
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import MalformedFile, Skipped

MAGIC: Final = b"RpmP"
_PAGE, _BLOCK, _SLOT = 4096, 16, 16
_HEAD: Final = struct.Struct("<4sIII")
_TAIL: Final = struct.Struct("<II4s")


def read_blobs(content: bytes) -> Iterator[bytes | Skipped]:
    """Yield the header blobs in the order of their slots; a slot that leads nowhere is skipped and said.

    Raises: MalformedFile.
    """
    if len(content) < 32 or not content.startswith(MAGIC):
        raise MalformedFile(what="no ndb database", where="offset 0")
    version, _, slot_pages = struct.unpack_from("<III", content, 4)
    slots_end = slot_pages * _PAGE
    if version != 0 or not 0 < slots_end <= len(content):
        raise MalformedFile(what=f"ndb version {version} with {slot_pages} slot pages", where="offset 4")
    seen: set[int] = set()
    for start in range(2 * _SLOT, slots_end, _SLOT):
        magic, index, block, count = _HEAD.unpack_from(content, start)
        if magic != b"Slot":
            raise MalformedFile(what="no slot", where=f"offset {start}")
        if index == 0:
            continue
        if block in seen:  # two slots of one blob would multiply what a small file holds
            raise MalformedFile(what="two slots lead to one blob", where=f"offset {start}")
        seen.add(block)
        blob = _blob(content, index, block * _BLOCK, count * _BLOCK)
        yield blob if blob is not None else Skipped(what=f"package {index} at offset {block * _BLOCK} is damaged")


def _blob(content: bytes, index: int, start: int, size: int) -> bytes | None:
    end = start + size
    if size < _HEAD.size + _TAIL.size or end > len(content):
        return None
    magic, owner, _, length = _HEAD.unpack_from(content, start)
    _, tail_length, tail_magic = _TAIL.unpack_from(content, end - _TAIL.size)
    if (magic, owner, tail_magic) != (b"BlbS", index, b"BlbE") or tail_length != length:
        return None
    if length > size - _HEAD.size - _TAIL.size:
        return None
    return content[start + _HEAD.size : start + _HEAD.size + length]
