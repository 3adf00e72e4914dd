"""Every law of an image's tables, broken once each; sound images of every variant break none."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats.rafs import images
from tests.formats.rafs.damage import damages

import rafsight
from rafsight.base.errors import ImageFault
from rafsight.formats.judge import Collector, rules_of
from rafsight.formats.rafs import blob_rules
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.codec import check_bootstrap
from rafsight.formats.tables import ChunkFlag, Compressor
from rafsight.image import validate_rules as rules
from rafsight.image.validate import check_tables
from rafsight.testing.registry import PLANTED


def judged(tables) -> Collector:
    judge = Collector()
    check_tables(tables, judge)
    return judge


@pytest.mark.parametrize("name", images.NAMES)
def test_sound_images_break_no_law(name):
    assert judged(images.open_golden(name).tables).faults == []


@pytest.mark.parametrize("tag", ["v5", "v6"])
def test_planted_images_break_no_law(tag):
    with rafsight.open_image(f"oci:{PLANTED}:{tag}") as image:
        assert judged(image.tree.tables).faults == []


class Damage:
    """The tables of a golden image, with columns that may be written to."""

    def __init__(self, name: str) -> None:
        tables = images.open_golden(name).tables
        copies = {
            part: replace(table, **{c: v.copy() for c in table.__slots__ if (v := getattr(table, c)) is not None})
            for part, table in (("entries", tables.entries), ("extents", tables.extents), ("chunks", tables.chunks))
        }
        self.tables = replace(tables, **copies, prefetch=tables.prefetch.copy())
        self.entries, self.extents, self.chunks = copies["entries"], copies["extents"], copies["chunks"]

    def row(self, kind: int) -> int:
        """The first row of a kind of file, with content if it is a regular one."""
        found = (self.entries.mode >> 12 == kind) & ((self.entries.extent_count > 0) | (kind != 8))
        return int(np.flatnonzero(found & (np.arange(len(found)) > 0))[0])

    def blob(self, **changes) -> None:
        first, *rest = self.tables.blobs
        self.tables = replace(self.tables, blobs=(replace(first, **changes), *rest))

    def plain(self) -> int:
        """A chunk that is stored plain."""
        return int(np.flatnonzero((self.chunks.flags & ChunkFlag.COMPRESSED) == 0)[0])

    def packed(self) -> int:
        return int(np.flatnonzero(self.chunks.flags & ChunkFlag.COMPRESSED)[0])


def chunk_number(damage):
    damage.chunks.number[3] = damage.tables.blobs[0].chunk_count


def chunk_number_twice(damage):
    damage.chunks.number[3] = damage.chunks.number[4]


def chunk_empty(damage):
    damage.chunks.size[3] = 0


def chunk_too_long(damage):
    damage.chunks.size[3] = damage.tables.blobs[0].chunk_size + 1


def chunk_outside(damage):
    damage.chunks.compressed_offset[3] = damage.tables.blobs[0].compressed_size


def chunk_past_the_data(damage):
    """Inside the blob, and on its chunk-info array."""
    damage.chunks.compressed_offset[3] = damage.tables.blobs[0].meta_offset


def chunk_space(damage):
    damage.chunks.uncompressed_offset[3] = damage.tables.blobs[0].uncompressed_size


def chunk_overlap(damage):
    order = np.argsort(damage.chunks.compressed_offset)
    damage.chunks.compressed_offset[order[1]] = damage.chunks.compressed_offset[order[0]] + 1


def chunk_space_overlap(damage):
    order = np.argsort(damage.chunks.uncompressed_offset)
    damage.chunks.uncompressed_offset[order[1]] = damage.chunks.uncompressed_offset[order[0]]


def chunk_plain(damage):
    damage.chunks.compressed_size[damage.plain()] -= 1


def chunk_grown(damage):
    chunk = damage.packed()
    damage.chunks.compressed_size[chunk] = damage.chunks.size[chunk]


def chunk_stored_in_nothing(damage):
    damage.chunks.compressed_size[damage.packed()] = 0


def chunk_compressor(damage):
    damage.blob(compressor=Compressor.NONE)


def chunk_cipher(damage):
    damage.chunks.flags[3] ^= ChunkFlag.ENCRYPTED


def chunk_hole(damage):
    damage.chunks.flags[3] |= ChunkFlag.HOLE


def chunk_crc(damage):
    damage.chunks.flags[3] ^= ChunkFlag.HAS_CRC32


def chunk_unused(damage):
    damage.extents.chunk[damage.extents.chunk == 3] = 4


def blob_twice(damage):
    blob = damage.tables.blobs[0]
    damage.tables = replace(damage.tables, blobs=(blob, replace(blob, index=1)))


def extent_owner(damage):
    damage.entries.mode[damage.row(8)] = 0o010644


def extent_outside(damage):
    damage.entries.size[damage.row(8)] = 0


def extent_order(damage):
    row = int(np.flatnonzero(damage.entries.extent_count > 1)[0])
    start = int(damage.entries.extent_start[row])
    damage.extents.file_offset[start + 1] = damage.extents.file_offset[start]


def extent_size(damage):
    damage.extents.size[0] -= 1


def extent_place(damage):
    row = int(np.flatnonzero(damage.entries.extent_count > 1)[0])
    damage.extents.file_offset[int(damage.entries.extent_start[row]) + 1] += 1


def extent_hole(damage):
    damage.entries.size[damage.row(8)] += 1


def link_count(damage):
    damage.entries.nlink[damage.row(8)] = 77


def directory_links(damage):
    damage.entries.nlink[damage.row(4)] += 1


def link(damage) -> int:
    """A second name of a file."""
    return int(np.flatnonzero(damage.entries.link_row != np.arange(len(damage.entries.mode)))[0])


def link_content(damage):
    damage.entries.size[link(damage)] += 1


def link_attributes(damage):
    damage.entries.uid[link(damage)] += 1


def ino_twice(damage):
    damage.entries.ino[5] = damage.entries.ino[6]


def target_size(damage):
    damage.entries.size[damage.row(10)] += 1


def target_long(damage):
    damage.entries.target_size[damage.row(10)] = 4096


def special_content(damage):
    damage.entries.size[damage.row(1)] = 1


def device_number(damage):
    row = damage.row(1)
    damage.entries.mode[row] = 0o020644
    damage.entries.rdev[row] = 0xFFFFFFFF


def nanoseconds(damage):
    damage.entries.mtime_nsec[5] = 1_000_000_000


def prefetch_inode(damage):
    damage.tables = replace(damage.tables, prefetch=np.array([123456789], np.uint64))


DAMAGES = [
    (chunk_number, rules.CHUNK_NUMBER),
    (chunk_number_twice, rules.CHUNK_NUMBER_TWICE),
    (chunk_empty, rules.CHUNK_EMPTY),
    (chunk_too_long, rules.CHUNK_TOO_LONG),
    (chunk_outside, rules.CHUNK_OUTSIDE),
    (chunk_past_the_data, rules.CHUNK_OUTSIDE),
    (chunk_space, rules.CHUNK_SPACE),
    (chunk_overlap, rules.CHUNK_OVERLAP),
    (chunk_space_overlap, rules.CHUNK_SPACE_OVERLAP),
    (chunk_plain, rules.CHUNK_PLAIN),
    (chunk_grown, rules.CHUNK_GROWN),
    (chunk_stored_in_nothing, blob_rules.UNIT_STORED),
    (chunk_compressor, rules.CHUNK_COMPRESSOR),
    (chunk_cipher, rules.CHUNK_CIPHER),
    (chunk_hole, rules.CHUNK_HOLE),
    (chunk_crc, rules.CHUNK_CRC),
    (chunk_unused, rules.CHUNK_UNUSED),
    (blob_twice, rules.BLOB_TWICE),
    (extent_owner, rules.EXTENT_OWNER),
    (extent_outside, rules.EXTENT_OUTSIDE),
    (extent_order, rules.EXTENT_ORDER),
    (extent_size, rules.EXTENT_SIZE),
    (extent_place, rules.EXTENT_PLACE),
    (extent_hole, rules.EXTENT_HOLE),
    (link_count, rules.LINK_COUNT),
    (directory_links, rules.DIRECTORY_LINKS),
    (link_content, rules.LINK_CONTENT),
    (link_attributes, rules.LINK_ATTRIBUTES),
    (ino_twice, rules.INO_TWICE),
    (target_size, rules.TARGET_SIZE),
    (target_long, rules.TARGET_LONG),
    (special_content, rules.SPECIAL_CONTENT),
    (device_number, rules.DEVICE_NUMBER),
    (nanoseconds, rules.NANOSECONDS),
    (prefetch_inode, rules.PREFETCH_INODE),
]


@pytest.mark.parametrize(
    ("name", "break_it", "rule"),
    [
        (name, break_it, rule)
        for name in ("v6-lz4-sha256-4k-fs", "v5-lz4-sha256-fs")
        for break_it, rule in DAMAGES
        # only blobs with a chunk-info array have something behind the data
        if break_it is not chunk_past_the_data or name.startswith("v6")
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
def test_every_damage_is_named(name, break_it, rule):
    damage = Damage(name)
    break_it(damage)
    assert rule.code in judged(damage.tables).counts


def test_every_rule_is_broken_by_a_damage():
    assert {rule for _, rule in DAMAGES} >= set(rules_of(rules))


def test_chunks_without_extended_blob_table_may_have_no_ordinals():
    """Section 8.6: the first images of RAFS v5."""
    damage = Damage("v5-lz4-sha256-fs")
    damage.chunks.number[:] = 0
    assert rules.CHUNK_NUMBER_TWICE.code in judged(damage.tables).counts
    damage.blob(features=shared.NO_EXTENDED_BLOB_TABLE)
    assert rules.CHUNK_NUMBER_TWICE.code not in judged(damage.tables).counts


def test_what_is_packed_to_less_than_a_cipher_block_is_padded():
    """Section 4.7: 18 bytes are stored then, which may be more than the chunk has."""
    damage = Damage("v6-enc")
    chunk = damage.packed()
    damage.chunks.size[chunk], damage.chunks.compressed_size[chunk] = 17, 18
    assert rules.CHUNK_GROWN.code not in judged(damage.tables).counts
    damage.chunks.compressed_size[chunk] = 19
    assert rules.CHUNK_GROWN.code in judged(damage.tables).counts


def test_a_fault_of_a_file_has_its_path():
    damage = Damage("v6-zstd")
    row = damage.row(8)
    damage.entries.mtime_nsec[row] = 2_000_000_000
    (fault,) = judged(damage.tables).faults
    assert b"/" + fault.path == images.paths(damage.tables)[row]
    assert fault.detail == "nanoseconds 2000000000"


def test_a_fault_of_a_chunk_has_a_path_that_uses_it():
    damage = Damage("v6-zstd")
    chunk_hole(damage)
    (fault,) = judged(damage.tables).faults
    row = images.paths(damage.tables).index(b"/" + fault.path)
    start = int(damage.entries.extent_start[row])
    assert 3 in damage.extents.chunk[start : start + int(damage.entries.extent_count[row])]
    assert fault.offset == damage.chunks.compressed_offset[3]
    blob = damage.tables.blobs[0].blob_id
    assert fault.detail == f"chunk {damage.chunks.number[3]} of blob {blob}"


def test_the_same_stored_bytes_may_serve_two_chunks():
    """Section 9.2: overlap is legal if it is identity; the uncompressed space has room for both."""
    damage = Damage("v6-lz4-sha256-4k-fs")
    order = np.argsort(damage.chunks.compressed_offset)
    for column in ("compressed_offset", "compressed_size", "size", "flags", "digest", "crc32"):
        getattr(damage.chunks, column)[order[1]] = getattr(damage.chunks, column)[order[0]]
    assert rules.CHUNK_OVERLAP.code not in judged(damage.tables).counts
    damage.chunks.digest[order[1]] = 7
    assert rules.CHUNK_OVERLAP.code in judged(damage.tables).counts


@pytest.mark.parametrize("features", [shared.NO_EXTENDED_BLOB_TABLE, shared.CHUNK_DICT_GENERATED])
def test_a_table_that_counts_nothing_binds_nothing(features):
    damage = Damage("v5-zstd")
    blob = damage.tables.blobs[0]
    damage.blob(features=features, chunk_count=0, uncompressed_size=0, compressed_size=blob.compressed_size)
    assert judged(damage.tables).faults == []


@pytest.mark.parametrize("name", ["v6-batch", "targz-ref", "v6-enc", "v5-lz4-sha256-fs", "tar-tarfs", "merge-oci-v6"])
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_damaged_bootstraps_never_end_it(name, data):
    judge = Collector()
    try:
        content = data.draw(damages(images.bootstrap(name)))
        tables = check_bootstrap(content, name="name", limits=images.LIMITS, judge=judge)
    except ImageFault:
        return
    if tables is not None:
        check_tables(tables, judge)
