"""A bill of materials as the thing to be scanned: what it is of, and an inventory like that of an image.

CycloneDX and SPDX 2 in JSON, and Syft's own. Which entries are packages is decided in `embedded`; this module alone
decides what a whole document says beside them: the distribution, the source packages, which packages the distribution's
own ones brought (only our bills say that), and what it is a bill of.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from rafsight.analysis.extractor import FileView, MalformedFile, Skipped
from rafsight.analysis.inventory import OS_ECOSYSTEMS, Component, Distribution, Gap, GapReason, Inventory
from rafsight.analysis.join import Evidence, join
from rafsight.analysis.json_text import decode_json, decode_part, text_in
from rafsight.analysis.sbom.embedded import read_bill, title_of
from rafsight.analysis.sbom.package_url import component_of
from rafsight.base.units import MiB

BILL_SIZE: Final = 256 * MiB
"""[bytes] of a document."""

_NAME: Final = "sbom/document"
_IDS: Final = {
    "alma": "almalinux",
    "amazon": "amzn",
    "cbl-mariner": "mariner",
    "opensuse.leap": "opensuse-leap",
    "opensuse.tumbleweed": "opensuse-tumbleweed",
    "oracle": "ol",
    "redhat": "rhel",
    "slem": "sle-micro",
    "suse linux enterprise server": "sles",
}
"""What bills call distributions whose own name (ID in os-release) is another."""
_SOURCE: Final = "aquasecurity:trivy:Src"
_BUILT_FROM: Final = "built package from: "
_OWNER: Final = "rafsight:ownedBy"
_OWNED_BY: Final = "owned by: "
_OF_IMAGES: Final = ("pkg:oci/", "pkg:docker/")

_Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A document that was read."""

    form: str
    """`CycloneDX 1.6`, `SPDX-2.3`, `Syft JSON`."""
    subject: str
    """What it is a bill of, as it says; empty if it does not."""
    inventory: Inventory


class _Head(msgspec.Struct):
    spdx_version: Any = msgspec.field(name="spdxVersion", default=None)
    bom_format: Any = msgspec.field(name="bomFormat", default=None)
    spec_version: Any = msgspec.field(name="specVersion", default=None)
    name: Any = None
    metadata: msgspec.Raw = msgspec.Raw(b"null")
    components: msgspec.Raw = msgspec.Raw(b"null")
    packages: msgspec.Raw = msgspec.Raw(b"null")
    artifacts: msgspec.Raw = msgspec.Raw(b"null")
    distro: msgspec.Raw = msgspec.Raw(b"null")
    source: msgspec.Raw = msgspec.Raw(b"null")


class _Property(msgspec.Struct):
    name: Any = None
    value: Any = None


class _Reference(msgspec.Struct):
    kind: Any = msgspec.field(name="referenceType", default=None)
    locator: Any = msgspec.field(name="referenceLocator", default=None)


class _Entry(msgspec.Struct):
    """One entry of any of the forms, as far as it says more than a package URL."""

    type: Any = None
    group: Any = None
    name: Any = None
    version: Any = None
    purl: Any = None
    properties: list[_Property] = []
    spdx_version: Any = msgspec.field(name="versionInfo", default=None)
    purpose: Any = msgspec.field(name="primaryPackagePurpose", default=None)
    source_info: Any = msgspec.field(name="sourceInfo", default=None)
    references: list[_Reference] = msgspec.field(name="externalRefs", default_factory=list)


class _Metadata(msgspec.Struct):
    component: _Entry | None = None


class _Distro(msgspec.Struct):
    id: Any = None
    version: Any = msgspec.field(name="versionID", default=None)


class _Target(msgspec.Struct):
    name: Any = None


def read_document(content: bytes, name: bytes) -> Bill:
    """Read a bill.

    Args:
        content: the document.
        name: of the file: where all of its components are found.
    Raises: MalformedFile.
    """
    head = decode_json(content, _Head)
    form = _form_of(head)
    entries = list(_entries(head))
    distribution = _distribution(head, entries)
    sources = dict(_sources(entries))
    images = {_key(component) for purl in map(_purl, entries) if (component := _image(purl))}
    components, gaps = [], []
    for found in read_bill(FileView(path=name, size=len(content), runs=((0, content),))):
        if isinstance(found, Component) and _key(found) not in images:
            source = sources.get(_key(found), (found.source_name, found.source_version))
            source = (found.source_name, found.source_version) if found.source_name else source
            components.append(
                replace(found, locations=(name,), found_by=_NAME, source_name=source[0], source_version=source[1])
            )
        elif isinstance(found, Skipped):
            gaps.append(Gap(reason=found.reason, subject=form, detail=found.what, extractor=_NAME))
    owners = _owners(entries)
    inventory = join(
        Evidence(
            components=components,
            distributions=[(b"", distribution)] if distribution else [],
            ownerships=[],
            gaps=gaps,
        )
    )
    owned = tuple(replace(one, owned_by=owners.get(_key(one), "")) for one in inventory.components)
    return Bill(form=form, subject=_subject(head), inventory=_named(replace(inventory, components=owned)))


def _named(inventory: Inventory) -> Inventory:
    """Say of a bill without packages that it, not an image, has none."""
    gaps = tuple(
        replace(gap, subject="bill of materials") if gap.reason is GapReason.NO_PACKAGES else gap
        for gap in inventory.gaps
    )
    return replace(inventory, gaps=gaps)


def _form_of(head: _Head) -> str:
    if text_in(head.bom_format) == "CycloneDX":
        return f"CycloneDX {text_in(head.spec_version)}".rstrip()
    version = text_in(head.spdx_version)
    if version.startswith("SPDX-2"):
        return version
    if bytes(head.artifacts).lstrip()[:1] == b"[":
        return "Syft JSON"
    raise MalformedFile(what="neither CycloneDX, SPDX 2 nor Syft JSON", where="its top")


def _subject(head: _Head) -> str:
    metadata = decode_part(head.metadata, _Metadata)
    if metadata is not None and metadata.component is not None:
        return text_in(metadata.component.name)
    target = decode_part(head.source, _Target)
    return text_in(head.name) or (text_in(target.name) if target else "")


def _entries(head: _Head) -> Iterator[_Entry]:
    for part in (head.components, head.packages, head.artifacts):
        for raw in decode_part(part, list[msgspec.Raw]) or ():
            entry = decode_part(raw, _Entry)
            if entry is not None:
                yield entry


def _purl(entry: _Entry) -> str:
    return text_in(entry.purl) or next((text_in(one.locator) for one in entry.references if one.kind == "purl"), "")


def _image(purl: str) -> Component | None:
    return component_of(purl) if purl.startswith(_OF_IMAGES) else None


def _key(component: Component) -> _Key:
    return component.ecosystem.value, component.name, component.version, component.arch


def _distribution(head: _Head, entries: list[_Entry]) -> Distribution | None:
    """Find the distribution: the document's own word, else what a package URL of one of its packages says."""
    for entry in entries:
        if entry.type == "operating-system" or entry.purpose == "OPERATING-SYSTEM":
            return _make_distribution(text_in(entry.name), text_in(entry.version) or text_in(entry.spdx_version))
    distro = decode_part(head.distro, _Distro)
    if distro is not None and text_in(distro.id):
        return _make_distribution(text_in(distro.id), text_in(distro.version))
    for entry in entries:
        component = component_of(_purl(entry))
        if component is not None and component.ecosystem in OS_ECOSYSTEMS:
            found = _of_purl(_purl(entry))
            if found is not None:
                return found
    return None


def _of_purl(purl: str) -> Distribution | None:
    parts = purl.partition("?")[0].split("/")
    namespace = unquote(parts[1]) if len(parts) > 2 else ""
    said = _qualifier(purl, "distro")
    if not said:
        return None
    name, _, version = said.rpartition("-")
    if not version[:1].isdigit():
        name, version = said, ""
    return _make_distribution(name or namespace, version) if name or namespace else None


def _qualifier(purl: str, key: str) -> str:
    query = purl.partition("#")[0].partition("?")[2]
    values = (item.removeprefix(f"{key}=") for item in query.split("&", 64)[:64] if item.startswith(f"{key}="))
    return unquote(next(values, ""))


def _make_distribution(name: str, version: str) -> Distribution:
    identity = name.strip().lower()
    return Distribution(id=_IDS.get(identity, identity), version=version, name="")


def _owners(entries: list[_Entry]) -> dict[_Key, str]:
    """Find the packages of the distribution that brought others; a package that lies elsewhere, too, has none."""
    owners: dict[_Key, str] = {}
    for entry in entries:
        owner = next((text_in(one.value) for one in entry.properties[:256] if one.name == _OWNER), "")
        words = text_in(entry.source_info)
        if words.startswith(_OWNED_BY):
            owner = words.removeprefix(_OWNED_BY).partition(";")[0].strip()
        title = title_of(text_in(entry.group), text_in(entry.name))
        component = component_of(_purl(entry), title=title)
        if component is not None and component.ecosystem not in OS_ECOSYSTEMS:
            key = _key(component)
            owners[key] = owner if owners.get(key, owner) else ""
    return owners


def _sources(entries: list[_Entry]) -> Iterator[tuple[_Key, tuple[str, str]]]:
    """Yield the source packages that stand outside the package URLs: Trivy's properties, SPDX's words."""
    for entry in entries:
        source = _source(entry)
        component = component_of(_purl(entry)) if source[0] else None
        if component is not None and component.ecosystem in OS_ECOSYSTEMS:
            yield _key(component), source


def _source(entry: _Entry) -> tuple[str, str]:
    told = {text_in(one.name): text_in(one.value) for one in entry.properties[:256]}
    name = told.get(f"{_SOURCE}Name", "")
    if name:
        version, release, epoch = (told.get(f"{_SOURCE}{key}", "") for key in ("Version", "Release", "Epoch"))
        return name, f"{epoch + ':' if epoch and epoch != '0' else ''}{version}{'-' + release if release else ''}"
    built = _qualifier(_purl(entry), "upstream").removesuffix(".src.rpm")
    if _purl(entry).startswith("pkg:rpm/") and built.count("-") > 1:
        name, version, release = built.rsplit("-", 2)
        return name, f"{version}-{release}"
    words = text_in(entry.source_info)
    if not words.startswith(_BUILT_FROM):
        return "", ""
    name, _, version = words.removeprefix(_BUILT_FROM).partition(";")[0].strip().partition(" ")
    return name, version
