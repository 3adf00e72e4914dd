"""Which packages a Java archive is and holds: from its `pom.properties`, its manifest, and its name.

This module alone decides which of them is believed. A `pom.properties` names a package beyond doubt; an archive may
hold many, of which one is its own. Without one, the name of the archive says artifact and version better than the
manifest, whose fields mean something else in every build; the group comes from the manifest or a table. A component
without a group is listed by its artifact alone, as a guess, and no advisory is about such a name.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from rafsight.analysis.fields import NAME_LENGTH
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.analysis.lang.java_archive import Archive, inside
from rafsight.analysis.lang.java_metadata import ARTIFACT, VERSION, Coordinates, Fields
from rafsight.analysis.lang.java_names import (
    group_of_bundle,
    is_group,
    known_group,
    split_dotted,
    split_name,
    tomcat_artifact,
    usual_spelling,
)

_FIRST_WORD: Final = re.compile(r"[vr]?[0-9][!-~]*", re.ASCII)
_LOOSE: Final = re.compile(r"[\W_]+", re.ASCII)
_SHARP: Final = re.compile(r"([^#;\s]+)#([^#;\s]+);([^#;\s]+)\Z")
"""What a common Gradle plugin writes as a title: `group#artifact;version`."""
_TOMCAT: Final = "Apache Tomcat"
_VERSION_FIELDS: Final = ("plugin-version", "implementation-version", "bundle-version", "specification-version")
_LICENCE_LENGTH: Final = 100
_LICENCES: Final = 32


def identify(archive: Archive) -> Iterator[Component]:
    """Yield the packages that an archive is and holds."""
    poms, fields = dict(archive.poms), archive.fields
    own = _own_coordinates(archive, fields)
    pom = _own_pom(archive, fields, own, poms)
    if pom is not None:
        yield _component(poms[pom], archive.path, _licences(fields))
    elif own.artifact and (own.version or (archive.has_classes and not poms and not archive.has_archives)):
        yield _component(own, archive.path, _licences(fields))
    seen = {poms[pom]} if pom is not None else set()
    for path, other in poms.items():
        if other not in seen:
            seen.add(other)
            yield _component(other, inside(archive.path, path))


def _own_coordinates(archive: Archive, fields: Fields) -> Coordinates:
    """Work out what an archive is without its `pom.properties`."""
    title = fields.get("implementation-title", "")
    found = _SHARP.match(title)
    if found and is_group(found[1]) and ARTIFACT.match(found[2]) and VERSION.match(found[3]):
        return Coordinates(*found.groups())
    name = split_name(_stem(archive))
    artifact, version = name.artifact, name.version or _version(fields)
    said, vendor = fields.get("group-id", ""), fields.get("implementation-vendor-id", "")
    group = said or (vendor if "." in vendor and is_group(vendor) else "")
    if "plugin-version" in fields and ARTIFACT.match(fields.get("short-name", "")):  # Jenkins
        artifact, version = fields["short-name"], _version(fields)
    elif not name.version and title == _TOMCAT:
        artifact = tomcat_artifact(artifact, _bundle(fields))
    elif not name.version and ARTIFACT.match(title) and (group or known_group(title)):
        artifact = title
    dotted, artifact = split_dotted(usual_spelling(artifact.replace(":", "_")))
    if len(artifact) > NAME_LENGTH or not artifact.isprintable():
        return Coordinates("", "", "")
    if not said:
        bundle = _bundle(fields)
        group = known_group(artifact) or dotted or group or group_of_bundle(bundle, artifact)
    return Coordinates(group if is_group(group) else "", artifact, version if VERSION.match(version) else "")


def _own_pom(archive: Archive, fields: Fields, own: Coordinates, poms: Mapping[bytes, Coordinates]) -> bytes | None:
    """Find the `pom.properties` of the archive itself among those that it holds."""
    stem = _stem(archive)
    names = {stem, split_name(stem).artifact, own.artifact}
    loose = {_loosen(name) for name in (*names, fields.get("implementation-title", ""))}
    bundle = _bundle(fields)
    alike = [
        path
        for path, pom in poms.items()
        if pom.artifact in names
        or _loosen(pom.artifact) in loose
        or _loosen(f"{pom.artifact}-{pom.version}") in loose
        or bundle in (pom.artifact, f"{pom.group}.{pom.artifact}")
    ]
    if alike:
        return min(alike, key=lambda path: (poms[path].artifact not in names, poms[path].version != own.version))
    only = next(iter(poms)) if len(poms) == 1 else None
    return only if only is not None and own.version in ("", poms[only].version) else None


def _component(coordinates: Coordinates, member: bytes, licences: tuple[str, ...] = ()) -> Component:
    group, artifact, version = coordinates
    return Component(
        ecosystem=Ecosystem.MAVEN,
        name=f"{group}:{artifact}" if group else artifact,
        evidence=EvidenceClass.ARTIFACT if group else EvidenceClass.HEURISTIC,
        version=version,
        licenses=licences,
        member=member,
    )


def _licences(fields: Fields) -> tuple[str, ...]:
    """Return the names or addresses of licences that an OSGi bundle gives."""
    values = (value.partition(";")[0].strip(" \"'") for value in fields.get("bundle-license", "").split(","))
    return tuple(dict.fromkeys(value for value in values if 0 < len(value) <= _LICENCE_LENGTH))[:_LICENCES]


def _bundle(fields: Fields) -> str:
    """Return the symbolic name of an OSGi bundle, without its directives; empty if there is none."""
    return fields.get("bundle-symbolicname", "").partition(";")[0].strip()


def _version(fields: Fields) -> str:
    """Return the first version that a manifest gives; behind a blank it tells about the build."""
    found = (_FIRST_WORD.match(fields.get(name, "")) for name in _VERSION_FIELDS)
    return next((one[0] for one in found if one), "")


def _stem(archive: Archive) -> str:
    """Return the name of an archive without its suffix."""
    return archive.name.rpartition(b".")[0].decode("utf-8", "replace")


def _loosen(name: str) -> str:
    """Write a name so that those that differ in case and punctuation alone are equal."""
    return _LOOSE.sub("-", name.lower()).strip("-")
