"""Random access into a gzip stream: one slice, from a deflate block boundary on (section 4.5 of the format reference).

This module alone decides how a slice is inflated. zlib begins at whole bytes, and a slice may begin with the last bits
of the byte before; so empty blocks are put in front, as many bits long as those bits lack to whole bytes.
"""

import zlib
from typing import Final

from rafsight.formats.tables import MalformedImage

Buffer = bytes | memoryview

_FIXED_BLOCK: Final = (0b010, 10)
"""(bits, how many) An empty block with fixed codes: not the last, type 1, end."""
_CODE_LENGTHS: Final = (0, 0, 2, 2) + (0,) * 13 + (1,)
"""Lengths of the code length codes in the order of RFC 1951, up to symbol 1: 18 and 0 have 2 bits, 1 has one."""
_TRAILER_SIZE: Final = 8
_GZIP_HEAD: Final = b"\x1f\x8b\x08"
_GZIP_BITS: Final = 16 + zlib.MAX_WBITS
_FIRST_PIECE: Final = 4096
_LAST_PIECE: Final = 1 << 20
_MAX_MEMBERS: Final = 1 << 17
"""gzip members that one slice may touch: more than its bytes could hold if each had content."""


def decode_slice(stored: Buffer, size: int, dictionary: Buffer, bits: int) -> bytes:
    """Inflate one slice.

    A slice can begin with the trailer of a finished gzip member (archives of many members, as eStargz, have those), and
    go on over the ends of members.

    Args:
        stored: the slice's compressed bytes.
        size: [bytes] to inflate, bounded by the caller.
        dictionary: what was inflated before; empty at the start of a member.
        bits: previous byte << 8 | how many of its top bits belong to the slice.
    Raises: MalformedImage.
    """
    view = memoryview(stored)
    if bytes(view[_TRAILER_SIZE : _TRAILER_SIZE + len(_GZIP_HEAD)]) == _GZIP_HEAD:
        content = _inflate_members(view, _TRAILER_SIZE, size)
        if content is not None:
            return content
    content = _inflate(view, size, bytes(dictionary), bits)
    if content is None:
        raise MalformedImage(where="zran slice", what=f"does not inflate to {size} bytes", offset=0)
    return content


def _inflate(view: memoryview, size: int, dictionary: bytes, bits: int) -> bytes | None:
    """Inflate from the middle of a member, and on over its end."""
    inflater = (
        zlib.decompressobj(-zlib.MAX_WBITS, zdict=dictionary) if dictionary else zlib.decompressobj(-zlib.MAX_WBITS)
    )
    try:
        inflater.decompress(_lead(bits))
    except zlib.error:
        return None
    content = bytearray()
    position = _feed(inflater, view, 0, size, content)
    if position is None or len(content) == size:
        return bytes(content) if position is not None else None
    rest = _inflate_members(view, position + _TRAILER_SIZE, size - len(content)) if inflater.eof else None
    return bytes(content) + rest if rest is not None else None


def _inflate_members(view: memoryview, position: int, size: int) -> bytes | None:
    """Inflate whole members, the last as far as it is needed; None if they do not give `size` bytes."""
    content = bytearray()
    for _ in range(_MAX_MEMBERS):
        inflater = zlib.decompressobj(_GZIP_BITS)
        reached = _feed(inflater, view, position, size, content)
        if reached is None or len(content) == size:
            return bytes(content) if reached is not None else None
        if not inflater.eof:
            return None
        position = reached
    return None


def _feed(inflater: "zlib._Decompress", view: memoryview, position: int, size: int, content: bytearray) -> int | None:
    """Inflate until there is enough, the member ends or the input does; small pieces first, for small members.

    Returns: [bytes] how far the input was used; None if it is damaged.
    """
    step = _FIRST_PIECE
    while len(content) < size and position < len(view) and not inflater.eof:
        piece = view[position : position + step]
        try:
            content += inflater.decompress(piece, size - len(content))
        except zlib.error:
            return None
        position += len(piece) - len(inflater.unconsumed_tail) - len(inflater.unused_data)
        step = min(2 * step, _LAST_PIECE)
    return position


def _lead(bits: int) -> bytes:
    """Make the bytes to feed before the slice: empty blocks, then the bits of the byte before."""
    count, previous = bits & 7, bits >> 8
    if not count:
        return b""
    blocks, size = _dynamic_block() if count % 2 else (0, 0)
    while (size + count) % 8:
        blocks |= _FIXED_BLOCK[0] << size
        size += _FIXED_BLOCK[1]
    blocks |= (previous >> (8 - count)) << size
    return blocks.to_bytes((size + count) // 8, "little")


def _dynamic_block() -> tuple[int, int]:
    """Make an empty block with dynamic codes: the only one with an odd number of bits, 93."""
    fields = [(0, 1), (2, 2), (0, 5), (0, 5), (14, 4), *((length, 3) for length in _CODE_LENGTHS)]
    # 138 and 118 times length 0, length 1 for the end of block, length 0 for the distance; then the end of block
    fields += [(0b11, 2), (138 - 11, 7), (0b11, 2), (118 - 11, 7), (0b0, 1), (0b01, 2), (0b0, 1)]
    value = size = 0
    for field, width in fields:
        value |= field << size
        size += width
    return value, size
