"""Gradle's and sbt's lists of Java packages: lock files, verification metadata, version catalogues.

This module alone decides how each of the four says group, artifact and version.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.fields import identity_of, lines_of
from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.json_text import decode_json, decode_part, text_in
from rafsight.analysis.locks.locked import LOCK_SIZE, locked
from rafsight.analysis.toml_text import read_toml, table_in
from rafsight.analysis.xml_text import read_xml
from rafsight.image.selection import Wants

_LINE: Final = 8192


class _SbtLock(msgspec.Struct):
    dependencies: list[msgspec.Raw] = []


class _SbtDependency(msgspec.Struct):
    org: object = None
    name: object = None
    version: object = None


def _lockfile(content: bytes) -> Iterator[Found]:
    """Read `GROUP:ARTIFACT:VERSION=CONFIGURATIONS` lines."""
    for line in lines_of(content):
        parts = line[:_LINE].partition(b"=")[0].strip().split(b":", 3)
        if len(parts) == 3 and not line.startswith(b"#"):
            group, artifact, version = map(identity_of, parts)
            yield locked(Ecosystem.MAVEN, f"{group}:{artifact}", version)


def _sbt(content: bytes) -> Iterator[Found]:
    for raw in decode_json(content, _SbtLock).dependencies:
        one = decode_part(raw, _SbtDependency)
        if one is not None:
            yield locked(Ecosystem.MAVEN, f"{text_in(one.org)}:{text_in(one.name)}", one.version)


def _verification(content: bytes) -> Iterator[Found]:
    for one in read_xml(content).all("verification-metadata", "components", "component"):
        yield locked(Ecosystem.MAVEN, f"{one.value('group')}:{one.value('name')}", one.value("version"))


def _catalogue(content: bytes) -> Iterator[Found]:
    """Read a version catalogue; what has no fixed version there is passed over."""
    document = read_toml(content)
    versions = table_in(document, "versions")
    for entry in table_in(document, "libraries").values():
        group_artifact, version = _library(entry)
        if isinstance(version, dict) and "ref" in version:
            version = versions.get(str(version["ref"]))
        if isinstance(version, dict):
            version = version.get("strictly") or version.get("require") or version.get("prefer")
        if isinstance(version, str) and group_artifact:
            yield locked(Ecosystem.MAVEN, group_artifact, version)


def _library(entry: Any) -> tuple[str, Any]:
    if isinstance(entry, str):
        name, _, version = entry.rpartition(":")
        return name, version
    if not isinstance(entry, dict):
        return "", None
    module = entry.get("module") or f"{entry.get('group')}:{entry.get('name')}"
    return str(module), entry.get("version")


_READERS: Final[Mapping[bytes, Callable[[bytes], Iterator[Found]]]] = {
    b".lockfile": _lockfile,
    b".sbt.lock": _sbt,
    b"verification-metadata.xml": _verification,
    b".versions.toml": _catalogue,
}


def read_lock(file: FileView) -> Iterator[Found]:
    """Read one file, by its name.

    Raises: MalformedFile.
    """
    for ending, read in _READERS.items():
        if file.name.endswith(ending):
            yield from read(file.content)


GRADLE_LOCK: Final = Extractor(
    name="locks/gradle-lock",
    version=1,
    wants=Wants(
        patterns=(
            b"**/*gradle.lockfile",
            b"**/build.sbt.lock",
            b"**/gradle/verification-metadata.xml",
            b"**/libs.versions.toml",
        ),
        max_size=LOCK_SIZE,
    ),
    extract=read_lock,
    declared=True,
)
