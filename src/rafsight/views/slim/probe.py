"""A look into programs: which of them hold something for a scanner, told by the names of their sections.

Only the head and the section table of a program are read. This module alone decides when that is enough to leave a
program's content out: if it is of a known form and has none of the sections that a scanner reads. In doubt it is kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rafsight.access.session import Image
from rafsight.base.errors import ImageFault, RafsightError, RegistryFault
from rafsight.base.units import KiB, MiB
from rafsight.formats.elf import (
    ELF_HEAD,
    MAGIC,
    ElfHead,
    ElfSections,
    read_elf_head,
    read_sections,
    section_names,
)
from rafsight.image.plan import FileRange
from rafsight.views.slim.rules import Programs

SMALLEST_PROGRAM: Final = ELF_HEAD
"""[bytes] smaller files are no programs."""
_BEFORE_TABLE: Final = 4 * KiB
"""[bytes] before the section table that are read with it: mostly the names lie there."""
_MOST_NAMES: Final = 1 * MiB
"""[bytes] of names that are read."""
_APPENDED: Final = 4 * KiB
"""[bytes] behind the last section that count as something appended."""
_OTHER_FORMS: Final = (
    b"MZ",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
)
"""How programs of Windows and macOS begin: scanners read those, too."""


@dataclass(slots=True, kw_only=True)
class Probed:
    """What a look into programs told."""

    wanted: set[int] = field(default_factory=set)
    """Rows that may hold something."""
    lost: dict[int, RafsightError] = field(default_factory=dict)
    """Rows that could not be read."""


def probe_programs(image: Image, rows: Sequence[int], programs: Programs) -> Probed:
    """Look into programs.

    Args:
        image: the open image.
        rows: regular files of at least `SMALLEST_PROGRAM` bytes.
        programs: what counts.
    Cost: at most three plans of reads. Memory: the section tables of the rows whose names lie elsewhere.
    """
    probed = Probed()
    sizes = image.tree.entries.size
    heads: dict[int, ElfHead] = {}
    for row, content in _read(image, [FileRange(row=row, size=ELF_HEAD) for row in rows], probed):
        head = read_elf_head(content)
        if head is not None and head.table_offset + head.table_size <= sizes[row]:
            heads[row] = head
        elif content.startswith((MAGIC, *_OTHER_FORMS)):
            probed.wanted.add(row)
    elsewhere = _read_tables(image, heads, programs, probed)
    wanted = [FileRange(row=row, offset=one.names_offset, size=one.names_size) for row, one in elsewhere.items()]
    for row, content in _read(image, wanted, probed):
        _judge(row, section_names(elsewhere[row], content), programs, probed)
    return probed


def _read_tables(
    image: Image, heads: Mapping[int, ElfHead], programs: Programs, probed: Probed
) -> dict[int, ElfSections]:
    """Read the section tables, and judge the programs whose names lie beside them; return the others."""
    sizes = image.tree.entries.size
    starts = {row: max(0, head.table_offset - _BEFORE_TABLE) for row, head in heads.items()}
    wanted = [
        FileRange(row=row, offset=starts[row], size=head.table_offset + head.table_size - starts[row])
        for row, head in heads.items()
    ]
    elsewhere = {}
    for row, content in _read(image, wanted, probed):
        start = starts[row]
        sections = read_sections(heads[row], content[heads[row].table_offset - start :])
        first, last = sections.names_offset - start, sections.names_offset + sections.names_size - start
        size = int(sizes[row])
        if programs.keeps_appended and size - sections.end > _APPENDED:
            probed.wanted.add(row)
        elif first >= 0 and last <= len(content):
            _judge(row, section_names(sections, content[first:last]), programs, probed)
        elif sections.names_size <= _MOST_NAMES and sections.names_offset + sections.names_size <= size:
            elsewhere[row] = sections
        else:
            probed.wanted.add(row)
    return elsewhere


def _judge(row: int, names: frozenset[bytes], programs: Programs, probed: Probed) -> None:
    if names & programs.sections:
        probed.wanted.add(row)


def _read(image: Image, wanted: Sequence[FileRange], probed: Probed) -> Iterator[tuple[int, bytes]]:
    """Read ranges; those that cannot be had are noted."""
    for part in image.read(wanted):
        if part.error is None:
            yield part.wanted.row, part.content
        elif isinstance(part.error, (RegistryFault, ImageFault)):
            probed.lost[part.wanted.row] = part.error
        else:
            raise part.error
