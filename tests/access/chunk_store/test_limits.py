"""Where the disk has no room: what goes, what stays, and where content comes from then."""

import ctypes
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.access.chunk_store.images import PLENTY, Counted, backing_file, noise, open_small, small_image, whole

from rafsight.access.chunk_store import overflow
from rafsight.access.chunk_store.errors import NotKept
from rafsight.access.chunk_store.eviction import Room
from rafsight.access.chunk_store.overflow import Overflow
from rafsight.access.chunk_store.store import open_chunk_store
from rafsight.base.events import Noticed
from rafsight.base.units import KiB, MiB

ROOT = Path(__file__).resolve().parents[3]


def image_of(seed, size=MiB):
    return small_image({b"a": noise(size, seed)}, chunk_size=64 * KiB)


def messages(said):
    return [event.message for event in said if isinstance(event, Noticed)]


def fill(small, folder, limit=PLENTY, used=None):
    """Fill a store; `used` [s] says when that was."""
    with open_small(small) as image, open_chunk_store(image, folder, limit=limit) as store:
        assert whole(store) == backing_file(small, store)
        path = store.paths()[0].parent
    if used is not None:
        os.utime(path / "labels", (used, used))
    return path


def test_what_was_used_longest_ago_goes_first(tmp_path):
    one, two, three = (fill(image_of(seed), tmp_path, used=seed) for seed in (2, 1, 3))
    four = fill(image_of(4), tmp_path, limit=3_200_000)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in (one, three, four)}
    assert not two.exists()


def test_what_is_too_much_goes_when_a_store_is_opened(tmp_path):
    paths = [fill(image_of(seed), tmp_path, used=seed) for seed in range(1, 5)]
    with open_small(image_of(4)) as image, open_chunk_store(image, tmp_path, limit=2_200_000) as store:
        assert [path.exists() for path in paths] == [False, False, True, True]
        assert store.is_complete()


def test_what_somebody_has_open_stays(tmp_path):
    first = image_of(1)
    with ExitStack() as stack:
        image = stack.enter_context(open_small(first))
        store = stack.enter_context(open_chunk_store(image, tmp_path, limit=PLENTY))
        assert whole(store) == backing_file(first, store)
        os.utime(store.paths()[0].parent / "labels", (1, 1))
        with open_small(image_of(2)) as other, open_chunk_store(other, tmp_path, limit=1_500_000) as small_store:
            assert whole(small_store) == backing_file(image_of(2), small_store)
            assert small_store.tally.from_memory
        assert store.paths()[0].exists()
        assert whole(store) == backing_file(first, store)
    assert Room(tmp_path, 1).make()
    assert not any(tmp_path.iterdir())


def test_the_limit_is_reached_while_it_fills(tmp_path):
    small, said = image_of(1, 4 * MiB), []
    with open_small(small) as image, open_chunk_store(image, tmp_path, limit=2 * MiB, listener=said.append) as store:
        for _ in range(2):
            assert whole(store) == backing_file(small, store)
        assert store.tally.from_memory
        assert not store.is_complete()
        assert len(messages(said)) == 1
        assert store.paths()[0].stat().st_blocks * 512 <= 2 * MiB
        with pytest.raises(NotKept):
            store.fill(0, 0, int(store.backing.sizes[0]))
    assert sum(path.stat().st_blocks * 512 for path in tmp_path.glob("*/*")) <= 2 * MiB + 64 * KiB


def test_chunks_in_memory_are_bounded_and_come_again():
    held = Overflow()
    size = overflow.OVERFLOW_SIZE // 4
    for number in range(6):
        held.put((0, number), bytes(size))
    assert [held.get((0, number)) is None for number in range(6)] == [True, True, False, False, False, False]
    held.put((0, 9), bytes(overflow.OVERFLOW_SIZE))
    assert held.get((0, 9)) is None
    held.get((0, 2))
    held.put((0, 7), bytes(size))
    assert held.get((0, 2)) is not None
    assert held.get((0, 3)) is None


@contextmanager
def tmpfs(folder, size):
    libc = ctypes.CDLL(None, use_errno=True)
    folder.mkdir()
    if libc.mount(b"none", bytes(folder), b"tmpfs", 0, b"size=%d" % size):
        pytest.skip(f"cannot mount a tmpfs: {os.strerror(ctypes.get_errno())}")
    try:
        yield folder
    finally:
        assert libc.umount2(bytes(folder), 2) == 0


@pytest.mark.root
@pytest.mark.parametrize("size", [MiB, 64 * KiB, 8 * KiB])
def test_a_full_disk_is_said_once_and_served_from_memory(size, tmp_path):
    small, said = image_of(1, 3 * MiB), []
    with tmpfs(tmp_path / "disk", size) as disk:
        with open_small(small) as image, open_chunk_store(image, disk, limit=PLENTY, listener=said.append) as store:
            for _ in range(2):
                assert whole(store) == backing_file(small, store)
            assert store.tally.from_memory
            assert len(messages(said)) == 1
            with pytest.raises(NotKept):
                store.fill(0, 0, int(store.backing.sizes[0]))
        with open_small(small) as image, open_chunk_store(image, disk, limit=PLENTY) as store:
            assert whole(store) == backing_file(small, store)


@pytest.mark.root
def test_a_full_disk_gives_up_what_nobody_uses(tmp_path):
    with tmpfs(tmp_path / "disk", 3 * MiB) as disk:
        old = fill(image_of(1), disk)
        small = image_of(2, 2 * MiB + 512 * KiB)
        with open_small(small) as image, open_chunk_store(image, disk, limit=PLENTY) as store:
            store.fill(0, 0, 2 * MiB)
            assert whole(store) == backing_file(small, store)
            assert not old.exists()


def test_files_may_not_grow(tmp_path):
    code = """
import sys
from pathlib import Path
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
from tests.access.chunk_store.test_limits import image_of, messages
from tests.access.chunk_store.images import PLENTY, backing_file, open_small, whole
from rafsight.access.chunk_store.store import open_chunk_store
small, said = image_of(1), []
with open_small(small) as image, open_chunk_store(image, Path(sys.argv[1]), limit=PLENTY, listener=said.append) as store:
    assert whole(store) == backing_file(small, store)
    assert store.tally.from_memory == 0 or messages(said)
    assert len(messages(said)) <= 1
"""
    for size in (100, 5000, 300_000, 2_000_000):
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "store"), str(size)], cwd=ROOT, check=True, timeout=60
        )


def test_a_folder_that_cannot_be_made(tmp_path):
    small, said = image_of(1), []
    (tmp_path / "file").write_bytes(b"")
    with (
        open_small(small) as image,
        open_chunk_store(image, tmp_path / "file" / "store", limit=PLENTY, listener=said.append) as store,
    ):
        assert whole(store) == backing_file(small, store)
        assert len(messages(said)) == 1
        assert not store.is_complete()
        store.confirm_all()


def test_what_a_removal_left_behind_is_removed(tmp_path):
    (tmp_path / ".gone-1" / "x").mkdir(parents=True)
    fill(image_of(1), tmp_path)
    assert [path.name.startswith(".gone") for path in tmp_path.iterdir()] == [False]


def test_in_memory_mode_neighbours_are_not_fetched_for_each_piece(tmp_path):
    small = image_of(1, 8 * MiB)
    backend = Counted(small)
    with (
        open_small(small, backend) as image,
        open_chunk_store(image, tmp_path, limit=1, listener=lambda event: None) as store,
    ):
        for _ in range(3):
            assert whole(store) == backing_file(small, store)
    assert sum(size for _, size in backend.ranges) == len(small.blob)
