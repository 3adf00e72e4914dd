"""Trivy: packages and their vulnerabilities, from its own database."""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.inventory import Component, Distribution, Ecosystem, Gap, GapReason
from rafsight.base.severity import Severity
from rafsight.engines.documents import decode, gaps_of, kind_of, location_of, some, sorted_findings, take_stock
from rafsight.engines.engine import (
    BadReleases,
    Command,
    EngineReport,
    MalformedOutput,
    Output,
    Target,
    Traits,
    Via,
)
from rafsight.engines.trivy_wire import Cvss, Document, Identifier, Package, Result, System, Vulnerability
from rafsight.matching.finding import CvssRating, DataSource, Finding, Status
from rafsight.reports.document import DatabaseFacts
from rafsight.reports.targets import distribution_id_of

TRAITS: Final = Traits(
    name="trivy",
    oldest=(0, 63, 0),
    module="github.com/aquasecurity/trivy",
    covers="Vulnerabilities in packages of distributions and languages, Go and Rust binaries, jars.",
    needs="its database: `trivy image --download-db-only`; for jars `trivy image --download-java-db-only`, too",
    install="a release from github.com/aquasecurity/trivy, checked against its signature",
    passed=frozenset({"TRIVY_CACHE_DIR", "TRIVY_DEBUG", "TRIVY_IGNOREFILE", "TRIVY_PARALLEL", "TRIVY_TIMEOUT"}),
    forced={
        "TRIVY_DISABLE_TELEMETRY": "true",
        "TRIVY_OFFLINE_SCAN": "true",
        "TRIVY_SKIP_DB_UPDATE": "true",
        "TRIVY_SKIP_JAVA_DB_UPDATE": "true",
        "TRIVY_SKIP_VERSION_CHECK": "true",
    },
    bad=(
        BadReleases(
            first=(0, 69, 4),
            last=(0, 69, 6),
            why="attackers published it, and it steals credentials (GHSA-69fq-xp46-6x23, March 2026)",
        ),
    ),
    mount_note="trivy reads the head of every executable of a mounted tree, so that each costs at least one chunk",
)

_NETWORK_OFF: Final = (
    "--skip-db-update",
    "--skip-java-db-update",
    "--skip-check-update",
    "--skip-vex-repo-update",
    "--skip-version-check",
    "--disable-telemetry",
    "--offline-scan",
)
_REPORT: Final = (
    *("--format", "json", "--scanners", "vuln", "--list-all-pkgs", "--show-suppressed"),
    *("--exit-code", "0", "--no-progress"),
)

_BUILT: Final = re.compile(r"(?m)^Vulnerability DB:\n(?:[ \t]+.*\n)*?[ \t]+UpdatedAt: ([0-9-]{10})[ T]([0-9:]{8})")
_UNSUPPORTED: Final = re.compile(r"(?i)unsupported os")
_JAVA: Final = re.compile(r"(?i)java[ -]db")
_NO_DATABASE: Final = re.compile(
    r"(?i)cannot be specified (?:on the first run|with the old db schema)|version of db schema doesn't match"
    r"|failed to (?:init|open|download).{0,40}\bdb\b"
)

_IN_USE: Final = re.compile(r"(?i)cache may be in use by another process")

_KINDS: Final = {
    "deb": Ecosystem.DEB,
    "debian": Ecosystem.DEB,
    "ubuntu": Ecosystem.DEB,
    "alpine": Ecosystem.APK,
    "wolfi": Ecosystem.APK,
    "chainguard": Ecosystem.APK,
}
_STATUSES: Final = {status.value: status for status in Status}


class Trivy:
    """The adapter."""

    traits = TRAITS

    def command(self, target: Target) -> Command:
        """Say how to call it: `rootfs` sees installed packages, as in an image; `fs` would see lock files."""
        if target.via is Via.ARCHIVE:
            subject: tuple[str, ...] = ("image", "--input", str(target.place))
        else:
            subject = ("rootfs", str(target.place))
        return Command(arguments=(*subject, *_NETWORK_OFF, *_REPORT))

    def read(self, output: Output) -> EngineReport:
        """Read its JSON, schema version 2.

        Raises: MalformedOutput.
        """
        document = decode(output.report, Document)
        if document.schema_version != 2:
            message = f"its schema version is {document.schema_version}, not 2"
            raise MalformedOutput(message)
        system = document.metadata.OS if document.metadata else None
        results = some(document.results)
        found = [(result, list(_packages(result))) for result in results]
        findings = [finding for result, packages in found for finding in _findings(result, packages)]
        components = {component: None for _, packages in found for _, component in packages}
        components |= {finding.component: None for finding in findings}
        inventory = take_stock(components, _distribution(system))
        return EngineReport(
            inventory=inventory,
            findings=sorted_findings(findings, inventory),
            gaps=(*_system_gaps(system, output.log), *gaps_of(inventory, lists_only=False)),
            database=_database(output.introduction),
            hidden_count=sum(one.type == "vulnerability" for result in results for one in some(result.modified)),
        )

    def remedy(self, log: str) -> str:
        """Say how to get a database that is missing, told apart by the name in its message; or what to wait for."""
        if _IN_USE.search(log):
            return "Another trivy uses its cache: wait for it, or set TRIVY_CACHE_DIR to a folder with a copy."
        if not _NO_DATABASE.search(log):
            return ""
        which = "--download-java-db-only" if _JAVA.search(log) else "--download-db-only"
        return (
            f"Its database is missing or too old here: run `trivy image {which}` once, where the network may be used."
        )


def _distribution(system: System | None) -> Distribution | None:
    if system is None or system.Family in ("", "none"):
        return None
    return Distribution(id=distribution_id_of(system.Family), version=system.Name, name="")


def _packages(result: Result) -> Iterator[tuple[Package, Component]]:
    otherwise = _KINDS.get(result.type, Ecosystem.RPM if result.result_class == "os-pkgs" else Ecosystem.GENERIC)
    for package in some(result.packages):
        purl = package.identifier.PURL if package.identifier else ""
        path = package.file_path or (result.target if result.result_class != "os-pkgs" and _is_path(result) else "")
        yield (
            package,
            Component(
                ecosystem=kind_of(purl, otherwise),
                name=package.name,
                version=_version(package.epoch, package.version, package.release),
                purl=purl,
                arch=package.arch,
                source_name=package.src_name,
                source_version=_version(package.src_epoch, package.src_version, package.src_release),
                licenses=tuple(some(package.licenses)),
                maintainer=package.maintainer,
                modularity=package.modularitylabel,
                locations=(location_of(path),) if path else (),
                found_by=package.analyzed_by,
            ),
        )


def _is_path(result: Result) -> bool:
    """Tell whether a target is a file: those of aggregated kinds are titles such as `Node.js`."""
    return "/" in result.target


def _version(epoch: int, version: str, release: str) -> str:
    """Join what Trivy keeps apart."""
    text = f"{version}-{release}" if release else version
    return f"{epoch}:{text}" if epoch else text


def _findings(result: Result, packages: list[tuple[Package, Component]]) -> Iterator[Finding]:
    by_uid = {package.identifier.UID: one for package, one in packages if package.identifier and package.identifier.UID}
    by_name = {(package.name, one.version, package.file_path): one for package, one in packages}
    for flaw in some(result.vulnerabilities):
        identifier = flaw.pkg_identifier or Identifier()
        component = by_uid.get(identifier.UID) or by_name.get((flaw.pkg_name, flaw.installed_version, flaw.pkg_path))
        yield _finding(flaw, component or _unlisted(result, flaw, identifier))


def _unlisted(result: Result, flaw: Vulnerability, identifier: Identifier) -> Component:
    """Make a component of what a finding says; reports without a list of packages have nothing else."""
    otherwise = _KINDS.get(result.type, Ecosystem.RPM if result.result_class == "os-pkgs" else Ecosystem.GENERIC)
    return Component(
        ecosystem=kind_of(identifier.PURL, otherwise),
        name=flaw.pkg_name,
        version=flaw.installed_version,
        purl=identifier.PURL,
        locations=(location_of(flaw.pkg_path),) if flaw.pkg_path else (),
    )


def _finding(flaw: Vulnerability, component: Component) -> Finding:
    source = flaw.data_source
    fixed = tuple(part.strip() for part in flaw.fixed_version.split(",") if part.strip())
    return Finding(
        id=flaw.vulnerability_id,
        aliases=(),
        advisories=tuple(dict.fromkeys((*some(flaw.vendor_ids), flaw.vulnerability_id))),
        component=component,
        status=_STATUSES.get(flaw.status, Status.FIXED if fixed else Status.AFFECTED),
        fixed_versions=fixed,
        severity=Severity.__members__.get(flaw.severity.upper(), Severity.UNKNOWN),
        severity_source=flaw.severity_source,
        ratings=tuple(_ratings(flaw.cvss or {})),
        vendor_severities=tuple(
            (vendor, Severity(level))
            for vendor, level in sorted((flaw.vendor_severity or {}).items())
            if 0 <= level <= 4
        ),
        title=flaw.title,
        description=flaw.description,
        references=tuple(some(flaw.references)),
        primary_url=flaw.primary_url,
        cwe_ids=tuple(some(flaw.cwe_ids)),
        published=flaw.published_date,
        modified=flaw.last_modified_date,
        data_source=DataSource(
            id=source.ID if source else "", name=source.Name if source else "", url=source.URL if source else ""
        ),
        known_exploited=False,
        malware=flaw.vulnerability_id.startswith("MAL-"),
    )


def _ratings(by_source: dict[str, Cvss]) -> Iterator[CvssRating]:
    for source, cvss in sorted(by_source.items()):
        for version, vector, score in (
            ("4.0", cvss.V40Vector, cvss.V40Score),
            ("3.0" if cvss.V3Vector.startswith("CVSS:3.0") else "3.1", cvss.V3Vector, cvss.V3Score),
            ("2", cvss.V2Vector, cvss.V2Score),
        ):
            if vector:
                yield CvssRating(source=source, version=version, vector=vector, score=score)


def _system_gaps(system: System | None, log: str) -> Iterator[Gap]:
    release = f"{system.Family} {system.Name}".strip() if system else "the image"
    if system is not None and system.EOSL:
        detail = "its distribution ended the support of this release, so that newer vulnerabilities may be missing"
        yield Gap(reason=GapReason.NO_ADVISORIES, subject=release, detail=detail)
    if _UNSUPPORTED.search(log):
        detail = "trivy does not support this distribution and did not look at its packages"
        yield Gap(reason=GapReason.UNKNOWN_DISTRIBUTION, subject=release, detail=detail)


def _database(introduction: str) -> DatabaseFacts:
    """Read the date of the database, which only `--version` says."""
    found = _BUILT.search(introduction)
    built = f"{found[1]}T{found[2]}Z" if found else ""
    return DatabaseFacts(path="", built=built, newest_record="", record_count=0, digest="")
