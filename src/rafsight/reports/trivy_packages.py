"""Packages and their vulnerabilities in Trivy's fields.

This module alone decides how a component and a flaw of it are spelled there. What Trivy has no field for stands in
`Custom`, which it keeps for extensions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rafsight.analysis.inventory import Component, Ecosystem
from rafsight.matching.finding import CvssRating, Finding
from rafsight.reports.identity import component_path, component_uid, hash_of

Json = dict[str, Any]


def present(fields: Mapping[str, Any]) -> Json:
    """Leave out what is empty, as Trivy does: "", [], {}, None, 0 and False."""
    return {name: value for name, value in fields.items() if value}


def spell_package(component: Component) -> Json:
    """Spell a package for `Packages`."""
    installed = split_version(component, component.version)
    source = split_version(component, component.source_version)
    return present(
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
            "FilePath": component_path(component),
            "AnalyzedBy": component.found_by,
        }
    )


def split_version(component: Component, version: str) -> Json:
    """Take a deb or rpm version apart into `Epoch`, `Version` and `Release`; others stay whole."""
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


def _identifier(component: Component) -> Json:
    return present({"PURL": component.purl, "UID": component_uid(component)})


def spell_vulnerability(finding: Finding, *, unimportant: bool = False) -> Json:
    """Spell a flaw for `Vulnerabilities`."""
    component, source = finding.component, finding.data_source
    identifier = _identifier(component)
    return present(
        {
            "VulnerabilityID": finding.id,
            "VendorIDs": [name for name in finding.advisories if name != finding.id],
            "PkgID": _package_id(component),
            "PkgName": component.name,
            "PkgPath": component_path(component),
            "PkgIdentifier": identifier,
            "InstalledVersion": component.version,
            "FixedVersion": ", ".join(finding.fixed_versions),
            "Status": finding.status.value,
            "SeveritySource": finding.severity_source,
            "PrimaryURL": finding.primary_url,
            "DataSource": present({"ID": source.id, "Name": source.name, "URL": source.url}),
            "Custom": _custom(finding, unimportant=unimportant),
            "Fingerprint": "sha256:" + hash_of("finding", finding.id, identifier["UID"]),
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
    epss = {} if finding.epss is None else {"Score": finding.epss, "Percentile": finding.epss_percentile}
    return present(
        {
            "Aliases": [name for name in finding.aliases if name != finding.id],
            "KnownExploited": finding.known_exploited,
            "EPSS": epss,
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
    return {source: present(entry) for source, entry in by_source.items()}
