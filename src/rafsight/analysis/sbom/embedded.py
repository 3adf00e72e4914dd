"""Bills of materials inside an image: SPDX 2 (JSON and lines of text), CycloneDX as JSON, and Syft's own JSON.

This module alone decides where they are looked for, and which of their entries are packages: those with a package URL
that has a version. All they say is declared, not seen; where the same package was found otherwise, that counts.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile, Skipped
from rafsight.analysis.fields import PATH_LENGTH, identity_of, lines_of
from rafsight.analysis.inventory import GapReason
from rafsight.analysis.json_text import decode_json, decode_part, text_in
from rafsight.analysis.sbom.package_url import component_of
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_COUNT: Final = 500_000
"""Entries in one document."""
_DEPTH: Final = 16
"""Components inside others."""
_LICENCES: Final = 16
_NOTHING: Final = ("", "NOASSERTION", "NONE")
_ENTRIES: Final = ("library", "framework", "application", "platform", "firmware", "")
_WHOLES: Final = ("CONTAINER", "OPERATING-SYSTEM")
"""What SPDX calls entries that need no package URL: what the bill is of, and the distribution."""


class _Document(msgspec.Struct):
    """The members that tell the formats apart, and the lists."""

    spdx_version: object = msgspec.field(name="spdxVersion", default=None)
    bom_format: object = msgspec.field(name="bomFormat", default=None)
    context: object = msgspec.field(name="@context", default=None)
    packages: msgspec.Raw = msgspec.Raw(b"null")
    components: msgspec.Raw = msgspec.Raw(b"null")
    artifacts: msgspec.Raw = msgspec.Raw(b"null")


class _Reference(msgspec.Struct):
    kind: object = msgspec.field(name="referenceType", default=None)
    locator: object = msgspec.field(name="referenceLocator", default=None)


class _SpdxPackage(msgspec.Struct):
    name: object = None
    references: list[_Reference] = msgspec.field(name="externalRefs", default_factory=list)
    declared: object = msgspec.field(name="licenseDeclared", default=None)
    concluded: object = msgspec.field(name="licenseConcluded", default=None)
    purpose: object = msgspec.field(name="primaryPackagePurpose", default=None)


class _LicenceName(msgspec.Struct):
    id: object = None
    name: object = None


class _Licence(msgspec.Struct):
    licence: _LicenceName | None = msgspec.field(name="license", default=None)
    expression: object = None


class _CycloneComponent(msgspec.Struct):
    type: object = None
    group: object = None
    name: object = None
    purl: object = None
    licences: msgspec.Raw = msgspec.field(name="licenses", default_factory=msgspec.Raw)
    components: msgspec.Raw = msgspec.Raw(b"null")


class _Artifact(msgspec.Struct):
    name: object = None
    purl: object = None


class _Entry(NamedTuple):
    """What a document says about one package."""

    purl: str = ""
    """Empty if there is none."""
    title: str = ""
    licences: tuple[str, ...] = ()


def read_bill(file: FileView) -> Iterator[Found]:
    """Read one document; JSON of another kind names no packages.

    Raises: MalformedFile.
    """
    if file.content.lstrip()[:1] != b"{":
        entries = _tagged(file.content)
    else:
        document = decode_json(file.content, _Document)
        if document.context is not None:
            yield Skipped(what="a bill of a form that is not read here (SPDX 3)", reason=GapReason.UNSUPPORTED)
        entries = _entries(document)
    unnamed = 0
    for count, entry in enumerate(entries):
        if count == _COUNT:
            raise MalformedFile(what=f"more than {_COUNT} entries", where="its list")
        component = component_of(entry.purl, entry.licences, entry.title)
        if component is None:
            unnamed += 1
        else:
            yield component
    if unnamed:
        yield Skipped(what=f"{unnamed} entries of this bill have no package URL with a version")


def _entries(document: _Document) -> Iterator[_Entry]:
    if text_in(document.spdx_version).startswith("SPDX-2"):
        yield from _listed(document.packages, _spdx)
    elif text_in(document.bom_format) == "CycloneDX":
        yield from _cyclonedx(document.components)
    else:
        yield from _listed(document.artifacts, _syft)


def _tagged(content: bytes) -> Iterator[_Entry]:
    """Read SPDX as lines of text: the package URLs alone."""
    if not content.startswith(b"SPDXVersion:") and b"\nSPDXVersion:" not in content[:4096]:
        raise MalformedFile(what="neither JSON nor SPDX", where="its start")
    for line in lines_of(content):
        if line.startswith(b"ExternalRef:") and len(line) <= PATH_LENGTH:
            words = line.split()
            if len(words) == 4 and words[2] == b"purl":
                yield _Entry(identity_of(words[3]))


def _listed(raw: msgspec.Raw, read: Callable[[msgspec.Raw], _Entry | None]) -> Iterator[_Entry]:
    for item in decode_part(raw, list[msgspec.Raw]) or ():
        entry = read(item)
        if entry is not None:
            yield entry


def _spdx(raw: msgspec.Raw) -> _Entry | None:
    package = decode_part(raw, _SpdxPackage)
    if package is None:
        return _Entry()
    purl = next((text_in(one.locator) for one in package.references if one.kind == "purl"), "")
    if not purl and package.purpose in _WHOLES:
        return None
    licence = next(
        (text for value in (package.declared, package.concluded) if (text := text_in(value)) not in _NOTHING), ""
    )
    return _Entry(purl, text_in(package.name), (licence,) if licence else ())


def _syft(raw: msgspec.Raw) -> _Entry | None:
    artifact = decode_part(raw, _Artifact)
    return _Entry(text_in(artifact.purl), text_in(artifact.name)) if artifact else None


def _cyclonedx(raw: msgspec.Raw) -> Iterator[_Entry]:
    """Walk components and those inside them, without recursion."""
    waiting = [(raw, 1)]
    while waiting:
        part, depth = waiting.pop()
        for item in decode_part(part, list[msgspec.Raw]) or ():
            component = decode_part(item, _CycloneComponent)
            if component is None:
                yield _Entry()
                continue
            if depth < _DEPTH:  # each level is looked at again for the next one
                waiting.append((component.components, depth + 1))
            if text_in(component.purl) or component.type in _ENTRIES:
                title = title_of(text_in(component.group), text_in(component.name))
                yield _Entry(text_in(component.purl), title, tuple(_licences(component.licences)))


def title_of(group: str, name: str) -> str:
    """Join the group and the name that CycloneDX keeps apart."""
    return f"{group}/{name}" if group and name else name


def _licences(raw: msgspec.Raw) -> Iterator[str]:
    for one in (decode_part(raw, list[_Licence]) or [])[:_LICENCES]:
        values = (one.expression, one.licence.id if one.licence else None, one.licence.name if one.licence else None)
        text = next((text for value in values if (text := text_in(value))), "")
        if text:
            yield text


EMBEDDED: Final = Extractor(
    name="sbom/embedded",
    version=2,
    wants=Wants(
        patterns=(
            b"opt/bitnami/*/.spdx-*.spdx",
            b"**/*.spdx.json",
            b"**/*.cdx.json",
            b"**/*.syft.json",
            b"**/*.cdx",
            b"**/*.spdx",
            b"**/bom.json",
            b"**/*.bom.json",
            b"**/sbom.json",
            b"**/*.sbom.json",
            b"**/*.dist-info/sboms/*.json",
            b"usr/local/share/sbom/*.json",
            b"var/lib/db/sbom/*.json",
        ),
        max_size=64 * MiB,
    ),
    extract=read_bill,
)
