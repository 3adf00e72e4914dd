"""Every rule of chunk-info arrays, batches, zran contexts, tables of contents and digest arrays, broken once each."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats.rafs import images
from tests.formats.rafs.damage import damages
from tests.formats.rafs.test_toc import tar_header

from rafsight.base.errors import ImageFault
from rafsight.base.limits import Limits
from rafsight.formats.compression import decompress
from rafsight.formats.judge import Collector, rules_of
from rafsight.formats.rafs import blob_meta, toc
from rafsight.formats.rafs import blob_meta_layout as layout
from rafsight.formats.rafs import blob_rules as rules
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.blob_checks import check_blob_meta, check_digest_array
from rafsight.formats.rafs.blob_sizes import data_size, expected_files
from rafsight.formats.rafs.placement import place_chunks
from rafsight.formats.rafs.toc_checks import check_part, check_toc
from rafsight.formats.tables import ChunkFlag

LIMITS = images.LIMITS
WITH_ARRAY = [name for name in images.NAMES if any(entry.meta_id for entry in images.open_golden(name).tables.blobs)]
WITH_TOC = ["v6-toc", "v6-batch-lz4-toc", "v6-toc-inline", "targz-ref-toc-inline"]


class Array:
    """An expanded chunk-info array of a golden image that may be written to."""

    def __init__(self, name: str) -> None:
        image = images.open_golden(name)
        self.entry, self.content = image.tables.blobs[0], bytearray(image.metas[0])
        chunks = image.tables.chunks
        self.chunks = replace(chunks, **{column: getattr(chunks, column).copy() for column in chunks.__slots__})
        size = len(self.content) - blob_meta.HEADER_SIZE
        self.header = np.frombuffer(self.content, layout.HEADER.dtype, 1, size)
        record = layout.CHUNK_V2 if self.entry.features & shared.CHUNK_INFO_V2 else layout.CHUNK_V1
        self.records = np.frombuffer(self.content, record.dtype, int(self.header["chunk_count"][0]))
        start, count = int(self.header["context_offset"][0]), int(self.header["context_count"][0])
        self.batches = np.frombuffer(self.content, layout.BATCH_CONTEXT.dtype, count, start)
        self.slices = np.frombuffer(self.content, layout.ZRAN_CONTEXT.dtype, count, start)

    def put(self, row: int, word: str, shift: int, width: int, value: int) -> None:
        """Set some bits of a word of a record."""
        mask = ((1 << width) - 1) << shift
        self.records[word][row] = int(self.records[word][row]) & ~mask | value << shift

    def get(self, row: int, word: str, shift: int, width: int) -> int:
        return int(self.records[word][row]) >> shift & ((1 << width) - 1)

    def batched(self, start: int = 0) -> int:
        """A record in a batch, with another one of the same batch behind it."""
        in_batch = [row for row in range(len(self.records)) if self.get(row, "uncompressed", 56, 8) & layout.V2_BATCH]
        context = {row: self.get(row, "data", 32, 32) for row in in_batch}
        return [row for row in in_batch if context.get(row + 1) == context[row]][start]

    def judged(self) -> Collector:
        judge = Collector()
        check_blob_meta(bytes(self.content), self.entry, self.chunks, judge, LIMITS)
        return judge


def meta_header(array):
    array.header["magic"] = 0


def meta_end_header(array):
    array.header["end_magic"] = 0


def meta_count(array):
    array.header["chunk_count"] -= 1


def meta_compressor(array):
    array.header["compressor"] = 2


def meta_offset(array):
    array.header["offset"] += 1


def meta_compressed_size(array):
    array.header["compressed_size"] += 1


def meta_uncompressed_size(array):
    array.header["uncompressed_size"] += 1


def meta_shape(array):
    array.header["features"] ^= shared.CHUNK_INFO_V2


def meta_length(array):
    array.content = array.content[8:]


def meta_parts(array):
    array.header["context_count"] += 5000


def meta_word(array):
    array.header["features"] ^= shared.CAP_TAR_TOC


def meta_reserved(array):
    array.content[-100] = 1


def record_flags(array):
    array.put(2, "uncompressed", 56, 8, array.get(2, "uncompressed", 56, 8) | 0x40)


def record_outside(array):
    array.put(2, "compressed", 0, 40, array.entry.meta_offset)


def record_space(array):
    last = len(array.records) - 1
    array.put(last, "uncompressed", 12, 32, array.entry.uncompressed_size >> 12)


def record_order(array):
    array.put(2, "uncompressed", 12, 32, array.get(1, "uncompressed", 12, 32))


def record_kind(array):
    array.put(2, "uncompressed", 56, 8, layout.V2_BATCH | layout.V2_COMPRESSED)


def record_crc(array):
    array.records["data"][2] = 0


def chunk_absent(array):
    array.chunks.number[0] = len(array.records)


def chunk_other_size(array):
    array.chunks.size[0] += 1


def chunk_other_place(array):
    array.chunks.uncompressed_offset[0] += 4096


def chunk_elsewhere(array):
    array.chunks.compressed_offset[0] += 1


def chunk_other_flags(array):
    array.chunks.flags[0] ^= ChunkFlag.COMPRESSED


def chunk_other_crc(array):
    array.chunks.crc32[0] ^= 1


def unit_stored(array):
    array.put(2, "compressed", 40, 24, (1 << 24) - 1)


def unit_stored_in_nothing(array):
    array.put(2, "compressed", 40, 24, 0)


def unit_cipher(array):
    array.put(2, "uncompressed", 56, 8, array.get(2, "uncompressed", 56, 8) ^ layout.V2_ENCRYPTED)


def unit_plain(array):
    array.put(2, "uncompressed", 56, 8, array.get(2, "uncompressed", 56, 8) & ~layout.V2_COMPRESSED)
    array.put(2, "compressed", 40, 24, array.get(2, "compressed", 40, 24) + 1)


def batch_absent(array):
    array.put(array.batched(), "data", 32, 32, 5000)


def batch_small(array):
    array.put(array.batched(), "data", 0, 32, 1 << 20)


def batch_places(array):
    array.put(array.batched() + 1, "compressed", 0, 40, 1)


def batch_outside(array):
    array.batches["compressed_size"] = array.entry.meta_offset + 1


def batch_huge(array):
    array.batches["uncompressed_size"] = LIMITS.decoded_size + 1


def batch_overlap(array):
    row = array.batched()
    array.put(row + 1, "data", 0, 32, array.get(row, "data", 0, 32))


def batch_reserved(array):
    array.batches.view(np.uint8).reshape(len(array.batches), -1)[0, 20] = 1


def slice_absent(array):
    array.put(2, "data", 32, 32, 99)


def slice_small(array):
    array.put(2, "data", 0, 32, 1 << 27)


def slice_size(array):
    array.slices["uncompressed_size"] = 0


def slice_stored(array):
    array.slices["compressed_size"] = 0


def slice_far(array):
    array.slices["compressed_offset"] = 1 << 63


def slice_dictionary(array):
    array.slices["dictionary_offset"] = 1 << 30


def slice_bits(array):
    array.slices["bits"] = 8


def slice_outside(array):
    array.slices["compressed_offset"] = array.entry.compressed_size


def slice_order(array):
    array.slices["compressed_offset"] = array.slices["compressed_offset"][::-1].copy()


def slice_reserved(array):
    array.slices["reserved"] = 1


V1, V2, BATCH, ZRAN = "v6-zstd", "v6-enc", "v6-batch", "targz-ref"
ARRAY_DAMAGES = [
    (V1, meta_header, rules.META_HEADER),
    (V1, meta_end_header, rules.META_HEADER),
    (V1, meta_count, rules.META_COUNT),
    (V1, meta_compressor, rules.META_COMPRESSOR),
    (V1, meta_offset, rules.META_OFFSET),
    (V1, meta_compressed_size, rules.META_SIZE),
    (V1, meta_uncompressed_size, rules.META_SIZE),
    (V1, meta_shape, rules.META_SHAPE),
    (V1, meta_length, rules.META_LENGTH),
    (BATCH, meta_parts, rules.META_PARTS),
    (ZRAN, meta_parts, rules.META_PARTS),
    (V1, meta_count, rules.META_PARTS),
    (V1, meta_word, rules.META_WORD),
    (V1, meta_reserved, rules.META_RESERVED),
    (V2, record_flags, rules.RECORD_FLAGS),
    (V1, record_outside, rules.RECORD_PLACE),
    (V1, record_space, rules.RECORD_SPACE),
    (V1, record_order, rules.RECORD_ORDER),
    (V2, record_kind, rules.RECORD_KIND),
    (V2, record_crc, rules.RECORD_CRC),
    (V1, chunk_absent, rules.CHUNK_ABSENT),
    (V1, chunk_other_size, rules.CHUNK_OTHER),
    (BATCH, chunk_other_place, rules.CHUNK_OTHER),
    (V1, chunk_elsewhere, rules.CHUNK_STORED_ELSEWHERE),
    (ZRAN, chunk_elsewhere, rules.CHUNK_STORED_ELSEWHERE),
    (V1, chunk_other_flags, rules.CHUNK_OTHER_FLAGS),
    (V2, chunk_other_crc, rules.CHUNK_OTHER_CRC),
    (V2, unit_stored, rules.UNIT_STORED),
    (V2, unit_stored_in_nothing, rules.UNIT_STORED),
    (V2, unit_cipher, rules.UNIT_CIPHER),
    (V2, unit_plain, rules.UNIT_PLAIN),
    (BATCH, batch_absent, rules.UNIT_CONTEXT),
    (BATCH, batch_small, rules.UNIT_SMALL),
    (BATCH, batch_places, rules.BATCH_PLACES),
    (BATCH, batch_outside, rules.BATCH_OUTSIDE),
    (BATCH, batch_huge, rules.UNIT_SIZE),
    (BATCH, batch_overlap, rules.BATCH_OVERLAP),
    (BATCH, batch_reserved, rules.BATCH_RESERVED),
    (ZRAN, slice_absent, rules.UNIT_CONTEXT),
    (ZRAN, slice_small, rules.UNIT_SMALL),
    (ZRAN, slice_size, rules.SLICE_SIZE),
    (ZRAN, slice_stored, rules.SLICE_SIZE),
    (ZRAN, slice_far, rules.SLICE_FAR),
    (ZRAN, slice_dictionary, rules.SLICE_DICTIONARY),
    (ZRAN, slice_bits, rules.SLICE_DICTIONARY),
    (ZRAN, slice_outside, rules.SLICE_OUTSIDE),
    (ZRAN, slice_order, rules.SLICE_ORDER),
    (ZRAN, slice_reserved, rules.SLICE_RESERVED),
]


@pytest.mark.parametrize("name", WITH_ARRAY)
def test_sound_arrays_break_no_rule(name):
    image, judge = images.open_golden(name), Collector()
    for entry in image.tables.blobs:
        assert check_blob_meta(image.metas[entry.index], entry, image.tables.chunks, judge, LIMITS)
    assert judge.faults == []


@pytest.mark.parametrize(("name", "break_it", "rule"), ARRAY_DAMAGES, ids=lambda one: getattr(one, "__name__", None))
def test_damaged_array(name, break_it, rule):
    array = Array(name)
    break_it(array)
    assert rule.code in array.judged().counts


@pytest.mark.parametrize("name", ["v6-zstd", "v6-enc", "v6-batch", "targz-ref", "targz-ref-toc-inline"])
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_strict_and_collecting_judges_agree(name, data):
    """Whatever the strict reader refuses, the collecting one has a fault for; and no damage ends it."""
    image = images.open_golden(name)
    damaged = data.draw(damages(image.metas[0]))
    judge = Collector()
    check_blob_meta(damaged, image.tables.blobs[0], image.tables.chunks, judge, LIMITS)
    try:
        place_chunks(image.tables, {0: damaged}, LIMITS)
    except ImageFault:
        assert judge.faults
    placement = place_chunks(image.tables, {0: damaged}, LIMITS, Collector())
    assert (placement.unit_index < len(placement.units.offset)).all()
    placed = placement.unit_index[placement.unit_index >= 0]
    assert placement.units.decoded_size[placed].max(initial=0) <= LIMITS.zran_decoded_size


def test_a_chunk_without_a_possible_place_has_none():
    image = images.open_golden("v6-batch")
    array = Array("v6-batch")
    lost = array.batched()
    batch_absent(array)
    placement = place_chunks(image.tables, {0: bytes(array.content)}, LIMITS, Collector())
    assert image.tables.chunks.number[placement.unit_index < 0].tolist() == [lost]
    table = image.tables.chunks
    for chunk in np.flatnonzero(placement.unit_index >= 0).tolist():
        assert placement.unit_offset[chunk] == image.placement.unit_offset[chunk]
        one, other = placement.unit_index[chunk], image.placement.unit_index[chunk]
        assert placement.units.offset[one] == image.placement.units.offset[other]
        assert placement.units.decoded_size[one] >= table.size[chunk]


def test_expand_refuses_what_it_cannot_hold():
    image = images.open_golden("v6-zstd")
    entry, judge = image.tables.blobs[0], Collector()
    with judge.part("array"):
        blob_meta.expand(bytes(5000), replace(entry, meta_uncompressed_size=1 << 40), LIMITS, judge)
    assert judge.counts == {rules.META_ROOM.code: 1}


# table of contents


class End:
    """A blob of a golden image with a table of contents that may be written to."""

    def __init__(self, name: str) -> None:
        image = images.open_golden(name)
        self.entry, self.chunks = image.tables.blobs[0], image.tables.chunks
        self.blob = bytearray(image.blob(self.entry.meta_id))
        size = int(self.blob[-512 + 124 : -512 + 135], 8)
        self.rows = np.frombuffer(self.blob, layout.TOC_ENTRY.dtype, size // 128, len(self.blob) - 512 - size)
        self.names = [row["name"].tobytes().rstrip(b"\0").decode() for row in self.rows]

    def judged(self) -> Collector:
        """Judge the end of the blob, and the parts that it has, as a check does it."""
        judge, blob = Collector(), bytes(self.blob)
        for part in check_toc(blob[-toc.TAIL_SIZE :], len(blob), self.entry, judge):
            stored = blob[part.offset : part.offset + part.stored_size]
            with judge.part(part.name):
                if part.name != toc.DATA:
                    content = decompress(part.compressor, stored, part.size)
                    check_part(part, content, self.entry, judge)
                    if part.name == toc.DIGESTS:
                        check_digest_array(content, self.entry, self.chunks, judge)
        return judge

    def row(self, name: str) -> int:
        return self.names.index(name)

    def rename(self, old: str, new: bytes) -> None:
        self.rows["name"][self.row(old)] = np.void(new.ljust(16, b"\0"))

    def resize(self, size: int) -> None:
        """Let the last tar header announce another size."""
        self.blob[-512:] = tar_header(b"rafs.blob.toc", size)


def toc_absent(end):
    end.blob = end.blob[:-512]


def toc_wrong_checksum(end):
    end.blob[-400] ^= 1


def toc_length(end):
    end.resize(100)


def toc_too_many(end):
    end.resize(128 * 32)


def toc_digest(end):
    end.rows["reserved"][0] = 1


def toc_outside(end):
    end.rows["offset"][0] = len(end.blob)


def toc_compression(end):
    end.rows["flags"][0] = 3


def toc_twice(end):
    end.rename(toc.META_HEADER, b"blob.meta")


def toc_name(end):
    end.rename(toc.META_HEADER, b"blob.else")


def toc_order(end):
    end.rows["offset"][end.row(toc.META_HEADER)] = 0


def toc_meta(end):
    end.rows["offset"][end.row(toc.META)] += 1


def toc_data(end):
    end.rows["uncompressed_size"][end.row(toc.DATA)] += 1


def toc_part(end):
    end.rows["digest"][end.row(toc.META)] = np.void(bytes(32))


def toc_part_itself(end):
    end.blob[int(end.rows["offset"][end.row(toc.META_HEADER)]) + 100] ^= 1


def digests_absent(end):
    end.rename(toc.DIGESTS, b"blob.else")


def digests_size(end):
    end.rows["compressed_size"][end.row(toc.DIGESTS)] -= 32
    end.rows["uncompressed_size"][end.row(toc.DIGESTS)] -= 32


def digests_other(end):
    end.blob[int(end.rows["offset"][end.row(toc.DIGESTS)]) + 5] ^= 1


TOC_DAMAGES = [
    (toc_absent, rules.TOC_ABSENT),
    (toc_wrong_checksum, rules.TOC_ABSENT),
    (toc_length, rules.TOC_LENGTH),
    (toc_too_many, rules.TOC_ABSENT),
    (toc_digest, rules.TOC_DIGEST),
    (toc_outside, rules.TOC_OUTSIDE),
    (toc_compression, rules.TOC_COMPRESSION),
    (toc_twice, rules.TOC_TWICE),
    (toc_name, rules.TOC_NAME),
    (toc_order, rules.TOC_ORDER),
    (toc_meta, rules.TOC_META),
    (toc_data, rules.TOC_DATA),
    (toc_part, rules.TOC_PART),
    (toc_part_itself, rules.TOC_PART),
    (digests_absent, rules.DIGESTS_ABSENT),
    (digests_size, rules.DIGESTS_SIZE),
    (digests_other, rules.DIGESTS_OTHER),
]


@pytest.mark.parametrize("name", WITH_TOC)
def test_sound_ends_break_no_rule(name):
    assert End(name).judged().faults == []


@pytest.mark.parametrize(("break_it", "rule"), TOC_DAMAGES, ids=lambda one: getattr(one, "__name__", None))
def test_damaged_end(break_it, rule):
    end = End("v6-toc")
    break_it(end)
    assert rule.code in end.judged().counts


def test_a_part_larger_than_the_blob():
    judge = Collector()
    content = b"x" + tar_header(b"image.boot", 1 << 30)
    assert toc.find_parts(content, len(content), judge) == ()
    assert list(judge.counts) == [rules.PART_TOO_LARGE.code]


def test_a_bootstrap_larger_than_the_limit():
    image = images.open_golden("v6-toc-inline")
    blob = image.blob(image.name)
    with pytest.raises(ImageFault) as caught:
        toc.inlined_bootstrap(images.reader(blob), len(blob), Limits(bootstrap_size=100))
    assert caught.value.details["rule"] is rules.BOOTSTRAP_ROOM


def test_a_chunk_too_large_for_its_unit():
    """The limit is the caller's: with the default one no record can say so much."""
    array, judge = Array("v6-zstd"), Collector()
    limits = Limits(decoded_size=100)
    check_blob_meta(bytes(array.content), array.entry, array.chunks, judge, limits)
    assert set(judge.counts) == {rules.UNIT_SIZE.code}


def test_every_rule_is_broken_by_a_damage():
    elsewhere = {
        rules.PART_TOO_LARGE: test_a_part_larger_than_the_blob,
        rules.BOOTSTRAP_ROOM: test_a_bootstrap_larger_than_the_limit,
        rules.META_ROOM: test_expand_refuses_what_it_cannot_hold,
        rules.META_COPIES: "tests/access/test_soundness.py",
    }
    broken = {rule for _, _, rule in ARRAY_DAMAGES} | {rule for _, rule in TOC_DAMAGES}
    assert broken | set(elsewhere) == set(rules_of(rules))


# sizes


@pytest.mark.parametrize("name", images.NAMES)
def test_sizes_of_the_files_of_golden_blobs(name):
    image = images.open_golden(name)
    for entry in image.tables.blobs:
        for file in expected_files(entry):
            size = len(image.blob(file.name))
            assert size >= file.least
            assert file.size in (None, size)
        chunks = image.tables.chunks
        mine = chunks.blob_index == entry.index
        ends = (chunks.compressed_offset + chunks.compressed_size)[mine]
        assert ends.max(initial=0) <= data_size(entry)


def test_an_external_blob_needs_no_file():
    entry = images.open_golden("v6-zstd").tables.blobs[0]
    assert expected_files(replace(entry, features=shared.EXTERNAL)) == ()


def test_digest_of_a_part_is_of_what_it_becomes():
    end = End("v6-toc")
    part = next(p for p in check_toc(bytes(end.blob), len(end.blob), end.entry, Collector()) if p.name == toc.META)
    content = decompress(part.compressor, bytes(end.blob[part.offset : part.offset + part.stored_size]), part.size)
    assert hashlib.sha256(content).digest() == part.digest
