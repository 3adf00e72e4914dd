"""One layer through the packer: what goes into the blob, what into the record, and what is refused."""

import hashlib
import io
import tracemalloc

import pytest
from tests.access.source_images import Entry, folder, hard_link, symlink
from tests.verbs.convert.plain_layers import sparse_member, tar_with

from rafsight.access.layer_packing import XATTRS, PackingBase, PackTerms, TooManyReferences, pack_layer
from rafsight.access.layer_records import RecordWriter, read_record
from rafsight.access.packing import CompressionPool
from rafsight.base.limits import Limits
from rafsight.formats.rafs import toc
from rafsight.formats.rafs.codec import read_bootstrap
from rafsight.formats.tables import Compressor, Digester, MalformedImage
from rafsight.formats.tar import MemberKind, read_members
from rafsight.image.compose import NO_DICTIONARY
from rafsight.image.overlay import LayerSource
from rafsight.image.tree import ImageTree


def packed(tmp_path, tar, *, threads=1, limits=None, **terms):
    """Pack a tar; return the blob's bytes, the layer and its summary."""
    chosen = PackTerms(**{"chunk_size": 4096, **terms})
    pool = CompressionPool(chosen.compressor, chosen.level, threads)
    base = PackingBase(terms=chosen, pool=pool, dictionary=NO_DICTIONARY, known=None, limits=limits or Limits())
    blob, path = io.BytesIO(), tmp_path / "record"
    try:
        with path.open("wb") as record:
            told = pack_layer(
                read_members(iter([tar]), where="layer"),
                base,
                source=LayerSource(digest="sha256:x"),
                blob=blob,
                record=RecordWriter(record),
            )
    finally:
        pool.close()
    layer, summary = read_record(path)
    assert summary == told
    return blob.getvalue(), layer, summary


def within(blob):
    """The layer's own bootstrap, read."""
    content = toc.inlined_bootstrap(lambda offset, size: blob[offset : offset + size], len(blob), Limits())
    return read_bootstrap(content, name=hashlib.sha256(blob).hexdigest(), limits=Limits())


LAYER = tar_with(
    folder(b"d", 0o700, mtime=(5, 250_000_000)),
    Entry(b"d/f", content=b"f" * 9000, xattrs={b"user.a": b"1"}),
    Entry(b"e"),
    hard_link(b"g", b"d/f"),
    symlink(b"s", b"d"),
    Entry(b"d/.wh.gone"),
    Entry(b"d/.wh..wh..opq"),
    sparse_member(b"holes", 20_000, (4096, b"x" * 10), (9000, b"y")),
)


@pytest.mark.parametrize("version", [6, 5])
class TestWhatIsKept:
    def test_the_summary(self, tmp_path, version):
        blob, _layer, summary = packed(tmp_path, LAYER, version=version)
        assert summary.blob_digest == "sha256:" + hashlib.sha256(blob).hexdigest()
        assert summary.blob_size == len(blob)
        assert summary.content_size == 9000 + 20_000
        assert bool(summary.meta) == (version == 6)
        assert summary.left_out == ()

    def test_members_are_as_if_they_had_no_holes(self, tmp_path, version):
        _, layer, _ = packed(tmp_path, LAYER, version=version)
        expected = list(read_members(iter([LAYER]), where="layer"))
        found = list(layer.members)
        for mine, theirs in zip(found, expected, strict=True):
            for name in ("name", "kind", "mode", "uid", "gid", "mtime", "size", "target", "rdev", "xattrs"):
                assert getattr(mine, name) == getattr(theirs, name)
            assert mine.segments is None
            assert mine.content.size == mine.size
        assert [one.kind for one in found].count(MemberKind.HARDLINK) == 1

    def test_whiteouts_are_files_of_its_own_bootstrap(self, tmp_path, version):
        blob, _layer, _ = packed(tmp_path, LAYER, version=version)
        tables = within(blob)
        tree = ImageTree(tables)
        names = {b"", b"d", b"d/.wh..wh..opq", b"d/.wh.gone", b"d/f", b"e", b"g", b"holes", b"s"}
        assert set(tree.paths()) == names
        assert tree.is_file(tree.lookup(b"d/.wh.gone"))
        assert tables.blobs[0].blob_id == hashlib.sha256(blob).hexdigest()
        assert int(tables.entries.size[tree.lookup(b"holes")]) == 20_000
        assert tree.attributes(tree.lookup(b"g")).nlink == 2
        assert tree.attributes(tree.lookup(b"d")).mtime_nsec == 250_000_000
        assert len(tables.prefetch) == 0

    def test_separate_blobs_have_chunks_alone(self, tmp_path, version):
        blob, layer, summary = packed(tmp_path, LAYER, version=version, is_inlined=False)
        assert toc.find_parts(blob[-toc.TAIL_SIZE :], len(blob)) == ()
        full, _, _ = packed(tmp_path, LAYER, version=version)
        size = int(layer.chunks.compressed_size.sum())
        assert full[:size] == blob[:size]
        assert (size < len(blob)) == (version == 6)
        assert summary.blob_size == len(blob) < len(full)

    def test_a_layer_without_content(self, tmp_path, version):
        tar = tar_with(folder(b"d"), symlink(b"s", b"d"), Entry(b"e"))
        blob, _layer, summary = packed(tmp_path, tar, version=version, is_inlined=False)
        assert (blob, summary.blob_digest, summary.blob_size, summary.meta) == (b"", "", 0, b"")
        blob, _layer, summary = packed(tmp_path, tar, version=version)
        assert set(ImageTree(within(blob)).paths()) == {b"", b"d", b"s", b"e"}
        assert (within(blob).blobs, summary.meta) == ((), b"")

    def test_a_link_to_a_lower_layer_is_kept_for_the_merge(self, tmp_path, version):
        blob, layer, _ = packed(tmp_path, tar_with(hard_link(b"g", b"below")), version=version)
        assert set(ImageTree(within(blob)).paths()) == {b""}
        assert [one.target for one in layer.members] == [b"below"]

    def test_threads_make_no_difference(self, tmp_path, version):
        tar = tar_with(*(Entry(b"f%d" % row, content=bytes([row]) * 5000 * row) for row in range(60)))
        expected = packed(tmp_path, tar, version=version)[0]
        assert packed(tmp_path, tar, version=version, threads=2)[0] == expected
        assert packed(tmp_path, tar, version=version, threads=4)[0] == expected


def test_a_file_that_stands_twice_is_packed_twice_and_the_last_counts(tmp_path):
    blob, _, _ = packed(tmp_path, tar_with(Entry(b"f", content=b"old"), Entry(b"f", content=b"newer")))
    tables = within(blob)
    assert tables.chunks.size.tolist() == [5]
    assert tables.blobs[0].chunk_count == 2


def test_terms_decide_the_blob(tmp_path):
    blobs = {
        packed(tmp_path, LAYER, **terms)[0]
        for terms in (
            {},
            {"version": 5},
            {"compressor": Compressor.NONE},
            {"compressor": Compressor.LZ4_BLOCK},
            {"digester": Digester.SHA256},
            {"chunk_size": 8192},
            {"is_inlined": False},
        )
    }
    assert len(blobs) == 7


class TestWhatRafsCannotHold:
    def test_attributes_without_a_prefix_are_counted(self, tmp_path):
        xattrs = {b"odd.name": b"1", b"user.": b"2", b"user.x": b"3"}
        tar = tar_with(Entry(b"f", xattrs=xattrs), folder(b"d", xattrs={b"x": b"y"}))
        _, layer, summary = packed(tmp_path, tar)
        assert summary.left_out == ((XATTRS, 3),)
        assert [[one.name for one in member.xattrs] for member in layer.members] == [[b"user.x"], []]

    @pytest.mark.parametrize("version", [6, 5])
    def test_more_of_them_than_an_inode_has_room_for(self, tmp_path, version):
        xattrs = {b"user.%d" % row: b"v" * 60_000 for row in range(6)}
        blob, _layer, summary = packed(tmp_path, tar_with(Entry(b"f", content=b"x", xattrs=xattrs)), version=version)
        assert summary.left_out == ((XATTRS, 2),)
        tree = ImageTree(within(blob))
        assert len(tree.xattrs(tree.lookup(b"f"))) == 4

    def test_links_that_are_too_long(self, tmp_path):
        packed(tmp_path, tar_with(symlink(b"s", b"t" * 4095)))
        with pytest.raises(MalformedImage, match="more than 4095 bytes"):
            packed(tmp_path, tar_with(symlink(b"s", b"t" * 4096)))

    def test_files_of_too_many_chunks(self, tmp_path):
        """A few hundred bytes of tar that say that they are exabytes."""
        tar = tar_with(sparse_member(b"huge", (1 << 33) - 1))
        with pytest.raises(TooManyReferences, match="2097152 chunks") as caught:
            packed(tmp_path, tar, limits=Limits(bootstrap_size=1 << 20))
        assert "--chunk-size" in caught.value.advice
        two = tar_with(sparse_member(b"a", 3 * 4096), sparse_member(b"b", 1))
        packed(tmp_path, two, limits=Limits(bootstrap_size=4 * 32))
        with pytest.raises(TooManyReferences):
            packed(tmp_path, two, limits=Limits(bootstrap_size=4 * 32 - 1))


def test_holes_cost_nothing(tmp_path):
    tar = tar_with(sparse_member(b"s", 300 << 20, (100 << 20, b"in the middle")))
    tracemalloc.start()
    try:
        blob, layer, summary = packed(tmp_path, tar, chunk_size=1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20
    assert layer.files.count.tolist() == [300]
    assert layer.chunks.size.tolist() == [1 << 20, 1 << 20]
    assert summary.content_size == 300 << 20
    assert len(blob) < 100_000
