"""Haskell packages that are registered with GHC: `package.conf.d/NAME-VERSION.conf`.

This module alone decides how such a file is read: fields at the start of a line, as in Debian's control files.
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile
from rafsight.analysis.fields import identity_of, lines_of
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.base.units import KiB, MiB
from rafsight.image.selection import Wants

_HEAD: Final = 4 * KiB
_FIELDS: Final = frozenset({b"name", b"version", b"license"})


def read_registration(file: FileView) -> Iterator[Found]:
    """Read one package.

    Raises: MalformedFile.
    """
    fields: dict[bytes, str] = {}
    for line in lines_of(file.content):
        key, colon, value = line.partition(b":")
        if colon and key.lower() in _FIELDS:
            fields.setdefault(key.lower(), identity_of(value))
    name, version, licence = (fields.get(key, "") for key in (b"name", b"version", b"license"))
    if not name or not version:
        raise MalformedFile(what=f"no {'version' if name else 'name'}", where="its fields")
    yield Component(
        ecosystem=Ecosystem.HACKAGE,
        name=name,
        version=version,
        licenses=(licence,) if licence else (),
        evidence=EvidenceClass.INSTALLED,
    )


HASKELL: Final = Extractor(
    name="lang/haskell",
    version=1,
    wants=Wants(patterns=(b"**/package.conf.d/*.conf",), max_size=1 * MiB, head=_HEAD),
    extract=read_registration,
)
