"""An ELF program by its sections, read step by step: the head, the table with the names, then what a reader wants.

This module alone decides how much of a program is read to find its sections, and what is said of one whose sections
cannot be found.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from rafsight.analysis.extractor import FileView, MalformedFile, ReadMore, Skipped
from rafsight.analysis.inventory import GapReason
from rafsight.base.units import KiB
from rafsight.formats.elf import ELF_HEAD, MAGIC, ElfHead, ElfSection, named_sections, read_elf_head, read_sections

PROBE_SIZE: Final = 4 * KiB
"""[bytes] from the start: Go's own linker puts the section table there, and UPX its name."""
_BEFORE_TABLE: Final = 4 * KiB
"""[bytes] before the section table that are read with it: other linkers put the names there."""
_TABLE_SIZE: Final = 256 * KiB
"""[bytes] four thousand sections; linked programs have some forty."""
_NAMES_SIZE: Final = 256 * KiB
_PACKED: Final = b"UPX!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """An ELF file whose section table was read."""

    file: FileView
    head: ElfHead
    sections: Mapping[bytes, ElfSection]
    """By name; those alone that the file holds bytes of."""

    @property
    def order(self) -> str:
        """How `struct` writes the byte order."""
        return ">" if self.head.is_big_endian else "<"

    def content(self, name: bytes, max_size: int) -> bytes | None:
        """Return what was read of a section, at most `max_size` bytes of it; None if there is none."""
        section = self.sections.get(name)
        return None if section is None else self.file.slice(section.offset, min(section.size, max_size))

    def missing(self, wanted: Iterable[tuple[bytes, int]]) -> tuple[tuple[int, int], ...]:
        """Return the ranges of sections that were not read yet.

        Args:
            wanted: (name, [bytes] from its start that are wanted).
        """
        found = ((self.sections[name], size) for name, size in wanted if name in self.sections)
        ranges = ((section.offset, min(section.size, size)) for section, size in found)
        return tuple(part for part in ranges if self.file.slice(*part) is None)

    def offset_of(self, address: int, size: int) -> int | None:
        """Return where in the file some bytes of the running program lie; None if nowhere."""
        for section in self.sections.values():
            if section.address and section.address <= address <= section.address + section.size - size:
                return section.offset + address - section.address
        return None


def open_program(file: FileView) -> Program | ReadMore | Skipped | None:
    """Find the sections of a program.

    Args:
        file: at least its first `PROBE_SIZE` bytes.

    Returns: What to read first, or why nobody can look inside; None if this is no ELF file.
    Raises: MalformedFile: the section table is none.
    """
    head = read_elf_head(file.content[:ELF_HEAD])
    if head is None:
        return _sectionless(file)
    if head.table_offset + head.table_size > file.size:
        raise MalformedFile(what="a section table beyond the end of the file", where=f"offset {head.table_offset}")
    if head.table_size > _TABLE_SIZE:
        return Skipped(what=f"not looked into: it has {head.count} sections", reason=GapReason.TOO_LARGE)
    table = file.slice(head.table_offset, head.table_size)
    if table is None:
        start = max(0, head.table_offset - _BEFORE_TABLE)
        return ReadMore(ranges=((start, head.table_offset + head.table_size - start),))
    sections = read_sections(head, table)
    if sections.names_offset + sections.names_size > file.size:
        raise MalformedFile(what="names of sections beyond the end", where=f"offset {sections.names_offset}")
    names = file.slice(sections.names_offset, min(sections.names_size, _NAMES_SIZE))
    if names is None:
        return ReadMore(ranges=((sections.names_offset, min(sections.names_size, _NAMES_SIZE)),))
    found = named_sections(sections, names)
    inside = {name: one for name, one in found.items() if one.has_bytes and 0 < one.size <= file.size - one.offset}
    return Program(file=file, head=head, sections=inside)


def _sectionless(file: FileView) -> Skipped | None:
    """Say why an ELF file without a section table cannot be looked into."""
    if not file.content.startswith(MAGIC):
        return None
    if _PACKED in file.content[:PROBE_SIZE]:
        what = "not looked into: it is packed by UPX"
    else:
        what = "not looked into: a program without a table of sections"
    return Skipped(what=what, reason=GapReason.UNSUPPORTED)
