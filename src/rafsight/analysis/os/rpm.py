"""The databases of rpm: three containers (told apart by their content) of the same headers.

This module alone decides where they lie, and what a header becomes.
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found, MalformedFile, Skipped
from rafsight.analysis.fields import identity_of, ownerships, text_of
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.analysis.os import rpm_bdb, rpm_ndb, rpm_sqlite
from rafsight.analysis.os.official import is_official_vendor
from rafsight.analysis.os.rpm_header import RpmHeader, read_header
from rafsight.base.units import MiB
from rafsight.image.selection import Wants

_FOLDERS: Final = (b"var/lib/rpm/", b"usr/lib/sysimage/rpm/", b"usr/share/rpm/")
_NAMES: Final = (b"rpmdb.sqlite", b"Packages.db", b"Packages")
_LOG: Final = b"-wal"
_KEYS: Final = b"gpg-pubkey"


def read_database(file: FileView) -> Iterator[Found]:
    """Read the packages and their lists of files.

    Raises: MalformedFile.
    """
    for number, blob in enumerate(_blobs(file), 1):
        if isinstance(blob, Skipped):
            yield blob
            continue
        try:
            header = read_header(blob)
        except MalformedFile as fault:
            yield Skipped(what=f"package {number}: {fault}")
            continue
        if header.name != _KEYS:
            yield from _package(header, number)


def _blobs(file: FileView) -> Iterator[bytes | Skipped]:
    content = file.content
    if content.startswith(rpm_sqlite.MAGIC):
        return rpm_sqlite.read_blobs(content, file.companions.get(_LOG, b""))
    if content.startswith(rpm_ndb.MAGIC):
        return rpm_ndb.read_blobs(content)
    if rpm_bdb.is_bdb(content):
        return rpm_bdb.read_blobs(content)
    if not content:
        return iter(())
    raise MalformedFile(what="an rpm database of no known kind", where="offset 0")


def _package(header: RpmHeader, number: int) -> Iterator[Found]:
    name, version = identity_of(header.name), identity_of(header.version)
    if not name or not version:
        yield Skipped(what=f"package {number} has no usable name or version")
        return
    release = identity_of(header.release)
    vendor = text_of(header.vendor)
    licence = text_of(header.licence)
    component = rpm_component(
        name=name,
        version=f"{version}-{release}" if release else version,
        epoch=header.epoch,
        arch=identity_of(header.arch),
        source_rpm=identity_of(header.source_rpm),
        vendor=vendor,
        licences=(licence,) if licence else (),
        modularity=identity_of(header.modularity),
    )
    yield component
    yield from ownerships(name, header.paths(), official=is_official_vendor(vendor))


def rpm_component(
    *,
    name: str,
    version: str,
    epoch: int,
    arch: str,
    source_rpm: str,
    vendor: str,
    licences: tuple[str, ...] = (),
    modularity: str = "",
) -> Component:
    """Make a component from what rpm says; a source package has no epoch of its own, so the binary's is taken.

    Args:
        name: of the binary package.
        version: `version-release`.
        epoch: 0 if there is none.
        arch: `x86_64`, `noarch`, ...
        source_rpm: `name-version-release.src.rpm`, or empty.
        vendor: who made it.
        licences: names or expressions.
        modularity: `name:stream:version:context`, or empty.
    """
    prefix = f"{epoch}:" if epoch else ""
    source = source_rpm.removesuffix(".rpm").removesuffix(".src").removesuffix(".nosrc").rsplit("-", 2)
    known = len(source) == 3
    return Component(
        ecosystem=Ecosystem.RPM,
        evidence=EvidenceClass.INSTALLED,
        name=name,
        version=prefix + version,
        arch=arch,
        source_name=source[0] if known else name,
        source_version=prefix + (f"{source[1]}-{source[2]}" if known else version),
        licenses=licences,
        maintainer=vendor,
        modularity="" if modularity == "(none)" else modularity,
    )


RPM: Final = Extractor(
    name="os/rpm",
    version=2,
    wants=Wants(
        patterns=tuple(folder + name for folder in _FOLDERS for name in _NAMES),
        max_size=384 * MiB,
        companions=(_LOG,),
    ),
    extract=read_database,
)
