"""Chunks of a blob: cut as the size says, each stored once, the same whatever the pieces and the threads are."""

import itertools
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.access.packing import CompressionPool, ContentPacker, KnownChunks, _spread, cut
from rafsight.formats.checksum import digest
from rafsight.formats.compression import Decoder, Encoder
from rafsight.formats.rafs.blob_writer import BlobWriter
from rafsight.formats.tables import Compressor, Digester

SIZE = 4096


def in_pieces(content, size):
    return (content[start : start + size] for start in range(0, len(content), size))


class Blob:
    """A packer, its blob, and how to get contents back."""

    def __init__(self, *, pool=None, known=None, compressor=Compressor.ZSTD, digester=Digester.BLAKE3, size=SIZE):
        self.content = bytearray()
        self.compressor = compressor
        self.writer = BlobWriter(self.content.extend, Encoder(compressor), digester=digester, aligned=True)
        self.packer = ContentPacker(self.writer, digester=digester, chunk_size=size, known=known, pool=pool)

    def finish(self):
        self.packer.finish()
        self.chunks = self.writer.finish(chunk_size=SIZE).chunks
        return self

    def read(self, references):
        decoder, parts = Decoder(), []
        for row in references:
            start, stored = int(self.chunks.compressed_offset[row]), int(self.chunks.compressed_size[row])
            kind = self.compressor if self.chunks.flags[row] & 1 else Compressor.NONE
            part = decoder.decompress(kind, bytes(self.content[start : start + stored]), int(self.chunks.size[row]))
            assert digest(Digester.BLAKE3, bytes(part)) == self.chunks.digest[row].tobytes()
            parts.append(bytes(part))
        return b"".join(parts)


@pytest.fixture(params=[1, 2, 4])
def pool(request):
    pool = CompressionPool(Compressor.ZSTD, 3, request.param)
    yield pool
    pool.close()


RANDOM = np.random.default_rng(1).bytes(3 * 1024 * 1024)
CONTENTS = [
    RANDOM,
    b"",
    b"x",
    RANDOM[:SIZE],
    RANDOM[: SIZE + 1],
    bytes(5 * SIZE),
    bytes(5 * SIZE + 7),
    b"text " * 40_000,
    RANDOM[1 : SIZE + 1],
    RANDOM[SIZE : 3 * SIZE],
]


def packed(**more):
    blob = Blob(**more)
    references = [blob.packer.add(in_pieces(one, 50_000), len(one)) for one in CONTENTS]
    return blob.finish(), references


def test_contents_come_back():
    blob, references = packed()
    assert [blob.read(rows) for rows in references] == CONTENTS
    assert len({row.tobytes() for row in blob.chunks.digest}) == len(blob.chunks.size)
    assert references[9] == references[0][1:3]
    assert references[1] == []
    assert len(set(references[5])) == 1


def test_threads_make_no_difference(pool):
    alone, expected = packed()
    blob, references = packed(pool=pool)
    assert references == expected
    assert blob.content == alone.content


def test_packers_share_their_threads(pool):
    results = {}

    def work(name):
        results[name] = packed(pool=pool)[0].content

    threads = [threading.Thread(target=work, args=(name,)) for name in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert results[0] == results[1] == results[2] == packed()[0].content


def test_pieces_make_no_difference():
    for size in (1000, SIZE - 1, SIZE, 3 * SIZE + 1, 1 << 30):
        blob = Blob()
        assert blob.packer.add(in_pieces(RANDOM[:100_000], size), 100_000) == list(range(25))


def test_what_fails_in_a_thread_is_raised():
    class Broken(CompressionPool):
        def encoder(self):
            raise ZeroDivisionError

    pool = Broken(Compressor.ZSTD, 3, 1)
    blob = Blob(pool=pool)
    try:
        blob.packer.add(iter([RANDOM[:SIZE]]), SIZE)
        with pytest.raises(ZeroDivisionError):
            blob.packer.finish()
    finally:
        pool.close()


def test_no_more_than_some_batches_are_under_way(pool):
    blob = Blob(pool=pool, size=1 << 18)
    content = np.random.default_rng(2).bytes(1 << 20)
    tracemalloc.start()
    try:
        size = 64 << 20
        distinct = (content[:-8] + row.to_bytes(8, "big") for row in range(64))
        blob.writer._parts._sink = lambda piece: None
        references = blob.packer.add(distinct, size)
        blob.packer.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(references) == 256
    assert peak < 16 << 20


class TestKnownChunks:
    def known(self, *contents, zero_rows=()):
        digests = np.frombuffer(b"".join(digest(Digester.BLAKE3, one) for one in contents), np.uint8).copy()
        digests = digests.reshape(len(contents), 32)
        digests[list(zero_rows)] = 0
        return KnownChunks(digests, np.array([len(one) for one in contents], np.int64))

    def test_they_are_not_stored(self):
        first, second = RANDOM[:SIZE], RANDOM[SIZE : 2 * SIZE]
        blob = Blob(known=self.known(second, b"other", second))
        assert blob.packer.add(iter([first + second + first + b"other"]), 3 * SIZE + 5) == [0, -1, 0, -2]
        assert blob.packer.add(iter([second]), SIZE) == [-1]
        assert blob.finish().chunks.size.tolist() == [SIZE]

    def test_rows_without_a_digest_are_never_found(self):
        known = self.known(b"a", b"b", zero_rows=[0])
        assert known.find(bytes(32), 1) is None
        assert known.find(digest(Digester.BLAKE3, b"a"), 1) is None
        assert known.find(digest(Digester.BLAKE3, b"b"), 1) == 1

    def test_another_size_is_another_chunk(self):
        assert self.known(b"ab").find(digest(Digester.BLAKE3, b"ab"), 3) is None

    def test_none(self):
        assert KnownChunks(np.zeros((0, 32), np.uint8), np.zeros(0, np.int64)).find(bytes(32), 0) is None


@given(content=st.binary(max_size=300), size=st.integers(1, 40), cuts=st.lists(st.integers(0, 300), max_size=8))
def test_cutting_is_slicing(content, size, cuts):
    edges = sorted({min(cut, len(content)) for cut in cuts} | {0, len(content)})
    pieces = [content[start:end] for start, end in itertools.pairwise(edges)]
    assert list(cut(iter(pieces), size)) == [content[at : at + size] for at in range(0, len(content), size)]


@st.composite
def sparse_files(draw):
    """(size, segments, content) of a file with holes."""
    parts = draw(st.lists(st.tuples(st.integers(0, 30), st.binary(max_size=30)), max_size=6))
    content, segments = bytearray(), []
    for hole, stored in parts:
        content += bytes(hole)
        segments.append((len(content), len(stored)))
        content += stored
    content += bytes(draw(st.integers(0, 60)))
    return bytes(content), tuple(segments)


@given(file=sparse_files(), chunk_size=st.integers(1, 20), piece=st.integers(1, 12))
def test_holes_are_zeros(file, chunk_size, piece):
    content, segments = file
    stored = b"".join(content[at : at + length] for at, length in segments)
    slices = list(_spread(in_pieces(stored, piece), segments, len(content), chunk_size))
    assert b"".join(bytes(chunk_size) if one is None else one for one in slices) == content
    for row, one in enumerate(slices):
        start, end = row * chunk_size, (row + 1) * chunk_size
        is_hole = end <= len(content) and all(at >= end or at + length <= start for at, length in segments if length)
        assert (one is None) == is_hole


def test_a_hole_is_made_once():
    blob = Blob()
    references = blob.packer.add_sparse(iter([b"abc"]), ((10 * SIZE, 3),), 20 * SIZE + 5)
    assert references == [0] * 10 + [1] + [0] * 9 + [2]
    assert blob.packer.add_sparse(iter(()), (), 2 * SIZE) == [0, 0]
    assert blob.packer.add(iter([bytes(SIZE)]), SIZE) == [0]
    assert blob.finish().read(references) == bytes(10 * SIZE) + b"abc".ljust(10 * SIZE, b"\0") + bytes(5)


def test_many_small_segments_of_one_piece_cost_what_they_are():
    """Each takes its bytes out of the piece, and does not copy the rest of it."""
    count = 1 << 17
    stored = RANDOM[: 8 * count]
    segments = tuple((16 * row, 8) for row in range(count))
    slices = list(_spread(iter([stored]), segments, 16 * count, 1 << 20))
    assert slices[0][:8] == stored[:8]
    assert slices[-1][-16:-8] == stored[-8:]
