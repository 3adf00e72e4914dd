"""Which chunk stands for a slice, and which blobs an image has: by the rules that the module states."""

import stat
from dataclasses import replace

import numpy as np
import pytest
from tests.image.test_overlay import tar

from rafsight.formats.checksum import digest
from rafsight.formats.compression import Encoder
from rafsight.formats.rafs.blob_writer import BlobWriter
from rafsight.formats.tables import Compressor, Digester
from rafsight.formats.tar import read_members
from rafsight.image.compose import NO_DICTIONARY, Dictionary, FileChunks, PackedLayer, compose
from rafsight.image.overlay import LayerMerger, LayerSource
from rafsight.image.tree import ImageTree

SIZE = 4096


def pack(layer, dictionary=()):
    """Pack a layer by hand, and name its blob after its content; `dictionary` are digests that are not stored."""
    writer = BlobWriter(lambda piece: None, Encoder(Compressor.NONE), digester=Digester.BLAKE3, aligned=True)
    known, offsets, counts, references = {}, [], [], []
    for member in read_members(iter([layer]), where="layer"):
        if not member.size:
            continue
        content = b"".join(member.content)
        slices = [content[start : start + SIZE] for start in range(0, len(content), SIZE)]
        offsets.append(member.content_offset)
        counts.append(len(slices))
        for one in slices:
            name = digest(Digester.BLAKE3, one)
            if name in dictionary:
                references.append(-1 - dictionary.index(name))
                continue
            if name not in known:
                known[name] = writer.add(one, name)
            references.append(known[name])
    written = writer.finish(chunk_size=SIZE)
    count = np.array(counts, np.int64)
    files = FileChunks(
        offset=np.array(offsets, np.int64),
        start=np.cumsum(count) - count,
        count=count,
        reference=np.array(references, np.int64),
    )
    members = list(read_members(iter([layer]), where="layer"))
    return PackedLayer(members=members, files=files, entry=written.entry, chunks=written.chunks)


def composed(*layers, dictionary=NO_DICTIONARY):
    merger = LayerMerger()
    for row, layer in enumerate(layers):
        merger.add_layer(layer.members, LayerSource(digest=f"layer {row}"))
    return compose(merger.finish(), layers, dictionary, chunk_size=SIZE)


def chunks_of(tables):
    """Of each file: (blob, number, file offset, size) of its slices."""
    tree, found = ImageTree(tables), {}
    for row, path in enumerate(tree.paths()):
        if tree.is_file(row):
            extents = tree.extent_rows(int(tables.entries.link_row[row]))
            found[path.decode()] = [
                (
                    tables.blobs[tables.chunks.blob_index[chunk]].blob_id,
                    int(tables.chunks.number[chunk]),
                    int(tables.extents.file_offset[extent]),
                    int(tables.extents.size[extent]),
                )
                for extent in extents
                for chunk in [int(tables.extents.chunk[extent])]
            ]
    return found


A, B, C, D = b"A" * SIZE, b"B" * SIZE, b"C" * 10, b"D" * SIZE


def test_files_get_their_slices():
    layer = pack(tar(("file", "f", A + B + C), ("file", "e", b""), ("file", "g", B)))
    blob = layer.entry.blob_id
    tables = composed(layer)
    assert chunks_of(tables) == {
        "e": [],
        "f": [(blob, 0, 0, SIZE), (blob, 1, SIZE, SIZE), (blob, 2, 2 * SIZE, 10)],
        "g": [(blob, 1, 0, SIZE)],
    }
    assert len(tables.chunks.size) == 3
    assert (tables.superblock.format, tables.superblock.chunk_size) == ("RAFS", SIZE)


def test_of_equal_chunks_the_lowest_layer_has_the_one_that_counts():
    low, high = pack(tar(("file", "z", A))), pack(tar(("file", "a", A + B), ("file", "b", C)))
    tables = composed(low, high)
    assert chunks_of(tables)["a"] == [(low.entry.blob_id, 0, 0, SIZE), (high.entry.blob_id, 1, SIZE, SIZE)]
    assert chunks_of(tables)["z"] == [(low.entry.blob_id, 0, 0, SIZE)]


def test_blobs_are_in_the_order_of_the_tree_and_only_if_they_are_used():
    first, second, third = (pack(tar(("file", name, name.encode()))) for name in ("c", "a", "b"))
    gone = pack(tar(("file", "c", b"replaced"), ("file", "d", b"also")))
    hidden = pack(tar(("wh", "d", None)))
    tables = composed(gone, first, second, third, hidden)
    assert [blob.blob_id for blob in tables.blobs] == [one.entry.blob_id for one in (second, third, first)]
    assert [blob.index for blob in tables.blobs] == [0, 1, 2]
    assert tables.chunks.blob_index.tolist() == [0, 1, 2]


def test_chunks_that_nobody_refers_to_are_left_out():
    layer = pack(tar(("file", "f", A), ("file", "g", B), ("file", "h", C)))
    tables = composed(layer, pack(tar(("wh", "g", None))))
    assert tables.chunks.number.tolist() == [0, 2]
    assert tables.blobs[0].chunk_count == 3  # of the blob


def test_hard_links_share_one_set_of_slices():
    layer = pack(tar(("file", "f", A + C), ("link", "d/g", "f")))
    tables = composed(layer)
    assert chunks_of(tables)["f"] == chunks_of(tables)["d/g"] != []
    assert len(tables.extents.chunk) == 2
    tables = composed(layer, pack(tar(("wh", "f", None))))
    assert chunks_of(tables) == {"d/g": [(layer.entry.blob_id, 0, 0, SIZE), (layer.entry.blob_id, 1, SIZE, 10)]}


def test_a_link_of_a_higher_layer_has_the_slices_of_the_lower():
    low, high = pack(tar(("file", "f", A))), pack(tar(("link", "g", "f"), ("file", "f", B)))
    tables = composed(low, high)
    assert chunks_of(tables) == {"f": [(high.entry.blob_id, 0, 0, SIZE)], "g": [(low.entry.blob_id, 0, 0, SIZE)]}


def test_nothing_at_all():
    for layers in ((), (pack(tar()),), (pack(tar(("dir", "d", 0o700), ("file", "f", b""))),)):
        tables = composed(*layers)
        assert (tables.blobs, len(tables.chunks.size), len(tables.extents.chunk)) == ((), 0, 0)


class TestDictionaries:
    def dictionary(self, *contents, **more):
        layer = pack(tar(*(("file", f"x{row}", content) for row, content in enumerate(contents))))
        chunks = replace(layer.chunks, **more) if more else layer.chunks
        return Dictionary(chunks=chunks, blobs=(layer.entry,)), [row.tobytes() for row in layer.chunks.digest]

    def test_its_chunks_are_referred_to(self):
        dictionary, known = self.dictionary(A, B)
        layer = pack(tar(("file", "f", B + D + A)), known)
        tables = composed(layer, dictionary=dictionary)
        theirs, ours = dictionary.blobs[0].blob_id, layer.entry.blob_id
        assert chunks_of(tables)["f"] == [(theirs, 1, 0, SIZE), (ours, 0, SIZE, SIZE), (theirs, 0, 2 * SIZE, SIZE)]
        assert [blob.blob_id for blob in tables.blobs] == [theirs, ours]

    def test_one_that_is_not_used_leaves_no_trace(self):
        dictionary, _ = self.dictionary(A)
        layer = pack(tar(("file", "f", B)))
        with_it, without = composed(layer, dictionary=dictionary), composed(layer)
        assert with_it.blobs == without.blobs
        assert chunks_of(with_it) == chunks_of(without)

    def test_what_a_layer_stored_all_the_same_counts_first(self):
        """A layer that was packed without the dictionary: its own chunk is the lower one."""
        dictionary, _ = self.dictionary(A)
        layer = pack(tar(("file", "f", A)))
        assert chunks_of(composed(layer, dictionary=dictionary))["f"] == [(layer.entry.blob_id, 0, 0, SIZE)]

    def test_chunks_without_a_digest_are_like_no_other(self):
        dictionary, known = self.dictionary(A, B)
        blind = replace(dictionary.chunks, digest=np.zeros_like(dictionary.chunks.digest))
        layer = pack(tar(("file", "f", A + B)), known)
        tables = composed(layer, dictionary=replace(dictionary, chunks=blind))
        assert [number for _, number, _, _ in chunks_of(tables)["f"]] == [0, 1]


def test_a_digest_of_another_size_is_another_chunk():
    low, high = pack(tar(("file", "f", A))), pack(tar(("file", "g", C)))
    high = replace(high, chunks=replace(high.chunks, digest=low.chunks.digest.copy()))
    tables = composed(low, high)
    assert {path: slices[0][0] for path, slices in chunks_of(tables).items()} == {
        "f": low.entry.blob_id,
        "g": high.entry.blob_id,
    }


@pytest.mark.parametrize("count", [1, 3])
def test_the_same_layer_more_than_once(count):
    layer = pack(tar(("file", "f", A)))
    tables = composed(*[layer] * count)
    assert [blob.blob_id for blob in tables.blobs] == [layer.entry.blob_id]
    assert stat.S_ISREG(int(tables.entries.mode[1]))
