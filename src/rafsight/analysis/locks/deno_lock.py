"""Deno's lock file: packages of npm by `NAME@VERSION`.

This module alone decides what of it counts: `jsr` and `remote` modules have no kind of their own here.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.json_text import decode_json, decode_part
from rafsight.analysis.locks.locked import LOCK_SIZE, locked
from rafsight.analysis.locks.yarn_lock import split_spec
from rafsight.image.selection import Wants


class _Lock(msgspec.Struct):
    npm: msgspec.Raw = msgspec.Raw(b"null")
    packages: msgspec.Raw = msgspec.Raw(b"null")


class _Inside(msgspec.Struct):
    npm: msgspec.Raw = msgspec.Raw(b"null")
    packages: msgspec.Raw = msgspec.Raw(b"null")


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file: `npm` (4 and later), `packages.npm` (3), `npm.packages` (2).

    Raises: MalformedFile.
    """
    lock = decode_json(file.content, _Lock)
    older = decode_part(lock.packages, _Inside)
    oldest = decode_part(lock.npm, _Inside)
    for raw in (oldest.packages if oldest else None, older.npm if older else None, lock.npm):
        packages = decode_part(raw, dict[str, msgspec.Raw]) if raw is not None else None
        if packages:
            for key in packages:
                name, version = split_spec(key)
                yield locked(Ecosystem.NPM, name, version.partition("_")[0])
            return


DENO_LOCK: Final = Extractor(
    name="locks/deno-lock",
    version=1,
    wants=Wants(patterns=(b"**/deno.lock",), max_size=LOCK_SIZE),
    extract=read_lock,
    declared=True,
)
