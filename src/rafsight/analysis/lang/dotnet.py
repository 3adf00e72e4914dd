""".NET: what an application or a shared framework is made of, as `NAME.deps.json` says.

This module alone decides what of it is a package that is really there: a library of the kind `package` that brings at
least one file in any target, or a runtime that was packed along. Projects are the application itself; packages without
files only ask for others.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found, Skipped
from rafsight.analysis.inventory import Component, Ecosystem
from rafsight.analysis.json_text import decode_json, decode_part, text_in
from rafsight.base.text import printable
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_RUNTIME: Final = "runtimepack."
_SHOWN: Final = 80


class _Library(msgspec.Struct):
    type: object = None


class _Assets(msgspec.Struct):
    runtime: object = None
    native: object = None
    resources: object = None
    runtime_targets: object = msgspec.field(name="runtimeTargets", default=None)


class _Document(msgspec.Struct):
    targets: dict[str, msgspec.Raw] = {}
    libraries: dict[str, msgspec.Raw] = {}


def read_deps(file: FileView) -> Iterator[Found]:
    """Read one list of dependencies.

    Raises: MalformedFile.
    """
    document = decode_json(file.content, _Document)
    shipped = set(_shipped(document))
    for key, raw in document.libraries.items():
        library = decode_part(raw, _Library)
        kind = text_in(library.type).lower() if library else ""
        if kind not in ("package", "runtimepack") or key not in shipped:
            continue
        name, _, version = text_in(key).partition("/")
        if not name or not version:
            yield Skipped(what=f"the library '{printable(key, _SHOWN)}' has no version")
            continue
        yield Component(ecosystem=Ecosystem.NUGET, name=name.removeprefix(_RUNTIME), version=version)


def _shipped(document: _Document) -> Iterator[str]:
    """Yield the libraries that bring files."""
    for raw in document.targets.values():
        for key, part in (decode_part(raw, dict[str, msgspec.Raw]) or {}).items():
            assets = decode_part(part, _Assets)
            if assets and (assets.runtime or assets.native or assets.resources or assets.runtime_targets):
                yield key


DOTNET: Final = Extractor(
    name="lang/dotnet",
    version=1,
    wants=Wants(patterns=(b"**/*.deps.json",), max_size=16 * MiB),
    extract=read_deps,
)
