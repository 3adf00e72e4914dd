"""Bun's text lock file: JSON with comments, `packages` by path, each a list whose first item is `NAME@VERSION`.

This module alone decides which entries are packages: not folders of the project.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.json_text import decode_json, decode_part, strip_comments, text_in
from rafsight.analysis.locks.locked import LOCK_SIZE, locked
from rafsight.analysis.locks.yarn_lock import split_spec
from rafsight.image.selection import Wants

_LOCAL: Final = ("workspace:", "link:", "file:", "root:")


class _Lock(msgspec.Struct):
    packages: dict[str, msgspec.Raw] = {}


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one lock file.

    Raises: MalformedFile.
    """
    for raw in decode_json(strip_comments(file.content), _Lock).packages.values():
        entry = decode_part(raw, list[msgspec.Raw]) or []
        name, version = split_spec(text_in(decode_part(entry[0], str)) if entry else "")
        if not version.startswith(_LOCAL):
            yield locked(Ecosystem.NPM, name, version)


BUN_LOCK: Final = Extractor(
    name="locks/bun-lock",
    version=1,
    wants=Wants(patterns=(b"**/bun.lock",), max_size=LOCK_SIZE),
    extract=read_lock,
    declared=True,
)
