"""What comes out of a store is what the image has, however it got there, and it comes once."""

import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.access.chunk_store.images import (
    PLENTY,
    Counted,
    backing_file,
    files_of,
    noise,
    open_small,
    small_image,
    sums_by_image,
    sums_by_store,
    whole,
)
from tests.access.source_images import Entry, write_source

from rafsight.access.backend import NotFound, ShortRead
from rafsight.access.chunk_store.store import open_chunk_store
from rafsight.access.options import Options
from rafsight.access.session import open_image
from rafsight.base.errors import ImageFault, RafsightError, RegistryFault
from rafsight.base.events import Noticed
from rafsight.base.units import KiB, MiB
from rafsight.testing.registry import PLANTED, Mischief, serve_layout

GOLDEN = Path(__file__).parents[2] / "golden" / "rafs"
VARIANTS = ["v5-zstd", "v6-zstd", "v6-batch", "v6-batch-lz4-toc", "v6-enc", "targz-ref", "tar-tarfs", "v6-repeat"]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_form_of_blob_comes_out_right_and_is_kept(name, tmp_path):
    with open_image(f"boot:{GOLDEN / name / 'image.boot'}") as image:
        expected = sums_by_image(image)
        with open_chunk_store(image, tmp_path / "store", limit=PLENTY) as store:
            assert sums_by_store(image, store) == expected
            assert store.is_complete()
            assert store.tally.from_memory == store.tally.failed == 0
        paid = image.cost
        with open_chunk_store(image, tmp_path / "store", limit=PLENTY) as store:
            assert store.is_complete()
            assert sums_by_store(image, store) == expected
            assert store.tally.misses == 0
        assert image.cost == paid


def test_a_planted_image_from_a_registry(tmp_path):
    with serve_layout(PLANTED) as registry, open_image(registry.reference("v6")) as image:
        expected = sums_by_image(image)
        with open_chunk_store(image, tmp_path, limit=PLENTY) as store:
            assert sums_by_store(image, store) == expected
            assert store.is_complete()


@settings(deadline=None, max_examples=25)
@given(data=some.data(), gap=some.integers(0, 9000), chunk_size=some.sampled_from([500, 4096, 5000, 16384]))
def test_any_read_is_a_piece_of_the_backing_file(data, gap, chunk_size, tmp_path_factory):
    small = small_image({b"%d" % n: noise(n * 7001, n) for n in range(6)}, chunk_size=chunk_size, gap=gap)
    with (
        open_small(small) as image,
        open_chunk_store(image, tmp_path_factory.mktemp("store"), limit=PLENTY) as store,
    ):
        expected = backing_file(small, store)
        for _ in range(12):
            offset = data.draw(some.integers(0, len(expected) + 5000))
            size = data.draw(some.integers(0, 40_000))
            content = store.read(0, offset, size)
            assert bytes(content) == (expected + bytes(50_000))[offset : offset + size]
        assert whole(store) == expected
        if store.backing.order.size:
            assert store.is_complete()
            assert store.paths()[0].read_bytes() == expected


def test_a_file_with_holes_and_its_end(tmp_path):
    small = small_image({b"a": noise(40_000)}, chunk_size=10_000)
    extents = small.tables.extents
    extents.file_offset[2:] += 5000  # a hole, and the rest later
    small.tables.entries.size[1] = 60_000
    expected = bytearray(60_000)
    for row in range(4):
        start = int(extents.file_offset[row])
        expected[start : start + 10_000] = noise(40_000)[row * 10_000 : (row + 1) * 10_000]
    with open_small(small) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        for offset, size in [
            (0, 60_000),
            (0, 70_000),
            (19_999, 5002),
            (22_000, 10),
            (44_999, 2),
            (59_999, 9),
            (60_000, 9),
        ]:
            assert bytes(store.read_row(1, offset, size)) == bytes(expected[offset : offset + size])


def test_sixty_four_readers_of_one_chunk_make_one_request(tmp_path):
    small = small_image()
    backend = Counted(small, delay=0.2)
    gate, found = threading.Barrier(64), []
    with open_small(small, backend) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        expected = backing_file(small, store)

        def work(number):
            gate.wait()
            offset = 7 + number * 100
            found.append(store.read(0, offset, 100) == expected[offset : offset + 100])

        workers = [threading.Thread(target=work, args=(number,)) for number in range(64)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert found == [True] * 64
        assert len(backend.ranges) == 1


def test_many_threads_everywhere_fetch_nothing_twice(tmp_path):
    small = small_image({b"a": noise(6 * MiB)}, chunk_size=64 * KiB)
    backend = Counted(small, delay=0.005)
    wrong = []
    with open_small(small, backend) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        expected = backing_file(small, store)

        def work(seed):
            order = np.random.default_rng(seed).permutation(len(expected) // 30_000)[:40]
            for offset in (order * 30_000).tolist():
                found = store.read(0, offset, 50_000)
                wrong.extend([offset] * (found != (expected + bytes(50_000))[offset : offset + 50_000]))

        workers = [threading.Thread(target=work, args=(seed,)) for seed in range(64)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert not wrong
        places = [offset for offset, _ in backend.ranges]
        assert len(places) == len(set(places))
        assert sum(size for _, size in backend.ranges) <= len(small.blob)


def test_who_reads_on_finds_content_on_its_way(tmp_path):
    small = small_image({b"a": noise(16 * MiB)}, chunk_size=256 * KiB)
    backend = Counted(small)
    with open_small(small, backend) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        store.read(0, 0, 4096)
        assert backend.ranges == [(0, MiB)]  # a first read does not bring more than its run
        for offset in range(0, 16 * MiB, 128 * KiB):
            assert store.read_row(1, offset, 128 * KiB) == noise(16 * MiB)[offset : offset + 128 * KiB]
        assert store.tally.misses < 64 // 2
        assert sum(size for _, size in backend.ranges) == 16 * MiB


def test_a_read_in_the_middle_of_nowhere_brings_its_run_only(tmp_path):
    small = small_image({b"a": noise(16 * MiB)}, chunk_size=256 * KiB)
    backend = Counted(small)
    with open_small(small, backend) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        for place in (40, 20, 60):
            store.read_row(1, place * 256 * KiB, 10)
        assert [size for _, size in backend.ranges] == [MiB] * 3


def test_prefetching_brings_everything_once(tmp_path):
    small = small_image({b"a": noise(9 * MiB), b"b": noise(5 * MiB, 2)}, chunk_size=128 * KiB)
    backend, said = Counted(small), []
    with open_small(small, backend) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        rows = small.tables.extents.chunk[::-1].astype(np.int64)
        work = store.prefetch(rows, said.append)
        assert work.wait(60)
        assert store.is_complete()
        assert (work.done, work.failed) == (work.total, 0) == (112, 0)
        assert sum(size for _, size in backend.ranges) == len(small.blob)
        assert sum(event.amount for event in said if hasattr(event, "amount")) == 112
        assert whole(store) == backing_file(small, store)


def test_prefetching_ends_when_it_is_told_to_or_the_store_is_closed(tmp_path):
    class Held(Counted):
        go_on = threading.Event()

        def fetch_range(self, digest, offset, size):
            found = super().fetch_range(digest, offset, size)
            assert self.go_on.wait(60)
            return found

    small = small_image({b"a": noise(40 * MiB)}, chunk_size=128 * KiB)
    backend = Held(small)
    rows = small.tables.extents.chunk.astype(np.int64)
    with open_small(small, backend) as image:
        with open_chunk_store(image, tmp_path, limit=PLENTY) as store:
            work = store.prefetch(rows)
            work.cancel()
            backend.go_on.set()
            assert work.wait(60)
            assert not store.is_complete()
            other = store.prefetch(rows)
        assert other.is_over
        assert len(backend.ranges) < 11


def test_prefetching_gives_up_when_the_registry_does(tmp_path):
    small = small_image({b"a": noise(12 * MiB)}, chunk_size=16 * KiB)
    backend = Counted(small)
    backend.error = NotFound(what="blob", place="here")
    with open_small(small, backend) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        work = store.prefetch(small.tables.extents.chunk.astype(np.int64))
        assert work.wait(60)
        assert work.failed
        assert len(backend.ranges) <= 4
        assert not store.is_complete()


def test_a_failure_of_the_registry_is_said_and_counted_and_no_answer_for_long(tmp_path):
    small, said = small_image(), []
    backend = Counted(small)
    backend.error = ShortRead(what="blob", place="here", got=1, wanted=2, offset=0)
    with (
        open_small(small, backend) as image,
        open_chunk_store(image, tmp_path, limit=PLENTY, listener=said.append) as store,
    ):
        for _ in range(250):
            with pytest.raises(RegistryFault):
                store.read(0, 0, 10)
        assert len(backend.ranges) == 1  # the others failed at once
        assert store.tally.failed == 250
        assert len([event for event in said if isinstance(event, Noticed)]) == 3
        backend.error = None
        store._shelves[0].held_until = 0  # two seconds later
        assert whole(store) == backing_file(small, store)


def test_wrong_bytes_are_never_given(tmp_path):
    small = small_image({b"a": noise(64 * KiB)}, chunk_size=16 * KiB)
    backend = Counted(small)
    damaged = bytearray(small.blob)
    damaged[20_000] ^= 1
    backend.put_blob(bytes(damaged), digest=f"sha256:{small.blob_id}")
    with open_small(small, backend) as image:
        with open_chunk_store(image, tmp_path, limit=PLENTY) as store:
            assert store.read_row(1, 0, 16 * KiB) == noise(64 * KiB)[: 16 * KiB]
            for _ in range(3):
                with pytest.raises(ImageFault, match="chunk 1 of blob"):
                    store.read_row(1, 16 * KiB, 10)
            assert store.read_row(1, 32 * KiB, 32 * KiB) == noise(64 * KiB)[32 * KiB :]
            assert not store.is_complete()
            with pytest.raises(ImageFault):
                store.fill(0, 0, 64 * KiB)
            assert damaged[16 * KiB : 32 * KiB] not in store.paths()[0].read_bytes()
        backend.put_blob(small.blob, digest=f"sha256:{small.blob_id}")
        with open_chunk_store(image, tmp_path, limit=PLENTY) as store:
            assert store.read_row(1, 0, 64 * KiB) == noise(64 * KiB)


@pytest.mark.parametrize(
    "mischief", [Mischief(flip=True), Mischief(status=404), Mischief(drop_after=100)], ids=["flip", "gone", "cut"]
)
def test_a_registry_that_goes_bad_gives_errors_and_no_wrong_bytes(mischief, tmp_path):
    options = Options(cache_dir=tmp_path / "cache", timeout=2)
    with serve_layout(PLANTED) as registry, open_image(registry.reference("v5"), options=options) as image:
        expected = {row: b"".join(image.read_file(row)) for row, _ in list(files_of(image))[:300]}
    with (
        serve_layout(PLANTED, mischief=[replace(mischief, after=1)]) as registry,  # the rest is in the cache
        open_image(registry.reference("v5"), options=options) as image,
        open_chunk_store(image, tmp_path / "store", limit=PLENTY) as store,
    ):
        good = 0
        for row, content in expected.items():
            with suppress(RafsightError):
                assert store.read_row(row, 0, len(content)) == content
                good += 1
        assert store.tally.failed
        assert good < len(expected)


def test_what_is_asked_to_be_on_disk_is_there(tmp_path):
    small = small_image()
    with open_small(small) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        store.fill(0, 0, int(store.backing.sizes[0]))
        assert store.paths()[0].read_bytes() == backing_file(small, store)
        assert store.is_complete(0)


def test_plain_layers_are_passed_over_once(tmp_path):
    layers = [
        [Entry(b"big", content=noise(3_000_000)), Entry(b"small", content=b"x" * 10), Entry(b"e")],
        [Entry(b"other", content=noise(200_000, 3)), Entry(b"small", content=b"changed")],
    ]
    reference = write_source(tmp_path / "layout", *layers)
    with open_image(reference) as image:
        requests = image.cost.requests
        with open_chunk_store(image, tmp_path / "store", limit=PLENTY) as store:
            found = {image.tree.path(row): store.read_row(row, 0, size) for row, size in files_of(image)}
            assert found == {
                b"big": noise(3_000_000), b"other": noise(200_000, 3), b"small": b"changed", b"e": b""
            }  # fmt: skip
            assert store.is_complete()
            assert image.cost.requests == requests + 2
        with open_chunk_store(image, tmp_path / "store", limit=PLENTY) as store:
            assert store.is_complete()
