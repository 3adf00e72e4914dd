"""Images to mount, places for them, and what may not be left when a test is over."""

import ctypes
import hashlib
import os
import random
import signal
import time
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import pytest

from rafsight.formats.tables import Compressor
from rafsight.testing.rafs_images import write_image
from rafsight.views.mount.kernel import MountRefused, list_mounts, mount, mount_at, require_kind

_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)

SMALL = {b"etc/hosts": 300, b"etc/motd": 5000, b"usr/bin/tool": 70_000, b"usr/lib/data": 200_000, b"srv/page": 1}
"""Sizes of files that one run brings together."""
LARGE = {b"head": 10_000, b"large": 12 << 20, b"tail": 700_001}


@cache
def noise(size, seed=0):
    """Return bytes that are the same for the same seed, no two chunks of them alike."""
    return random.Random(seed).randbytes(size)


def contents_of(sizes):
    return {path: noise(size, seed) for seed, (path, size) in enumerate(sizes.items())}


def make_layout(folder, files, *, version=6, compressor=Compressor.ZSTD, chunk_size=1 << 20):
    """Write an image as an OCI layout, and return its folder. Files are sizes, or contents as `build_image` takes."""
    plain = {
        path: noise(one, number) if isinstance(one, int) else one for number, (path, one) in enumerate(files.items())
    }
    write_image(folder, plain, version=version, compressor=compressor, chunk_size=chunk_size)
    return folder


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def wait_until(condition, patience=60.0):
    """Wait for a condition, and return what it gave."""
    end = time.monotonic() + patience
    while not (result := condition()):
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.01)
    return result


def mounts_below(folder):
    """Return where something is mounted in a folder."""
    inside = os.fsencode(folder)
    return [one.path for one in list_mounts() if one.directory == inside or one.directory.startswith(inside + b"/")]


def processes_naming(folder):
    """Return the processes that have a folder in their command line: servers and guardians, dead ones not."""
    found, word = [], os.fsencode(folder)
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            with suppress(OSError):
                if word in (process / "cmdline").read_bytes():
                    found.append(int(process.name))
    return found


def view_folders(folder):
    """Return the folders of views in the caches below a folder; some may go away while they are looked for."""
    found = os.walk(folder) if not mounts_below(folder) else ()
    return [Path(place, name) for place, names, _ in found if Path(place).name == "views" for name in names]


def what_is_left(folder):
    return [*mounts_below(folder), *processes_naming(folder), *view_folders(folder)]


def take_all_away(folder):
    """Kill and unmount whatever a test left."""
    for _ in range(3):
        for pid in processes_naming(folder):
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for place in reversed(mounts_below(folder)):
            _libc.umount2(os.fsencode(place), _DETACH)
        if not mounts_below(folder) and not processes_naming(folder):
            return
        time.sleep(0.1)


@contextmanager
def clean_spot(folder):
    """Give a test a folder to mount in; nothing may be left of it at the end."""
    folder = folder.resolve()
    try:
        yield folder
        end = time.monotonic() + 60
        while left := what_is_left(folder):
            assert time.monotonic() < end, f"left behind: {left}"
            time.sleep(0.02)
    finally:
        take_all_away(folder)


@contextmanager
def tmpfs(directory, *, source="none", size=1 << 20):
    """Mount something small; whoever takes it away is right."""
    needs_root()
    try:
        mount(source, directory, "tmpfs", data=f"size={size}", flags=0)
    except MountRefused as refused:
        pytest.skip(str(refused))
    try:
        yield
    finally:
        if mount_at(directory) is not None:
            _libc.umount2(os.fsencode(directory), _DETACH)


def needs_root():
    if os.geteuid() != 0:
        pytest.skip("needs root")


def needs_engine(name, folder):
    """Skip, with a reason, where an engine cannot be tried. What a test may leave, root alone can take away."""
    from tests.views.mount.fanotify_volumes import needs_pre_content

    needs_root()
    if name in ("erofs", "erofs-fanotify"):
        try:
            require_kind("erofs", folder)
        except MountRefused as refused:
            pytest.skip(str(refused))
    if name == "erofs-fanotify":
        needs_pre_content(folder)
    elif not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/fuse, which this user may open")
