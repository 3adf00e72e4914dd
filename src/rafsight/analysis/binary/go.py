"""What a Go program was built from: the toolchain and the modules, as the linker writes them into `.go.buildinfo`.

Two forms, told apart by a flag: the texts themselves (Go 1.18 and later), or pointers to the strings of the program
(read of ELF alone).
This module alone decides which version a module has that was built from a folder, and what the standard library is
called.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rafsight.analysis.binary.sections import Program
from rafsight.analysis.extractor import FileView, Found, MalformedFile, ReadMore, Skipped
from rafsight.analysis.fields import identity_of, lines_of
from rafsight.analysis.inventory import Component, Ecosystem
from rafsight.base.text import printable
from rafsight.base.units import KiB, MiB
from rafsight.formats.foreign import foreign_sections

SECTION: Final = b".go.buildinfo"
SECTION_SIZE: Final = 4 * MiB
"""[bytes] the largest programs have some thirty-six kilobytes."""
UNVERSIONED: Final = "(devel)"
"""Go's own word for the version of a module that was built from a folder."""

_MAGIC: Final = b"\xff Go buildinf:"
_ALIGNMENT: Final = 16
_HEADER: Final = 32
_INLINE: Final = 2
_BIG_ENDIAN: Final = 1
_VERSION_SIZE: Final = 1 * KiB
_FOREIGN: Final = (b"__go_buildinfo", b".data")
"""Where macOS and Windows have it; there, at the start of the section."""
_FOREIGN_SIZE: Final = 64 * KiB
_SENTINEL: Final = 16
"""[bytes] that frame the text about modules."""
_SHOWN: Final = 80
_RELEASE: Final = re.compile(r"(?:devel )?go([0-9]+(?:\.[0-9]+){1,2})(?:(rc|beta|alpha)([0-9]+)|(-[^ ]*))?(?: .*)?")
_NO_TAG: Final = re.compile(r"v0\.0\.0-(?:[0-9a-z.]+\.)?[0-9]{14}-[0-9a-f]{12}(?:\+.*)?")
"""How Go calls a commit that follows no tag."""
_ASSIGNMENT: Final = re.compile(
    r"-X[ =]['\"\\]*([^\s='\"\\]+)\.((?:[A-Za-z]*[a-z])?[Vv]ersion|VERSION)=v?([0-9]+(?:\.[0-9]+){1,2}[-+.0-9A-Za-z]*)"
)
"""A variable whose name says that it holds a version, set by the linker."""
_USUAL: Final = ("version", "cmd", "common", "buildinfo", "build")
"""Last names of packages that keep the version of the whole program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildInfo:
    """What the section says."""

    release: bytes
    """`go1.21.3`, and what may follow."""
    modules: bytes
    """Lines of fields that tabs part; empty if the program was built without modules."""


def go_components(program: Program) -> Iterator[Found]:
    """Name what a Go program was built from; nothing if this is none.

    Raises: MalformedFile.
    """
    content = program.content(SECTION, SECTION_SIZE)
    if content is not None:
        info = read_build_info(content, program)
        yield from (info,) if isinstance(info, ReadMore) else components_of(info)


def foreign_components(file: FileView) -> Iterator[Found]:
    """Name what a Go program for Windows or macOS was built from; nothing if this is none.

    Raises: MalformedFile.
    """
    sections = foreign_sections(file.content) or {}
    for name in _FOREIGN:
        offset, size = sections.get(name, (0, 0))
        if not 0 < size <= file.size - offset:
            continue
        content = file.slice(offset, min(size, _FOREIGN_SIZE))
        if content is None:
            yield ReadMore(ranges=((offset, min(size, _FOREIGN_SIZE)),))
        elif content.startswith(_MAGIC) and len(content) >= _HEADER and content[15] & _INLINE:
            yield from components_of(_inline_info(content))
        return


def components_of(info: BuildInfo) -> Iterator[Found]:
    """Name the modules and the standard library."""
    yield from parse_modules(info.modules)
    release = standard_library(identity_of(info.release))
    if release:
        yield Component(ecosystem=Ecosystem.GOLANG, name="stdlib", version=release)
    else:
        yield Skipped(what=f"the version of Go is none: {printable(info.release[:_SHOWN].decode('utf-8', 'replace'))}")


def read_build_info(content: bytes, program: Program) -> BuildInfo | ReadMore:
    """Read the section, or say what else of the program is needed for it.

    Raises: MalformedFile.
    """
    start = content.find(_MAGIC)
    while start >= 0 and start % _ALIGNMENT:
        start = content.find(_MAGIC, start + 1)
    blob = content[start:] if start >= 0 else b""
    if len(blob) < _HEADER:
        raise MalformedFile(what="no build info", where=SECTION.decode())
    return _inline_info(blob) if blob[15] & _INLINE else _pointed_info(program, blob)


def parse_modules(text: bytes) -> Iterator[Found]:
    """Read the lines about modules."""
    main: tuple[str, str] | None = None
    waiting: tuple[str, str] | None = None
    flags = ""
    for line in lines_of(text):
        word, *fields = line.rstrip(b"\r\n").split(b"\t")
        if word == b"=>":
            waiting = _replaced(waiting, fields)
            continue
        if waiting is not None:
            yield from _module(waiting)
            waiting = None
        if word == b"mod":
            main = _name_and_version(fields)
        elif word == b"dep":
            waiting = _name_and_version(fields)
        elif word == b"build" and fields and fields[0].startswith(b"-ldflags="):
            flags = fields[0].removeprefix(b"-ldflags=").decode("utf-8", "replace")
    if waiting is not None:
        yield from _module(waiting)
    if main is not None:
        yield from _module((main[0], main_version(*main, flags)))


def main_version(name: str, version: str, flags: str) -> str:
    """Return the version of the main module.

    Args:
        name: of the module.
        version: as Go says; a commit without a tag orders before every release, so it is none.
        flags: of the linker: many programs have their version set by these.
    """
    if version not in ("", UNVERSIONED) and not _NO_TAG.fullmatch(version):
        return version
    ranks: dict[int, set[str]] = {}
    for package, _, value in _ASSIGNMENT.findall(flags):
        if package == "main":
            rank = 0
        elif package.startswith(f"{name}/cmd/"):
            rank = 1
        else:
            rank = 2 if package.startswith(name) and package.rpartition("/")[2] in _USUAL else 3
        ranks.setdefault(rank, set()).add(f"v{value}")
    best = ranks[min(ranks)] if ranks else set()
    return best.pop() if len(best) == 1 else UNVERSIONED


def standard_library(release: str) -> str:
    """Write the version of a toolchain as advisories do: `go1.22rc1` is `1.22-rc.1`; empty if it is none."""
    match = _RELEASE.fullmatch(release)
    if match is None:
        return ""
    core, kind, number, _ = match.groups()
    if release.startswith("devel "):
        return f"{core}-devel"
    return f"{core}-{kind}.{number}" if kind else core


def _module(module: tuple[str, str]) -> Iterator[Found]:
    name, version = module
    if name:
        yield Component(ecosystem=Ecosystem.GOLANG, name=name, version=version or UNVERSIONED)
    else:
        yield Skipped(what="a module without a name")


def _name_and_version(fields: list[bytes]) -> tuple[str, str]:
    name, version, *_ = *fields, b"", b""
    return identity_of(name), identity_of(version)


def _replaced(module: tuple[str, str] | None, fields: list[bytes]) -> tuple[str, str] | None:
    """Return what a module was replaced by: another module, or a folder, which has no version and no better name."""
    other, version = _name_and_version(fields)
    if module is None:
        return None
    return (module[0], UNVERSIONED) if version in ("", UNVERSIONED) else (other, version)


def _inline_info(blob: bytes) -> BuildInfo:
    """Read the newer form: the texts stand behind the head."""
    release, position = _inline_text(blob, _HEADER)
    modules, _ = _inline_text(blob, position)
    return BuildInfo(release=release, modules=_unframed(modules))


def _inline_text(blob: bytes, position: int) -> tuple[bytes, int]:
    """Read a length of base 128 and as many bytes; return them and where they end."""
    size = shift = 0
    for octet in blob[position : position + 10]:
        position += 1
        size |= (octet & 0x7F) << shift
        shift += 7
        if not octet & 0x80:
            break
    else:
        raise MalformedFile(what="a length without an end", where=f"offset {position} of {SECTION.decode()}")
    if position + size > len(blob):
        raise MalformedFile(what=f"a text of {size} bytes beyond the end", where=SECTION.decode())
    return blob[position : position + size], position + size


def _unframed(modules: bytes) -> bytes:
    """Take the frame off; a text without it is none."""
    framed = len(modules) > 2 * _SENTINEL and modules[-_SENTINEL - 1 : -_SENTINEL] == b"\n"
    return modules[_SENTINEL:-_SENTINEL] if framed else b""


def _pointed_info(program: Program, blob: bytes) -> BuildInfo | ReadMore:
    """Follow the pointers of the older form: to strings, which are pointers and sizes themselves."""
    size = blob[14]
    if size not in (4, 8):
        raise MalformedFile(what=f"pointers of {size} bytes", where=SECTION.decode())
    form = struct.Struct((">" if blob[15] & _BIG_ENDIAN else "<") + ("Q" if size == 8 else "I") * 2)
    strings = _follow(program, [(pointer, form.size) for pointer in form.unpack_from(blob, _ALIGNMENT)])
    if isinstance(strings, ReadMore):
        return strings
    limits = (_VERSION_SIZE, SECTION_SIZE)
    wanted = [form.unpack(string) for string in strings]
    for (_, length), limit in zip(wanted, limits, strict=True):
        if length > limit:
            raise MalformedFile(what=f"a text of {length} bytes", where=SECTION.decode())
    texts = _follow(program, wanted)
    if isinstance(texts, ReadMore):
        return texts
    return BuildInfo(release=texts[0], modules=_unframed(texts[1]))


def _follow(program: Program, wanted: list[tuple[int, int]]) -> list[bytes] | ReadMore:
    """Return what lies at some addresses of the running program; nothing where the size is 0."""
    found, missing = [], []
    for address, size in wanted:
        offset = program.offset_of(address, size) if size else 0
        if offset is None:
            raise MalformedFile(what=f"a pointer to {address:#x}, where nothing is", where=SECTION.decode())
        content = program.file.slice(offset, size)
        if content is None:
            missing.append((offset, size))
        else:
            found.append(content)
    return ReadMore(ranges=tuple(missing)) if missing else found
