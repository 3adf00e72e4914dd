"""Chunks by their rows: each once, verified, as one plan."""

from pathlib import Path

import numpy as np
import pytest
from tests.access.source_images import Entry, write_source

from rafsight.access.contents import Contents
from rafsight.access.memory import MemoryBackend
from rafsight.access.session import open_image
from rafsight.access.threads import threads
from rafsight.base.errors import ImageFault, RafsightError, RegistryFault
from rafsight.base.limits import Limits
from rafsight.formats.rafs.placement import verify_chunk
from rafsight.image.tree import ImageTree
from rafsight.testing.trees import build_image

GOLDEN = Path(__file__).parents[1] / "golden" / "rafs"


@pytest.mark.parametrize("name", ["v5-zstd", "v6-zstd", "v6-batch", "targz-ref", "v6-enc", "merge-oci-v6"])
def test_every_chunk_comes_once_and_is_what_its_digest_says(name):
    with open_image(f"boot:{GOLDEN / name / 'image.boot'}") as image:
        tables = image.tree.tables
        rows = np.unique(tables.extents.chunk).astype(np.int64)
        seen = []
        for chunk, content in image.read_chunks(np.concatenate([rows, rows[:3]])):
            assert not isinstance(content, RafsightError)
            assert len(content) == int(tables.chunks.size[chunk])
            digester = tables.blobs[int(tables.chunks.blob_index[chunk])].digester
            assert verify_chunk(content, tables.chunks.digest[chunk].tobytes(), digester)
            seen.append(chunk)
        assert sorted(seen) == rows.tolist()


@pytest.mark.parametrize("name", ["v5-zstd", "v6-zstd", "v6-enc", "v6-batch", "targz-ref", "merge-oci-v6"])
def test_chunks_that_are_fetched_first_and_decoded_one_by_one_are_the_same(name):
    with open_image(f"boot:{GOLDEN / name / 'image.boot'}") as image:
        tables = image.tree.tables
        rows = np.unique(tables.extents.chunk).astype(np.int64)
        of_one_blob = rows[tables.chunks.blob_index[rows] == tables.chunks.blob_index[rows[0]]]
        fetched = image.fetch_chunks(of_one_blob)
        if name in ("v6-batch", "targz-ref"):
            assert fetched is None
            return
        assert fetched is not None
        assert fetched.is_whole
        assert fetched.stored_size >= int(tables.chunks.compressed_size[of_one_blob].max())
        expected = dict(image.read_chunks(of_one_blob))
        assert {row: fetched.read(row) for row in of_one_blob[::-1].tolist()} == expected
        assert dict(fetched.read_all()) == expected


def test_many_small_plans_are_counted_once_each():
    small = build_image({b"a": b"".join(b"%05d" % number for number in range(2000))}, chunk_size=5)
    backend = MemoryBackend()
    backend.put_blob(small.blob)
    with threads(2, name="test") as pool:
        contents = Contents(ImageTree(small.tables), backend, None, pool, Limits())
        for _ in range(2):
            for row in np.random.default_rng(1).permutation(2000)[:500].tolist():
                ((chunk, content),) = contents.read_chunks(np.array([row]))
                assert (chunk, bytes(content)) == (row, b"%05d" % row)
        assert backend.meter.cost.bytes_needed == 2500


def test_damage_is_the_error_of_one_chunk():
    small = build_image({b"a": b"0123456789" * 10}, chunk_size=9)
    damaged = bytearray(small.blob)
    damaged[20] ^= 1
    backend = MemoryBackend()
    backend.put_blob(bytes(damaged), digest=f"sha256:{small.blob_id}")
    with threads(2, name="test") as pool:
        contents = Contents(ImageTree(small.tables), backend, None, pool, Limits())
        found = dict(contents.read_chunks(np.arange(len(small.tables.chunks.size))))
    assert [row for row, content in found.items() if isinstance(content, ImageFault)] == [2]


def test_companions_are_the_chunks_of_shared_units_only():
    with open_image(f"boot:{GOLDEN / 'v6-batch' / 'image.boot'}") as image:
        rows = np.unique(image.tree.tables.extents.chunk).astype(np.int64)
        assert max(len(image.companions(np.array([row]))) for row in rows) > 1
        assert all(row in image.companions(np.array([row])) for row in rows)
    with open_image(f"boot:{GOLDEN / 'v6-zstd' / 'image.boot'}") as image:
        assert image.companions(np.array([0])).tolist() == [0]


def test_the_companions_of_a_streamed_chunk_are_its_layer(tmp_path):
    reference = write_source(
        tmp_path, [Entry(b"a", content=b"1"), Entry(b"b", content=b"2")], [Entry(b"c", content=b"3")]
    )
    with open_image(reference) as image:
        requests = image.cost.requests
        chunks = image.tree.tables.extents.chunk
        row = int(chunks[image.tree.extent_rows(image.tree.lookup(b"a"))[0]])
        every = image.companions(np.array([row]))
        assert len(every) == 2
        assert {bytes(content) for _, content in image.read_chunks(every)} == {b"1", b"2"}
        assert image.cost.requests == requests + 1


def test_an_array_that_could_not_be_had_is_asked_for_again(tmp_path):
    with open_image(f"boot:{GOLDEN / 'v6-batch' / 'image.boot'}") as image:
        tables = image.tree.tables

        class Failing:
            place, supports_ranges, meter = "here", True, image.backend.meter
            is_down = True

            def fetch_range(self, digest, offset, size):
                if self.is_down:
                    from rafsight.access.backend import ShortRead

                    raise ShortRead(what="blob", place="here", got=0, wanted=size, offset=offset)
                return image.backend.fetch_range(digest, offset, size)

        backend = Failing()
        rows = np.unique(tables.extents.chunk).astype(np.int64)
        with threads(2, name="test") as pool:
            contents = Contents(image.tree, backend, None, pool, Limits())
            assert all(isinstance(content, RegistryFault) for _, content in contents.read_chunks(rows))
            backend.is_down = False
            assert not any(isinstance(content, RafsightError) for _, content in contents.read_chunks(rows))
