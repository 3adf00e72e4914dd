"""Where chunks lie in backing files: the laws at the head of `image/backing.py`, checked with plain loops."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.formats.made_tables import CHUNK, Node, make_image, paths_of, trees
from tests.formats.rafs import images
from tests.image.small_trees import changed

from rafsight.formats.rafs.v6_layout import HOLE
from rafsight.formats.tables import ChunkTable
from rafsight.image.backing import lay_out, map_chunks
from rafsight.testing.trees import build_image

BLOCK = 4096
NOISE = bytes((number * 7919) >> 5 & 0xFF for number in range(200_000))


def chunk_table(rows):
    """Chunks from (blob, number, offset, size, digest)."""
    blob, number, offset, size, digest = zip(*rows, strict=True)
    digests = [hashlib.sha256(one).digest() if one else bytes(32) for one in digest]
    words = np.zeros(len(rows), np.uint32)
    return ChunkTable(
        blob_index=np.array(blob, np.int32),
        number=np.array(number, np.uint32),
        digest=np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32),
        crc32=words,
        flags=words,
        size=np.array(size, np.int64),
        compressed_size=np.array(size, np.int64),
        compressed_offset=np.array(offset, np.int64),
        uncompressed_offset=np.array(offset, np.int64),
    )


def tables_of(rows, used=None):
    """Tables of an image with one file for each used chunk."""
    used = range(len(rows)) if used is None else used
    base = build_image({b"%05d" % number: bytes(4096) for number in range(len(used))}).tables
    entries, count = base.entries, len(used)
    own = np.arange(count + 1) > 0
    sizes = np.array([rows[chunk][3] for chunk in used], np.int64)
    blob_count = max((row[0] for row in rows), default=-1) + 1
    return replace(
        base,
        entries=replace(
            entries,
            size=np.append(0, sizes),
            extent_start=np.append(0, np.arange(count)).astype(np.int64),
            extent_count=own.astype(np.int32),
        ),
        extents=replace(
            base.extents,
            chunk=np.array(list(used), np.int32),
            file_offset=np.zeros(count, np.int64),
            size=sizes,
        ),
        chunks=chunk_table(rows),
        blobs=tuple(replace(base.blobs[0], index=index) for index in range(blob_count)),
    )


def check_laws(tables, backing):
    """What `Backing` promises, one chunk at a time."""
    chunks = tables.chunks
    used = set(tables.extents.chunk.tolist())
    taken = [{} for _ in tables.blobs]
    ends = [0 for _ in tables.blobs]
    for row in range(len(chunks.size)):
        address, size, blob = int(backing.address[row]), int(chunks.size[row]), int(chunks.blob_index[row])
        if row not in used:
            assert address == backing.ordinal[row] == -1
            continue
        if address < 0:
            assert backing.is_private[blob], "places run out only where they are counted"
            continue
        assert address % BLOCK == 0
        leader = int(backing.order[backing.ordinal[row]])
        assert backing.address[leader] == address
        assert chunks.blob_index[leader] == blob
        if leader != row:
            assert leader < row
            assert chunks.size[leader] == size
            assert (chunks.digest[leader] == chunks.digest[row]).all()
            assert chunks.digest[row].any()
        for block in range(address // BLOCK, address // BLOCK + max(-(-size // BLOCK), 1)):
            assert taken[blob].setdefault(block, leader) == leader, "two chunks in one block"
        ends[blob] = max(ends[blob], address + max(-(-size // BLOCK), 1) * BLOCK)
    assert backing.sizes.tolist() == ends
    assert backing.first[0] == 0
    assert backing.first[-1] == len(backing.order)
    for blob in range(len(tables.blobs)):
        part = backing.order[backing.first[blob] : backing.first[blob + 1]]
        assert (chunks.blob_index[part] == blob).all()
        assert (np.diff(backing.address[part]) > 0).all()


def in_order(sizes, *, blob=0, aligned=False, gap=0):
    """Chunks of a sound blob, one after the other."""
    rows, offset = [], 0
    for number, size in enumerate(sizes):
        rows.append((blob, number, offset, size, b"%d %d" % (blob, number)))
        offset += size + gap
        offset += -offset % BLOCK if aligned else 0
    return rows


_sizes = some.integers(1, 3 * BLOCK + 1) | some.sampled_from((1, BLOCK - 1, BLOCK, BLOCK + 1, 1 << 20))


@given(sizes=some.lists(_sizes, min_size=1, max_size=40), aligned=some.booleans(), gap=some.integers(0, 5000))
def test_chunks_of_a_sound_blob_have_places_that_any_image_agrees_on(sizes, aligned, gap):
    rows = in_order(sizes, aligned=aligned, gap=gap)
    tables = tables_of(rows)
    backing = lay_out(tables)
    check_laws(tables, backing)
    assert not backing.is_private.any()
    assert (backing.address >= 0).all()
    assert backing.sizes[0] <= rows[-1][2] + rows[-1][3] + BLOCK * (len(rows) + 1), "little more than the content"


@given(data=some.data(), sizes=some.lists(_sizes, min_size=1, max_size=30), aligned=some.booleans())
def test_images_with_a_common_blob_have_a_common_file(data, sizes, aligned):
    rows = in_order(sizes, aligned=aligned)
    one = data.draw(some.lists(some.sampled_from(range(len(rows))), min_size=1, max_size=10, unique=True))
    other = data.draw(some.permutations(range(len(rows))))
    first = lay_out(tables_of(rows, used=one))
    shuffled = [rows[row] for row in other]
    second_tables = tables_of(shuffled)
    second = lay_out(second_tables)
    check_laws(second_tables, second)
    for row in one:
        assert first.address[row] == second.address[other.index(row)] >= 0
    assert not first.is_private.any()
    assert not second.is_private.any()


_rows = some.lists(
    some.tuples(
        some.integers(0, 2),
        some.integers(0, 6) | some.just(0xFFFF_FFFF),
        some.integers(0, 9 * BLOCK) | some.sampled_from((0, BLOCK, 2 * BLOCK, 1 << 44, (1 << 44) - BLOCK, 1 << 62)),
        some.sampled_from((1, 100, BLOCK, BLOCK + 1, 3 * BLOCK)),
        some.sampled_from((b"", b"a", b"b", b"c")),
    ),
    min_size=1,
    max_size=25,
)


@given(rows=_rows, data=some.data())
def test_whatever_a_bootstrap_says_no_two_chunks_share_a_block(rows, data):
    used = data.draw(some.lists(some.sampled_from(range(len(rows))), max_size=30))
    tables = tables_of(rows, used=used)
    backing = lay_out(tables)
    check_laws(tables, backing)
    for blob in range(len(tables.blobs)):
        mine = [rows[row] for row in set(used) if rows[row][0] == blob]
        if any(not digest for *_, digest in mine):
            assert backing.is_private[blob], "without digests nobody can tell what is in the file"


@pytest.mark.parametrize(
    "second",
    [
        (0, 0, 0, 100, b"other"),  # at the same place
        (0, 0, 0, 2 * BLOCK + 1, b"other"),  # likewise, of the same size
        (0, 0, 0, 5000, b"0 0"),  # the same digest, another size
        (0, 0, BLOCK, 100, b"other"),  # in the middle
        (0, 1, 100, 10, b"other"),  # before the end
        (0, 5, 1 << 44, 10, b"far"),
        (0, 1, 3 * BLOCK, 10, b""),  # without a digest
    ],
)
def test_a_blob_with_such_a_chunk_is_not_shared(second):
    rows = [(0, 0, 0, 2 * BLOCK + 1, b"0 0"), second, (1, 0, 0, 10, b"sound")]
    tables = tables_of(rows)
    backing = lay_out(tables)
    check_laws(tables, backing)
    assert backing.is_private.tolist() == [True, False]
    assert (backing.address >= 0).all(), "laid out anew, all of them fit"


def test_the_same_chunk_in_several_rows_is_one():
    rows = [(0, 0, 0, 100, b"a"), (0, 1, BLOCK, 100, b"b"), (0, 0, 0, 100, b"a")]
    backing = lay_out(tables_of(rows))
    assert backing.ordinal.tolist() == [0, 1, 0]
    assert backing.order.tolist() == [0, 1]
    assert not backing.is_private.any()


def test_chunks_that_no_block_number_reaches_have_no_place():
    """A file has 2^32 - 1 blocks at most: sixteen chunks of 1 TiB are too many."""
    rows = in_order([1 << 40] * 17)
    tables = tables_of(rows)
    backing = lay_out(tables)
    assert backing.is_private.all()
    reached = backing.address >= 0
    assert reached.sum() == 15
    assert (backing.sizes <= HOLE * BLOCK).all()
    assert map_chunks(tables, backing).unmappable.tolist() == (np.flatnonzero(~reached) + 1).tolist()


@pytest.mark.parametrize("name", images.NAMES)
def test_golden_images_are_shared_and_mapped_as_a_whole(name):
    image = images.open_golden(name)
    backing = lay_out(image.tables)
    check_laws(image.tables, backing)
    has_digests = image.tables.chunks.digest.any(axis=1).all()
    assert not has_digests or not backing.is_private.any()
    cells = map_chunks(image.tables, backing)
    assert not cells.unmappable.size
    check_cells(image.tables, backing, cells)


def check_cells(tables, backing, cells):
    """Each byte of a mapped file is where its cell says, and zeros where no extent is."""
    entries, extents, chunks = tables.entries, tables.extents, tables.chunks
    seen = 0
    for row in range(len(entries.mode)):
        size, count, bits = int(entries.size[row]), int(cells.count[row]), int(cells.bits[row])
        is_first_file = entries.mode[row] >> 12 == 8 and entries.link_row[row] == row
        if not is_first_file or not size or row in cells.unmappable:
            assert count == 0
            continue
        assert 12 <= bits <= 31
        assert count == -(-size // (1 << bits))
        assert cells.start[row] == seen
        seen += count
        expected = {}
        for extent in range(entries.extent_start[row], entries.extent_start[row] + entries.extent_count[row]):
            chunk, start = int(extents.chunk[extent]), int(extents.file_offset[extent])
            for offset in range(start, start + int(extents.size[extent]), BLOCK):
                place = int(backing.address[chunk]) + offset - start
                expected[offset // BLOCK] = (int(chunks.blob_index[chunk]) + 1, place // BLOCK)
        for block in range(-(-size // BLOCK)):
            cell = int(cells.start[row]) + (block * BLOCK >> bits)
            within = (block * BLOCK & (1 << bits) - 1) // BLOCK
            said = (int(cells.device[cell]), int(cells.block[cell]))
            if block in expected:
                assert said == (expected[block][0], expected[block][1] - within)
            else:
                assert said == (0, HOLE), "what no extent covers is zeros"
    assert seen == len(cells.device) == len(cells.block)


@settings(max_examples=60)
@given(nodes=trees(), chunk_size=some.sampled_from((4096, 8192, 1 << 20)))
def test_cells_say_where_every_block_of_any_tree_is(nodes, chunk_size):
    tables = make_image(nodes, chunk_size=chunk_size).tables
    backing = lay_out(tables)
    check_laws(tables, backing)
    cells = map_chunks(tables, backing)
    assert not cells.unmappable.size
    check_cells(tables, backing, cells)


def two_chunk_file(**changes):
    """A file of two chunks, 8 KiB and 100 bytes, with something else in its extents."""
    tables = make_image({b"f": Node(content=NOISE[: CHUNK + 100]), b"g": Node(content=NOISE[:CHUNK])}).tables
    extents = tables.extents
    entries = tables.entries
    row = paths_of(tables).index(b"f")
    start = int(entries.extent_start[row])
    for name, (ordinal, value) in changes.items():
        extents = replace(extents, **{name: changed(getattr(extents, name), start + ordinal, value)})
    return replace(tables, extents=extents), row


@pytest.mark.parametrize(
    ("changes", "is_mapped"),
    [
        ({}, True),
        ({"file_offset": (1, CHUNK + 1)}, False),  # at an odd place
        ({"file_offset": (1, CHUNK + 512)}, False),  # at a sector
        ({"size": (0, 4096)}, True),  # the rest of the chunk is not in the file
        ({"size": (0, 100)}, False),  # a short piece in the middle
        ({"size": (1, 50)}, False),  # a short piece, and zeros up to the end
        ({"size": (0, CHUNK + 1)}, False),  # more than the chunk has
        ({"size": (1, 101)}, False),  # likewise at the end
    ],
)
def test_files_that_are_not_made_of_whole_blocks_are_found(changes, is_mapped):
    tables, row = two_chunk_file(**changes)
    backing = lay_out(tables)
    cells = map_chunks(tables, backing)
    assert cells.unmappable.tolist() == ([] if is_mapped else [row])
    assert (cells.count[row] > 0) == is_mapped
    check_cells(tables, backing, cells)


def test_a_piece_that_is_longer_than_its_chunk_is_found():
    """Behind the chunk's last block lies another chunk: its bytes must not show."""
    tables, row = two_chunk_file(size=(1, 5000))
    sizes = changed(tables.entries.size, row, CHUNK + 5000)
    tables = replace(tables, entries=replace(tables.entries, size=sizes))
    assert map_chunks(tables, lay_out(tables)).unmappable.tolist() == [row]


def sparse_file(size, count=1):
    """Files of one block of content far away."""
    tables = make_image(
        {b"%d" % number: Node(content=b"x" * BLOCK) for number in range(count)}, chunk_size=BLOCK
    ).tables
    entries = replace(tables.entries, size=np.where(tables.entries.mode >> 12 == 8, size, 0).astype(np.int64))
    return replace(tables, entries=entries)


def test_files_with_more_cells_than_metadata_may_have_are_left_out_the_largest_first():
    """One block of content and then nothing: a cell is a block."""
    tables = sparse_file(8 << 30, count=9)  # 2 Mi cells each, 8 Mi are allowed
    cells = map_chunks(tables, lay_out(tables))
    assert len(cells.unmappable) == 5
    assert len(cells.device) == 4 * (2 << 20)
    smaller = replace(tables, entries=replace(tables.entries, size=changed(tables.entries.size, 1, 1 << 40)))
    assert 1 in map_chunks(smaller, lay_out(smaller)).unmappable


def test_a_file_of_absurd_size_with_content_is_unmappable_and_one_without_is_a_hole():
    tables = sparse_file((1 << 62) + 5)
    cells = map_chunks(tables, lay_out(tables))
    assert cells.unmappable.tolist() == [1]
    bare = replace(
        tables,
        entries=replace(
            tables.entries, extent_count=tables.entries.extent_count * 0, extent_start=tables.entries.extent_start * 0
        ),
    )
    cells = map_chunks(bare, lay_out(bare))
    assert cells.unmappable.tolist() == [1], "the cells of 2 GiB that it needs are too many, too"
    small = replace(bare, entries=replace(bare.entries, size=changed(bare.entries.size, 1, 1 << 40)))
    cells = map_chunks(small, lay_out(small))
    assert not cells.unmappable.size
    assert (cells.block == HOLE).all()
    assert len(cells.block) == 512


def test_other_names_of_a_file_have_no_cells_of_their_own():
    tables = make_image(
        {b"a": Node(content=NOISE[:50_000]), b"d/b": Node(same_as=b"a"), b"z": Node(same_as=b"a")}
    ).tables
    cells = map_chunks(tables, lay_out(tables))
    assert sorted(cells.count.tolist()) == [0, 0, 0, 0, 7]
    check_cells(tables, lay_out(tables), cells)


def test_an_image_without_chunks():
    tables = make_image({b"d/e": Node()}).tables
    backing = lay_out(tables)
    assert backing.sizes.tolist() == [0]
    assert not backing.order.size
    assert not map_chunks(tables, backing).device.size
    backing = lay_out(replace(tables, blobs=()))
    assert backing.sizes.tolist() == []
