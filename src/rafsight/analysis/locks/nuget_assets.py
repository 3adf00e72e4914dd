"""NuGet's `project.assets.json`: what a restore of packages worked out for a project.

This module alone decides which of its libraries are packages: not projects.
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


class _Assets(msgspec.Struct):
    libraries: dict[str, msgspec.Raw] = {}


class _Library(msgspec.Struct):
    type: object = None


def read_assets(file: FileView) -> Iterator[Found]:
    """Read `project.assets.json`: libraries as `NAME/VERSION`.

    Raises: MalformedFile.
    """
    for key, raw in decode_json(file.content, _Assets).libraries.items():
        library = decode_part(raw, _Library)
        if library is not None and text_in(library.type).lower() != _PROJECT:
            name, _, version = key.partition("/")
            yield locked(Ecosystem.NUGET, name, version)


NUGET_ASSETS: Final = Extractor(
    name="locks/nuget-assets",
    version=1,
    wants=Wants(patterns=(b"**/project.assets.json",), max_size=LOCK_SIZE),
    extract=read_assets,
    declared=True,
)
