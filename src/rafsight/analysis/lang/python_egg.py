"""Zipped eggs of Python: archives that modules are imported from, with their headers in `EGG-INFO/PKG-INFO`.

This module alone decides how much of the archive is read: its directory and that one member. What the headers say is
decided in `python`.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile, ReadMore
from rafsight.analysis.inventory import Component
from rafsight.analysis.lang.python import read_metadata
from rafsight.base.units import KiB, MiB
from rafsight.formats.tables import MalformedImage
from rafsight.formats.zip_tail import Range, find_directory, read_directory, read_head
from rafsight.image.selection import Wants

_MEMBER: Final = b"EGG-INFO/PKG-INFO"
_HEADERS: Final = 1 * MiB


def read_egg(file: FileView) -> Iterator[Found]:
    """Read one egg; what is no archive, or has no such member, is none, whatever its name says.

    Raises: MalformedFile.
    """
    try:
        headers = _headers(file)
    except MalformedImage as fault:
        raise MalformedFile(what=str(fault), where="the archive") from fault
    if isinstance(headers, Range):
        yield ReadMore(ranges=((headers.offset, headers.size),))
        return
    if headers is None:
        return
    for found in read_metadata(FileView(path=_MEMBER, size=len(headers), runs=((0, headers),))):
        yield replace(found, member=_MEMBER) if isinstance(found, Component) else found


def _headers(file: FileView) -> bytes | Range | None:
    """Return the member, what has to be read first, or None if there is none."""
    directory = find_directory(file.slice, file.size)
    if directory is None or isinstance(directory, Range):
        return directory
    listed = file.slice(directory.offset, directory.size)
    if listed is None:
        return Range(directory.offset, directory.size)
    entry = next(read_directory(listed, directory, _MEMBER.__eq__), None)
    return read_head(file.slice, entry, _HEADERS) if entry is not None else None


PYTHON_EGG: Final = Extractor(
    name="lang/python-egg",
    version=1,
    wants=Wants(patterns=(b"**/*.egg",), max_size=1024 * MiB, head=1 * KiB, tail=64 * KiB, whole=128 * KiB),
    extract=read_egg,
)
