"""Which rafsight looks: a fingerprint of everything that decides what is found in an image.

The code itself is hashed, with the data beside it, so that nobody has to remember to raise a number. This module alone
decides which of it counts. It imports none of what it hashes: most of that is not needed where the answer is known.
"""

import hashlib
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from rafsight._version import __version__

_DECIDING: Final = ("access", "analysis", "formats", "image", "reports", "verbs/scan")
_COMPILED: Final = "__pycache__"


@cache
def release_fingerprint() -> bytes:
    """Return a digest of the version and of the code. Cost: reads about 3 MB, once a process."""
    return fingerprint_of(Path(__file__).parents[2], __version__)


def fingerprint_of(package: Path, version: str) -> bytes:
    """Return a digest of a version and of what decides in a package's folder."""
    running = hashlib.sha256(version.encode())
    root = str(package)
    for path in _sources(root):
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - half the time of Path's
            content = file.read()
        running.update(f"{path.removeprefix(root)} {len(content)}\n".encode())
        running.update(content)
    return running.digest()


def _sources(root: str) -> Iterator[str]:
    for name in _DECIDING:
        for folder, folders, files in os.walk(f"{root}/{name}"):
            folders[:] = sorted(set(folders) - {_COMPILED})
            yield from (f"{folder}/{file}" for file in sorted(files))
