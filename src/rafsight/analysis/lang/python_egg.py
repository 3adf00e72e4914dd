"""Zipped eggs of Python: archives that modules are imported from, with their headers in `EGG-INFO/PKG-INFO`.

This module alone decides which member that is. What the headers say is decided in `python`.
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.lang.python import read_metadata
from rafsight.analysis.lang.zip_member import read_by_member
from rafsight.base.units import KiB, MiB
from rafsight.formats.zip_tail import read_head
from rafsight.image.selection import Wants

_MEMBER: Final = b"EGG-INFO/PKG-INFO"
_HEADERS: Final = 1 * MiB


def read_egg(file: FileView) -> Iterator[Found]:
    """Read one egg; what is no archive, or has no such member, is none, whatever its name says.

    Raises: MalformedFile.
    """
    return read_by_member(file, _MEMBER.__eq__, read_metadata, how=read_head, size=_HEADERS)


PYTHON_EGG: Final = Extractor(
    name="lang/python-egg",
    version=1,
    wants=Wants(patterns=(b"**/*.egg",), max_size=1024 * MiB, head=1 * KiB, tail=64 * KiB, whole=128 * KiB),
    extract=read_egg,
)
