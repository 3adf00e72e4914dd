"""Every damage ends in an ImageFault or in tables that keep the laws: no other error, no warning, bounded in cost."""

import time
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats.rafs import images
from tests.formats.rafs.damage import damages
from tests.formats.rafs.laws import check_laws

from rafsight.base.errors import ImageFault
from rafsight.base.units import MiB
from rafsight.formats.compression import Decoder
from rafsight.formats.rafs import blob_meta, toc
from rafsight.formats.rafs.codec import read_bootstrap
from rafsight.formats.rafs.placement import decode_unit, place_chunks
from rafsight.formats.rafs.zran import decode_slice

BOOTSTRAPS = [
    "v5-none", "v5-lz4-sha256-fs", "merge-oci-v5", "v5-nodata", "v6-none", "v6-lz4-sha256-4k-fs", "merge-oci-v6",
    "tar-tarfs", "targz-ref", "v6-enc-batch-inline", "v6-nodata",
]  # fmt: skip
METAS = ["targz-ref", "targz-ref-tar", "v6-batch", "v6-enc-batch-inline", "v6-none", "v6-enc"]


def explore(content: bytes) -> None:
    """Read whatever can be read out of a bootstrap."""
    tables = read_bootstrap(content, name="name", limits=images.LIMITS)
    check_laws(tables)
    for row in range(len(tables.entries.mode)):
        with suppress(ImageFault):
            tables.read_xattrs(images.area(tables, "xattr", row))
    with suppress(ImageFault):
        placement = place_chunks(tables, {}, images.LIMITS)
        assert placement.units.stored_size.max(initial=0) < 17 * MiB
        assert placement.units.decoded_size.max(initial=0) <= 16 * MiB


@pytest.mark.parametrize("name", BOOTSTRAPS)
@settings(max_examples=120)
@given(data=st.data())
def test_damaged_bootstrap(name, data):
    content = data.draw(damages(images.bootstrap(name)))
    with suppress(ImageFault):
        explore(content)


@pytest.mark.parametrize("name", ["v5-lz4-sha256-fs", "v6-zstd"])
@settings(max_examples=60)
@given(data=st.data())
def test_damaged_bootstrap_costs_little(name, data):
    content = data.draw(damages(images.bootstrap(name)))
    tracemalloc.start()
    started = time.process_time()
    try:
        with suppress(ImageFault):
            read_bootstrap(content, name="name", limits=images.LIMITS)
        assert tracemalloc.get_traced_memory()[1] < 32 * MiB
        assert time.process_time() - started < 2
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", BOOTSTRAPS)
def test_cut_bootstrap(name):
    content = images.bootstrap(name)
    for size in {*range(0, len(content), 509), *range(1020, 1500, 7)}:
        with suppress(ImageFault):
            explore(content[:size])


@given(content=st.binary(max_size=20000))
@settings(max_examples=100)
def test_noise_is_no_bootstrap(content):
    with suppress(ImageFault):
        explore(content)
    with suppress(ImageFault):
        explore(b"SFAR\0\5\0\0" + content)
    with suppress(ImageFault):
        explore(content[:1024].ljust(1024, b"\0") + b"\xe2\xe1\xf5\xe0" + content[1024:])


@pytest.mark.parametrize("name", METAS)
@settings(max_examples=80)
@given(data=st.data())
def test_damaged_chunk_info_array(name, data):
    image = images.open_golden(name)
    (entry,) = image.tables.blobs
    stored = images.stored_meta(image.blob(entry.meta_id), entry)
    expanded = image.metas[0]
    with suppress(ImageFault):
        blob_meta.expand(data.draw(damages(stored)), entry, images.LIMITS)
    with suppress(ImageFault):
        damaged = data.draw(damages(expanded))
        placement = place_chunks(image.tables, {0: damaged}, images.LIMITS)
        units = placement.units
        assert (placement.unit_index < len(units.offset)).all()
        placed = placement.unit_index >= 0
        assert placed.all()
        room = units.decoded_size[placement.unit_index]
        assert (placement.unit_offset + image.tables.chunks.size <= room).all()
        assert units.decoded_size.max() <= images.LIMITS.zran_decoded_size
        assert units.stored_size.max() <= images.LIMITS.zran_decoded_size
        ends = units.dictionary_offset + units.dictionary_size
        assert (ends <= [len(placement.dictionaries[0])] * len(ends)).all()


UNITS = ["v5-zstd", "v6-lz4-sha256-4k-fs", "v6-none", "v6-enc", "v6-batch", "v6-enc-batch-inline", "targz-ref"]


@pytest.mark.parametrize("name", UNITS)
@settings(max_examples=60)
@given(data=st.data())
def test_damaged_unit(name, data):
    image = images.open_golden(name)
    units = image.placement.units
    unit = data.draw(st.integers(0, len(units.offset) - 1))
    entry = image.tables.blobs[int(units.blob_index[unit])]
    start = int(units.offset[unit])
    stored = image.blob(entry.data_id)[start : start + int(units.stored_size[unit])]
    with suppress(ImageFault):
        content = decode_unit(image.placement, unit, data.draw(damages(stored)), entry, Decoder())
        assert len(content) == units.decoded_size[unit]


@given(
    stored=st.binary(max_size=300),
    size=st.integers(1, 5000),
    dictionary=st.binary(max_size=100),
    bits=st.integers(0, 0xFFFF),
)
@settings(max_examples=200)
def test_noise_is_no_slice(stored, size, dictionary, bits):
    with suppress(ImageFault):
        assert len(decode_slice(stored, size, dictionary, bits)) == size


@pytest.mark.parametrize("name", ["v6-toc-inline", "v5-inline", "targz-ref-toc-inline"])
@settings(max_examples=80)
@given(data=st.data())
def test_damaged_end_of_a_blob(name, data):
    image = images.open_golden(name)
    blob = image.blob(image.name)
    tail = data.draw(damages(blob[-2048:]))
    damaged = blob[:-2048] + tail
    with suppress(ImageFault):
        toc.inlined_bootstrap(images.reader(damaged), len(damaged), images.LIMITS)
    with suppress(ImageFault):
        toc.toc_digest(tail)


def test_zero_division_and_overflow_stay_silent():
    """Numbers at the edge of their types: hypothesis finds few of them."""
    content = images.bootstrap("v6-none")
    for offset in range(1024, 1220, 4):
        for number in (0, 1, 0x7FFFFFFF, 0xFFFFFFFF):
            for size in (4, 8):
                word = np.array([number] * 2, "<u4").tobytes()[:size]
                with suppress(ImageFault):
                    read_bootstrap(content[:offset] + word + content[offset + size :], name="", limits=images.LIMITS)
