"""The one member of an archive that says what package it is, such as an egg's headers.

This module alone decides how little of such an archive is read: its directory, and that member. What it says is decided
by the reader of its kind.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from rafsight.analysis.extractor import FileView, Found, MalformedFile, ReadMore
from rafsight.analysis.inventory import Component
from rafsight.formats.tables import MalformedImage
from rafsight.formats.zip_tail import Range, Read, ZipEntry, find_directory, read_directory

Member = Callable[[Read, ZipEntry, int], bytes | Range]
"""`read_member` for all of a member, `read_head` for its beginning."""


def read_by_member(
    file: FileView,
    is_wanted: Callable[[bytes], bool],
    read: Callable[[FileView], Iterator[Found]],
    *,
    how: Member,
    size: int,
) -> Iterator[Found]:
    """Read an archive by its first member of a wanted name; one without such a member, and what is no archive, is none.

    Args:
        file: the archive.
        is_wanted: tells whether a name is the member's.
        read: reads the member, as a file that has its name.
        how: takes it out of the archive.
        size: [bytes] of the member that are read at most.
    Raises: MalformedFile.
    """
    try:
        found = _take(file, is_wanted, how, size)
    except MalformedImage as fault:
        raise MalformedFile(what=str(fault), where="the archive") from fault
    if isinstance(found, Range):
        yield ReadMore(ranges=((found.offset, found.size),))
    elif found is not None:
        name, content = found
        for item in read(FileView(path=name, size=len(content), runs=((0, content),))):
            yield replace(item, member=name) if isinstance(item, Component) else item


def _take(
    file: FileView, is_wanted: Callable[[bytes], bool], how: Member, size: int
) -> tuple[bytes, bytes] | Range | None:
    """Return the member's name and content, what has to be read first, or None if there is none."""
    directory = find_directory(file.slice, file.size)
    if directory is None or isinstance(directory, Range):
        return directory
    listed = file.slice(directory.offset, directory.size)
    if listed is None:
        return Range(directory.offset, directory.size)
    entry = next(read_directory(listed, directory, is_wanted), None)
    if entry is None:
        return None
    content = how(file.slice, entry, size)
    return content if isinstance(content, Range) else (entry.name, content)
