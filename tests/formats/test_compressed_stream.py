"""Layers of any compression come out as they went in, in small pieces; damaged ones end in an ImageFault."""

import gzip
import random
import subprocess
import sys
import zlib
from contextlib import suppress

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.base.errors import ImageFault
from rafsight.base.units import MiB
from rafsight.formats.compressed_stream import PIECE_SIZE, decompressed
from rafsight.formats.tables import MalformedImage

CONTENT = random.Random(1).randbytes(70_000) + bytes(700_000) + b"hello " * 9_000
SKIPPABLE = b"\x51\x2a\x4d\x18\x03\0\0\0abc"


def zstd(content, **options):
    return zstandard.ZstdCompressor(**options).compress(content)


def zstd_in_blocks(content):
    stream = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    parts = []
    for start in range(0, len(content), 50_000):
        parts += [stream.compress(content[start : start + 50_000]), stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)]
    return b"".join([*parts, stream.flush()])


STORED = {
    "none": CONTENT,
    "gzip": gzip.compress(CONTENT),
    "gzip members": gzip.compress(CONTENT[:1000]) + gzip.compress(b"") + gzip.compress(CONTENT[1000:]),
    "gzip padded": gzip.compress(CONTENT) + bytes(1001),
    "gzip stored": gzip.compress(CONTENT, 0),
    "zstd": zstd(CONTENT),
    "zstd checksum": zstd(CONTENT, write_checksum=True, level=19),
    "zstd no size": zstd(CONTENT, write_content_size=False),
    "zstd blocks": zstd_in_blocks(CONTENT),
    "zstd frames": SKIPPABLE + zstd(CONTENT[:5]) + SKIPPABLE + zstd(b"") + zstd(CONTENT[5:]) + SKIPPABLE,
}


def cut(content, size):
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("size", [997, 100_000, MiB])
@pytest.mark.parametrize("name", STORED)
def test_comes_out_as_it_went_in(name, size):
    pieces = list(decompressed(cut(STORED[name], size), where="layer"))
    assert b"".join(pieces) == CONTENT
    assert 0 < min(map(len, pieces)) <= max(map(len, pieces)) <= PIECE_SIZE


WITHOUT_ISAL = """
import gzip, sys
sys.modules["isal"] = None
from rafsight.formats.compressed_stream import decompressed
from rafsight.formats.tables import MalformedImage
content = bytes(range(256)) * 4000
stored = gzip.compress(content[:1000]) + gzip.compress(content[1000:])
assert b"".join(decompressed(iter([stored[:700], stored[700:]]), where="layer")) == content
try:
    list(decompressed(iter([stored[:-8] + bytes(8)]), where="layer"))
except MalformedImage as fault:
    print(fault)
"""


def test_works_without_isal():
    done = subprocess.run([sys.executable, "-c", WITHOUT_ISAL], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("layer: damaged gzip stream: ")


def test_nothing_is_an_empty_stream():
    assert list(decompressed(iter([]), where="layer")) == []
    assert list(decompressed(iter([b"", b""]), where="layer")) == []


@pytest.mark.parametrize("name", ["gzip", "gzip members", "gzip stored", "zstd", "zstd checksum", "zstd blocks"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 1])
def test_a_stream_that_ends_too_early_is_a_fault(name, share):
    stored = STORED[name]
    end = min(len(stored) - 1, max(20, int(len(stored) * share)))
    with pytest.raises(MalformedImage) as caught:
        list(decompressed(cut(stored[:end], 1000), where="layer 3"))
    assert str(caught.value).startswith("layer 3: ")
    assert int(str(caught.value.details["offset"])) <= end


@pytest.mark.parametrize(
    ("stored", "what"),
    [
        (gzip.compress(b"x", mtime=0) + b"garbage", "not gzip follows"),
        (zstd(b"x") + b"garbage", "not zstd follows"),
        (b"\xfd7zXZ\x00\x00\x04", "xz is no compression"),
        (b"BZh91AY&SY", "bzip2 is no compression"),
        (gzip.compress(b"x" * 100, mtime=0)[:-8] + bytes(8), "damaged gzip"),
        (zstd(b"x" * 100, write_checksum=True)[:-4] + bytes(4), "damaged zstd"),
        (zstd(b"x")[:6] + b"\xff\xff\xff", "a zstd block of kind 3"),
    ],
)
def test_damage_is_named(stored, what):
    with pytest.raises(MalformedImage) as caught:
        list(decompressed(iter([stored]), where="layer"))
    assert what in str(caught.value)


def test_a_window_that_is_too_large_is_refused():
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=29)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    stored = stream.compress(bytes(1000)) + stream.flush()
    with pytest.raises(MalformedImage, match="zstd"):
        list(decompressed(iter([stored]), where="layer"))


@pytest.mark.parametrize("compress", [lambda raw: gzip.compress(raw, 9), zstd])
def test_a_bomb_comes_in_small_pieces_and_ends_at_the_limit(compress):
    stored = compress(bytes(64 * MiB))
    assert len(stored) < MiB
    sizes: list[int] = []
    with pytest.raises(MalformedImage, match="more than 33554432 bytes"):
        sizes.extend(map(len, decompressed(iter([stored]), where="layer", max_size=32 * MiB)))
    assert max(sizes) <= PIECE_SIZE
    assert 31 * MiB < sum(sizes) <= 32 * MiB


@settings(deadline=None, max_examples=150)
@given(data=st.data(), name=st.sampled_from([name for name in STORED if name != "none"]))
def test_damage_is_an_image_fault_or_harmless(data, name):
    stored = bytearray(STORED[name])
    position = data.draw(st.integers(0, len(stored) - 1))
    stored[position] ^= data.draw(st.integers(1, 255))
    with suppress(ImageFault):
        total = sum(map(len, decompressed(cut(bytes(stored), 30_000), where="layer", max_size=4 * MiB)))
        assert total <= 4 * MiB


@settings(deadline=None, max_examples=60)
@given(content=st.binary(max_size=3000), sizes=st.lists(st.integers(1, 900), min_size=1, max_size=5))
def test_any_cut_of_any_members_reads_the_same(content, sizes):
    parts, position = [], 0
    for size in sizes:
        parts.append(content[position : position + size])
        position += size
    parts.append(content[position:])
    for compress in (gzip.compress, zstd, lambda part: zlib.compress(part, wbits=31)):
        stored = b"".join(compress(part) for part in parts)
        assert b"".join(decompressed(cut(stored, sizes[0]), where="layer")) == content
