"""Who reads here and there among small chunks waits for his own: the others are decoded when he makes a pause."""

import random
import threading

import pytest
from tests.access.chunk_store.images import PLENTY, Counted, backing_file, noise, open_small, small_image

from rafsight.access.backend import NotFound
from rafsight.access.chunk_store import filler, later
from rafsight.access.chunk_store.store import open_chunk_store
from rafsight.base.errors import ImageFault, RegistryFault

CHUNK = 500
COUNT = 200
"""Chunks of the image: more than `filler.MANY`, and of less than a run."""


@pytest.fixture
def no_pause(monkeypatch):
    """Readers never make a pause."""
    monkeypatch.setattr(later, "PAUSE", 3600.0)


def many_small():
    return small_image({b"a": noise(CHUNK * COUNT, 5)}, chunk_size=CHUNK)


def places(store):
    """Return where the chunks are: the first, whose run has all others in it, then these in no order."""
    starts = sorted(store.backing.address.tolist())
    return [starts[0], *random.Random(3).sample(starts[1:], len(starts) - 1)]


def is_empty(store):
    return store.paths()[0].stat().st_blocks == 0


@pytest.mark.usefixtures("no_pause")
def test_content_is_right_before_any_of_it_is_on_disk(tmp_path):
    small = many_small()
    backend = Counted(small)
    with open_small(small, backend) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        expected = backing_file(small, store)
        wanted = places(store)[:-50]
        for _ in range(2):
            for start in wanted:
                assert store.read(0, start, CHUNK) == expected[start : start + CHUNK]
        assert is_empty(store)
        assert store.tally.misses == 2 * len(wanted)
        assert store.tally.from_memory == 0
        assert store.is_complete()
        assert store.paths()[0].read_bytes() == expected
        assert store.read(0, wanted[0], CHUNK) == expected[wanted[0] : wanted[0] + CHUNK]
        assert store.tally.misses == 2 * len(wanted)
        assert len(backend.ranges) == 1


def test_a_pause_brings_all_of_it_to_disk(tmp_path):
    small = many_small()
    with open_small(small) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        store.read(0, 0, CHUNK)
        ended = threading.Event()
        for _ in range(1000):
            if store.paths()[0].read_bytes() == backing_file(small, store):
                break
            ended.wait(0.01)
        else:
            pytest.fail("nobody finishes the run")


@pytest.mark.usefixtures("no_pause")
def test_what_came_is_kept_at_the_end(tmp_path):
    small = many_small()
    backend = Counted(small)
    with open_small(small, backend) as image:
        with open_chunk_store(image, tmp_path, limit=PLENTY) as store:
            store.read(0, 0, 1)
            assert is_empty(store)
        with open_chunk_store(image, tmp_path, limit=PLENTY) as store:
            assert store.is_complete()
        assert len(backend.ranges) == 1


@pytest.mark.usefixtures("no_pause")
def test_an_end_takes_no_longer_than_it_may(tmp_path, monkeypatch):
    monkeypatch.setattr(later, "LAST", 0.0)
    small = many_small()
    with open_small(small) as image:
        with open_chunk_store(image, tmp_path, limit=PLENTY) as store:
            store.read(0, 0, 1)
        with open_chunk_store(image, tmp_path, limit=PLENTY) as store:
            expected = backing_file(small, store)
            assert store.read(0, 0, len(expected)) == expected


@pytest.mark.usefixtures("no_pause")
def test_what_has_to_be_on_disk_waits_for_no_pause(tmp_path):
    small = many_small()
    backend = Counted(small)
    with open_small(small, backend) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        expected = backing_file(small, store)
        store.read(0, 0, CHUNK)
        store.fill(0, places(store)[9], CHUNK)
        assert store.paths()[0].read_bytes() == expected
        assert len(backend.ranges) == 1


@pytest.mark.usefixtures("no_pause")
def test_large_chunks_are_not_decoded_for_each_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(filler, "SMALL", CHUNK - 1)
    small = many_small()
    with open_small(small) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        store.read(0, 0, 10)
        assert store.paths()[0].read_bytes() == backing_file(small, store)


@pytest.mark.usefixtures("no_pause")
def test_only_so_much_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(later, "MOST", CHUNK * COUNT - 1)
    small = many_small()
    with open_small(small) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        store.read(0, 0, CHUNK)
        assert store.paths()[0].read_bytes() == backing_file(small, store)


@pytest.mark.usefixtures("no_pause")
def test_a_damaged_chunk_is_nobody_elses_error(tmp_path):
    small = many_small()
    damaged = bytearray(small.blob)
    damaged[7 * CHUNK] ^= 1
    backend = Counted(small)
    backend.put_blob(bytes(damaged), digest=f"sha256:{small.blob_id}")
    with open_small(small, backend) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        expected = backing_file(small, store)
        bad = int(store.backing.address[7])
        assert small.tables.chunks.compressed_offset[7] == 7 * CHUNK
        for start in places(store):
            if start == bad:
                with pytest.raises(ImageFault):
                    store.read(0, start, CHUNK)
            else:
                assert store.read(0, start, CHUNK) == expected[start : start + CHUNK]
        assert is_empty(store)
        assert store.tally.failed == 1
        assert not store.is_complete()
        found = store.paths()[0].read_bytes()
        assert found[bad : bad + CHUNK] == bytes(CHUNK)
        assert found[:bad] == expected[:bad]
        backend.put_blob(small.blob, digest=f"sha256:{small.blob_id}")
        assert store.read(0, bad, CHUNK) == expected[bad : bad + CHUNK]
        assert store.is_complete()


@pytest.mark.usefixtures("no_pause")
def test_a_registry_that_fails_is_no_matter_of_later(tmp_path):
    small = many_small()
    backend = Counted(small)
    with open_small(small, backend) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        backend.error = NotFound(place="here", what="such blob")
        for _ in range(3):
            with pytest.raises(RegistryFault):
                store.read(0, 0, CHUNK)
        assert len(backend.ranges) == 1  # it is not asked again at once
        assert not store.is_complete()


def test_many_readers_while_it_is_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(later, "PAUSE", 0.0)
    small = small_image({b"a": noise(4000 * CHUNK, 5)}, chunk_size=CHUNK)
    backend = Counted(small, delay=0.002)
    wrong = []
    with open_small(small, backend) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        expected = backing_file(small, store)

        def work(seed):
            starts = random.Random(seed).sample(store.backing.address.tolist(), 150)
            wrong.extend(
                start for start in starts if store.read(0, start, 900) != (expected + bytes(900))[start : start + 900]
            )

        workers = [threading.Thread(target=work, args=(seed,)) for seed in range(16)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert not wrong
        store.fill(0, 0, len(expected))
        assert store.is_complete()
        assert store.paths()[0].read_bytes() == expected
        assert sum(size for _, size in backend.ranges) == len(small.blob)
