"""Sparse files in tar archives: which parts of the file the stored bytes are.

Three ways to write the map are read: GNU's old header ("S"), and PAX 0.x and 1.0. This module alone knows them.
"""

from rafsight.formats import tar_layout as layout
from rafsight.formats.byte_stream import ByteStream
from rafsight.formats.tar_fields import Extras, parse_number

Segments = tuple[tuple[int, int], ...]
"""(file offset, size) of each stored part [bytes], in the order in which they are stored."""


def read_old_map(header: bytes, stream: ByteStream, max_size: int) -> tuple[Segments, int]:
    """Read the map of an old GNU sparse file from its header and the blocks that follow it.

    Returns: the segments, and the size of the file [bytes].
    Raises: MalformedImage.
    """
    numbers = _numbers(header[layout.SPARSE_PAIRS], stream)
    real_size = parse_number(header[layout.SPARSE_REAL_SIZE], stream)
    more, consumed = header[layout.SPARSE_MORE], 0
    while more:
        consumed += layout.BLOCK
        if consumed > max_size:
            raise stream.fault(what=f"a sparse map of more than {max_size} bytes")
        block = stream.take(layout.BLOCK)
        numbers += _numbers(block[layout.SPARSE_BLOCK_PAIRS], stream)
        more = block[layout.SPARSE_BLOCK_MORE]
    return _pairs(numbers, stream), real_size


def _numbers(area: bytes, stream: ByteStream) -> list[int]:
    numbers: list[int] = []
    for start in range(0, len(area), layout.SPARSE_PAIR_SIZE):
        if not area[start]:
            break
        middle, end = start + layout.SPARSE_FIELD_SIZE, start + layout.SPARSE_PAIR_SIZE
        numbers += (parse_number(area[start:middle], stream), parse_number(area[middle:end], stream))
    return numbers


def read_pax_map(extras: Extras, stream: ByteStream, max_size: int) -> tuple[Segments, int]:
    """Read the map that a PAX header announced; for version 1.0 from the start of the content.

    Returns: the segments, and how much of the content the map took [bytes].
    Raises: MalformedImage.
    """
    if extras.sparse_version != b"1.0":
        texts = (extras.sparse_pairs or b"").split(b",") if extras.sparse_pairs else []
        return _pairs(_decimals(texts, stream), stream), 0
    content, wanted, seen = bytearray(), 0, 0
    while not wanted or seen < wanted:
        if len(content) >= max_size:
            raise stream.fault(what=f"a sparse map of more than {max_size} bytes")
        block = stream.take(layout.BLOCK)
        content += block
        seen += block.count(b"\n")
        if seen and not wanted:  # the first line says how many pairs follow
            wanted = 1 + 2 * _decimals([bytes(content.partition(b"\n")[0])], stream)[0]
    lines = bytes(content).split(b"\n")
    return _pairs(_decimals(lines[1:wanted], stream), stream), len(content)


def _decimals(texts: list[bytes], stream: ByteStream) -> list[int]:
    for text in texts:
        if not text.isdigit() or len(text) > 20:
            raise stream.fault("a sparse map holds something that is not a number")
    return [int(text) for text in texts]


def _pairs(numbers: list[int], stream: ByteStream) -> Segments:
    if len(numbers) % 2:
        raise stream.fault("a sparse map with an odd number of numbers")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def check_segments(segments: Segments, *, stored_size: int, real_size: int, stream: ByteStream) -> Segments:
    """Hold a map to the laws of extents: ordered, apart, inside the file, and all of what is stored; drop empty ones.

    Raises: MalformedImage.
    """
    end = total = 0
    for offset, size in segments:
        if offset < end or size < 0 or offset + size > real_size:
            raise stream.fault("a sparse map whose parts overlap or leave the file")
        end = offset + size
        total += size
    if total != stored_size:
        raise stream.fault(what=f"a sparse map of {total} bytes for {stored_size} stored ones")
    return tuple((offset, size) for offset, size in segments if size)
