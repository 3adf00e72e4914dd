"""Blobs with and without parts behind their chunks: as our reader finds them, and as the peer's builder wrote them."""

import hashlib
import itertools

import numpy as np
import pytest
from tests.formats.rafs import images

from rafsight.base.limits import Limits
from rafsight.formats.checksum import digest
from rafsight.formats.compression import Decoder, Encoder, decompress
from rafsight.formats.judge import Collector
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs import toc
from rafsight.formats.rafs.blob_checks import check_blob_meta, check_digest_array
from rafsight.formats.rafs.blob_meta import expand
from rafsight.formats.rafs.blob_parts import PartsWriter, tar_header
from rafsight.formats.rafs.blob_writer import BlobTooLarge, BlobWriter, TooManyChunks
from rafsight.formats.rafs.toc_checks import check_part, check_toc
from rafsight.formats.tables import Compressor, Digester

CHUNKS = (b"a" * 5000, bytes(range(256)) * 16, b"x", bytes(4096))


class File:
    """A sink, and what came."""

    def __init__(self):
        self.content = bytearray()

    def __call__(self, piece):
        self.content += piece


def written(chunks=CHUNKS, *, aligned=True, compressor=Compressor.ZSTD, bootstrap=b"BOOT" * 300, **more):
    file = File()
    writer = BlobWriter(file, Encoder(compressor), digester=Digester.BLAKE3, aligned=aligned)
    for content in chunks:
        writer.add(content, digest(Digester.BLAKE3, content))
    asked = []

    def make(entry, table):
        asked.append((entry, table))
        return bootstrap

    done = writer.finish(chunk_size=8192, bootstrap=None if bootstrap is None else make, **more)
    return bytes(file.content), done, asked[0] if asked else None


def parts_of(blob):
    return toc.find_parts(blob[-toc.TAIL_SIZE :], len(blob))


def the_fixture(name):
    """The only blob of a golden image, and the image."""
    image = images.open_golden(name)
    blob_id, _ = images.inlined(image.directory)
    return image, image.blob(blob_id)


@pytest.mark.parametrize("compressor", [Compressor.ZSTD, Compressor.LZ4_BLOCK, Compressor.NONE])
class TestTableOfContents:
    def test_every_rule_holds(self, compressor):
        blob, done, _ = written(compressor=compressor)
        judge = Collector()
        parts = check_toc(blob[-toc.TAIL_SIZE :], len(blob), done.entry, judge)
        assert [part.name for part in parts] == [
            "image.blob",
            "blob.meta",
            "blob.meta.header",
            "blob.digest",
            "image.boot",
        ]
        for part in parts[1:]:
            stored = blob[part.offset : part.offset + part.stored_size]
            check_part(part, decompress(part.compressor, stored, part.size), done.entry, judge)
        assert not judge.faults

    def test_the_quirks_of_the_chunks_part(self, compressor):
        blob, done, _ = written(compressor=compressor)
        data = parts_of(blob)[0]
        assert (data.offset, data.size) == (0, done.entry.uncompressed_size)
        assert data.digest == hashlib.sha256(blob[: data.stored_size + 512]).digest()
        assert data.size == sum(-(-len(one) // 4096) * 4096 for one in CHUNKS)

    def test_the_array_and_the_digests(self, compressor):
        blob, done, _ = written(compressor=compressor)
        judge = Collector()
        start, size = done.entry.meta_offset, done.entry.meta_compressed_size
        expanded = expand(blob[start : start + size + 4096], done.entry, Limits())
        assert check_blob_meta(expanded, done.entry, done.chunks, judge, Limits())
        assert check_blob_meta(done.meta, done.entry, done.chunks, judge, Limits())
        assert len(done.meta) == 4096 + 4096
        digests = parts_of(blob)[3]
        check_digest_array(blob[digests.offset :][: digests.size], done.entry, done.chunks, judge)
        assert not judge.faults

    def test_chunks_are_where_the_table_says(self, compressor):
        blob, done, _ = written(compressor=compressor)
        decoder = Decoder()
        for row, content in enumerate(CHUNKS):
            start, size = int(done.chunks.compressed_offset[row]), int(done.chunks.compressed_size[row])
            stored = blob[start : start + size]
            is_packed = bool(done.chunks.flags[row] & 1)
            kind = compressor if is_packed else Compressor.NONE
            assert bytes(decoder.decompress(kind, stored, len(content))) == content
            assert is_packed == (size < len(content))


class TestEntries:
    def test_the_bootstrap_within_is_told_a_placeholder(self):
        blob, done, (entry, table) = written()
        assert entry.blob_id == entry.meta_id == shared.PLACEHOLDER_ID
        assert entry.features & shared.INLINED_FS_META
        assert entry.compressed_size == parts_of(blob)[-1].offset  # the bytes before the bootstrap
        assert table is done.chunks

    def test_the_image_is_told_the_name_of_the_file(self):
        blob, done, (entry, _) = written()
        assert done.entry.blob_id == done.entry.data_id == done.entry.meta_id == hashlib.sha256(blob).hexdigest()
        assert done.entry.features == entry.features & ~shared.INLINED_FS_META
        assert done.size == len(blob)
        assert done.entry.compressed_size == entry.compressed_size
        assert (done.entry.toc_size, done.entry.toc_digest) == (0, b"")

    def test_a_separate_one_counts_the_whole_file(self):
        blob, done, _ = written(bootstrap=None)
        assert done.entry.compressed_size == done.size == len(blob)
        assert done.entry.features == shared.ALIGNED | shared.CAP_TAR_TOC
        assert blob.endswith(b"\x0b\xb1\x0b\xb1")
        assert parts_of(blob) == ()

    def test_an_unaligned_one(self):
        blob, done, (entry, _) = written(aligned=False)
        (part,) = parts_of(blob)
        data = int(done.chunks.compressed_size.sum())
        assert (part.name, part.offset, part.stored_size) == ("image.boot", data + 512, 1200)
        assert blob[data : data + 512] == tar_header("image.blob", data)
        assert entry.features == shared.CAP_TAR_TOC | shared.INLINED_FS_META | shared.HAS_TAR_HEADER
        assert done.entry.compressed_size == data + 512
        assert done.chunks.uncompressed_offset.tolist() == [0, 5000, 9096, 9097]
        assert done.meta == b""

    def test_separate_and_unaligned_is_nothing_but_chunks(self):
        blob, done, _ = written(aligned=False, bootstrap=None)
        assert len(blob) == int(done.chunks.compressed_size.sum()) == done.entry.compressed_size

    @pytest.mark.parametrize("aligned", [True, False])
    def test_without_chunks(self, aligned):
        blob, done, _ = written((), aligned=aligned, bootstrap=None)
        assert (blob, done.size, done.meta, done.entry.chunk_count) == (b"", 0, b"", 0)
        blob, done, _ = written((), aligned=aligned)
        assert [part.name for part in parts_of(blob)] == ["image.boot"]
        assert not done.entry.features & shared.INLINED_CHUNK_DIGEST
        assert done.entry.meta_id == ""

    def test_of_another_row(self):
        _, done, _ = written(index=3)
        assert done.entry.index == 3
        assert done.chunks.blob_index.tolist() == [3] * 4

    def test_the_largest_sizes_fit_their_records(self):
        rng = np.random.default_rng(7)
        chunks = [rng.bytes(1 << 24), bytes(1 << 24), rng.bytes((1 << 20) + 1)]
        _blob, done, _ = written(chunks)
        judge = Collector()
        assert check_blob_meta(done.meta, done.entry, done.chunks, judge, Limits())
        assert not judge.faults
        assert done.chunks.size.tolist() == [1 << 24, 1 << 24, (1 << 20) + 1]
        assert done.chunks.compressed_size[0] == 1 << 24


class TestBounds:
    def test_chunks_have_numbers_of_24_bits(self):
        writer = BlobWriter(File(), Encoder(Compressor.NONE), digester=Digester.SHA256, aligned=True)
        writer._rows = _Many()
        with pytest.raises(TooManyChunks, match="16777215"):
            writer.add(b"x", bytes(32))

    @pytest.mark.parametrize(("size", "room"), [((1 << 40) - 1, 0), (0, 1 << 45)])
    def test_places_have_40_bits_and_four_more(self, size, room):
        writer = BlobWriter(File(), Encoder(Compressor.NONE), digester=Digester.SHA256, aligned=True)
        writer._parts.size, writer._room = size, room
        with pytest.raises(BlobTooLarge):
            writer.add(b"xy", bytes(32))


class _Many(list):
    def __len__(self):
        return 0xFFFFFF


class TestAsThePeerWroteThem:
    def test_with_a_table_of_contents(self):
        """The peer's own parts through our writer give the peer's file, every byte of it."""
        _image, blob = the_fixture("v6-toc-inline")
        parts = {part.name: part for part in parts_of(blob)}
        content = {name: blob[part.offset : part.offset + part.stored_size] for name, part in parts.items()}
        plain = {
            name: decompress(part.compressor, content[name], part.size)
            for name, part in parts.items()
            if name != toc.DATA
        }
        file = File()
        writer = PartsWriter(file)
        writer.write(content[toc.DATA])
        writer.end_data(parts[toc.DATA].size)
        writer.write(content[toc.META])
        writer.write(content[toc.META_HEADER])
        writer.end_part(toc.META)
        for name in (toc.META, toc.META_HEADER):
            _enter(writer, parts[name], plain[name])
        writer.write(content[toc.DIGESTS])
        writer.end_part(toc.DIGESTS)
        _enter(writer, parts[toc.DIGESTS], plain[toc.DIGESTS])
        writer.write(content[toc.BOOTSTRAP])
        writer.end_part(toc.BOOTSTRAP)
        _enter(writer, parts[toc.BOOTSTRAP], plain[toc.BOOTSTRAP])
        told, size = writer.end_toc()
        assert bytes(file.content) == blob
        assert told == toc.toc_digest(blob[-toc.TAIL_SIZE :])
        assert size == 5 * 128 + 512
        assert writer.digest == hashlib.sha256(blob).hexdigest()

    def test_without_one(self):
        _image, blob = the_fixture("v5-inline")
        (part,) = parts_of(blob)
        file = File()
        writer = PartsWriter(file)
        writer.write(blob[: part.offset - 512])
        writer.end_part(toc.DATA)
        writer.write(blob[part.offset : part.offset + part.size])
        writer.end_part(toc.BOOTSTRAP)
        assert bytes(file.content) == blob

    @pytest.mark.parametrize("name", ["v6-toc-inline", "v5-inline"])
    def test_the_same_chunks_give_the_same_blob_but_for_compression(self, name):
        """What our writer says of the peer's chunks is what the peer said."""
        image, blob = the_fixture(name)
        (theirs,) = image.tables.blobs
        order = np.argsort(image.tables.chunks.number)
        chunks = [images.read_chunk(image.tables, image.placement, int(row), image.blob, Decoder()) for row in order]
        ours, done, _ = written(chunks, aligned=bool(theirs.meta_id))
        assert done.entry.features == theirs.features & ~shared.INLINED_FS_META
        assert done.entry.uncompressed_size == theirs.uncompressed_size
        assert done.entry.chunk_count == theirs.chunk_count == len(chunks)
        assert done.entry.meta_uncompressed_size == theirs.meta_uncompressed_size
        table = image.tables.chunks
        for column in ("size", "uncompressed_offset", "number"):
            assert getattr(done.chunks, column).tolist() == getattr(table, column)[order].tolist()
        assert (done.chunks.digest == table.digest[order]).all()
        assert ((done.chunks.flags ^ table.flags[order]) & 1 == 0).all()
        mine, peers = parts_of(ours), parts_of(blob)
        assert [part.name for part in mine] == [part.name for part in peers]
        gaps = [
            [after.offset - before.offset - before.stored_size for before, after in itertools.pairwise(parts)]
            for parts in (mine, peers)
        ]
        assert gaps[0] == gaps[1]
        for before, after in zip(mine, peers, strict=True):
            if before.name in ("image.blob", "blob.digest", "blob.meta", "blob.meta.header"):
                assert before.size == after.size
            if before.name == "blob.digest":
                assert before.digest == after.digest


def _enter(writer, part, content):
    writer.add_entry(part.name, content, stored=part.stored_size, offset=part.offset, compressor=part.compressor)
