"""Equal numbers mean equal content."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.image.small_trees import golden

from rafsight.formats.tables import Digester
from rafsight.image.chunk_identity import can_differ, identify_chunks
from rafsight.testing.trees import build_image

_digests = some.lists(
    some.sampled_from((b"\0" * 32, b"a" * 32, b"a" * 31 + b"b", b"a" * 8 + b"c" * 24, b"d" * 32)),
    min_size=1,
    max_size=8,
)


def tables_of(digests, *, blob_id="b", sizes=None, digester=Digester.SHA256):
    """An image of one chunk for each digest."""
    tables = build_image({b"f": b"".join(b"%04d" % at for at in range(len(digests)))}, chunk_size=4).tables
    octets = np.array([list(one) for one in digests], dtype=np.uint8)
    chunks = replace(tables.chunks, digest=octets)
    if sizes is not None:
        chunks = replace(chunks, size=np.array(sizes, dtype=np.int64))
    blob = replace(tables.blobs[0], blob_id=blob_id, digester=digester)
    return replace(tables, chunks=chunks, blobs=(blob,))


def keys_of(tables):
    chunks = tables.chunks
    for row, digest in enumerate(chunks.digest):
        blob = tables.blobs[int(chunks.blob_index[row])]
        if digest.any():
            yield (blob.digester, digest.tobytes(), int(chunks.size[row]))
        else:
            yield (blob.blob_id, int(chunks.compressed_offset[row]), int(chunks.size[row]))


def check(*images):
    """Compare with keys of all chunks of all images."""
    found = identify_chunks(images)
    keys = [key for tables in images for key in keys_of(tables)]
    numbers = np.concatenate([identity.content for identity in found]).tolist()
    assert len(set(zip(keys, numbers, strict=True))) == len(set(keys)) == len(set(numbers))
    return found


@settings(deadline=None, max_examples=100)
@given(_digests, _digests, some.sampled_from(("b", "c")), some.sampled_from(tuple(Digester)))
def test_numbers_are_those_of_keys(one, other, blob_id, digester):
    check(tables_of(one), tables_of(other, blob_id=blob_id, digester=digester))


@pytest.mark.parametrize("name", ["merge-oci-v6", "tar-tarfs", "v6-lz4-sha256-4k-fs"])
def test_real_images(name):
    check(golden(name).tables)


def test_another_size_is_another_content():
    first, second = check(tables_of([b"a" * 32], sizes=[4]), tables_of([b"a" * 32], sizes=[5]))
    assert first.content[0] != second.content[0]


def test_images_without_chunks():
    (identity,) = identify_chunks((golden("v6-nodata").tables,))
    assert len(identity.content) == 0


def test_only_digests_of_one_algorithm_tell_contents_apart():
    images = (
        tables_of([b"a" * 32, b"\0" * 32]),
        tables_of([b"d" * 32, b"d" * 32]),
        tables_of([b"d" * 32, b"d" * 32], digester=Digester.BLAKE3),
    )
    first, second, third = identify_chunks(images)
    rows = np.arange(2)
    assert can_differ(first, second, rows, rows).tolist() == [True, False]
    assert can_differ(first, third, rows, rows).tolist() == [False, False]
