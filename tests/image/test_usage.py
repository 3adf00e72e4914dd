"""What blobs are used for, against loops over extents."""

from dataclasses import replace

import numpy as np
import pytest
from tests.image.small_trees import GOLDEN, extents_of, golden, linked, own_files, synthetic, tree_of

from rafsight.formats.rafs.blob_sizes import data_size_at_most
from rafsight.image.chunk_identity import Obstacle, identify_chunks, knows_content
from rafsight.image.tree import ImageTree
from rafsight.image.usage import (
    find_extents,
    find_stored_sizes,
    measure_overlap,
    measure_repeats,
    measure_usage,
)

IMAGES = [
    "merge-oci-v5",
    "merge-oci-v6",
    "parent-oci-v6",
    "chunk-dict-v5",
    "chunk-dict-v6",
    "v5-zstd",
    "v6-zstd",
    "v6-lz4-sha256-4k-fs",
    "v5-none",
    "tar-tarfs",
    "v6-toc",
]
"""Their stored sizes are exact."""


@pytest.mark.parametrize("name", IMAGES)
def test_usage_of_each_blob(name):
    tree = golden(name)
    chunks = tree.tables.chunks
    usage = measure_usage(tree.tables)
    assert len(usage) == len(tree.tables.blobs)
    for blob, found in zip(tree.tables.blobs, usage, strict=True):
        uses = [
            (row, chunk, size)
            for row in own_files(tree)
            for chunk, size in extents_of(tree, row)
            if chunks.blob_index[chunk] == blob.index
        ]
        used = {chunk for _, chunk, _ in uses}
        octets = set()
        for chunk in used:
            start = int(chunks.compressed_offset[chunk])
            octets |= set(range(start, start + int(chunks.compressed_size[chunk])))
        assert found.chunk_count == blob.chunk_count
        assert found.known_chunk_count == int((chunks.blob_index == blob.index).sum())
        assert found.used_chunk_count == len(used)
        assert found.extent_count == len(uses)
        assert found.file_count == len({row for row, _, _ in uses})
        assert found.stored_size == len(octets)
        assert found.content_size == sum(int(chunks.size[chunk]) for chunk in used)
        assert found.addressed_size == sum(size for _, _, size in uses)
        assert found.is_exact
        assert found.unused_size == found.data_size - len(octets)


def test_bytes_that_upper_layers_hid_are_unused():
    assert [usage.unused_size for usage in measure_usage(golden("merge-oci-v6").tables)] == [0, 200, 0]
    assert [usage.unused_size for usage in measure_usage(golden("chunk-dict-v5").tables)] == [628, 0]


@pytest.mark.parametrize("name", [name for name in IMAGES if name != "tar-tarfs"])
def test_data_ends_where_the_last_chunk_does(name):
    """In blobs of which the bootstrap knows all chunks."""
    tables = golden(name).tables
    for blob in tables.blobs:
        mine = tables.chunks.blob_index == blob.index
        if int(mine.sum()) == blob.chunk_count:
            ends = tables.chunks.compressed_offset[mine] + tables.chunks.compressed_size[mine]
            assert data_size_at_most(blob) == int(ends.max())


def test_places_that_several_chunks_name_count_once():
    tables = tree_of({b"a": b"aaaabbbbcccc"}, chunk_size=4).tables
    offsets = np.array([4, 0, 6])
    overlapping = replace(tables, chunks=replace(tables.chunks, compressed_offset=offsets))
    (usage,) = measure_usage(overlapping)
    assert (usage.stored_size, usage.content_size) == (10, 12)


def test_data_of_archives_is_all_of_them():
    for name in ("tar-tarfs", "targz-ref", "targz-ref-tar"):
        (blob,) = golden(name).tables.blobs
        assert data_size_at_most(blob) == (GOLDEN / name / blob.data_id).stat().st_size


@pytest.mark.parametrize("name", ["v6-batch", "v6-batch-lz4-toc", "v6-enc-batch-inline"])
def test_batched_chunks_share_what_the_others_leave(name):
    tables = golden(name).tables
    stored = find_stored_sizes(tables)
    batched = tables.chunks.compressed_size == 0
    assert batched.any()
    assert np.array_equal(stored.is_exact, ~batched)
    assert np.array_equal(stored.size[~batched], tables.chunks.compressed_size[~batched])
    (usage,) = measure_usage(tables)
    assert not usage.is_exact
    assert 0 <= usage.unused_size <= int(batched.sum())  # each was rounded down


def test_sizes_of_slices_are_the_hints_of_the_builder():
    tables = golden("targz-ref").tables
    stored = find_stored_sizes(tables)
    assert not stored.is_exact.any()
    assert np.array_equal(stored.size, tables.chunks.compressed_size)
    assert not measure_usage(tables)[0].is_exact


def test_batched_chunks_of_a_blob_that_is_known_in_part():
    tables = golden("v6-batch").tables
    (blob,) = tables.blobs
    partly = replace(tables, blobs=(replace(blob, chunk_count=blob.chunk_count + 5),))
    stored = find_stored_sizes(partly)
    vague = ~stored.is_exact
    assert (stored.size[vague] <= tables.chunks.size[vague]).all()
    assert stored.size[vague].sum() > 0


def test_an_image_without_blobs():
    tables = golden("v5-nodata").tables
    assert measure_usage(tables) == ()
    (identity,) = identify_chunks((tables,))
    assert measure_repeats(tables, identity).addressed_size == 0
    overlap = measure_overlap(tables, tables, identity, identity)
    assert (overlap.chunk_total, overlap.chunk_count, overlap.is_exact) == (0, 0, True)


def test_hard_links_count_once():
    tree = linked(tree_of({b"a": b"same", b"b": b"same", b"c": b"same"}), (b"a", b"b"))
    found = find_extents(tree.tables)
    assert [tree.path(row) for row in found.files.tolist()] == [b"a", b"c"]
    assert measure_usage(tree.tables)[0].addressed_size == 8


def repeats_by_hand(tree):
    chunks = tree.tables.chunks
    uses = [(row, chunk, size) for row in own_files(tree) for chunk, size in extents_of(tree, row)]
    addressed = sum(size for _, _, size in uses)
    by_file = sum(int(chunks.size[chunk]) for _, chunk in {(row, chunk) for row, chunk, _ in uses})
    used = {chunk for _, chunk, _ in uses}
    stored = sum(int(chunks.size[chunk]) for chunk in used)
    contents = {chunks.digest[chunk].tobytes() or chunk: int(chunks.size[chunk]) for chunk in used}
    return addressed, addressed - by_file, by_file - stored, stored - sum(contents.values()), sum(contents.values())


@pytest.mark.parametrize("name", ["merge-oci-v6", "v6-zstd", "v6-lz4-sha256-4k-fs", "v5-none", "v6-batch"])
def test_repeats(name):
    tree = golden(name)
    found = measure_repeats(tree.tables, *identify_chunks((tree.tables,)))
    assert (
        found.addressed_size,
        found.within_files_size,
        found.between_files_size,
        found.stored_again_size,
        found.distinct_size,
    ) == repeats_by_hand(tree)


def test_repeats_inside_and_between_files():
    tree = tree_of({b"a": b"aaaaaaaabbbb", b"b": b"bbbbcc", b"c": b"cc"}, chunk_size=4)
    found = measure_repeats(tree.tables, *identify_chunks((tree.tables,)))
    assert (found.addressed_size, found.within_files_size, found.between_files_size) == (20, 4, 6)
    assert (found.stored_again_size, found.distinct_size) == (0, 10)


def test_a_layer_that_stores_again_what_another_one_has():
    found = measure_repeats(golden("merge-oci-v6").tables, *identify_chunks((golden("merge-oci-v6").tables,)))
    assert (found.stored_again_size, found.stored_again_stored_size) == (7000, 72)


def overlap_of(one, other):
    images = golden(one).tables, golden(other).tables
    return measure_overlap(*images, *identify_chunks(images))


def test_a_dictionary_is_shared_without_a_download():
    found = overlap_of("chunk-dict-v6", "tar-rafs-v6")
    assert (found.chunk_count, found.chunk_total) == (3, 4)
    assert (found.stored_size, found.stored_total) == (5097, 5169)
    assert (found.same_blob_chunk_count, found.same_blob_stored_size) == (3, 5097)
    assert (found.content_size, found.same_blob_content_size) == (14001, 14001)
    assert found.uncompared_size == 0
    assert found.is_exact


def test_equal_content_in_other_blobs_has_to_come():
    found = overlap_of("v6-zstd", "v5-zstd")
    assert found.chunk_count == found.chunk_total == 83
    assert found.stored_size == found.stored_total == 34917
    assert found.same_blob_chunk_count == 0


def test_other_digesters_share_nothing_that_can_be_found():
    found = overlap_of("v5-lz4-sha256-fs", "v5-zstd")
    assert found.obstacle is Obstacle.ALGORITHM
    assert found.chunk_count is found.content_size is found.stored_size is found.same_blob_chunk_count is None
    assert found.uncompared_size == found.content_total > 0


def test_other_chunk_sizes_leave_what_is_smaller():
    small, large = b"1" * 3, b"2" * 20
    one, finer = tree_of({b"a": small, b"b": large}, chunk_size=8192), tree_of({b"a": small, b"b": large}, chunk_size=4)
    images = one.tables, finer.tables
    found = measure_overlap(*images, *identify_chunks(images))
    assert (found.obstacle, found.chunk_count, found.content_size) == (Obstacle.CHUNK_SIZE, 1, 3)
    alone = tree_of({b"b": large}, chunk_size=8192).tables, finer.tables
    assert measure_overlap(*alone, *identify_chunks(alone)).chunk_count is None
    same = one.tables, one.tables
    assert measure_overlap(*same, *identify_chunks(same)).obstacle is Obstacle.NONE


def test_nothing_is_known_of_repeats_without_digests():
    tables = golden("tar-tarfs").tables
    found = measure_repeats(tables, *identify_chunks((tables,)))
    assert found.within_files_size is found.between_files_size is found.stored_again_size is found.distinct_size is None
    assert found.addressed_size > 0
    assert not knows_content(tables)
    assert knows_content(golden("v6-zstd").tables)
    assert knows_content(golden("v6-nodata").tables)


def test_chunks_without_digests_are_shared_where_the_blob_is():
    found = overlap_of("tar-tarfs", "tar-tarfs")
    assert found.chunk_count == found.same_blob_chunk_count == 18
    assert found.uncompared_size == 0
    assert overlap_of("tar-tarfs", "tar-rafs-v6").uncompared_size == found.content_total


def test_only_used_chunks_are_shared():
    left, right = tree_of({b"a": b"aaaa", b"b": b"bbbb"}), tree_of({b"a": b"aaaa", b"b": b"cccc"})
    row = right.lookup(b"a")
    count = np.array(right.entries.extent_count)
    count[row] = 0
    unused = ImageTree(replace(right.tables, entries=replace(right.entries, extent_count=count)))
    for other, expected in ((right, 1), (unused, 0)):
        for images in ((left.tables, other.tables), (other.tables, left.tables)):
            assert measure_overlap(*images, *identify_chunks(images)).chunk_count == expected


def test_a_made_up_image_shares_all_with_itself():
    tables = synthetic(2000).tables
    identities = identify_chunks((tables, tables))
    found = measure_overlap(tables, tables, *identities)
    assert found.chunk_count == found.chunk_total == found.same_blob_chunk_count
