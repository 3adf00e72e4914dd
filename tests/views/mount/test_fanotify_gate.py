"""Mounts over sparse files that fill up, by the kernel: right bytes or EIO, and never zeros."""

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from errno import EIO
from pathlib import Path

import pytest
from tests.views.mount.fanotify_volumes import BLOCK, CopyStore, make_volume, needs_pre_content

from rafsight.views.mount.fanotify_gate import answering, open_gate
from rafsight.views.mount.fanotify_guardian import guarded_group
from rafsight.views.mount.kernel import mount_erofs, unmount

SIZES = {"a/first": 3 * BLOCK + 1, "b": 600_000, "c": 1, "d": 300_000}
ROOT = Path(__file__).resolve().parents[3]


def wait_until(condition, patience=60.0):
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def guardians_of(directory):
    """Return the guardians that name a directory."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if os.fsencode(directory) in words and any(b"fanotify_guardian" in word for word in words):
                found.append(int(process.name))
    return found


@pytest.fixture
def volume(tmp_path):
    needs_pre_content(tmp_path)
    (tmp_path / "mounted").mkdir()
    made = make_volume(tmp_path, SIZES)
    yield made
    if os.path.ismount(tmp_path / "mounted"):
        unmount(tmp_path / "mounted", lazy=True)


@contextmanager
def served(volume, store, said, lost=lambda: None):
    """Serve in this process, which also reads: so it must never wait for itself."""
    directory = volume.metadata.parent / "mounted"
    with ExitStack() as stack:
        gate = stack.enter_context(open_gate(store, said.append))
        guardian = stack.enter_context(guarded_group(gate.group, directory, lost, said.append))
        stack.enter_context(answering(gate))
        mount_erofs(volume.metadata, store.paths(), directory)
        stack.callback(unmount, directory, lazy=True)
        guardian.say_mounted()
        yield gate
    os.close(store.descriptor)


def test_what_is_missing_is_filled_before_it_is_read(volume, tmp_path):
    store, said = CopyStore(volume.content, tmp_path / "sparse"), []
    with served(volume, store, said):
        for name in SIZES:
            assert (tmp_path / "mounted" / name).read_bytes() == (volume.source / name).read_bytes()
        assert store.fills > 0
    assert said == []
    assert not os.path.ismount(tmp_path / "mounted")
    wait_until(lambda: not guardians_of(tmp_path / "mounted"))


def test_mapped_pages_are_filled_too(volume, tmp_path):
    store, said = CopyStore(volume.content, tmp_path / "sparse"), []
    mapped = (
        "import mmap,sys; f=open(sys.argv[1],'rb'); m=mmap.mmap(f.fileno(),0,prot=1); sys.stdout.buffer.write(m[:])"
    )
    with served(volume, store, said):
        command = [sys.executable, "-c", mapped, tmp_path / "mounted/b"]
        done = subprocess.run(command, capture_output=True, check=True, timeout=30)
    assert done.stdout == (volume.source / "b").read_bytes()
    assert said == []


def test_a_complete_blob_loses_its_mark_and_costs_nothing_more(volume, tmp_path):
    store, said = CopyStore(volume.content, tmp_path / "sparse"), []
    with served(volume, store, said) as gate:
        assert gate.marked_count == 1
        assert (tmp_path / "mounted/c").read_bytes() == (volume.source / "c").read_bytes()
        store.fill(0, 0, volume.content.stat().st_size)  # as a prefetch does
        time.sleep(0.6)
        assert (tmp_path / "mounted/b").read_bytes() == (volume.source / "b").read_bytes()
        wait_until(lambda: gate.marked_count == 0)
        before = store.fills
        assert (tmp_path / "mounted/d").read_bytes() == (volume.source / "d").read_bytes()
        assert store.fills == before
    assert said == []


def test_a_store_that_is_complete_gets_no_mark(volume, tmp_path):
    store, said = CopyStore(volume.content, tmp_path / "sparse"), []
    store.fill(0, 0, volume.content.stat().st_size)
    before = store.fills
    with served(volume, store, said) as gate:
        assert gate.marked_count == 0
        assert (tmp_path / "mounted/b").read_bytes() == (volume.source / "b").read_bytes()
    assert store.fills == before


def test_what_cannot_be_had_is_an_error_and_can_be_had_later(volume, tmp_path):
    store, said = CopyStore(volume.content, tmp_path / "sparse"), []
    store.broken = tuple(range(len(store.present)))
    with served(volume, store, said):
        with pytest.raises(OSError, match="Input/output error") as failed:
            (tmp_path / "mounted/b").read_bytes()
        assert failed.value.errno == EIO
        store.broken = ()
        assert (tmp_path / "mounted/b").read_bytes() == (volume.source / "b").read_bytes()


def test_a_cut_file_is_an_error_and_no_zeros(volume, tmp_path):
    store, said = CopyStore(volume.content, tmp_path / "sparse"), []
    with served(volume, store, said):
        os.truncate(tmp_path / "sparse", BLOCK)
        with pytest.raises(OSError, match="Input/output error"):
            (tmp_path / "mounted/b").read_bytes()
    assert "was cut" in said[0].message


def test_another_store_writes_while_ours_would_wait_for_its_lock(volume, tmp_path):
    """Its write must not wait for our filling, which waits for its lock."""
    store, said = CopyStore(volume.content, tmp_path / "sparse"), []
    with served(volume, store, said):
        code = "import os,sys; f=os.open(sys.argv[1],os.O_RDWR); os.pwrite(f,b'other',0); print(os.pread(f,5,0))"
        done = subprocess.run(
            [sys.executable, "-c", code, store.paths()[0]], capture_output=True, check=True, timeout=20
        )
        assert done.stdout == b"b'other'\n"
        assert store.fills == 0


def test_many_readers_at_once(volume, tmp_path):
    store, said = CopyStore(volume.content, tmp_path / "sparse", 0.001), []
    wanted, found = (volume.source / "b").read_bytes(), []
    with served(volume, store, said):
        readers = [
            threading.Thread(target=lambda: found.append((tmp_path / "mounted/b").read_bytes() == wanted))
            for _ in range(64)
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(60)
    assert found == [True] * 64


@contextmanager
def server(folder, delay):
    command = [sys.executable, "-m", "tests.views.mount.fanotify_server", str(folder), str(delay)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
        wait_until(lambda: not guardians_of(folder / "mounted"))


READ = """
import os, sys
with open(sys.argv[1], "rb") as file: wanted = file.read()
file, at = os.open(sys.argv[2], os.O_RDONLY), 0
print("open", flush=True)
try:
    while piece := os.pread(file, 8192, at):
        assert piece == wanted[at : at + len(piece)], "wrong bytes"
        at += len(piece)
except OSError as error:
    print("errno", error.errno)
else:
    print("whole" if at == len(wanted) else "short")
"""


def test_a_killed_server_leaves_errors_and_no_mount(volume, tmp_path):
    mounted = tmp_path / "mounted"
    with server(tmp_path, 0.1) as process:
        readers = [
            subprocess.Popen(
                [sys.executable, "-c", READ, volume.source / name, mounted / name], stdout=subprocess.PIPE, text=True
            )
            for name in ("b", "d", "b")
        ]
        assert [reader.stdout.readline() for reader in readers] == ["open\n"] * 3
        late = os.open(mounted / "d", os.O_RDONLY)
        try:
            time.sleep(0.2)
            process.kill()
            answers = [reader.communicate(timeout=60)[0] for reader in readers]
            assert answers == [f"errno {EIO}\n"] * 3
            wait_until(lambda: not os.path.ismount(mounted))
            assert list(mounted.iterdir()) == []
            with pytest.raises(OSError, match="Input/output error"):  # still open, and still no zeros
                os.pread(late, BLOCK, 290_000 // BLOCK * BLOCK)
            assert len(guardians_of(mounted)) == 1
        finally:
            os.close(late)


def test_an_end_while_files_are_open_leaves_a_guardian_until_they_are_closed(volume, tmp_path):
    mounted = tmp_path / "mounted"
    with server(tmp_path, 0) as process:
        late = os.open(mounted / "d", os.O_RDONLY)
        try:
            process.stdin.close()
            assert "a guardian stays" in process.stdout.read()
            process.wait(60)
            assert not os.path.ismount(mounted)
            with pytest.raises(OSError, match="Input/output error"):
                os.pread(late, BLOCK, 0)
        finally:
            os.close(late)


def test_a_killed_guardian_is_noticed_and_replaced_for_the_end(volume, tmp_path):
    store, said, lost = CopyStore(volume.content, tmp_path / "sparse"), [], threading.Event()
    mounted = tmp_path / "mounted"
    with ExitStack() as stack:
        with served(volume, store, said, lost.set):
            late = os.open(mounted / "d", os.O_RDONLY)
            stack.callback(os.close, late)
            wait_until(lambda: guardians_of(mounted))  # a process has its name a moment after it was begun
            (guardian,) = guardians_of(mounted)
            os.kill(guardian, 9)
            assert lost.wait(60)
            assert (mounted / "c").read_bytes() == (volume.source / "c").read_bytes()
        wait_until(lambda: guardians_of(mounted) not in ([], [guardian]))
        with pytest.raises(OSError, match="Input/output error"):
            os.pread(late, BLOCK, 0)
    wait_until(lambda: not guardians_of(mounted))
