"""The manifest of Ubuntu's Chisel, which cuts packages into slices and leaves dpkg's database out.

This module alone decides how it is read: lines of JSON, compressed by zstd, of which those about packages count. They
do not say from which source a package was built, but that is the name by which Ubuntu's advisories go; so packages
whose source has their own name are looked up, and that others are not is said. Where dpkg's database is there, too, it
knows better, and the manifest is left alone.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile, Skipped
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass, GapReason, Inventory
from rafsight.analysis.json_text import text_in
from rafsight.base.units import MiB
from rafsight.formats.compressed_stream import decompressed
from rafsight.formats.tables import MalformedImage
from rafsight.image.selection import Wants

_SIZE: Final = 64 * MiB
"""[bytes] of text; each file of the image has a line."""
_COUNT: Final = 100_000
"""Packages."""
_PACKAGE: Final = b'"package"'


class _Line(msgspec.Struct):
    jsonwall: Any = None
    kind: Any = None
    name: Any = None
    version: Any = None
    arch: Any = None


def read_manifest(file: FileView) -> Iterator[Found]:
    """Read one manifest.

    Raises: MalformedFile.
    """
    try:
        lines = b"".join(decompressed(iter((file.content,)), where="the manifest", max_size=_SIZE)).splitlines()
    except MalformedImage as fault:
        raise MalformedFile(what=str(fault), where="the manifest") from fault
    if not lines or not isinstance(_line(lines[0], 1).jsonwall, str):
        raise MalformedFile(what="no manifest of Chisel", where="line 1")
    count = 0
    for number, text in enumerate(lines, 1):
        line = _line(text, number) if _PACKAGE in text else None
        if line is None or line.kind != "package":
            continue
        count += 1
        if count > _COUNT:
            raise MalformedFile(what=f"more than {_COUNT} packages", where=f"line {number}")
        name, version = text_in(line.name), text_in(line.version)
        if name and version:
            yield Component(
                ecosystem=Ecosystem.DEB,
                evidence=EvidenceClass.INSTALLED,
                name=name,
                version=version,
                arch=text_in(line.arch),
            )
        else:
            yield Skipped(what=f"line {number} has no {'version' if name else 'name'}")
    if count:
        yield Skipped(
            what="the manifest does not say from which sources its packages were built: "
            "those whose source has another name were not looked up",
            reason=GapReason.UNSUPPORTED,
        )


def _line(text: bytes, number: int) -> _Line:
    try:
        return msgspec.json.decode(text, type=_Line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as fault:
        raise MalformedFile(what="no JSON", where=f"line {number}") from fault


def _without_dpkg(inventory: Inventory) -> bool:
    return all(component.ecosystem is not Ecosystem.DEB for component in inventory.components)


CHISEL: Final = Extractor(
    name="os/chisel",
    version=1,
    wants=Wants(patterns=(b"**/chisel/manifest.wall",), max_size=16 * MiB),
    extract=read_manifest,
    wave=2,
    needed=_without_dpkg,
)
