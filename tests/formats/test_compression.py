import gzip
import tracemalloc
import zlib
from contextlib import suppress

import lz4.block
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.base.units import MiB
from rafsight.formats.compression import Decoder, decompress
from rafsight.formats.tables import Compressor, MalformedImage

COMPRESS = {
    Compressor.NONE: lambda data: data,
    Compressor.LZ4_BLOCK: lambda data: lz4.block.compress(data, store_size=False),
    Compressor.GZIP: gzip.compress,
    Compressor.ZSTD: lambda data: zstandard.ZstdCompressor().compress(data),
}
PACKED = [compressor for compressor in Compressor if compressor is not Compressor.NONE]


@pytest.mark.parametrize("compressor", Compressor)
@given(data=st.binary(min_size=1, max_size=5000))
@settings(max_examples=30)
def test_round_trip(compressor, data):
    stored = COMPRESS[compressor](data)
    assert decompress(compressor, stored, len(data)) == data
    assert decompress(compressor, memoryview(stored), len(data)) == data


def test_one_decoder_serves_many_pieces_and_survives_damage():
    decoder = Decoder()
    stored = COMPRESS[Compressor.ZSTD](b"a" * 1000)
    for _ in range(3):
        assert decoder.decompress(Compressor.ZSTD, stored, 1000) == b"a" * 1000
        with pytest.raises(MalformedImage):
            decoder.decompress(Compressor.ZSTD, stored[:-3], 1000)


@pytest.mark.parametrize("compressor", Compressor)
@pytest.mark.parametrize("size", [0, 999, 1001, 1 << 20])
def test_another_size_is_refused(compressor, size):
    stored = COMPRESS[compressor](b"ab" * 500)
    if compressor is Compressor.GZIP and size < 1000:  # stops where there is enough: recorded sizes are estimates
        assert decompress(compressor, stored, size) == (b"ab" * 500)[:size]
        return
    with pytest.raises(MalformedImage):
        decompress(compressor, stored, size)


def test_zstd_without_announced_size():
    stored = zstandard.ZstdCompressor(write_content_size=False).compress(b"a" * 1000)
    assert decompress(Compressor.ZSTD, stored, 1000) == b"a" * 1000
    for size in (999, 1001):
        with pytest.raises(MalformedImage):
            decompress(Compressor.ZSTD, stored, size)


def test_zstd_that_announces_more_takes_no_memory():
    stored = bytearray(zstandard.ZstdCompressor().compress(bytes(1 << 24)))
    tracemalloc.start()
    try:
        with pytest.raises(MalformedImage, match="announces"):
            decompress(Compressor.ZSTD, bytes(stored), 4096)
        assert tracemalloc.get_traced_memory()[1] < MiB
    finally:
        tracemalloc.stop()


def test_zstd_window_is_limited():
    parameters = zstandard.ZstdCompressionParameters(window_log=28, write_content_size=0)
    stored = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    frame = stored.compress(b"a" * 5000) + stored.flush()
    with pytest.raises(MalformedImage):
        decompress(Compressor.ZSTD, frame, 5000)


def test_gzip_ignores_what_follows_the_member():
    stored = gzip.compress(b"content") + b"rest of the blob"
    assert decompress(Compressor.GZIP, stored, 7) == b"content"


def test_gzip_bomb_stops_at_the_size():
    assert decompress(Compressor.GZIP, gzip.compress(bytes(1 << 24)), 4096) == bytes(4096)


def test_raw_deflate_is_no_gzip():
    with pytest.raises(MalformedImage):
        decompress(Compressor.GZIP, zlib.compress(b"content"), 7)


@pytest.mark.parametrize("compressor", PACKED)
@given(data=st.binary(max_size=200), size=st.integers(0, 10000))
@settings(max_examples=80)
def test_noise(compressor, data, size):
    with suppress(MalformedImage):
        assert len(decompress(compressor, data, size)) == size


@pytest.mark.parametrize("compressor", PACKED)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7), cut=st.integers(0, 20))
@settings(max_examples=80)
def test_damage(compressor, place, bit, cut):
    stored = bytearray(COMPRESS[compressor](b"some content, some more content, " * 40))
    stored[place % len(stored)] ^= 1 << bit
    with suppress(MalformedImage):
        assert len(decompress(compressor, bytes(stored[: len(stored) - cut]), 33 * 40)) == 33 * 40


PIECES = [b"chunk %d " % number * (number + 1) for number in range(12)]


def packed_pieces(pieces):
    stored = [COMPRESS[Compressor.ZSTD](piece) for piece in pieces]
    starts = [sum(map(len, stored[:index])) for index in range(len(stored))]
    return b"".join(stored), starts, list(map(len, stored))


def decompress_many(stored, starts, sizes, expected, compressor=Compressor.ZSTD):
    return Decoder().decompress_many(compressor, memoryview(stored), starts, sizes, np.array(expected, np.int64))


def test_many_pieces_at_once_are_what_they_are_one_by_one():
    stored, starts, sizes = packed_pieces(PIECES)
    found = decompress_many(stored, starts, sizes, list(map(len, PIECES)))
    assert [bytes(content) for content in found] == PIECES


@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_piece_of_another_size_is_left_to_be_looked_at_alone(wrong):
    stored, starts, sizes = packed_pieces(PIECES)
    expected = list(map(len, PIECES))
    expected[5] += wrong
    assert decompress_many(stored, starts, sizes, expected) is None


@given(at=st.integers(0), bit=st.integers(0, 7))
@settings(max_examples=60)
def test_many_damaged_pieces_are_refused_or_as_long_as_they_should_be(at, bit):
    stored, starts, sizes = packed_pieces(PIECES)
    damaged = bytearray(stored)
    damaged[at % len(stored)] ^= 1 << bit
    found = decompress_many(bytes(damaged), starts, sizes, list(map(len, PIECES)))
    assert found is None or [len(content) for content in found] == list(map(len, PIECES))


def test_few_pieces_and_other_compressors_are_no_matter_for_many_at_once():
    stored, starts, sizes = packed_pieces(PIECES[:2])
    assert decompress_many(stored, starts, sizes, list(map(len, PIECES[:2]))) is None
    stored, starts, sizes = packed_pieces(PIECES)
    assert decompress_many(stored, starts, sizes, list(map(len, PIECES)), Compressor.LZ4_BLOCK) is None
