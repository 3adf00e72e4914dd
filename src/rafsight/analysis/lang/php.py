"""PHP packages that Composer installed: `vendor/composer/installed.json`, of Composer 1 (a list) and 2 (an object).

This module alone decides which entries are packages: those with a `vendor/name`. Branches (`dev-main`) stay what they
are; no advisory can be about them.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found, Skipped
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.analysis.json_text import decode_json, decode_part, text_in
from rafsight.base.text import printable
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_LICENCES: Final = 16
_SHOWN: Final = 80


class Package(msgspec.Struct):
    """An entry; composer.lock has the same."""

    name: object = None
    version: object = None
    license: object = None


class _Installed(msgspec.Struct):
    packages: list[msgspec.Raw] = []


def read_installed(file: FileView) -> Iterator[Found]:
    """Read one list of installed packages; other programs have files of this name, too, which name none.

    Raises: MalformedFile: no JSON.
    """
    whole = decode_json(file.content, msgspec.Raw)
    entries = decode_part(whole, list[msgspec.Raw])
    if entries is None:
        document = decode_part(whole, _Installed)
        entries = document.packages if document else []
    for entry in entries:
        package = decode_part(entry, Package)
        if package is not None:
            yield from packages_in(package, EvidenceClass.ARTIFACT)


def packages_in(package: Package, evidence: EvidenceClass) -> Iterator[Found]:
    """Yield the component of an entry, or that it has no version."""
    name, version = text_in(package.name), text_in(package.version)
    if name.count("/") != 1:
        return
    if not version:
        yield Skipped(what=f"{printable(name, _SHOWN)} has no usable version")
        return
    licences = package.license[:_LICENCES] if isinstance(package.license, list) else [package.license]
    yield Component(
        ecosystem=Ecosystem.COMPOSER,
        name=name,
        version=version,
        licenses=tuple(filter(None, map(text_in, licences))),
        evidence=evidence,
    )


PHP: Final = Extractor(
    name="lang/php",
    version=1,
    wants=Wants(patterns=(b"**/installed.json",), max_size=16 * MiB),
    extract=read_installed,
)
