"""NuGet's lock file: `packages.lock.json`.

This module alone decides which entries are packages: not projects.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.json_text import decode_json, decode_part, text_in
from rafsight.analysis.locks.locked import LOCK_SIZE, locked
from rafsight.image.selection import Wants

_PROJECT: Final = "project"


class _Lock(msgspec.Struct):
    dependencies: dict[str, msgspec.Raw] = {}


class _Dependency(msgspec.Struct):
    type: object = None
    resolved: object = None


def read_lock(file: FileView) -> Iterator[Found]:
    """Read `packages.lock.json`: dependencies by framework.

    Raises: MalformedFile.
    """
    seen: set[tuple[str, str]] = set()
    for raw in decode_json(file.content, _Lock).dependencies.values():
        for name, entry in (decode_part(raw, dict[str, msgspec.Raw]) or {}).items():
            dependency = decode_part(entry, _Dependency)
            if dependency is None or text_in(dependency.type).lower() == _PROJECT:
                continue
            key = (name, text_in(dependency.resolved))
            if key not in seen:
                seen.add(key)
                yield locked(Ecosystem.NUGET, *key)


NUGET_LOCK: Final = Extractor(
    name="locks/nuget-lock",
    version=1,
    wants=Wants(patterns=(b"**/packages.lock.json",), max_size=LOCK_SIZE),
    extract=read_lock,
    declared=True,
)
