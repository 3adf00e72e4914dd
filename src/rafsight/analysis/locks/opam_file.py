"""opam's descriptions of packages: `NAME.opam` in a source tree, if it says a version.

This module alone decides what names such a package: its field, else the file.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.fields import identity_of
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.locks.locked import locked
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_FIELD: Final = re.compile(rb'(?m)^(name|version):[ \t]{0,16}"([^"\r\n]{1,1000})"')


def read_opam(file: FileView) -> Iterator[Found]:
    """Read one description; most say no version before they are released, and are passed over."""
    fields: dict[bytes, str] = {}
    for key, value in _FIELD.findall(file.content):
        fields.setdefault(key, identity_of(value))
    if fields.get(b"version"):
        name = fields.get(b"name") or identity_of(file.name.removesuffix(b".opam"))
        yield locked(Ecosystem.OPAM, name, fields[b"version"])


OPAM_FILE: Final = Extractor(
    name="locks/opam-file",
    version=1,
    wants=Wants(patterns=(b"**/*.opam",), max_size=1 * MiB),
    extract=read_opam,
    declared=True,
)
