"""xz streams."""

import lzma
import random

import pytest

from rafsight.formats.byte_stream import ByteStream
from rafsight.formats.tables import MalformedImage
from rafsight.formats.xz_stream import PIECE_SIZE, unxz

CONTENT = random.Random(1).randbytes(3000) + bytes(900_000)


def unpacked(stored, piece=5000):
    pieces = [stored[start : start + piece] for start in range(0, len(stored), piece)]
    return list(unxz(ByteStream(iter(pieces), "x")))


@pytest.mark.parametrize("piece", [1, 17, 1 << 20])
def test_streams_after_each_other(piece):
    stored = lzma.compress(CONTENT) + bytes(8) + lzma.compress(b"more")
    found = unpacked(stored, piece)
    assert b"".join(found) == CONTENT + b"more"
    assert max(map(len, found)) <= PIECE_SIZE
    assert unpacked(b"") == []


def test_a_high_ratio_comes_in_pieces():
    found = unpacked(lzma.compress(bytes(20 << 20)))
    assert sum(map(len, found)) == 20 << 20
    assert max(map(len, found)) <= PIECE_SIZE


def test_damages():
    stored = lzma.compress(CONTENT)
    for at in range(1, len(stored), 97):
        with pytest.raises(MalformedImage):
            unpacked(stored[:at])
        with pytest.raises(MalformedImage):
            unpacked(stored[:at] + bytes([stored[at] ^ 0x10]) + stored[at + 1 :])
    with pytest.raises(MalformedImage, match="not xz follows"):
        unpacked(stored + b"x")


def test_a_dictionary_that_is_too_large():
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29, "preset": 0}]
    head = bytearray(lzma.compress(b"x", filters=[filters[0] | {"dict_size": 1 << 20}]))
    assert unpacked(bytes(head)) == [b"x"]
    head[16] = 34  # the byte that says the size of the dictionary: 256 MiB, and its checksum
    head[20:24] = __import__("zlib").crc32(bytes(head[12:20])).to_bytes(4, "little")
    with pytest.raises(MalformedImage, match="Memory"):
        unpacked(bytes(head))
