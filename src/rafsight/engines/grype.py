"""Grype: vulnerabilities in the packages that Syft's library finds, from its own database.

Its report names only packages with findings; the bill of materials that it writes beside it names all of them.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import unquote

import msgspec

from rafsight.analysis.inventory import Component, Distribution, Ecosystem, Gap, GapReason
from rafsight.base.severity import Severity
from rafsight.base.text import escape
from rafsight.engines.documents import (
    SYSTEM_KINDS,
    decode,
    gaps_of,
    kind_of,
    location_of,
    some,
    sorted_findings,
    take_stock,
)
from rafsight.engines.engine import Command, EngineReport, MalformedOutput, Output, Target, Traits, Via
from rafsight.matching.finding import CvssRating, DataSource, Finding, Status
from rafsight.matching.severity import severity_of_word
from rafsight.matching.sources import is_cve
from rafsight.reports.document import DatabaseFacts

TRAITS: Final = Traits(
    name="grype",
    oldest=(0, 88, 0),
    module="github.com/anchore/grype",
    covers="Vulnerabilities in packages of distributions and languages, binaries by content.",
    needs="its database: `grype db update`",
    install="a release from github.com/anchore/grype",
    passed=frozenset(
        "GRYPE_" + name
        for name in ("DB_CACHE_DIR", "DB_MAX_ALLOWED_BUILT_AGE", "DB_VALIDATE_AGE", "DB_VALIDATE_BY_HASH_ON_START")
    ),
    forced={
        "GRYPE_CHECK_FOR_APP_UPDATE": "false",
        "GRYPE_DB_AUTO_UPDATE": "false",
        "GRYPE_DB_REQUIRE_UPDATE_CHECK": "false",
        "GRYPE_EXTERNAL_SOURCES_ENABLE": "false",
    },
    mount_note="grype looks at a mounted tree as at a folder of sources: it reads lock files and opens every file, "
    "so findings differ from those over an archive",
)

_NO_DATABASE: Final = re.compile(
    r"(?i)vulnerability db|database (?:does not exist|was built)|db (?:metadata|is too old)"
)
_EXTENDED: Final = {"negligible": Severity.LOW}
_STATUSES: Final = {"fixed": Status.FIXED, "wont-fix": Status.WILL_NOT_FIX}
_LOCATION: Final = re.compile(r"syft:location:[0-9]+:path\Z")


class _Metrics(msgspec.Struct):
    baseScore: float = 0.0  # noqa: N815 - the engine's own names, here and below


class _Cvss(msgspec.Struct):
    source: str = ""
    version: str = ""
    vector: str = ""
    metrics: _Metrics | None = None


class _Fix(msgspec.Struct):
    versions: list[str] | None = None
    state: str = ""


class _Weakness(msgspec.Struct):
    cwe: str = ""


class _Vulnerability(msgspec.Struct):
    id: str
    dataSource: str = ""  # noqa: N815
    namespace: str = ""
    severity: str = ""
    urls: list[str] | None = None
    description: str = ""
    cvss: list[_Cvss] | None = None
    cwes: list[_Weakness] | None = None
    knownExploited: list[msgspec.Raw] | None = None  # noqa: N815
    fix: _Fix | None = None


class _Evidence(msgspec.Struct):
    evidence: str = ""


class _Place(msgspec.Struct):
    path: str = ""
    annotations: _Evidence | None = None


class _Upstream(msgspec.Struct):
    name: str = ""
    version: str = ""


class _Artifact(msgspec.Struct):
    name: str
    id: str
    version: str = ""
    type: str = ""
    purl: str = ""
    locations: list[_Place] | None = None
    licenses: list[str] | None = None
    upstreams: list[_Upstream] | None = None


class _Match(msgspec.Struct):
    vulnerability: _Vulnerability
    artifact: _Artifact
    relatedVulnerabilities: list[_Vulnerability] | None = None  # noqa: N815


class _Distro(msgspec.Struct):
    name: str = ""
    version: str = ""
    idLike: list[str] | None = None  # noqa: N815


class _DatabaseStatus(msgspec.Struct):
    built: str = ""
    path: str = ""


class _Database(msgspec.Struct):
    status: _DatabaseStatus | None = None


class _Configuration(msgspec.Struct):
    exclude: list[str] | None = None


class _Descriptor(msgspec.Struct):
    db: _Database | None = None
    configuration: _Configuration | None = None


class _Alert(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Alerted(msgspec.Struct):
    alerts: list[_Alert] | None = None


class _Document(msgspec.Struct):
    matches: list[_Match] | None
    descriptor: _Descriptor
    ignoredMatches: list[msgspec.Raw] | None = None  # noqa: N815
    alertsByPackage: list[_Alerted] | None = None  # noqa: N815
    distro: _Distro | None = None


class _Property(msgspec.Struct):
    name: str = ""
    value: str = ""


class _BomComponent(msgspec.Struct):
    type: str
    name: str = ""
    version: str = ""
    purl: str = ""
    reference: str = msgspec.field(default="", name="bom-ref")
    publisher: str = ""
    properties: list[_Property] | None = None


class _Bom(msgspec.Struct):
    bomFormat: str  # noqa: N815
    components: list[_BomComponent] | None = None


class Grype:
    """The adapter."""

    traits = TRAITS

    def command(self, target: Target) -> Command:
        """Say how to call it."""
        scheme = "docker-archive" if target.via is Via.ARCHIVE else "dir"
        bill = target.scratch / "packages.cdx.json"
        return Command(
            arguments=(f"{scheme}:{target.place}", "--output", "json", "--output", f"cyclonedx-json={bill}"),
            companion=bill,
        )

    def read(self, output: Output) -> EngineReport:
        """Read its JSON and the CycloneDX beside it.

        Raises: MalformedOutput.
        """
        document = decode(output.report, _Document)
        if output.companion is None:
            message = "there is no bill of materials beside it"
            raise MalformedOutput(message)
        by_id = _bill(decode(output.companion, _Bom))
        findings: dict[tuple[Component, str], Finding] = {}
        matched: dict[str, Component] = {}
        for match in some(document.matches):
            artifact = match.artifact
            if artifact.id not in matched:
                by_id[artifact.id] = matched[artifact.id] = _component(artifact, by_id.get(artifact.id))
            component = matched[artifact.id]
            finding = _finding(match, component)
            known = findings.get((component, finding.id))
            findings[component, finding.id] = finding if known is None else _joined(known, finding)
        inventory = take_stock(dict.fromkeys(by_id.values()), _distribution(document.distro))
        return EngineReport(
            inventory=inventory,
            findings=sorted_findings(findings.values(), inventory),
            gaps=(*_excluded(document.descriptor), *_alerts(document), *gaps_of(inventory, lists_only=False)),
            database=_database(document.descriptor),
            hidden_count=len(some(document.ignoredMatches)),
        )

    def remedy(self, log: str) -> str:
        """Say how to get a database that is missing or too old."""
        if not _NO_DATABASE.search(log):
            return ""
        return "Its database is missing or too old here: run `grype db update`, where the network may be used."


def _bill(bom: _Bom) -> dict[str, Component]:
    """Return the packages of the bill of materials by the ids that the report calls them by."""
    packages: dict[str, Component] = {}
    for one in some(bom.components):
        properties = some(one.properties)
        if one.type in ("file", "operating-system") or not properties:
            continue
        said = {item.name: item.value for item in properties}
        places = {location_of(item.value) for item in properties if _LOCATION.match(item.name)}
        packages[_qualifier(one.reference, "package-id") or one.reference] = Component(
            ecosystem=kind_of(one.purl, SYSTEM_KINDS.get(said.get("syft:package:type", ""), Ecosystem.GENERIC)),
            name=one.name,
            version=one.version,
            purl=one.purl,
            arch=_qualifier(one.purl, "arch"),
            maintainer=one.publisher,
            source_name=_qualifier(one.purl, "upstream").partition("@")[0] if _is_simple(one.purl) else "",
            locations=tuple(sorted(places)),
            found_by=said.get("syft:package:foundBy", ""),
        )
    return packages


def _qualifier(purl: str, name: str) -> str:
    found = re.search(rf"[?&]{name}=([^&#]*)", purl)
    return unquote(found[1]) if found else ""


def _is_simple(purl: str) -> bool:
    """Tell whether the upstream of a purl is a name: an rpm's is a file."""
    return not purl.startswith("pkg:rpm/")


def _component(artifact: _Artifact, listed: Component | None) -> Component:
    upstream = (some(artifact.upstreams) or [_Upstream()])[0]
    licenses = tuple(some(artifact.licenses))
    if listed is not None:
        return replace(
            listed,
            source_name=upstream.name or listed.source_name,
            source_version=upstream.version or listed.source_version,
            licenses=licenses or listed.licenses,
            locations=_places(artifact) or listed.locations,
        )
    return Component(
        ecosystem=kind_of(artifact.purl, SYSTEM_KINDS.get(artifact.type, Ecosystem.GENERIC)),
        name=artifact.name,
        version=artifact.version,
        purl=artifact.purl,
        source_name=upstream.name,
        source_version=upstream.version,
        licenses=licenses,
        locations=_places(artifact),
    )


def _places(artifact: _Artifact) -> tuple[bytes, ...]:
    """Return the files that say what a package is, not those that only support it."""
    places = some(artifact.locations)
    primary = [place for place in places if place.annotations and place.annotations.evidence == "primary"]
    return tuple(sorted({location_of(place.path) for place in primary or places}))


def _joined(one: Finding, other: Finding) -> Finding:
    """Make one finding of two records about the same flaw: what the one says that knows a fix, and the ids of both."""
    best = max(one, other, key=lambda finding: (bool(finding.fixed_versions), finding.severity))
    return replace(
        best,
        aliases=tuple(sorted({*one.aliases, *other.aliases})),
        advisories=tuple(dict.fromkeys((*one.advisories, *other.advisories))),
        severity=max(one.severity, other.severity),
        known_exploited=one.known_exploited or other.known_exploited,
    )


def _finding(match: _Match, component: Component) -> Finding:
    """Make a finding, called by its CVE if it is about one."""
    flaw = match.vulnerability
    related = some(match.relatedVulnerabilities)
    cves = sorted({one.id for one in related if is_cve(one.id)})
    name = cves[0] if len(cves) == 1 and not is_cve(flaw.id) else flaw.id
    fix = flaw.fix or _Fix()
    fixed = tuple(some(fix.versions))
    everything = (flaw, *related)
    return Finding(
        id=name,
        aliases=tuple(sorted({flaw.id, *(one.id for one in related)} - {name})),
        advisories=(flaw.id,),
        component=component,
        status=_STATUSES.get(fix.state, Status.FIXED if fixed else Status.AFFECTED),
        fixed_versions=fixed,
        severity=_severity(flaw.severity),
        severity_source=flaw.namespace.partition(":")[0],
        ratings=tuple(dict.fromkeys(_ratings(everything))),
        vendor_severities=(),
        title="",
        description=next((one.description for one in everything if one.description), ""),
        references=tuple(dict.fromkeys(url for one in everything for url in (one.dataSource, *some(one.urls)) if url)),
        primary_url=flaw.dataSource,
        cwe_ids=tuple(sorted({item.cwe for one in everything for item in some(one.cwes) if item.cwe})),
        published="",
        modified="",
        data_source=DataSource(id=flaw.namespace, name=flaw.namespace, url=flaw.dataSource),
        known_exploited=any(some(one.knownExploited) for one in everything),
        malware=flaw.id.startswith("MAL-"),
    )


def _severity(word: str) -> Severity:
    return _EXTENDED.get(word.lower(), severity_of_word(word))


def _ratings(flaws: tuple[_Vulnerability, ...]) -> Iterator[CvssRating]:
    for flaw in flaws:
        for cvss in some(flaw.cvss):
            source = cvss.source or flaw.namespace.partition(":")[0]
            score = cvss.metrics.baseScore if cvss.metrics else 0.0
            version = "2" if cvss.version == "2.0" else cvss.version
            yield CvssRating(source=source, version=version, vector=cvss.vector, score=score)


def _distribution(distro: _Distro | None) -> Distribution | None:
    if distro is None or not distro.name:
        return None
    return Distribution(id=distro.name, version=distro.version, name="", id_like=tuple(some(distro.idLike)))


def _excluded(descriptor: _Descriptor) -> Iterator[Gap]:
    """Say what the user's own settings hide: `.grype.yaml` also says where the database lies, so it is read."""
    settings = descriptor.configuration or _Configuration()
    for pattern in some(settings.exclude):
        yield Gap(reason=GapReason.UNSUPPORTED, subject=escape(pattern), detail="grype's own settings exclude it")


def _alerts(document: _Document) -> Iterator[Gap]:
    """Say what it warns of: distributions that it does not know, or that nobody supports any more."""
    messages = {
        (alert.type, alert.message)
        for alerted in some(document.alertsByPackage)
        for alert in some(alerted.alerts)
        if alert.type.startswith("distro-")
    }
    for kind, message in sorted(messages):
        reason = GapReason.NO_ADVISORIES if kind == "distro-eol" else GapReason.UNKNOWN_DISTRIBUTION
        yield Gap(reason=reason, subject="OS packages", detail=message or kind)


def _database(descriptor: _Descriptor) -> DatabaseFacts:
    status = descriptor.db.status if descriptor.db else None
    return DatabaseFacts(
        path=status.path if status else "",
        built=status.built if status else "",
        newest_record="",
        record_count=0,
        digest="",
        knows_exploited=True,
    )
