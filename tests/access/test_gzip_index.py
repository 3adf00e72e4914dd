"""Points of gzip files, found by the library, each tried by inflating from it."""

import gzip
import importlib.util
import io
import itertools
import random
import sys
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats.rafs.references import archive_of, chunks_of, faults, make_tar, read_back, refer

from rafsight.access.gzip_index import NoGzipIndexer, index_gzip
from rafsight.access.spool import Spool
from rafsight.formats.rafs.codec import write_bootstrap
from rafsight.formats.rafs.zran import decode_slice
from rafsight.formats.rafs.zran_points import NotReferable
from rafsight.formats.tables import MalformedImage

needs_indexer = pytest.mark.skipif(
    importlib.util.find_spec("indexed_gzip") is None,
    reason="needs the Python package indexed_gzip",
)


def text(seed: int, size: int) -> bytes:
    chance = random.Random(seed)
    words = [chance.randbytes(chance.randint(2, 9)) for _ in range(300)]
    return b"".join(chance.choices(words, k=size // 5 + 1))[:size]


def points_of(stored: bytes, **options):
    return index_gzip(archive_of(stored, None).read, len(stored), layer="x", **options)


def try_points(stored: bytes, content: bytes, most: int = 300_000):
    """Inflate from every point."""
    points = points_of(stored)
    assert points.uncompressed_size == len(content)
    for point, (start, place, bits) in enumerate(
        zip(points.compressed_offset.tolist(), points.uncompressed_offset.tolist(), points.bits.tolist(), strict=True)
    ):
        word = stored[start - 1] << 8 | bits
        wanted = content[place : place + most]
        assert decode_slice(stored[start : start + 2 * most], len(wanted), points.window(point), word) == wanted
    return points


CONTENT = text(1, 700_000)


def flush_often(content: bytes) -> bytes:
    packer, stored, kinds = zlib.compressobj(6, zlib.DEFLATED, 31), b"", (zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH)
    for start in range(0, len(content), 7_000):
        stored += packer.compress(content[start : start + 7_000]) + packer.flush(kinds[start % 2])
    return stored + packer.flush()


def named(content: bytes) -> bytes:
    file = io.BytesIO()
    with gzip.GzipFile("layer.tar", "wb", 6, file, mtime=5) as stream:
        stream.write(content)
    return file.getvalue()


@needs_indexer
@pytest.mark.parametrize(
    "stored",
    [
        *(gzip.compress(CONTENT, level, mtime=0) for level in (0, 1, 9)),
        flush_often(CONTENT),
        named(CONTENT),
        gzip.compress(CONTENT) + bytes(512),
        gzip.compress(CONTENT[:300_000]) + gzip.compress(b"") + gzip.compress(CONTENT[300_000:]) + gzip.compress(b""),
        b"".join(gzip.compress(CONTENT[at : at + 1_000]) for at in range(0, len(CONTENT), 1_000)),
    ],
    ids=["stored", "fast", "best", "flushed", "named", "padded", "members", "small-members"],
)
def test_every_point_is_a_beginning(stored):
    points = try_points(stored, CONTENT, 150_000)
    assert len(points.bits) >= len(CONTENT) // 200_000
    assert points.compressed_size == len(stored.rstrip(b"\0")) or not any(stored[points.compressed_size :])


@needs_indexer
def test_a_layer_in_a_spool():
    stored, spool = gzip.compress(CONTENT), Spool()
    spool.append(stored)
    spool.finish()
    points = index_gzip(spool.view, len(stored), layer="x")
    assert points.compressed_offset.tolist() == points_of(stored).compressed_offset.tolist()
    spool.close()


@needs_indexer
@pytest.mark.parametrize("content", [b"x", b"xyz" * 30_000])
def test_small_files(content):
    assert try_points(gzip.compress(content), content).compressed_offset.tolist() == [10]


NOTHING = gzip.compress(b"", mtime=0)


@needs_indexer
@pytest.mark.parametrize("stored", [NOTHING, NOTHING * 3, NOTHING + bytes(9)])
def test_files_without_content(stored):
    points = points_of(stored)
    assert (len(points.bits), points.uncompressed_size) == (0, 0)


@needs_indexer
@pytest.mark.parametrize(
    "damage",
    [
        lambda stored: stored + b"garbage",
        lambda stored: stored + b"\0\0\0garbage",
        lambda stored: stored[:-1],
        lambda stored: stored[:-8],
        lambda stored: stored[:-9],
        lambda stored: stored[: len(stored) // 2],
        lambda stored: stored[:12],
        lambda stored: stored[:2],
        lambda stored: stored[:-5] + bytes([stored[-5] ^ 1]) + stored[-4:],
        lambda stored: stored[:-1] + bytes([stored[-1] ^ 1]),
        lambda stored: stored[:50_000] + bytes([stored[50_000] ^ 255]) + stored[50_001:],
        lambda stored: stored + stored[:-20],
    ],
)
def test_damaged_files_are_refused(damage):
    with pytest.raises(MalformedImage, match="layer x"):
        points_of(damage(gzip.compress(CONTENT)))


@needs_indexer
@given(data=st.data())
@settings(max_examples=40)
def test_any_change_is_seen(data):
    """The trailer holds a checksum: one changed byte in content or trailer never goes unnoticed."""
    stored = bytearray(gzip.compress(CONTENT[:20_000], mtime=0))
    stored[data.draw(st.integers(10, len(stored) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(MalformedImage):
        points_of(bytes(stored))


@needs_indexer
def test_too_much_content_is_given_up_in_time():
    stored = gzip.compress(bytes(30 << 20))
    with pytest.raises(NotReferable, match="more than 1000000 bytes"):
        points_of(stored, max_content=1_000_000)


@needs_indexer
def test_too_many_members_are_given_up_in_time():
    with pytest.raises(NotReferable, match="gzip members"):
        points_of(gzip.compress(b"", mtime=0) * 3_000, max_members=2_900)


@pytest.mark.parametrize("stored", [b"", b"\x1f", b"tar", b"\x28\xb5\x2f\xfd"])
def test_other_files_are_refused(stored):
    with pytest.raises(NotReferable, match="nor compressed by gzip"):
        points_of(stored)


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "indexed_gzip.indexed_gzip", None)
    with pytest.raises(NoGzipIndexer) as caught:
        points_of(gzip.compress(b"x"))
    assert "rafsight[zran]" in caught.value.advice


@needs_indexer
@given(
    sizes=st.lists(st.integers(0, 200_000), max_size=8),
    level=st.integers(0, 9),
    cuts=st.lists(st.integers(0, 1_000_000), max_size=3),
    chunk_size=st.sampled_from([4096, 65536, 1 << 20]),
)
@settings(max_examples=30)
def test_any_layer_reads_back(sizes, level, cuts, chunk_size):
    files = {b"f%d" % index: text(index % 5, size) for index, size in enumerate(sizes)} | {b"z": b"z"}
    tar = make_tar(files)
    edges = sorted({0, len(tar), *(cut for cut in cuts if cut < len(tar))})
    stored = b"".join(gzip.compress(tar[a:b], level, mtime=0) for a, b in itertools.pairwise(edges))
    _, blob, tables = refer(files, archive_of(stored, points_of(stored)), chunk_size=chunk_size)
    boot = write_bootstrap(tables)
    assert sorted(read_back(stored, blob, boot)) == sorted(content for _, content in chunks_of(tar, chunk_size))
    assert faults(blob, boot) == []
