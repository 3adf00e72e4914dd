"""ELF files as far as their sections: enough to tell what a program carries, without its code.

The header says where the table of sections lies, one section holds the names of all. Both are read from ranges of the
file (System V ABI, chapter 4). What does not follow the format is no error: nobody knows what others make of it.
"""

import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

ELF_HEAD: Final = 64
"""[bytes] from the start of a file that say what it is."""
MAGIC: Final = b"\x7fELF"
_NO_BITS: Final = 8
"""Type of a section that takes no bytes in the file."""
_MANY_SECTIONS: Final = 0xFF00
"""Counts and indexes from here on stand elsewhere."""
_NAME_SIZE: Final = 64
"""[bytes] names are read this far: no name that means something is longer, and thousands may point at one long text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElfHead:
    """Where an ELF file keeps its sections."""

    is_64: bool
    is_big_endian: bool
    table_offset: int
    """[bytes] of the section table."""
    count: int
    names_index: int
    """Which section holds the names."""

    @property
    def entry_size(self) -> int:
        """[bytes] of one entry of the table."""
        return 64 if self.is_64 else 40

    @property
    def table_size(self) -> int:
        """[bytes] of the section table."""
        return self.entry_size * self.count


class ElfSection(NamedTuple):
    """One section. Nothing here was compared with the size of the file."""

    name_offset: int
    """[bytes] of its name in the section that holds the names."""
    kind: int
    address: int
    """Where it lies in the memory of the running program; 0 if it is not loaded."""
    offset: int
    """[bytes] in the file."""
    size: int
    """[bytes]."""

    @property
    def has_bytes(self) -> bool:
        """True if the file holds its content."""
        return self.kind != _NO_BITS


@dataclass(frozen=True, slots=True, kw_only=True)
class ElfSections:
    """The section table."""

    entries: tuple[ElfSection, ...]
    names_offset: int
    """[bytes] of the section that holds the names."""
    names_size: int
    end: int
    """[bytes] where the last of the sections and their table ends; what follows was appended to the file."""


def read_elf_head(content: bytes) -> ElfHead | None:
    """Read the first `ELF_HEAD` bytes of a file.

    Returns: None if this is no ELF file, or one without sections, or with more than the header can count.
    """
    if len(content) < ELF_HEAD or not content.startswith(MAGIC) or content[4] not in (1, 2) or content[5] not in (1, 2):
        return None
    is_64, order = content[4] == 2, ">" if content[5] == 2 else "<"
    table_offset = struct.unpack_from(order + ("Q" if is_64 else "I"), content, 40 if is_64 else 32)[0]
    entry_size, count, names_index = struct.unpack_from(order + "HHH", content, 58 if is_64 else 46)
    head = ElfHead(
        is_64=is_64, is_big_endian=order == ">", table_offset=table_offset, count=count, names_index=names_index
    )
    is_plain = table_offset > 0 and 0 < count < _MANY_SECTIONS and names_index < count
    return head if is_plain and entry_size == head.entry_size else None


def read_sections(head: ElfHead, table: bytes) -> ElfSections:
    """Read the section table.

    Args:
        head: the file's head.
        table: `head.table_size` bytes of the file from `head.table_offset`.
    """
    order = ">" if head.is_big_endian else "<"
    form = struct.Struct(order + ("IIQQQQIIQQ" if head.is_64 else "IIIIIIIIII"))
    entries = tuple(
        ElfSection(name, kind, address, offset, size)
        for name, kind, _, address, offset, size, *_ in form.iter_unpack(table[: head.table_size])
    )
    end = max((entry.offset + entry.size for entry in entries if entry.has_bytes), default=0)
    names = entries[head.names_index]
    return ElfSections(
        entries=entries,
        names_offset=names.offset,
        names_size=names.size,
        end=max(end, head.table_offset + head.table_size),
    )


def named_sections(sections: ElfSections, names: bytes) -> dict[bytes, ElfSection]:
    """Return the sections by their names, the first of each name.

    Args:
        sections: the table.
        names: content of the section that holds the names.
    """
    found: dict[bytes, ElfSection] = {}
    for entry in sections.entries:
        name = names[entry.name_offset : entry.name_offset + _NAME_SIZE].partition(b"\0")[0]
        found.setdefault(name, entry)
    return found


def section_names(sections: ElfSections, names: bytes) -> frozenset[bytes]:
    """Return the names of all sections.

    Args:
        sections: the table.
        names: content of the section that holds the names.
    """
    return frozenset(named_sections(sections, names))
