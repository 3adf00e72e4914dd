"""Structures on disk: their fields, and how rows of them are taken out of bytes that nobody has checked yet.

This module alone turns bytes into arrays. Every way in compares the range with the length of the buffer first, so that
no table can reach outside its file; a range that does is MalformedImage.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.formats.tables import MalformedImage, Octets, Offsets

Buffer = bytes | memoryview
Bools = NDArray[np.bool_]
Indexes = NDArray[np.intp]
Long = NDArray[np.uint64]

_WORD_MASKS: Final = np.array([(1 << (8 * size)) - 1 for size in range(9)], dtype=np.uint64)
_ONES: Final = np.uint64(0x0101010101010101)
_HIGHS: Final = np.uint64(0x8080808080808080)
_FEW: Final = 32
"""Rows that are handled faster one by one than all together."""


@dataclass(frozen=True, slots=True)
class Record:
    """A structure on disk: little-endian fields without gaps.

    A field is (name, numpy type on disk, meaning). Digests and other raw bytes are `V`: numpy strips NULs from `S`.
    """

    name: str
    size: int = field(kw_only=True)
    """[bytes] as the standard says; the sum of the fields must agree."""
    fields: tuple[tuple[str, str, str], ...] = field(kw_only=True)
    dtype: np.dtype[np.void] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        dtype = np.dtype([(name, ondisk) for name, ondisk, _ in self.fields])
        assert dtype.itemsize == self.size, f"{self.name}: {dtype.itemsize} bytes of fields"
        object.__setattr__(self, "dtype", dtype)

    def rows(self, buffer: Buffer, offset: int, count: int, where: str) -> NDArray[np.void]:
        """View consecutive rows without copying them.

        Args:
            buffer: the file.
            offset: [bytes] of the first row.
            count: how many rows.
            where: what the rows are, for the error.
        Returns: (count,) read-only, structured.
        Raises: MalformedImage: the rows do not lie inside the buffer.
        """
        check_range(buffer, offset, count * self.size, where)
        if not count:
            return np.empty(0, self.dtype)
        return np.frombuffer(buffer, self.dtype, count, offset)

    def gather(self, octets: Octets, offsets: Offsets, where: str) -> NDArray[np.void]:
        """Copy rows that lie anywhere, aligned or not.

        Args:
            octets: the file.
            offsets: (n,) [bytes] of each row.
            where: what the rows are, for the error.
        Returns: (n,) structured.
        Raises: MalformedImage: a row does not lie inside the file.
        """
        inside = (offsets >= 0) & (offsets <= len(octets) - self.size)
        if not bool(inside.all()):
            row = int(inside.argmin())
            raise MalformedImage(where=f"{where}, row {row}", what="lies outside the file", offset=int(offsets[row]))
        if not len(offsets):
            return np.empty(0, self.dtype)
        return _sliding(octets, f"V{self.size}")[offsets].view(self.dtype)


def octets_of(buffer: Buffer) -> Octets:
    """View a buffer as (n,) bytes without copying it."""
    return np.frombuffer(buffer, np.uint8) if len(buffer) else np.empty(0, np.uint8)


def check_range(buffer: Buffer | Octets, offset: int, size: int, where: str) -> None:
    """Make sure that a range lies inside a buffer.

    Raises: MalformedImage.
    """
    if offset < 0 or size < 0 or offset + size > len(buffer):
        what = f"needs {size} bytes, and the file has {len(buffer)}"
        raise MalformedImage(where=where, what=what, offset=offset)


def ragged(count: Offsets) -> tuple[Indexes, Offsets]:
    """Lay groups of different sizes one after the other.

    Args:
        count: (n,) the size of each group. Their sum decides the memory: bound it first.
    Returns: for each member (sum,) its group, and its ordinal in the group.
    """
    group = np.repeat(np.arange(len(count), dtype=np.intp), count)
    first = np.cumsum(count, dtype=np.int64) - count
    return group, np.arange(len(group), dtype=np.int64) - np.repeat(first, count)


def load_words(octets: Octets, offsets: Offsets, sizes: Offsets | None = None) -> Long:
    """Load up to eight bytes from any place, as little-endian words.

    Args:
        octets: the file.
        offsets: (n,) [bytes] where each word begins; checked by the caller to lie in the file.
        sizes: (n,) [bytes] of each word that count; the others become zero. None: 8, and zeros after the file's end.
    Returns: (n,) uint64.
    """
    if len(octets) < 8:
        octets = np.concatenate((octets, np.zeros(8, np.uint8)))
    inside = np.minimum(offsets, len(octets) - 8)
    words = np.asarray(_sliding(octets, "<u8")[inside], np.uint64)
    late = np.flatnonzero(inside != offsets)
    if late.size:
        words[late] >>= (8 * (offsets[late] - inside[late])).astype(np.uint64)
    if sizes is not None:
        words &= _WORD_MASKS[np.clip(sizes, 0, 8)]
    return words


def zero_octets(words: Long) -> Long:
    """Mark the zero bytes of words: the lowest bit that is set in an answer belongs to the first of them."""
    return (words - _ONES) & ~words & _HIGHS


def sizes_to_nul(octets: Octets, offsets: Offsets, sizes: Offsets, limit: int) -> Offsets:
    """Measure texts that end at their first NUL, or where their room ends.

    Args:
        octets: the file.
        offsets: (n,) [bytes] where each text begins; the rooms lie inside the file.
        sizes: (n,) [bytes] of room.
        limit: [bytes] stop looking here.
    Returns: (n,) [bytes] at most `sizes`; what is longer than `limit` keeps the size of its room.
    """
    answer = sizes.copy()
    open_rows: Indexes = np.flatnonzero(sizes > 0)
    start = 0
    while open_rows.size > _FEW and start <= limit:
        rest = sizes[open_rows] - start
        zeros = zero_octets(load_words(octets, offsets[open_rows] + start, rest))
        found = zeros != 0
        before = (np.bitwise_count((zeros & (~zeros + np.uint64(1))) - np.uint64(1)) >> 3).astype(np.int64)
        ended = open_rows[found]
        answer[ended] = np.minimum(sizes[ended], start + before[found])
        open_rows = open_rows[~found & (rest > 8)]
        start += 8
    for row in open_rows.tolist() if start <= limit else ():  # a few long ones: one by one they cost less
        place = int(offsets[row])
        size = octets[place + start : place + min(int(sizes[row]), limit + 1)].tobytes().find(b"\0")
        answer[row] = start + size if size >= 0 else sizes[row]
    return answer


def _sliding(octets: Octets, ondisk: str) -> NDArray[np.void]:
    """View a file as one item at every byte, overlapping."""
    dtype = np.dtype(ondisk)
    count = max(0, len(octets) - dtype.itemsize + 1)
    return np.ndarray((count,), dtype, buffer=octets, strides=(1,))


def octets_field(rows: NDArray[np.void], name: str) -> Octets:
    """Copy a field of raw bytes as (n, size) numbers."""
    size = rows.dtype[name].itemsize
    return np.ascontiguousarray(rows[name]).view(np.uint8).reshape(len(rows), size)
