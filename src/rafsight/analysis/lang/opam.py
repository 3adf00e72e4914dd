"""OCaml packages that opam installed: `.opam-switch/packages/NAME.VERSION/opam`.

The folder's name says what the package is; the file often does not. This module alone decides that, and reads no byte.
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile
from rafsight.analysis.fields import identity_of
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.base.units import MiB
from rafsight.image.selection import Wants


def read_package(file: FileView) -> Iterator[Found]:
    """Read the folder's name.

    Raises: MalformedFile.
    """
    name, _, version = identity_of(folder_of(file.path)).partition(".")
    if not name or not version:
        raise MalformedFile(what="no NAME.VERSION", where="its folder")
    yield Component(ecosystem=Ecosystem.OPAM, name=name, version=version, evidence=EvidenceClass.INSTALLED)


def folder_of(path: bytes) -> bytes:
    """Return the folder's name: what of the path counts."""
    return path.rpartition(b"/")[0].rpartition(b"/")[2]


OPAM: Final = Extractor(
    name="lang/opam",
    version=1,
    wants=Wants(patterns=(b"**/.opam-switch/packages/*/opam",), max_size=4 * MiB, head=0),
    extract=read_package,
    name_of=folder_of,
)
