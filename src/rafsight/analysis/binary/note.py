"""The package that a distribution built a program in, as the linker wrote it into the note `.note.package`.

Read of programs that no package owns: copied out of another image, mostly. What the note names is not installed here,
so it is a program known by its file, and no package of this image's distribution.
"""

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from rafsight.analysis.binary.sections import Program
from rafsight.analysis.extractor import Found, MalformedFile
from rafsight.analysis.fields import NAME_LENGTH
from rafsight.analysis.inventory import Component, Ecosystem
from rafsight.base.units import KiB

SECTION: Final = b".note.package"
SECTION_SIZE: Final = 64 * KiB
_OWNER: Final = b"FDO\0"
_KIND: Final = 0xCAFE1A7E
_HEAD: Final = 12


class _Note(msgspec.Struct):
    """The members that are read."""

    name: str = ""
    version: str = ""
    architecture: str = ""


_DECODER: Final = msgspec.json.Decoder(_Note)


def noted_components(program: Program) -> Iterator[Found]:
    """Name the package that a program came from; nothing if it carries no note.

    Raises: MalformedFile.
    """
    content = program.content(SECTION, SECTION_SIZE)
    if content is not None:
        yield from parse_note(content, program.order)


def parse_note(content: bytes, order: str) -> Iterator[Found]:
    """Read the notes of a section.

    Args:
        content: the section.
        order: byte order, as `struct` writes it.
    Raises: MalformedFile.
    """
    position = 0
    while position + _HEAD <= len(content):
        name_size, text_size, kind = struct.unpack_from(f"{order}III", content, position)
        start = position + _HEAD + name_size + -name_size % 4
        if start + text_size > len(content):
            raise MalformedFile(what="a note that ends beyond its section", where=SECTION.decode())
        if kind == _KIND and content.startswith(_OWNER, position + _HEAD):
            yield from _component(content[start : start + text_size].rstrip(b"\0"))
        position = start + text_size + -text_size % 4


def _component(text: bytes) -> Iterator[Found]:
    try:
        note = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise MalformedFile(what=f"a note that names no package: {fault}", where=SECTION.decode()) from fault
    if not (note.name and note.version) or max(map(len, (note.name, note.version))) > NAME_LENGTH:
        raise MalformedFile(what="a note without a name or a version", where=SECTION.decode())
    yield Component(
        ecosystem=Ecosystem.GENERIC, name=note.name, version=note.version, arch=note.architecture[:NAME_LENGTH]
    )
