"""Installed gems: the specifications that RubyGems and Bundler write. They are Ruby, and are never run.

This module alone decides which lines of a specification say name, version and licences. What is not written literally
(`VERSION`, `File.read(...)`) is not known here; then the line `# stub: NAME VERSION PLATFORM` counts.
"""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile
from rafsight.analysis.fields import identity_of, lines_of
from rafsight.analysis.inventory import Component, Ecosystem
from rafsight.base.units import KiB, MiB
from rafsight.image.selection import Wants

_HEAD: Final = 16 * KiB
"""[bytes] name and version stand before the list of files, which is what makes specifications long."""
_LINE: Final = 4096
_LICENCES: Final = 16
_FIELD: Final = re.compile(rb"\s{0,64}[a-z_]\w{0,30}\.(name|version|licenses?)\s{0,16}=\s{0,16}(.*)", re.DOTALL)
_LITERAL: Final = re.compile(
    rb"""(?:Gem::Version\.new\(?\s?)?(?:"([^"\\#]*)"|'([^'\\]*)'|%[qQ]?[{(<\[]([^})>\]\\#]*)[})>\]])"""
)
_STUB: Final = re.compile(rb"# stub: (\S+) (\S+) ")


def read_gemspec(file: FileView) -> Iterator[Found]:
    """Read one specification.

    Raises: MalformedFile: it says no name or no version literally.
    """
    fields: dict[bytes, list[bytes]] = {}
    for line in lines_of(file.content):
        if line.startswith(b"# stub: ") and (stub := _STUB.match(line[:_LINE])):
            fields.setdefault(b"stub", [stub[1], stub[2]])
        elif len(line) <= _LINE and (field := _FIELD.match(line)):
            fields.setdefault(field[1], _literals(field[2]))
    stub_fields = fields.get(b"stub", [b"", b""])
    name = identity_of((fields.get(b"name") or stub_fields[:1])[0])
    version = identity_of((fields.get(b"version") or stub_fields[1:])[0])
    if not name or not version:
        raise MalformedFile(what=f"no {'version' if name else 'name'} that is written out", where="the specification")
    licences = fields.get(b"licenses") or fields.get(b"license") or []
    yield Component(
        ecosystem=Ecosystem.GEM,
        name=name,
        version=version,
        licenses=tuple(filter(None, map(identity_of, licences[:_LICENCES]))),
    )


def _literals(value: bytes) -> list[bytes]:
    """Return the literal text of a value, or those of a list; nothing for anything that Ruby would have to work out."""
    if not value.startswith(b"["):
        match = _LITERAL.match(value)
        return [match[1] or match[2] or match[3] or b""] if match else []
    return [first or second or third for first, second, third in _LITERAL.findall(value)]


RUBY: Final = Extractor(
    name="lang/ruby",
    version=1,
    wants=Wants(
        patterns=(
            b"**/specifications/*.gemspec",
            b"**/specifications/default/*.gemspec",
            b"**/bundler/gems/*/*.gemspec",
        ),
        max_size=4 * MiB,
        head=_HEAD,
    ),
    extract=read_gemspec,
)
