"""What a Rust program was built from: the list that `cargo auditable` puts into it.

A section of compressed JSON. This module alone decides which crates count: those that are in the program, not those
that only helped to build it.
"""

import zlib
from collections.abc import Iterator
from typing import Final

import msgspec

from rafsight.analysis.binary.sections import Program
from rafsight.analysis.extractor import Found, MalformedFile, Skipped
from rafsight.analysis.fields import NAME_LENGTH
from rafsight.analysis.inventory import Component, Ecosystem
from rafsight.base.units import MiB

SECTIONS: Final = (b".dep-v0", b".rust-deps-v0", b"rdep-v0")
"""The name now, and those of its first releases."""
SECTION_SIZE: Final = 4 * MiB
_TEXT_SIZE: Final = 16 * MiB
_IN_THE_PROGRAM: Final = "runtime"


class _Package(msgspec.Struct):
    """The members that are read."""

    name: str
    version: str
    kind: str = _IN_THE_PROGRAM


class _List(msgspec.Struct):
    packages: list[_Package]


_DECODER: Final = msgspec.json.Decoder(_List)


def rust_components(program: Program) -> Iterator[Found]:
    """Name the crates of a Rust program; nothing if it carries no list.

    Raises: MalformedFile.
    """
    for name in SECTIONS:
        content = program.content(name, SECTION_SIZE)
        if content is not None:
            yield from parse_crates(content, name.decode())
            return


def parse_crates(content: bytes, where: str) -> Iterator[Found]:
    """Read the list.

    Raises: MalformedFile.
    """
    for package in _decode(_inflate(content, where), where).packages:
        if package.kind != _IN_THE_PROGRAM:
            continue
        if package.name and package.version and len(package.name) <= NAME_LENGTH >= len(package.version):
            yield Component(ecosystem=Ecosystem.CARGO, name=package.name, version=package.version)
        else:
            yield Skipped(what="a crate without a name or a version")


def _inflate(content: bytes, where: str) -> bytes:
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(content, _TEXT_SIZE + 1)
    except zlib.error as fault:
        raise MalformedFile(what=f"a list that does not decompress: {fault}", where=where) from fault
    if len(text) > _TEXT_SIZE:
        raise MalformedFile(what=f"a list of more than {_TEXT_SIZE} bytes", where=where)
    return text


def _decode(text: bytes, where: str) -> _List:
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise MalformedFile(what=f"no list of packages: {fault}", where=where) from fault
