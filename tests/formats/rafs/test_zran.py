"""Slices of gzip streams, cut at every bit: the deflate blocks are found by the kernel of all inflaters, zlib itself."""

import gzip
import random
import zlib

import pytest

from rafsight.formats.rafs.zran import decode_slice
from rafsight.formats.tables import MalformedImage


class BitWriter:
    def __init__(self):
        self.value = self.size = 0

    def put(self, value: int, width: int):
        self.value |= value << self.size
        self.size += width

    def code(self, value: int, width: int):
        """Huffman codes go in with their first bit first."""
        self.put(int(f"{value:0{width}b}"[::-1], 2), width)

    def bytes(self) -> bytes:
        return self.value.to_bytes(-(-self.size // 8), "little")


def literal(bits: BitWriter, octet: int):
    if octet < 144:
        bits.code(0x30 + octet, 8)
    else:
        bits.code(0x190 + octet - 144, 9)


def stream(blocks):
    """Write deflate blocks of literals; returns the stream and the bit where each block begins."""
    bits, starts = BitWriter(), []
    for number, (kind, content) in enumerate(blocks):
        starts.append(bits.size)
        bits.put(int(number == len(blocks) - 1), 1)
        if kind == "fixed":
            bits.put(1, 2)
            for octet in content:
                literal(bits, octet)
            bits.code(0, 7)
        else:
            bits.put(0, 2)
            bits.put(0, -bits.size % 8)
            bits.put(len(content), 16)
            bits.put(len(content) ^ 0xFFFF, 16)
            for octet in content:
                bits.put(octet, 8)
    return bits.bytes(), starts


def test_slices_from_every_bit():
    chance = random.Random(7)
    blocks = [
        (
            chance.choice(["fixed", "fixed", "stored"]),
            bytes(chance.choice(b"ab\xf0\xff") for _ in range(chance.randint(1, 9))),
        )
        for _ in range(200)
    ]
    deflated, starts = stream(blocks)
    whole = b"".join(content for _, content in blocks)
    assert zlib.decompress(deflated, -15) == whole
    seen = set()
    before = 0
    for (_, content), start in zip(blocks, starts, strict=True):
        used = start % 8
        bits = 8 - used if used else 0
        first = start // 8 + (1 if used else 0)
        word = (deflated[start // 8] << 8 if used else 0) | bits
        seen.add(bits)
        assert decode_slice(deflated[first:], len(whole) - before, whole[:before], word) == whole[before:]
        before += len(content)
    assert seen == set(range(8))


def test_slice_reaches_back_into_its_dictionary():
    text = bytes(random.Random(1).choices(b"abcdefgh", k=20000)) * 2
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = packer.compress(text[:20000]) + packer.flush(zlib.Z_FULL_FLUSH)
    tail = packer.compress(text[20000:]) + packer.flush()
    assert decode_slice(tail, 20000, text[:20000], 0) == text[20000:]
    matching = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=text[:20000])
    short = matching.compress(text[20000:]) + matching.flush()
    assert len(short) < len(tail)
    assert decode_slice(short, 20000, text[:20000], 0) == text[20000:]
    assert decode_slice(head, 20000, b"", 0) == text[:20000]


def test_slice_goes_on_over_members():
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    first = raw.compress(b"first ") + raw.flush()
    stored = first + bytes(8) + gzip.compress(b"second ") + gzip.compress(b"") + gzip.compress(b"third")
    assert decode_slice(stored, 18, b"", 0) == b"first second third"
    assert decode_slice(stored, 8, b"", 0) == b"first se"


def test_slice_that_begins_with_the_trailer_of_a_member():
    stored = b"trailer!" + gzip.compress(b"content") + gzip.compress(b" and more")
    assert decode_slice(stored, 16, b"dictionary of before", 0x3F05) == b"content and more"


@pytest.mark.parametrize(
    ("stored", "size"),
    [
        (b"", 1),
        (b"\x07", 1),
        (zlib.compress(b"content")[2:-4], 8),
        (bytes(8) + gzip.compress(b"content", mtime=0), 8),
        (bytes(8) + gzip.compress(b"content", mtime=0)[:-8] + bytes(8), 8),
        (zlib.compress(b"content")[2:-4] + bytes(30), 8),
    ],
)
def test_slices_that_do_not_inflate(stored, size):
    with pytest.raises(MalformedImage, match="zran slice"):
        decode_slice(stored, size, b"", 0)


def test_endless_empty_members_end():
    stored = bytes(8) + gzip.compress(b"", mtime=0) * 150_000
    with pytest.raises(MalformedImage):
        decode_slice(stored, 1, b"", 0)
