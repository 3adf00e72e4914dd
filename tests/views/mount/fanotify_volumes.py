"""EROFS volumes with one device, made by mkfs.erofs, and a store that fills the device from a copy."""

import os
import random
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from rafsight.base.errors import RegistryFault
from rafsight.views.mount.fanotify import FanotifyRefused, mark_file, open_pre_content_group

BLOCK = 4096


class RegistryGone(RegistryFault):
    """Stands for any fault of a registry."""

    code = "gone-in-a-test"
    template = "the registry is gone"
    remedy = "None."


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    metadata: Path
    content: Path
    """What the device has to be."""
    source: Path
    """The files."""


def make_volume(folder: Path, sizes: dict[str, int]) -> Volume:
    """Make files of random bytes and a volume of them; skips where that cannot be done."""
    program = shutil.which("mkfs.erofs")
    if program is None:
        pytest.skip("needs mkfs.erofs")
    source, metadata, content = folder / "source", folder / "metadata", folder / "content"
    for name, size in sizes.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.Random(name).randbytes(size))
    command = [program, f"--chunksize={BLOCK}", f"--blobdev={content}", metadata, source]
    subprocess.run(command, check=True, capture_output=True)
    return Volume(metadata=metadata, content=content, source=source)


def needs_pre_content(folder: Path) -> None:
    """Skip where the kernel does not ask before reads of files in a folder."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    probe = folder / "probe"
    probe.write_bytes(b"x")
    try:
        group = open_pre_content_group()
        try:
            mark_file(group, probe)
        finally:
            os.close(group)
    except FanotifyRefused as refused:
        pytest.skip(str(refused))


class CopyStore:
    """Fills a sparse file from a whole one, block by block."""

    def __init__(self, content: Path, path: Path, delay: float = 0.0) -> None:
        self._whole = content.read_bytes()
        self._path = path
        path.write_bytes(b"")
        os.truncate(path, len(self._whole))
        self.descriptor = os.open(path, os.O_RDWR)
        self.present = bytearray(-(-len(self._whole) // BLOCK))
        self.fills = 0
        self.delay = delay
        self.broken: tuple[int, ...] = ()
        self._lock = threading.Lock()

    def fill(self, blob: int, offset: int, size: int) -> None:
        assert blob == 0
        with self._lock:
            self.fills += 1
        for block in range(offset // BLOCK, min(-(-(offset + size) // BLOCK), len(self.present))):
            if block in self.broken:
                raise RegistryGone
            if not self.present[block]:
                time.sleep(self.delay)
                start = block * BLOCK
                os.pwrite(self.descriptor, self._whole[start : start + BLOCK], start)
                self.present[block] = 1

    def is_complete(self, blob: int | None = None) -> bool:
        return all(self.present)

    def paths(self) -> list[Path]:
        return [self._path]
