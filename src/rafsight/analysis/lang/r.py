"""Installed R packages: `DESCRIPTION`, fields as Debian's control files have them.

This module alone decides which of the files of that name are installed packages: those that say with what they were
built. Other programs have such files as well, and sources of packages are not installed.
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, Skipped
from rafsight.analysis.fields import identity_of, lines_of
from rafsight.analysis.inventory import Component, Ecosystem
from rafsight.base.units import KiB, MiB
from rafsight.image.selection import Wants

_HEAD: Final = 16 * KiB
_FIELDS: Final = frozenset({b"Package", b"Version", b"License", b"Built"})


def read_description(file: FileView) -> Iterator[Found]:
    """Read one package."""
    fields: dict[bytes, str] = {}
    for line in lines_of(file.content):
        key, colon, value = line.partition(b":")
        if colon and key in _FIELDS:
            fields.setdefault(key, identity_of(value))
    if b"Built" not in fields:
        return
    name, version, licence = (fields.get(key, "") for key in (b"Package", b"Version", b"License"))
    if not name or not version:
        yield Skipped(what=f"a package without a {'version' if name else 'name'}")
        return
    yield Component(ecosystem=Ecosystem.CRAN, name=name, version=version, licenses=(licence,) if licence else ())


R: Final = Extractor(
    name="lang/r",
    version=1,
    wants=Wants(patterns=(b"**/DESCRIPTION",), max_size=1 * MiB, head=_HEAD),
    extract=read_description,
)
