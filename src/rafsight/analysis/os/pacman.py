"""pacman's database: `local/NAME-VERSION/desc`.

This module alone decides how the blocks (`%NAME%`, then lines until an empty one) are read. The lists of files beside
them are not: no advisories are known to be about Arch Linux, so that nothing may be left to them.
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile
from rafsight.analysis.fields import NAME_LENGTH, identity_of, lines_of
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_VALUES: Final = 64


def read_desc(file: FileView) -> Iterator[Found]:
    """Read one package.

    Raises: MalformedFile: no name or no version.
    """
    fields = _blocks(file.content)
    name, version = _first(fields, b"%NAME%"), _first(fields, b"%VERSION%")
    if not name or not version:
        raise MalformedFile(what=f"no {'version' if name else 'name'}", where="desc")
    yield Component(
        ecosystem=Ecosystem.ALPM,
        name=name,
        version=version,
        arch=_first(fields, b"%ARCH%"),
        source_name=_first(fields, b"%BASE%") or name,
        source_version=version,
        licenses=tuple(filter(None, map(identity_of, fields.get(b"%LICENSE%", ())))),
        maintainer=_first(fields, b"%PACKAGER%"),
        evidence=EvidenceClass.INSTALLED,
    )


def _blocks(content: bytes) -> dict[bytes, list[bytes]]:
    fields: dict[bytes, list[bytes]] = {}
    values: list[bytes] = []
    for line in lines_of(content):
        text = line.strip()
        if text[:1] == b"%" and text[-1:] == b"%" and len(text) <= 64:
            values = fields.setdefault(text, [])
        elif text and len(text) <= NAME_LENGTH and len(values) < _VALUES:
            values.append(text)
    return fields


def _first(fields: dict[bytes, list[bytes]], key: bytes) -> str:
    values = fields.get(key)
    return identity_of(values[0]) if values else ""


PACMAN: Final = Extractor(
    name="os/pacman",
    version=1,
    wants=Wants(patterns=(b"var/lib/pacman/local/*/desc",), max_size=1 * MiB),
    extract=read_desc,
)
