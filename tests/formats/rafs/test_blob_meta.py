import struct
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from tests.formats.rafs import images

from rafsight.base.units import MiB
from rafsight.formats.rafs import blob_meta_layout as layout
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.blob_meta import HEADER_SIZE, expand, read_blob_meta
from rafsight.formats.tables import ChunkFlag, Compressor, MalformedImage

V1 = images.open_golden("v6-none").tables.blobs[0]
V2 = replace(V1, features=V1.features | shared.CHUNK_INFO_V2)


def header(entry, count, **fields):
    row = np.zeros(1, layout.HEADER.dtype)
    values = {
        "magic": layout.HEADER_MAGIC, "end_magic": layout.HEADER_MAGIC, "features": entry.features,
        "compressor": entry.meta_compressor, "chunk_count": count, "offset": entry.meta_offset,
        "compressed_size": entry.meta_compressed_size, "uncompressed_size": entry.meta_uncompressed_size,
    } | fields  # fmt: skip
    for name, value in values.items():
        row[name] = value
    return row.tobytes()


def array(entry, table, count, **fields):
    """An expanded array and the blob entry that means it."""
    entry = replace(
        entry,
        chunk_count=count,
        meta_compressor=Compressor.NONE,
        meta_compressed_size=len(table),
        meta_uncompressed_size=len(table),
    )
    return table + header(entry, count, **fields), entry


@given(
    uncompressed=st.integers(0, (1 << 32) - 1).map(lambda n: n << 12),
    size=st.integers(1, 1 << 24),
    compressed=st.integers(0, (1 << 40) - 1),
    stored=st.integers(1, 1 << 24),
)
def test_record_v1(uncompressed, size, compressed, stored):
    """Packed as section 4.2 says, with its own arithmetic."""
    low, high = (size - 1) & 0xFFFFF, (size - 1) >> 20
    upper = low << 44 | (uncompressed >> 12) << 12 | high << 8
    lower = ((stored - 1) & 0xFFFFF) << 44 | ((stored - 1) >> 20) << 40 | compressed
    meta = read_blob_meta(*array(V1, struct.pack("<QQ", upper, lower), 1))
    assert (meta.uncompressed_offset[0], meta.size[0]) == (uncompressed, size)
    assert (meta.compressed_offset[0], meta.compressed_size[0]) == (compressed, stored)
    assert bool(meta.flags[0] & ChunkFlag.COMPRESSED) == (stored != size)


@given(
    uncompressed=st.integers(0, (1 << 32) - 1).map(lambda n: n << 12),
    size=st.integers(1, 1 << 24),
    compressed=st.integers(0, (1 << 40) - 1),
    stored=st.integers(0, (1 << 24) - 1),
    flags=st.integers(0, 31),
    data=st.integers(0, (1 << 64) - 1),
)
def test_record_v2(uncompressed, size, compressed, stored, flags, data):
    record = struct.pack("<QQQ", flags << 56 | (size - 1) << 32 | uncompressed >> 12, stored << 40 | compressed, data)
    meta = read_blob_meta(*array(V2, record, 1))
    assert (meta.uncompressed_offset[0], meta.size[0]) == (uncompressed, size)
    assert (meta.compressed_offset[0], meta.compressed_size[0], meta.data[0]) == (compressed, stored, data)
    found = meta.flags[0]
    assert bool(found & ChunkFlag.COMPRESSED) == bool(flags & 1)
    assert bool(found & ChunkFlag.ZRAN) == bool(flags & 2)
    assert bool(found & ChunkFlag.BATCH) == bool(flags & 4)
    assert bool(found & ChunkFlag.ENCRYPTED) == bool(flags & 8)
    assert bool(found & ChunkFlag.HAS_CRC32) == bool(flags & 16)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"magic": 0}, "no header"),
        ({"end_magic": 0}, "no header"),
        ({"chunk_count": 2}, "another number of chunks"),
        ({"compressor": 1}, "another compressor"),
        ({"offset": 5}, "lies elsewhere"),
        ({"compressed_size": 5}, "another size"),
        ({"uncompressed_size": 5}, "another size"),
        ({"features": shared.CHUNK_INFO_V2}, "other features"),
    ],
)
def test_header_must_be_the_one_that_the_blob_table_means(fields, what):
    expanded, entry = array(V1, bytes(16), 1, **fields)
    with pytest.raises(MalformedImage, match=what):
        read_blob_meta(expanded, entry)
    with pytest.raises(MalformedImage):
        expand(expanded, entry, images.LIMITS)


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_records_must_fill_the_table(size):
    with pytest.raises(MalformedImage, match="do not fit"):
        read_blob_meta(*array(V1, bytes(size), 1))


def test_generated_chunk_dictionary_may_lie_about_its_count():
    """Section 8.5: the peer skips the check there."""
    loose = replace(V1, features=V1.features | shared.CHUNK_DICT_GENERATED)
    expanded, entry = array(loose, bytes(48), 2)
    assert len(read_blob_meta(expanded, replace(entry, chunk_count=9)).size) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"context_offset": 0, "context_size": 40, "context_count": 1},
        {"context_offset": 24, "context_size": 41, "context_count": 1},
        {"context_offset": 24, "context_size": 40, "context_count": 2},
        {"context_offset": 1 << 63, "context_size": 1 << 63, "context_count": 1},
        {"context_offset": 24, "context_size": 40, "context_count": 0xFFFFFFFF},
    ],
)
@pytest.mark.parametrize("feature", [shared.BATCH, shared.ZRAN])
def test_contexts_must_fit(feature, fields):
    entry = replace(V2, features=V2.features | feature)
    with pytest.raises(MalformedImage, match="do not fit"):
        read_blob_meta(*array(entry, bytes(64), 1, **fields))


def test_contexts_and_dictionaries():
    entry = replace(V2, features=V2.features | shared.ZRAN)
    context = struct.pack("<QQQIIIBBH", 10, 20, 1, 30, 40, 5, 6, 7, 0)
    expanded, entry = array(
        entry, bytes(24) + context + b"dictionary", 1, context_offset=24, context_size=50, context_count=1
    )
    meta = read_blob_meta(expanded, entry)
    assert meta.slices[0].item()[:8] == (10, 20, 1, 30, 40, 5, 6, 7)
    assert bytes(meta.dictionaries) == b"dictionary"
    assert len(meta.batches) == 0


@pytest.mark.parametrize("name", ["v6-zstd", "v6-enc", "targz-ref"])
def test_cut_array_is_refused(name):
    image = images.open_golden(name)
    (entry,) = image.tables.blobs
    stored = images.stored_meta(image.blob(entry.meta_id), entry)
    for size in (0, 1, 4095, 4096, len(stored) - 1):
        with pytest.raises(MalformedImage):
            expand(stored[:size], entry, images.LIMITS)
    with pytest.raises(MalformedImage):
        expand(stored + b"\0", entry, images.LIMITS)


def test_array_larger_than_the_limit_is_refused():
    entry = replace(V1, meta_uncompressed_size=images.LIMITS.blob_meta_size + 16, meta_compressed_size=1 << 24)
    with pytest.raises(MalformedImage, match="more bytes than it can need"):
        expand(bytes(5000), entry, images.LIMITS)


def test_array_that_explodes_takes_no_memory():
    size = 300 * MiB
    packer = zstandard.ZstdCompressor().compressobj(size=size)
    stored = b"".join(packer.compress(bytes(MiB)) for _ in range(300)) + packer.flush()
    entry = replace(V1, meta_compressor=Compressor.ZSTD, meta_compressed_size=len(stored), meta_uncompressed_size=size)
    tracemalloc.start()
    try:
        with pytest.raises(MalformedImage):
            expand(stored + header(entry, size // 16), entry, images.LIMITS)
        assert tracemalloc.get_traced_memory()[1] < MiB
    finally:
        tracemalloc.stop()


def test_header_size_is_what_follows_the_array():
    image = images.open_golden("v6-zstd")
    (entry,) = image.tables.blobs
    assert entry.meta_offset + entry.meta_compressed_size + HEADER_SIZE == len(image.blob(entry.meta_id))
