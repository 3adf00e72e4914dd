"""What is on disk is believed only where that is justified: damage, crashes, other processes, hostile images."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.access.chunk_store.images import PLENTY, Counted, backing_file, noise, open_small, small_image, whole
from tests.access.chunk_store.worker import shared_image

from rafsight.access.chunk_store.errors import NotKept
from rafsight.access.chunk_store.labels import HEADER_SIZE, read_header
from rafsight.access.chunk_store.store import open_chunk_store
from rafsight.base.events import Noticed
from rafsight.base.units import KiB

ROOT = Path(__file__).resolve().parents[3]


def fill(small, folder):
    """Fill a store, and return the folder of its blob."""
    with open_small(small) as image, open_chunk_store(image, folder, limit=PLENTY) as store:
        store.fill(0, 0, int(store.backing.sizes[0]))
        return store.paths()[0].parent


def check(small, folder):
    """Open a store again, read all, and return how many requests that took."""
    backend = Counted(small)
    with open_small(small, backend) as image, open_chunk_store(image, folder, limit=PLENTY) as store:
        assert whole(store) == backing_file(small, store)
        assert whole(store) == backing_file(small, store)
    return len(backend.ranges)


def is_dirty(folder):
    descriptor = os.open(folder / "labels", os.O_RDONLY)
    try:
        header = read_header(descriptor)
    finally:
        os.close(descriptor)
    return header is None or header.is_dirty


def test_a_closed_store_is_clean_and_costs_nothing_again(tmp_path):
    small = small_image()
    folder = fill(small, tmp_path)
    assert not is_dirty(folder)
    assert check(small, tmp_path) == 0
    assert (folder / "data").stat().st_mode & 0o77 == 0


def test_what_is_closed_is_not_opened_for_writing_again(tmp_path):
    small = small_image()
    fill(small, tmp_path)
    with open_small(small) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        assert store.is_complete()
        target = store.paths()[0]
        flags = [
            int(Path(f"/proc/self/fdinfo/{link.name}").read_text().split("flags:")[1].split()[0], 8) & os.O_ACCMODE
            for link in Path("/proc/self/fd").iterdir()
            if link.resolve() == target.resolve()
        ]
        assert flags == [os.O_RDONLY]


def flip_data(folder):
    content = bytearray((folder / "data").read_bytes())
    content[5000] ^= 1
    (folder / "data").write_bytes(content)


def damage_padding(folder):
    with (folder / "data").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"x")


def cut_data(folder):
    os.truncate(folder / "data", 20_000)


def cut_and_extend(folder):
    size = (folder / "data").stat().st_size
    os.truncate(folder / "data", 20_000)
    os.truncate(folder / "data", size)


def extend_data(folder):
    with (folder / "data").open("ab") as file:
        file.write(b"x" * 10_000)


def zero_labels(folder):
    (folder / "labels").write_bytes(bytes((folder / "labels").stat().st_size))


def flip_labels(folder):
    content = bytearray((folder / "labels").read_bytes())
    content[HEADER_SIZE + 3] ^= 1
    (folder / "labels").write_bytes(content)


def flip_header(folder):
    content = bytearray((folder / "labels").read_bytes())
    content[20] ^= 1
    (folder / "labels").write_bytes(content)


def swap_labels(folder):
    content = (folder / "labels").read_bytes()
    labels = content[HEADER_SIZE:]
    (folder / "labels").write_bytes(content[:HEADER_SIZE] + labels[4 * 32 :] + labels[: 4 * 32])


def cut_labels(folder):
    os.truncate(folder / "labels", HEADER_SIZE + 100)


def cut_labels_to_nothing(folder):
    os.truncate(folder / "labels", 0)


def extend_labels(folder):
    with (folder / "labels").open("ab") as file:
        file.write(b"x" * 10_000)


def lose_data(folder):
    (folder / "data").unlink()


def lose_labels(folder):
    (folder / "labels").unlink()


def copy_data(folder):
    shutil.copyfile(folder / "data", folder / "other")
    (folder / "other").replace(folder / "data")


DAMAGES = [
    flip_data, damage_padding, cut_data, cut_and_extend, extend_data, zero_labels, flip_labels, flip_header,
    swap_labels, cut_labels, cut_labels_to_nothing, extend_labels, lose_data, lose_labels, copy_data,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_and_mended(damage, tmp_path):
    small = small_image()
    folder = fill(small, tmp_path)
    damage(folder)
    check(small, tmp_path)
    assert not is_dirty(folder)
    assert check(small, tmp_path) == 0


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_before_a_plain_mount(damage, tmp_path):
    small = small_image()
    damage(fill(small, tmp_path))
    with open_small(small) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        store.confirm_all()
        if store.is_complete():
            assert store.paths()[0].read_bytes()[: int(store.backing.sizes[0])] == backing_file(small, store)
        store.fill(0, 0, int(store.backing.sizes[0]))
        assert store.paths()[0].read_bytes()[: int(store.backing.sizes[0])] == backing_file(small, store)


def test_a_copy_of_the_data_is_verified_not_fetched(tmp_path):
    small = small_image()
    copy_data(fill(small, tmp_path))
    with open_small(small) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        assert not store.is_complete()
        store.confirm_all()
        assert store.is_complete()
    assert check(small, tmp_path) == 0


@settings(deadline=None, max_examples=40)
@given(data=some.data())
def test_any_damage_at_all(data, tmp_path_factory):
    small, base = small_image(), tmp_path_factory.mktemp("store")
    folder = fill(small, base)
    for _ in range(data.draw(some.integers(1, 4))):
        path = folder / data.draw(some.sampled_from(["data", "labels"]))
        size = path.stat().st_size
        with path.open("r+b") as file:
            place = data.draw(some.integers(0, max(size - 1, 0)) | some.integers(0, 100))
            if data.draw(some.booleans()):
                file.seek(place)
                file.write(data.draw(some.binary(min_size=1, max_size=40)))
            else:
                file.truncate(place)
    check(small, base)


@pytest.mark.parametrize("damage", [cut_data, cut_labels, cut_labels_to_nothing, lose_data])
def test_damage_while_it_is_open(damage, tmp_path):
    small, said = small_image(), []
    with open_small(small) as image, open_chunk_store(image, tmp_path, limit=PLENTY, listener=said.append) as store:
        expected = backing_file(small, store)
        assert whole(store) == expected
        damage(store.paths()[0].parent)
        assert whole(store) == expected
        check(small, tmp_path)  # somebody else opens what is left
        assert whole(store) == expected
        if damage is cut_data:
            assert "was cut" in "".join(event.message for event in said if isinstance(event, Noticed))
            with pytest.raises(NotKept):
                store.fill(0, 0, int(store.backing.sizes[0]))
    check(small, tmp_path)


def test_data_that_were_touched_between_two_syncs_are_not_declared_sound(tmp_path):
    small = small_image()
    with open_small(small) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        store.read(0, 0, 10)
        store.sync()
        with store.paths()[0].open("r+b") as file:
            file.write(b"damage")
        small_size = int(store.backing.sizes[0])
        store.fill(0, 0, small_size)
    check(small, tmp_path)


def hostile_twin(small):
    """Make an image that names the same blob, with other chunks at places that overlap."""
    other = small_image({b"evil": noise(140_000, 99)}, chunk_size=20 * KiB)
    blobs = (replace(other.tables.blobs[0], blob_id=small.blob_id),)  # the same name, other data
    return replace(other, tables=replace(other.tables, blobs=blobs))


@pytest.mark.parametrize("evil_first", [True, False])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_hostile_image_with_the_same_blob_changes_nothing(evil_first, at_once, tmp_path):
    small = small_image()
    evil = hostile_twin(small)
    images = [evil, small] if evil_first else [small, evil]
    if not at_once:
        for one in [*images, *images]:
            check(one, tmp_path)
        assert len(list(tmp_path.iterdir())) == 1
        return
    said = []
    with (
        open_small(images[0]) as one,
        open_small(images[1]) as two,
        open_chunk_store(one, tmp_path, limit=PLENTY, listener=said.append) as first,
        open_chunk_store(two, tmp_path, limit=PLENTY, listener=said.append) as second,
    ):
        for offset in range(0, 200_000, 7000):
            for store, image in ((first, images[0]), (second, images[1])):
                expected = backing_file(image, store) + bytes(300_000)
                assert store.read(0, offset, 30_000) == expected[offset : offset + 30_000]
        assert first.paths() == second.paths()
        assert not (first.is_complete() and second.is_complete())
        assert any("another image" in event.message for event in said)
    for one in images:
        check(one, tmp_path)


def test_a_crash_between_does_not_give_one_the_others_content(tmp_path):
    small = small_image()
    evil = hostile_twin(small)
    folder = fill(small, tmp_path)
    os.utime(folder / "data")  # nobody believes it now
    for one in (evil, small, evil, small):
        check(one, tmp_path)


def test_a_longer_image_makes_the_file_longer_for_all(tmp_path):
    long = small_image({b"a": noise(200_000)})
    tables = long.tables
    entries = replace(tables.entries, size=np.array([0, 50_000], np.int64), extent_count=np.array([0, 3], np.int32))
    extents = replace(
        tables.extents,
        chunk=tables.extents.chunk[:3],
        file_offset=tables.extents.file_offset[:3],
        size=tables.extents.size[:3],
    )
    short = replace(long, tables=replace(tables, entries=entries, extents=extents))
    with open_small(short) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
        assert whole(store) == backing_file(short, store)
        backend = Counted(long)
        with open_small(long, backend) as other, open_chunk_store(other, tmp_path, limit=PLENTY) as longer:
            assert longer.paths() == store.paths()
            assert whole(longer) == backing_file(long, longer)
            assert backend.ranges[0][0] > 0  # the first chunks were there
        assert whole(store) == backing_file(short, store)
    assert check(long, tmp_path) == check(short, tmp_path) == 0


def test_another_store_sees_what_one_has_brought(tmp_path):
    small = small_image()
    one, two = Counted(small), Counted(small)
    with (
        open_small(small, one) as image,
        open_small(small, two) as other,
        open_chunk_store(image, tmp_path, limit=PLENTY) as first,
        open_chunk_store(other, tmp_path, limit=PLENTY) as second,
    ):
        assert whole(first) == backing_file(small, first)
        assert second.is_complete()
        assert whole(second) == backing_file(small, first)
        assert not two.ranges
    assert check(small, tmp_path) == 0


def worker(folder, seed, seconds, delay=0.002):
    arguments = [
        sys.executable,
        "-m",
        "tests.access.chunk_store.worker",
        str(folder),
        str(seed),
        str(seconds),
        str(delay),
    ]
    return subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_three_processes_share_a_folder(tmp_path):
    workers = [worker(tmp_path, seed, 2) for seed in range(3)]
    answers = [process.communicate(timeout=60)[0].split() for process in workers]
    assert answers == [["ready", "sound"]] * 3
    check(shared_image(), tmp_path)
    assert check(shared_image(), tmp_path) == 0


def test_writers_that_are_killed_leave_nothing_wrong(tmp_path):
    small = shared_image()
    for seed in range(4):
        process = worker(tmp_path, seed, 60, delay=0.001)
        assert process.stdout.readline() == "ready\n"
        threading.Event().wait(0.05 + 0.07 * seed)
        until = time.monotonic() + 30
        while not is_dirty(next(tmp_path.iterdir())):  # on a busy machine its first write may be to come
            assert time.monotonic() < until
            threading.Event().wait(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if seed == 1:
            with open_small(small) as image, open_chunk_store(image, tmp_path, limit=PLENTY) as store:
                store.confirm_all()
                store.read(0, 0, 5)
            assert not is_dirty(next(tmp_path.iterdir()))
    check(small, tmp_path)
    assert check(small, tmp_path) == 0


def test_a_writer_killed_beside_others_leaves_them_sound(tmp_path):
    workers = [worker(tmp_path, seed, 2) for seed in range(2)]
    victim = worker(tmp_path, 9, 60, delay=0.001)
    assert victim.stdout.readline() == "ready\n"
    threading.Event().wait(0.2)
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    assert [process.communicate(timeout=60)[0].split() for process in workers] == [["ready", "sound"]] * 2
    check(shared_image(), tmp_path)


def test_nothing_that_is_no_file_of_ours_is_followed(tmp_path):
    small, said = small_image(), []
    folder = fill(small, tmp_path / "store")
    secret = tmp_path / "secret"
    secret.write_bytes(b"mine")
    (folder / "data").unlink()
    (folder / "data").symlink_to(secret)
    with (
        open_small(small) as image,
        open_chunk_store(image, tmp_path / "store", limit=PLENTY, listener=said.append) as store,
    ):
        assert whole(store) == backing_file(small, store)
        assert len(said) == 1
        with pytest.raises(NotKept):
            store.paths()
    assert secret.read_bytes() == b"mine"


def test_the_digest_is_what_shares(tmp_path):
    """Chunks without any are kept apart."""
    small = small_image()
    bare = replace(small.tables.chunks, digest=np.zeros_like(small.tables.chunks.digest))
    private = replace(small, tables=replace(small.tables, chunks=bare))
    fill(small, tmp_path)
    assert check(private, tmp_path) > 0
    assert check(private, tmp_path) == 0
    assert len(list(tmp_path.iterdir())) == 2


def test_chunks_without_digest_are_fetched_again_after_a_crash(tmp_path):
    small = small_image()
    bare = replace(small.tables.chunks, digest=np.zeros_like(small.tables.chunks.digest))
    private = replace(small, tables=replace(small.tables, chunks=bare))
    folder = fill(private, tmp_path)
    flip_data(folder)
    assert check(private, tmp_path) > 0
    assert check(private, tmp_path) == 0


def test_labels_of_another_chunk_among_ones_own(tmp_path):
    small = small_image()
    folder = fill(small, tmp_path)
    flip_data(folder)
    with (folder / "labels").open("r+b") as file:
        file.seek(HEADER_SIZE + 2 * 32)
        file.write(b"y" * 32)  # the chunk's first label is left
    check(small, tmp_path)
    assert check(small, tmp_path) == 0


def test_a_chunk_whose_later_labels_are_lost_is_labelled_again(tmp_path):
    small = small_image()
    folder = fill(small, tmp_path)
    labels = (folder / "labels").read_bytes()
    (folder / "labels").write_bytes(labels[: HEADER_SIZE + 32] + bytes(3 * 32) + labels[HEADER_SIZE + 4 * 32 :])
    assert check(small, tmp_path) == 0
    assert (folder / "labels").read_bytes()[HEADER_SIZE:] == labels[HEADER_SIZE:]


def test_who_was_not_alone_does_not_vouch_for_what_others_claim(tmp_path):
    small = small_image()
    folder = fill(small, tmp_path)
    evil = hostile_twin(small)
    flip_data(folder)  # chunk 0 of the first image is wrong now
    with (
        open_small(small) as image,
        open_chunk_store(image, tmp_path, limit=PLENTY),  # looks at nothing
        open_small(evil) as other,
        open_chunk_store(other, tmp_path, limit=PLENTY) as store,
    ):
        store.confirm_all()
        assert whole(store) == backing_file(evil, store)
    assert is_dirty(folder)
    check(small, tmp_path)
