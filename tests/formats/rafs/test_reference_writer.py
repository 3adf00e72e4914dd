"""Reference blobs of archives whose deflate blocks the tests lay themselves: no library finds the points here."""

import gzip
import hashlib
import io
import itertools
import random
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.formats.rafs.references import archive_of, chunks_of, faults, make_tar, read_back, refer

from rafsight.base.errors import Defect
from rafsight.base.limits import Limits
from rafsight.formats.compression import Encoder
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import toc
from rafsight.formats.rafs.blob_meta import HEADER_SIZE
from rafsight.formats.rafs.blob_parts import PartsWriter
from rafsight.formats.rafs.blob_tail import MetaTable, write_meta
from rafsight.formats.rafs.codec import write_bootstrap
from rafsight.formats.rafs.reference_writer import ReferenceBlobWriter
from rafsight.formats.rafs.zran_points import WINDOW_SIZE, GzipPoints, NotReferable, no_points
from rafsight.formats.rafs.zran_slices import cut_slices
from rafsight.formats.tables import Compressor, Digester

LIMITS = Limits()


def flushed(content: bytes, cuts: list[int], level: int = 6) -> tuple[bytes, GzipPoints]:
    """Pack content with a full byte boundary at each cut, which is a point."""
    packer, stored = zlib.compressobj(level, zlib.DEFLATED, 31), b""
    rows, start = [], 0
    for cut in cuts:
        stored += packer.compress(content[start:cut]) + packer.flush(zlib.Z_SYNC_FLUSH)
        start = cut
        rows.append((len(stored), cut, content[max(0, cut - WINDOW_SIZE) : cut].rjust(WINDOW_SIZE, b"\0")))
    stored += packer.compress(content[start:]) + packer.flush()
    return stored, points_of(rows, len(stored), len(content))


def points_of(rows, compressed_size, uncompressed_size, head=10):
    """Points from (compressed offset, uncompressed offset, window or nothing)."""
    rows = [(head, 0, b""), *rows]
    return GzipPoints(
        compressed_offset=np.array([row[0] for row in rows], np.int64),
        uncompressed_offset=np.array([row[1] for row in rows], np.int64),
        bits=np.zeros(len(rows), np.uint8),
        has_window=np.array([bool(row[2]) for row in rows], np.bool_),
        windows=memoryview(b"".join(row[2] for row in rows)),
        compressed_size=compressed_size,
        uncompressed_size=uncompressed_size,
    )


def text(seed: int, size: int) -> bytes:
    return bytes(random.Random(seed).choices(b"etaoin shrdlu", k=size))


FILES = {b"a": text(1, 70_000), b"b/c": b"x", b"b/d": text(2, 9_000), b"b/e": text(1, 70_000), b"empty": b""}


@pytest.mark.parametrize("digester", list(Digester))
@pytest.mark.parametrize("inlined", [True, False])
def test_reference_to_a_flushed_archive(inlined, digester):
    stored, points = flushed(make_tar(FILES), [40_000, 90_000])
    written, blob, tables = refer(
        FILES, archive_of(stored, points), chunk_size=16384, digester=digester, inlined=inlined
    )
    boot = write_bootstrap(tables)
    contents = read_back(stored, blob, boot)
    assert set(contents) == {content for _, content in chunks_of(make_tar(FILES), 16384)}
    assert read_back(stored, blob, boot, array=written.meta) == contents
    assert faults(blob, boot) == []


def test_the_entry_says_where_everything_lies():
    stored, points = flushed(make_tar(FILES), [40_000])
    written, blob, _ = refer(FILES, archive_of(stored, points))
    entry = written.entry
    assert entry.blob_id == entry.data_id == hashlib.sha256(stored).hexdigest()
    assert entry.meta_id == entry.meta_digest.hex() == hashlib.sha256(blob).hexdigest()
    assert (entry.compressed_size, entry.meta_size, written.size) == (len(stored), len(blob), len(blob))
    assert (entry.compressor, entry.meta_compressor, entry.chunk_count) == (Compressor.GZIP, Compressor.ZSTD, 3)
    assert entry.features == (
        shared.SEPARATE | shared.CHUNK_INFO_V2 | shared.ALIGNED | shared.ZRAN | shared.CAP_TAR_TOC
        | shared.HAS_TAR_HEADER | shared.HAS_TOC | shared.INLINED_CHUNK_DIGEST
    )  # fmt: skip
    assert entry.toc_size == 4 * 128 + 512
    assert entry.toc_digest == hashlib.sha256(blob[-entry.toc_size :]).digest()
    parts = toc.find_parts(blob[-toc.TAIL_SIZE :], len(blob))
    assert [part.name for part in parts] == ["blob.meta", "blob.meta.header", "blob.digest", "image.boot"]


def test_the_inlined_bootstrap_reads_the_layer():
    """A layer's own bootstrap finds the archive by its id, and the array by the file's name."""
    stored, points = flushed(make_tar(FILES), [40_000])
    _, blob, _ = refer(FILES, archive_of(stored, points), chunk_size=16384)
    boot = toc.inlined_bootstrap(lambda offset, size: blob[offset : offset + size], len(blob), LIMITS)
    contents = read_back(stored, blob, boot, name=hashlib.sha256(blob).hexdigest())
    assert set(contents) == {content for _, content in chunks_of(make_tar(FILES), 16384)}


@pytest.mark.parametrize("inlined", [True, False])
def test_reference_to_a_plain_tar(inlined):
    tar = make_tar(FILES)
    written, blob, tables = refer(FILES, archive_of(tar, None), chunk_size=16384, inlined=inlined)
    boot = write_bootstrap(tables)
    assert set(read_back(tar, blob, boot)) == {content for _, content in chunks_of(tar, 16384)}
    assert faults(blob, boot) == []
    assert not written.entry.features & shared.ZRAN
    assert not written.entry.needs_meta


@pytest.mark.parametrize("inlined", [True, False])
def test_layers_without_content(inlined):
    """Directories and links alone: nothing to refer to, and still a layer of the registry."""
    for points in (None, no_points(20)):
        written, blob, _ = refer({b"empty": b""}, archive_of(b"\0" * 20, points), inlined=inlined)
        assert (written.entry.chunk_count, written.entry.meta_id, written.meta) == (0, "", b"")
        assert written.size == len(blob)
        assert bool(blob) == inlined
        names = [part.name for part in toc.find_parts(blob[-toc.TAIL_SIZE :], len(blob))]
        assert names == (["image.boot"] if inlined else [])


def test_chunks_that_no_file_needs_cost_nothing():
    content = text(3, 4 << 20)
    stored, points = flushed(content, list(range(1 << 18, 4 << 20, 1 << 18)), level=1)
    offset = np.array([5, 9, 3_000_000], np.int64)
    slices = cut_slices(points, offset, np.array([4, 300_000, 10], np.int64), LIMITS, "x")
    assert slices.point.tolist() == [0, 11]
    assert slices.slice_index.tolist() == [0, 0, 1]
    assert slices.decoded_size.tolist() == [300_009, 3_000_010 - (11 << 18)]
    assert slices.slice_offset.tolist() == [5, 9, 3_000_000 - (11 << 18)]
    at = points.compressed_offset
    assert slices.stored_size.tolist() == [int(at[2] - at[0]), int(at[12] - at[11])]
    assert len(stored) == points.compressed_size


def test_slices_are_cut_where_they_have_enough():
    points = points_of([(index << 20, index << 19, b"w") for index in range(1, 40)], 40 << 20, 20 << 20)
    size = np.full(160, 1 << 17, np.int64)
    slices = cut_slices(points, np.cumsum(size) - size, size, LIMITS, "x")
    assert slices.stored_size.max() <= 1 << 20
    assert slices.point.tolist() == list(range(40))
    large = np.full(5, 4 << 20, np.int64)
    slices = cut_slices(points, np.cumsum(large) - large, large, LIMITS, "x")
    assert slices.decoded_size.tolist() == [4 << 20] * 5


def test_windows_that_are_alike_are_kept_once():
    content = bytes(8 << 20) + b"end"
    stored, points = flushed(content, [1 << 20, 4 << 20, 8 << 20])
    sizes = {}
    for starts in ((0, 2 << 20), (0, 2 << 20, 5 << 20)):
        writer = ReferenceBlobWriter(
            lambda _: None, archive_of(stored, points), digester=Digester.SHA256, limits=LIMITS
        )
        for start in starts:
            writer.add(start, 1 << 20, bytes(32))
        sizes[len(starts)] = writer.finish(chunk_size=1 << 20).entry.meta_uncompressed_size
    assert sizes == {2: 2 * 24 + 2 * 40 + WINDOW_SIZE, 3: 3 * 24 + 3 * 40 + WINDOW_SIZE}


def members(pieces: list[bytes], between: bytes) -> tuple[bytes, GzipPoints]:
    stored, rows, start = b"", [], 0
    for piece in pieces:
        if stored:
            stored += between
            rows.append((len(stored) + 10, start, b""))
        stored += gzip.compress(piece, mtime=0)
        start += len(piece)
    return stored, points_of(rows, len(stored), start)


def test_files_go_on_over_the_ends_of_members():
    tar = make_tar(FILES)
    stored, points = members([tar[at : at + 5_000] for at in range(0, len(tar), 5_000)], b"")
    _, blob, tables = refer(FILES, archive_of(stored, points), chunk_size=16384)
    boot = write_bootstrap(tables)
    assert set(read_back(stored, blob, boot)) == {content for _, content in chunks_of(tar, 16384)}
    assert faults(blob, boot) == []


def test_no_slice_ends_where_a_member_does():
    """The peer's daemon cannot read such slices; archives whose members end with files would be full of them."""
    tar = make_tar(FILES)
    chunks = chunks_of(tar, 16384)
    edges = [0, *(offset + len(content) for offset, content in chunks), len(tar)]
    pieces = [tar[start:end] for start, end in itertools.pairwise(edges)]
    stored, points = members(pieces, b"")
    offset = np.array([offset for offset, _ in chunks], np.int64)
    size = np.array([len(content) for _, content in chunks], np.int64)
    slices = cut_slices(points, offset, size, LIMITS, "x")
    assert slices.decoded_size.tolist() == [len(piece) + 1 for piece in pieces[:-1]]
    assert slices.crosses.all()
    _, blob, tables = refer(FILES, archive_of(stored, points), chunk_size=16384)
    assert len(read_back(stored, blob, write_bootstrap(tables))) == len(chunks)
    last = cut_slices(points, np.array([len(tar) - 5]), np.array([5]), LIMITS, "x")
    assert (last.decoded_size.tolist(), last.crosses.tolist()) == ([len(pieces[-1])], [False])


def test_padding_between_members_is_refused_where_a_file_crosses_it():
    tar = make_tar(FILES)
    stored, points = members([tar[:5_000], tar[5_000:]], b"\0" * 512)
    with pytest.raises(NotReferable, match="between the members"):
        refer(FILES, archive_of(stored, points), chunk_size=16384)
    start = chunks_of(tar, 16384)[-1][0] - 512
    stored, points = members([tar[:start], tar[start:]], b"\0" * 512)
    _, blob, tables = refer(FILES, archive_of(stored, points), chunk_size=16384)
    assert len(read_back(stored, blob, write_bootstrap(tables))) == len(chunks_of(tar, 16384))


def test_what_cannot_be_referred_to():
    stored, points = flushed(make_tar(FILES), [])
    small = replace(LIMITS, zran_decoded_size=50_000)
    writer = ReferenceBlobWriter(lambda _: None, archive_of(stored, points), digester=Digester.SHA256, limits=small)
    writer.add(60_000, 10, bytes(32))
    with pytest.raises(NotReferable, match="deflate blocks"):
        writer.finish(chunk_size=1 << 20)
    small = replace(LIMITS, blob_meta_size=60)
    writer = ReferenceBlobWriter(lambda _: None, archive_of(stored, points), digester=Digester.SHA256, limits=small)
    writer.add(0, 10, bytes(32))
    with pytest.raises(NotReferable, match="its index"):
        writer.finish(chunk_size=1 << 20)
    writer = ReferenceBlobWriter(lambda _: None, archive_of(stored, None), digester=Digester.SHA256, limits=LIMITS)
    with pytest.raises(NotReferable, match="a chunk of it"):
        writer.add(0, 1 << 24, bytes(32))


@pytest.mark.parametrize("chunks", [[(5, 5), (9, 5)], [(5, 5), (0, 5)], [(0, 0)], [(0, 1 << 30)]])
def test_chunks_have_to_follow_each_other(chunks):
    stored, points = flushed(make_tar(FILES), [])
    writer = ReferenceBlobWriter(lambda _: None, archive_of(stored, points), digester=Digester.SHA256, limits=LIMITS)
    for offset, size in chunks:
        writer.add(offset, size, bytes(32))
    with pytest.raises(Defect):
        writer.finish(chunk_size=1 << 20)


@pytest.mark.parametrize(("size", "compressor"), [(1 << 16, Compressor.ZSTD), (8 << 20, Compressor.NONE)])
def test_a_table_that_shrinks_too_well_is_stored_plain(size, compressor):
    """Readers do not believe that so few bytes become so many."""
    stored, points = flushed(make_tar(FILES), [])
    written, _, _ = refer(FILES, archive_of(stored, points))
    blob = io.BytesIO()
    table = MetaTable(content=bytes(size), chunk_count=3)
    entry, bundled = write_meta(PartsWriter(blob.write), written.entry, table, Encoder(Compressor.ZSTD))
    assert entry.meta_compressor is compressor
    assert entry.meta_compressed_size <= size <= 4096 * entry.meta_compressed_size
    assert len(bundled) == size + HEADER_SIZE


@given(
    sizes=st.lists(st.integers(0, 30_000), max_size=12),
    cuts=st.lists(st.integers(0, 200_000), max_size=12),
    level=st.integers(0, 9),
    chunk_size=st.sampled_from([4096, 16384, 1 << 20]),
    seed=st.integers(0, 3),
)
def test_any_archive_reads_back(sizes, cuts, level, chunk_size, seed):
    files = {b"f%d" % index: text(seed + index % 5, size) for index, size in enumerate(sizes)} | {b"z": b"z"}
    tar = make_tar(files)
    stored, points = flushed(tar, sorted({cut for cut in cuts if WINDOW_SIZE < cut < len(tar)}), level)
    _, blob, tables = refer(files, archive_of(stored, points), chunk_size=chunk_size)
    boot = write_bootstrap(tables)
    assert sorted(read_back(stored, blob, boot)) == sorted(content for _, content in chunks_of(tar, chunk_size))
    assert faults(blob, boot) == []
