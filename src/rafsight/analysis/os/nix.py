"""The store of Nix: a folder `HASH-NAME-VERSION[-OUTPUT]` for each package.

No byte is read: the names say it all. One file of each folder stands for it, found at a few depths. This module alone
decides which folders are packages (those with a version), and where their names end.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.fields import identity_of
from rafsight.analysis.inventory import Component, Ecosystem, Inventory
from rafsight.image.selection import Wants

_STORE: Final = b"nix/store/"
_DEPTH: Final = 5
"""Folders below the store in which a first file is looked for."""
_ENTRY: Final = re.compile(r"([0-9a-df-np-sv-z]{32})-(.+)")
_VERSION: Final = re.compile(r"-(?=[0-9])")
_OUTPUTS: Final = (
    "bin",
    "data",
    "debug",
    "dev",
    "devdoc",
    "dist",
    "doc",
    "info",
    "lib",
    "man",
    "out",
    "sbin",
    "static",
)
_NO_LIMIT: Final = 1 << 62


def read_folder(file: FileView) -> Iterator[Found]:
    """Read the folder's name; one without a version is no package (a script, a profile, a source)."""
    match = _ENTRY.fullmatch(identity_of(folder_of(file.path)))
    parts = _VERSION.split(match[2], maxsplit=1) if match else ()
    if match is None or len(parts) != 2 or not parts[0]:
        return
    name, version = parts
    rest, dash, last = version.rpartition("-")
    output = last if dash and last in _OUTPUTS else ""
    qualifiers = (("output", output), ("outputhash", match[1]))
    yield Component(
        ecosystem=Ecosystem.NIX,
        name=name,
        version=rest if output else version,
        qualifiers=tuple((key, value) for key, value in qualifiers if value),
    )


def folder_of(path: bytes) -> bytes:
    """Return the folder below the store: what of the path counts."""
    return path.removeprefix(_STORE).partition(b"/")[0]


def _one_each(paths: Sequence[bytes], inventory: Inventory) -> Iterable[bytes]:  # noqa: ARG001
    """Choose the first file of each folder."""
    return {folder_of(path): path for path in reversed(paths)}.values()


NIX: Final = Extractor(
    name="os/nix",
    version=1,
    wants=Wants(
        patterns=tuple(_STORE + b"*/" * depth + b"*" for depth in range(1, _DEPTH + 1)), max_size=_NO_LIMIT, head=0
    ),
    extract=read_folder,
    choose=_one_each,
    name_of=folder_of,
)
