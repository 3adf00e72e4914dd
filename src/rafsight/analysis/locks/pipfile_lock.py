"""Pipenv's lock file.

This module alone decides which groups of it count: all of them; entries that name a repository or a path have no
version.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.json_text import decode_json, decode_part, text_in
from rafsight.analysis.locks.locked import LOCK_SIZE, locked
from rafsight.image.selection import Wants

_META: Final = "_meta"


class _Package(msgspec.Struct):
    version: object = None
    path: object = None
    git: object = None


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file.

    Raises: MalformedFile.
    """
    for group, raw in decode_json(file.content, dict[str, msgspec.Raw]).items():
        if group == _META:
            continue
        for name, entry in (decode_part(raw, dict[str, msgspec.Raw]) or {}).items():
            package = decode_part(entry, _Package)
            if package is not None and package.path is None and package.git is None:
                yield locked(Ecosystem.PYPI, name, text_in(package.version).lstrip("="))


PIPFILE_LOCK: Final = Extractor(
    name="locks/pipfile-lock",
    version=1,
    wants=Wants(patterns=(b"**/Pipfile.lock",), max_size=LOCK_SIZE),
    extract=read_lock,
    declared=True,
)
