from dataclasses import replace

import numpy as np
import pytest
from tests.formats.rafs import images
from tests.formats.rafs.handmade import Bootstrap

from rafsight.base.errors import Defect
from rafsight.base.limits import Limits
from rafsight.formats.compression import Decoder
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.codec import read_bootstrap
from rafsight.formats.rafs.faults import UnsupportedImage
from rafsight.formats.rafs.placement import decode_unit, place_chunks, require_placed, verify_chunk
from rafsight.formats.tables import Digester, MalformedImage, UnitForm


def placed(**chunk):
    boot = Bootstrap()
    boot.chunk(**chunk)
    tables = read_bootstrap(boot.finish(boot.directory([])), name="", limits=Limits())
    return place_chunks(tables, {}, Limits())


def test_chunks_of_the_bootstrap_are_units():
    units = placed(size=100, stored=40, flags=1, offset=7).units
    assert (units.form[0], units.offset[0], units.stored_size[0], units.decoded_size[0]) == (1, 7, 40, 100)


@pytest.mark.parametrize(
    ("chunk", "what"),
    [
        ({"size": 100, "stored": 99}, "is plain, and stored"),
        ({"size": 100, "stored": 100_000, "flags": 1}, "far more than it is"),
        ({"size": (16 << 20) + 1}, "empty or too large"),
        ({"size": 0, "stored": 1}, "empty or too large"),
        ({"size": 100, "flags": 4}, "is encrypted"),
    ],
)
def test_chunks_that_cannot_be(chunk, what):
    with pytest.raises(MalformedImage, match=what):
        placed(**chunk)


@pytest.mark.parametrize("name", ["v6-batch", "targz-ref", "v6-enc-batch-inline"])
def test_chunks_wait_for_their_array(name):
    image = images.open_golden(name)
    placement = place_chunks(image.tables, {}, Limits())
    assert (placement.unit_index == -1).all()
    with pytest.raises(Defect, match="was not fetched"):
        require_placed(image.tables, placement, np.array([0]))
    require_placed(image.tables, image.placement, image.tables.extents.chunk)


def test_chunks_of_a_batch_share_a_unit():
    placement = images.open_golden("v6-batch").placement
    counts = np.bincount(placement.unit_index)
    assert counts.min() == 1
    assert counts.max() > 1
    assert (placement.unit_offset > 0).any()


def test_slices_have_dictionaries():
    placement = images.open_golden("targz-ref").placement
    assert set(placement.units.form.tolist()) == {UnitForm.ZRAN}
    assert sorted(set(placement.units.dictionary_size.tolist())) == [0, 32768]


def test_array_of_another_blob_is_refused():
    image = images.open_golden("v6-batch")
    tables = replace(image.tables, chunks=replace(image.tables.chunks, size=image.tables.chunks.size + 1))
    with pytest.raises(MalformedImage, match="another in the chunk-info array"):
        place_chunks(tables, image.metas, Limits())
    tables = replace(image.tables, chunks=replace(image.tables.chunks, number=image.tables.chunks.number + 1000))
    with pytest.raises(MalformedImage, match="not in the chunk-info array"):
        place_chunks(tables, image.metas, Limits())


def test_array_alone_places_chunks_of_an_image_without_chunk_table():
    """The chunk table of a golden image is cut off; everything but the digests comes back."""
    name = "v6-none"
    content = bytearray(images.bootstrap(name))
    content[1152 + 32 : 1152 + 40] = bytes(8)
    tables = read_bootstrap(bytes(content), name="", limits=Limits())
    image = images.open_golden(name)
    assert tables.blobs[0].needs_meta
    placement = place_chunks(tables, image.metas, Limits())
    cut = replace(image, tables=tables, placement=placement)
    for row in range(len(tables.entries.mode)):
        assert images.read_file(cut, row) == images.read_file(image, row) or not tables.entries.extent_count[row]


def unit(name, number=0):
    image = images.open_golden(name)
    units = image.placement.units
    entry = image.tables.blobs[int(units.blob_index[number])]
    start = int(units.offset[number])
    return image, entry, image.blob(entry.data_id)[start : start + int(units.stored_size[number])]


def test_unit_of_another_size():
    image, entry, stored = unit("v6-zstd")
    for wrong in (stored[:-1], stored + b"\0", b""):
        with pytest.raises(MalformedImage, match="bytes"):
            decode_unit(image.placement, 0, wrong, entry, Decoder())


def test_unit_of_an_external_blob():
    image, entry, stored = unit("v6-zstd")
    with pytest.raises(UnsupportedImage, match="external"):
        decode_unit(image.placement, 0, stored, replace(entry, features=shared.EXTERNAL), Decoder())


def test_unit_of_a_stream_is_not_decoded_here():
    image, entry, stored = unit("v6-none")
    units = replace(image.placement.units, form=np.full_like(image.placement.units.form, UnitForm.STREAM))
    with pytest.raises(Defect, match="stream"):
        decode_unit(replace(image.placement, units=units), 0, stored, entry, Decoder())


def test_encrypted_batches_of_one_byte():
    """What the peer's daemon cannot read (section 4.4)."""
    image = images.open_golden("v6-enc-batch-inline")
    units = image.placement.units
    found = np.flatnonzero(units.decoded_size < 16).tolist()
    assert found
    for short in found:
        assert units.stored_size[short] == 18
        _, entry, stored = unit("v6-enc-batch-inline", short)
        assert len(decode_unit(image.placement, short, stored, entry, Decoder())) == units.decoded_size[short]


def test_verify_chunk():
    digest = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    assert verify_chunk(b"abc", digest, Digester.SHA256)
    assert not verify_chunk(b"abc!", digest, Digester.SHA256)
    assert not verify_chunk(b"abc", digest, Digester.BLAKE3)
    assert verify_chunk(b"anything", bytes(32), Digester.SHA256)
