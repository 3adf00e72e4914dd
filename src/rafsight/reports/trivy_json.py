"""The report for programs: Trivy's JSON, schema version 2, and one object of our own.

This module alone decides how a scan is spelled in Trivy's fields. Empty fields are left out, as Trivy leaves them out.
What Trivy has no field for stands in `Rafsight`, and for single findings in `Custom`, which Trivy keeps for extensions.
The same report gives the same bytes: ids are hashes, and the only date is the one handed in. Everything is ASCII, so
that no foreign text reaches a terminal as an escape sequence.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rafsight._version import __version__
from rafsight.analysis.inventory import OS_ECOSYSTEMS, Component, Ecosystem, Gap
from rafsight.base.text import escape
from rafsight.matching.finding import CvssRating, Finding
from rafsight.reports.config import parse_config
from rafsight.reports.document import ImageFacts, ScanReport
from rafsight.reports.selection import is_complete
from rafsight.reports.targets import Target, family_of, targets_of

SCHEMA_VERSION: Final = 2

Json = dict[str, Any]


def render_json(report: ScanReport, *, created: str, list_all: bool = False) -> str:
    """Write a report as Trivy's JSON.

    Args:
        report: as filtered.
        created: RFC 3339, for `CreatedAt`.
        list_all: name every package, not only those with findings.
    """
    document = _present(
        {
            "SchemaVersion": SCHEMA_VERSION,
            "ReportID": _report_id(report, created),
            "CreatedAt": created,
            "ArtifactID": _artifact_id(report.image),
            "ArtifactName": report.image.name,
            "ArtifactType": "container_image",
            "Metadata": _metadata(report),
            "Results": [_result(target, list_all=list_all) for target in targets_of(report)],
            "Rafsight": _rafsight(report),
        }
    )
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _present(fields: Mapping[str, Any]) -> Json:
    """Leave out what is empty: "", [], {}, None, 0 and False."""
    return {name: value for name, value in fields.items() if value}


def _hash(*parts: str) -> str:
    """Hash some texts so that no two different lists give the same input."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _report_id(report: ScanReport, created: str) -> str:
    database = report.database.digest if report.database else ""
    identity = _hash("report", report.image.name, report.image.manifest_digest, database, created)
    return str(uuid.uuid5(uuid.NAMESPACE_URL, identity))


def _artifact_id(image: ImageFacts) -> str:
    """Identify the image within its repository, whatever its tag."""
    repository = image.repo_digests[0].partition("@")[0] if image.repo_digests else ""
    return "sha256:" + _hash("artifact", repository, image.config_digest or image.manifest_digest)


def _metadata(report: ScanReport) -> Json:
    image, distribution = report.image, report.inventory.distribution
    return _present(
        {
            "Size": image.image_size,
            "OS": _present({"Family": family_of(distribution), "Name": distribution.version}) if distribution else None,
            "ImageID": image.config_digest,
            "DiffIDs": [layer.diff_id for layer in image.layers if layer.diff_id],
            "RepoTags": list(image.repo_tags),
            "RepoDigests": list(image.repo_digests),
            "ImageConfig": parse_config(image.config),
            "Layers": [
                _present(
                    {
                        "Size": layer.size,
                        "Digest": layer.digest,
                        "DiffID": layer.diff_id,
                        "CreatedBy": layer.created_by,
                    }
                )
                for layer in image.layers
            ],
        }
    )


def _result(target: Target, *, list_all: bool) -> Json:
    return _present(
        {
            "Target": target.title,
            "Class": target.result_class,
            "Type": target.type,
            "Packages": [_package(component) for component in target.components] if list_all else None,
            "Vulnerabilities": [
                *(_vulnerability(finding) for finding in target.findings),
                *(_vulnerability(finding, unimportant=True) for finding in target.unimportant),
            ],
        }
    )


def _package(component: Component) -> Json:
    installed = _split(component, component.version)
    source = _split(component, component.source_version)
    return _present(
        {
            "ID": _package_id(component),
            "Name": component.name,
            "Identifier": _identifier(component),
            "Version": installed["Version"],
            "Release": installed["Release"],
            "Epoch": installed["Epoch"],
            "Arch": component.arch,
            "SrcName": component.source_name,
            "SrcVersion": source["Version"],
            "SrcRelease": source["Release"],
            "SrcEpoch": source["Epoch"],
            "Licenses": list(component.licenses),
            "Maintainer": component.maintainer,
            "Modularitylabel": component.modularity,
            "FilePath": _path(component),
            "AnalyzedBy": component.found_by,
        }
    )


def _split(component: Component, version: str) -> Json:
    """Take a deb or rpm version apart into epoch, version and release; others stay whole."""
    if component.ecosystem not in (Ecosystem.DEB, Ecosystem.RPM):
        return {"Epoch": 0, "Version": version, "Release": ""}
    head, colon, rest = version.partition(":")
    has_epoch = bool(colon) and head.isascii() and head.isdigit() and len(head) < 10
    upstream, dash, release = (rest if has_epoch else version).rpartition("-")
    if not dash:
        upstream, release = release, ""
    return {"Epoch": int(head) if has_epoch else 0, "Version": upstream, "Release": release}


def _package_id(component: Component) -> str:
    return f"{component.name}@{component.version}"


def _path(component: Component) -> str:
    """Return where a language package lies; OS packages have no file of their own."""
    if component.ecosystem in OS_ECOSYSTEMS or not component.locations:
        return ""
    return escape(component.locations[0])


def _identifier(component: Component) -> Json:
    uid = _hash(
        component.ecosystem, component.name, component.version, component.arch, component.purl, _path(component)
    )
    return _present({"PURL": component.purl, "UID": uid[:16]})


def _vulnerability(finding: Finding, *, unimportant: bool = False) -> Json:
    component = finding.component
    source = finding.data_source
    identifier = _identifier(component)
    return _present(
        {
            "VulnerabilityID": finding.id,
            "VendorIDs": [name for name in finding.advisories if name != finding.id],
            "PkgID": _package_id(component),
            "PkgName": component.name,
            "PkgPath": _path(component),
            "PkgIdentifier": identifier,
            "InstalledVersion": component.version,
            "FixedVersion": ", ".join(finding.fixed_versions),
            "Status": finding.status.value,
            "SeveritySource": finding.severity_source,
            "PrimaryURL": finding.primary_url,
            "DataSource": _present({"ID": source.id, "Name": source.name, "URL": source.url}),
            "Custom": _custom(finding, unimportant=unimportant),
            "Fingerprint": "sha256:" + _hash("finding", finding.id, identifier["UID"]),
            "Title": finding.title,
            "Description": finding.description,
            "Severity": finding.severity.name,
            "CweIDs": list(finding.cwe_ids),
            "VendorSeverity": {vendor: int(severity) for vendor, severity in finding.vendor_severities},
            "CVSS": _cvss(finding.ratings),
            "References": list(finding.references),
            "PublishedDate": finding.published,
            "LastModifiedDate": finding.modified,
        }
    )


def _custom(finding: Finding, *, unimportant: bool) -> Json:
    return _present(
        {
            "Aliases": [name for name in finding.aliases if name != finding.id],
            "KnownExploited": finding.known_exploited,
            "Malware": finding.malware,
            "KernelHeaders": finding.kernel_headers,
            "FixChannel": finding.fix_channel,
            "Unimportant": unimportant,
        }
    )


def _cvss(ratings: Sequence[CvssRating]) -> Json:
    """Sort ratings by source; where a source rates one version of CVSS twice, the first stays."""
    by_source: dict[str, Json] = {}
    for rating in ratings:
        version = {"2": "V2", "3": "V3", "4": "V40"}.get(rating.version[:1])
        if version is None:
            continue
        entry = by_source.setdefault(rating.source, {})
        if f"{version}Vector" not in entry:
            entry |= {f"{version}Vector": rating.vector, f"{version}Score": rating.score}
    return {source: _present(entry) for source, entry in by_source.items()}


def _rafsight(report: ScanReport) -> Json:
    """Say what Trivy has no words for: what was not looked at, what it cost, and what was verified."""
    image, whole = report.image, report.image.image_size
    return {
        "Version": __version__,
        "Format": image.format,
        "Platform": image.platform,
        "Digests": _present(
            {
                "Index": image.index_digest,
                "Manifest": image.manifest_digest,
                "Config": image.config_digest,
                "Bootstrap": image.bootstrap_digest,
            }
        ),
        "Coverage": {
            "Complete": is_complete(report),
            "Gaps": [_gap(gap) for gap in report.gaps],
            "HiddenFindings": report.hidden_count,
            "HiddenExploited": list(report.hidden_exploited),
            "UnimportantFindings": len(report.unimportant),
            "Entries": image.entry_count,
            "Packages": len(report.inventory.components),
        },
        "Cost": {
            "Requests": report.cost.requests,
            "BytesFetched": report.cost.bytes_fetched,
            "BytesNeeded": report.cost.bytes_needed,
            "ImageBytes": whole,
            "Ratio": round(report.cost.bytes_fetched / whole, 6) if whole else None,
        },
        "Database": _database(report),
        **_engine(report),
        "Notes": list(image.notes),
    }


def _gap(gap: Gap) -> Json:
    return _present(
        {"Reason": gap.reason.value, "Subject": gap.subject, "Detail": gap.detail, "Extractor": gap.extractor}
    )


def _engine(report: ScanReport) -> Json:
    engine = report.engine
    if engine is None:
        return {}
    return {"Engine": {"Name": engine.name, "Version": engine.version, "View": engine.view}}


def _database(report: ScanReport) -> Json | None:
    database = report.database
    if database is None:
        return None
    return {
        "Path": database.path,
        "Built": database.built,
        "NewestRecord": database.newest_record,
        "Records": database.record_count,
        "Digest": database.digest,
    }
