"""The database of apk: Alpine, Wolfi, Chainguard. One file has the packages and the files that they own.

This module alone decides what one stanza of `installed` means.
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile, Skipped
from rafsight.analysis.fields import PATH_LENGTH, identity_of, lines_of, ownerships, text_of
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_FIELDS: Final = frozenset(b"PVALom")
_PATHS: Final = 1_000_000


def read_installed(file: FileView) -> Iterator[Found]:
    """Read stanzas of one-letter fields; the first one of a name counts, as for apk itself.

    Raises: MalformedFile.
    """
    fields: dict[int, bytes] = {}
    paths: list[tuple[bytes, bytes]] = []
    seen: set[str] = set()
    folder = b""
    start = 1
    for number, raw in enumerate(lines_of(file.content), 1):
        line = raw.rstrip(b"\r\n")
        if not line:
            if fields:
                yield from _package(fields, paths, seen, start)
            fields, paths, folder, start = {}, [], b"", number + 1
        elif line[1:2] != b":":
            yield Skipped(what=f"line {number} is no field")
        elif line[0] == ord("F"):
            folder = line[2:] + b"/" if len(line) > 2 else b""
        elif line[0] == ord("R"):
            if len(paths) == _PATHS:
                raise MalformedFile(what="a package with too many files", where=f"line {number}")
            paths.append((folder, line[2:]))  # joined late: many short names may share one long folder
        elif line[0] in _FIELDS:
            fields.setdefault(line[0], line[2:])
    yield from _package(fields, paths, seen, start)


def _package(fields: dict[int, bytes], paths: list[tuple[bytes, bytes]], seen: set[str], start: int) -> Iterator[Found]:
    if not fields:
        return
    name, version = identity_of(fields.get(ord("P"), b"")), identity_of(fields.get(ord("V"), b""))
    if not name or not version:
        yield Skipped(what=f"the stanza that begins in line {start} has no {'version' if name else 'name'}")
        return
    if name in seen or name.startswith("."):  # `.build-deps` and the like are wishes of `apk add -t`, not packages
        return
    seen.add(name)
    licence = text_of(fields.get(ord("L"), b"")[:PATH_LENGTH])
    yield Component(
        ecosystem=Ecosystem.APK,
        evidence=EvidenceClass.INSTALLED,
        name=name,
        version=version,
        arch=identity_of(fields.get(ord("A"), b"")),
        source_name=identity_of(fields.get(ord("o"), b"")) or name,
        source_version=version,
        licenses=(licence,) if licence else (),
        maintainer=text_of(fields.get(ord("m"), b"")[:PATH_LENGTH]),
    )
    yield from ownerships(name, (folder + file for folder, file in paths), official=True)


APK: Final = Extractor(
    name="os/apk",
    version=2,
    wants=Wants(patterns=(b"lib/apk/db/installed", b"usr/lib/apk/db/installed"), max_size=64 * MiB),
    extract=read_installed,
)
