"""The Berkeley DB kind of rpm's database: RHEL 6 to 8 and what derives from them.

A hash database. Page 0 has the metadata (magic, page size, last page); hash pages hold an array of u16 offsets (even:
keys, odd: values); a value of a package is a reference to a chain of overflow pages. Numbers are in the byte order of
the machine that wrote the file. This module alone decides which items are packages.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rafsight.analysis.extractor import MalformedFile, Skipped

_MAGIC: Final = 0x00061561
_HASH_META, _OVERFLOW = 8, 7
_HASH_PAGES: Final = frozenset({2, 13})
_REFERENCE: Final = 3
_PAGE_HEADER: Final = 26


def is_bdb(content: bytes) -> bool:
    """Tell whether this is a hash database of Berkeley DB, in either byte order."""
    return content[12:16] in (_MAGIC.to_bytes(4, "little"), _MAGIC.to_bytes(4, "big"))


@dataclass(slots=True, kw_only=True)
class _Pages:
    content: bytes
    order: str
    size: int
    last: int
    taken: bytearray
    """Overflow pages that were read: each belongs to one item, so a chain cannot loop or be shared."""

    def at(self, number: int) -> bytes:
        return self.content[number * self.size : (number + 1) * self.size]


def read_blobs(content: bytes) -> Iterator[bytes | Skipped]:
    """Yield the header blobs in hash order; an item whose chain is broken is skipped and said.

    Raises: MalformedFile.
    """
    if not is_bdb(content) or len(content) < 512:
        raise MalformedFile(what="no Berkeley DB hash database", where="offset 12")
    order = "<" if content[12] == 0x61 else ">"
    (size,) = struct.unpack_from(order + "I", content, 20)
    (last,) = struct.unpack_from(order + "I", content, 32)
    if content[25] != _HASH_META or size < 512 or size > 65536 or size & (size - 1):
        raise MalformedFile(what=f"metadata of type {content[25]} with pages of {size} bytes", where="offset 20")
    if (last + 1) * size > len(content):
        raise MalformedFile(what=f"{last + 1} pages are more than the file has", where="offset 32")
    pages = _Pages(content=content, order=order, size=size, last=last, taken=bytearray(last + 1))
    for number in range(1, last + 1):
        if content[number * size + 25] in _HASH_PAGES:
            yield from _items(pages, number)


def _items(pages: _Pages, number: int) -> Iterator[bytes | Skipped]:
    page = pages.at(number)
    (count,) = struct.unpack_from(pages.order + "H", page, 20)
    if _PAGE_HEADER + 2 * count > len(page):
        raise MalformedFile(what=f"page {number} has {count} items", where=f"page {number}")
    offsets = struct.unpack_from(f"{pages.order}{count}H", page, _PAGE_HEADER)
    for offset in offsets[1::2]:
        if offset + 12 <= len(page) and page[offset] == _REFERENCE:
            first, length = struct.unpack_from(pages.order + "II", page, offset + 4)
            yield _chain(pages, first, length) or Skipped(what=f"the item at page {number}, offset {offset} is damaged")


def _chain(pages: _Pages, number: int, length: int) -> bytes | None:
    """Join the overflow pages of one item; None if they are not as they should be."""
    parts: list[bytes] = []
    left = length
    while number:
        if number > pages.last or pages.taken[number] or left <= 0:
            return None
        pages.taken[number] = 1
        page = pages.at(number)
        following, used = struct.unpack_from(pages.order + "I2xH", page, 16)  # next page, items, payload of the last
        if page[25] != _OVERFLOW:
            return None
        payload = page[_PAGE_HEADER : _PAGE_HEADER + used] if not following else page[_PAGE_HEADER:]
        parts.append(payload)
        left -= len(payload)
        number = following
    return b"".join(parts) if left == 0 else None
