"""The kernel's EROFS as a second reader of RAFS v6. Needs root; always unmounts."""

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_FLAGS = 1 | 2 | 4  # read-only, no setuid, no devices
_LACKS = (errno.EPERM, errno.ENODEV, errno.ENOTBLK, errno.EACCES)


@contextmanager
def mounted(image: Path, directory: Path) -> Iterator[Path]:
    """Mount an EROFS file (Linux 6.12 or later mounts files without a loop device)."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    libc = ctypes.CDLL(None, use_errno=True)
    directory.mkdir()
    if libc.mount(os.fsencode(image), os.fsencode(directory), b"erofs", _FLAGS, b"") != 0:
        number = ctypes.get_errno()
        if number in _LACKS:
            pytest.skip(f"this kernel does not mount EROFS files: {os.strerror(number)}")
        raise OSError(number, os.strerror(number), str(image))
    try:
        yield directory
    finally:
        libc.umount2(os.fsencode(directory), 2)
