"""The SQLite kind of rpm's database: a reader of one table, over the bytes as they are.

Not the stdlib's sqlite3: it would need two more copies of the file in memory, and a hostile schema (views, virtual
tables) would run inside of it. The format is small: b-tree pages, cells, overflow chains, and a log of newer pages.
Sections cited are those of the SQLite file format document. This module alone decides how much of it is understood.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from rafsight.analysis.extractor import MalformedFile

MAGIC: Final = b"SQLite format 3\0"
_INTERIOR_TABLE, _LEAF_TABLE = 0x05, 0x0D
_LOG_MAGICS: Final[Mapping[int, str]] = {0x377F0682: "<", 0x377F0683: ">"}
_LOG_HEADER, _FRAME_HEADER = 32, 24
_MASK: Final = 0xFFFFFFFF


def read_blobs(content: bytes, log: bytes = b"") -> Iterator[bytes]:
    """Yield the header blobs of the table `Packages`, in the order of their rows.

    Args:
        content: the database file.
        log: its write-ahead log (`-wal`), which may hold newer pages; empty if there is none.

    Raises: MalformedFile.
    """
    pages = _Pages.of(content, log)
    root = _root_of(pages, b"packages")
    for record in _rows(pages, root):
        blob = _last_blob(record)
        if blob is not None:
            yield blob


@dataclass(slots=True, kw_only=True)
class _Pages:
    """Pages by number, newest first; each may be taken once, which bounds every walk over hostile links."""

    content: bytes
    log: bytes
    newer: Mapping[int, int]
    """Page number to the offset of its newest copy in the log."""
    page_size: int
    usable: int
    count: int
    taken: bytearray

    @classmethod
    def of(cls, content: bytes, log: bytes) -> "_Pages":
        if len(content) < 100 or not content.startswith(MAGIC):
            raise MalformedFile(what="no SQLite database", where="offset 0")
        page_size = int.from_bytes(content[16:18], "big")
        page_size = 65536 if page_size == 1 else page_size
        usable = page_size - content[20]
        if page_size < 512 or page_size & (page_size - 1) or usable < 480:
            raise MalformedFile(what=f"a page size of {page_size} bytes", where="offset 16")
        newer, count = _committed(log, page_size)
        count = count or len(content) // page_size
        if count > (len(content) + len(log)) // page_size:
            raise MalformedFile(what="the log says more pages than there are", where="the log")
        return cls(
            content=content,
            log=log,
            newer=newer,
            page_size=page_size,
            usable=usable,
            count=count,
            taken=bytearray(count + 1),
        )

    def take(self, number: int) -> bytes:
        if not 0 < number <= self.count or self.taken[number]:
            raise MalformedFile(what=f"a link to page {number}, which is not there or used twice", where="a page")
        self.taken[number] = 1
        offset = self.newer.get(number)
        source, start = (self.content, (number - 1) * self.page_size) if offset is None else (self.log, offset)
        page = source[start : start + self.page_size]
        if len(page) < self.page_size:
            raise MalformedFile(what=f"page {number} is cut off", where=f"offset {start}")
        return page


def _committed(log: bytes, page_size: int) -> tuple[Mapping[int, int], int]:
    """Find the newest committed copy of each page in a log, and the size of the database [pages] (section 4).

    A log that does not begin as one, or belongs to another page size, holds nothing: SQLite ignores it as well.
    """
    order = _LOG_MAGICS.get(int.from_bytes(log[:4], "big"))
    if order is None or len(log) < _LOG_HEADER or int.from_bytes(log[8:12], "big") != page_size:
        return {}, 0
    sums = _checksum(log[:24], order, (0, 0))
    if sums != struct.unpack_from(">II", log, 24):
        return {}, 0
    committed: dict[int, int] = {}
    pending: dict[int, int] = {}
    count = 0
    for start in range(_LOG_HEADER, len(log) - _FRAME_HEADER - page_size + 1, _FRAME_HEADER + page_size):
        number, size, salt_1, salt_2, sum_1, sum_2 = struct.unpack_from(">6I", log, start)
        body = start + _FRAME_HEADER
        sums = _checksum(log[start : start + 8] + log[body : body + page_size], order, sums)
        if (salt_1, salt_2) != struct.unpack_from(">II", log, 16) or sums != (sum_1, sum_2):
            break
        pending[number] = body
        if size:
            committed |= pending
            pending.clear()
            count = size
    return committed, count


def _checksum(content: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    for even, odd in struct.iter_unpack(order + "II", content):
        first = (first + even + second) & _MASK
        second = (second + odd + first) & _MASK
    return first, second


def _rows(pages: _Pages, root: int) -> Iterator[bytes]:
    """Walk a table's b-tree in the order of its rows and yield their records (section 1.6)."""
    waiting = [root]
    while waiting:
        number = waiting.pop()
        page = pages.take(number)
        start = 100 if number == 1 else 0
        kind = page[start]
        if kind not in (_INTERIOR_TABLE, _LEAF_TABLE):
            raise MalformedFile(what=f"page {number} is no page of a table", where=f"page {number}")
        array = start + (12 if kind == _INTERIOR_TABLE else 8)
        cells = int.from_bytes(page[start + 3 : start + 5], "big")
        if array + 2 * cells > len(page):
            raise MalformedFile(what=f"page {number} has too many cells", where=f"page {number}")
        offsets = struct.unpack_from(f">{cells}H", page, array)
        if kind == _LEAF_TABLE:
            for offset in offsets:
                yield _record(pages, page, offset)
        else:
            waiting.append(int.from_bytes(page[start + 8 : start + 12], "big"))
            waiting.extend(int.from_bytes(page[offset : offset + 4], "big") for offset in reversed(offsets))


def _record(pages: _Pages, page: bytes, offset: int) -> bytes:
    """Gather one row's record from its cell and the overflow pages behind it."""
    size, offset = _varint(page, offset)
    _, offset = _varint(page, offset)
    usable = pages.usable
    if size > pages.count * usable:
        raise MalformedFile(what=f"a record of {size} bytes", where="a cell")
    local = size
    if size > usable - 35:
        least = (usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (usable - 4)
        local = least if local > usable - 35 else local
    parts = [page[offset : offset + local]]
    link = page[offset + local : offset + local + 4]
    left = size - len(parts[0])
    while left > 0 and local < size:
        following = pages.take(int.from_bytes(link, "big"))
        parts.append(following[4 : min(usable, 4 + left)])
        left -= len(parts[-1])
        link = following[:4]
    if left:
        raise MalformedFile(what="a record is cut off", where="a cell")
    return b"".join(parts)


def _varint(content: bytes, offset: int) -> tuple[int, int]:
    value = 0
    for index in range(offset, min(offset + 9, len(content))):
        byte = content[index]
        if index == offset + 8:
            return value << 8 | byte, index + 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, index + 1
    raise MalformedFile(what="a number is cut off", where="a cell")


def _columns(record: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (serial type, content) of each column (section 2.1)."""
    head_size, offset = _varint(record, 0)
    body = head_size
    while offset < min(head_size, len(record)):
        serial, offset = _varint(record, offset)
        size = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0)[serial] if serial < 12 else (serial - 12) // 2
        yield serial, record[body : body + size]
        body += size
    if body > len(record):
        raise MalformedFile(what="a record shorter than its columns", where="a row")


def _last_blob(record: bytes) -> bytes | None:
    blob = None
    for serial, value in _columns(record):
        if serial >= 12 and serial % 2 == 0:
            blob = value
    return blob


def _root_of(pages: _Pages, table: bytes) -> int:
    """Find a table's first page in the schema, which is the table that begins in page 1 (section 2.6)."""
    for record in _rows(pages, 1):
        columns = list(_columns(record))
        if len(columns) >= 4 and columns[0][1] == b"table" and columns[1][1].lower() == table:
            return int.from_bytes(columns[3][1], "big")
    raise MalformedFile(what="no table Packages", where="the schema")
