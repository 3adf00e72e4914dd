"""CycloneDX 1.6 in JSON: what is in the image, and what is known to be wrong with it.

This module alone decides how the document is put together. Secrets and misconfiguration are no part of a bill of
materials; the report of a scan has them. Properties are those that Trivy reads, and our own in `rafsight:`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rafsight._version import __version__
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.base.text import escape
from rafsight.reports.bom import Listing, is_of_the_system, list_components, split_name
from rafsight.reports.cyclonedx_flaws import spell_flaws
from rafsight.reports.document import ScanReport
from rafsight.reports.gaps import describe_gap
from rafsight.reports.identity import artifact_hash, component_path, report_uuid
from rafsight.reports.image_purl import image_purl
from rafsight.reports.licenses import spdx_expression
from rafsight.reports.targets import family_of, type_of
from rafsight.reports.terms import Terms
from rafsight.reports.text import line_of, whole
from rafsight.reports.trivy_packages import present, split_version

Json = dict[str, Any]

_CONFIDENCE = {
    EvidenceClass.INSTALLED: ("manifest-analysis", 1.0),
    EvidenceClass.ARTIFACT: ("manifest-analysis", 1.0),
    EvidenceClass.DECLARED: ("manifest-analysis", 0.7),
    EvidenceClass.HEURISTIC: ("binary-analysis", 0.5),
}


def render_cyclonedx(report: ScanReport, terms: Terms) -> str:
    """Write a report as a CycloneDX document.

    Args:
        report: as filtered.
        terms: the date.
    Cost: linear in components and findings.
    """
    listing = list_components(report)
    root = image_purl(report.image) or artifact_hash(report.image)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{report_uuid(report, terms.created, 'cyclonedx')}",
        "version": 1,
        "metadata": _metadata(report, terms, root),
        "components": [*_system(report), *_components(report, listing)],
        "dependencies": _dependencies(report, listing, root),
        "compositions": [{"aggregate": "incomplete" if report.gaps else "unknown", "assemblies": [root]}],
    }
    if report.database is not None or report.findings:
        document["vulnerabilities"] = spell_flaws(report, listing)
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _metadata(report: ScanReport, terms: Terms, root: str) -> Json:
    image = report.image
    engine = report.engine
    tools = [{"type": "application", "name": "rafsight", "version": __version__}]
    tools += [present({"type": "application", "name": engine.name, "version": engine.version})] if engine else []
    return {
        "timestamp": terms.created,
        "tools": {"components": tools},
        "component": {
            "bom-ref": root,
            "type": "container",
            "name": line_of(image.name) or "image",
            **present({"version": image.index_digest or image.manifest_digest, "purl": image_purl(image)}),
            "properties": [
                *_property("aquasecurity:trivy:SchemaVersion", "2"),
                *_property("aquasecurity:trivy:ImageID", image.config_digest),
                *(one for tag in image.repo_tags for one in _property("aquasecurity:trivy:RepoTag", tag)),
                *(one for name in image.repo_digests for one in _property("aquasecurity:trivy:RepoDigest", name)),
                *(one for layer in image.layers for one in _property("aquasecurity:trivy:DiffID", layer.diff_id)),
                *_property("rafsight:format", image.format),
                *_property("rafsight:platform", image.platform),
            ],
        },
        "properties": [
            *(one for gap in report.gaps for one in _property("rafsight:gap", describe_gap(gap))),
            *_property("rafsight:hiddenFindings", str(report.hidden_count or "")),
        ],
    }


def _system(report: ScanReport) -> list[Json]:
    distribution = report.inventory.distribution
    if distribution is None:
        return []
    family = family_of(distribution)
    return [
        {
            "bom-ref": "operating-system",
            "type": "operating-system",
            "name": line_of(family),
            **present({"version": line_of(distribution.version), "description": line_of(distribution.name)}),
            "properties": [
                *_property("aquasecurity:trivy:Class", "os-pkgs"),
                *_property("aquasecurity:trivy:Type", family),
            ],
        }
    ]


def _components(report: ScanReport, listing: Listing) -> Iterator[Json]:
    distribution = report.inventory.distribution
    family = family_of(distribution) if distribution else ""
    for component, reference in listing.references.items():
        kind = family if family and is_of_the_system(component) else type_of(component.ecosystem)
        yield _component(component, reference, kind)


def _component(component: Component, reference: str, kind: str) -> Json:
    group, name = split_name(component)
    is_program = component.ecosystem is Ecosystem.GENERIC
    return {
        "bom-ref": whole(reference),
        "type": "application" if is_program else "library",
        **present(
            {
                "supplier": present({"name": line_of(component.maintainer)}),
                "group": line_of(group),
                "name": line_of(name) or "unknown",
                "version": line_of(component.version),
                "licenses": _licenses(component),
                "purl": whole(component.purl),
                "evidence": _evidence(component),
                "properties": _properties(component, kind),
            }
        ),
    }


def _licenses(component: Component) -> list[Json]:
    named = list(dict.fromkeys(filter(None, map(line_of, component.licenses))))
    if len(named) == 1 and (expression := spdx_expression(named[0])):
        return [{"expression": expression}]
    return [{"license": {"name": name}} for name in named]


def _evidence(component: Component) -> Json:
    technique, confidence = _CONFIDENCE[component.evidence]
    method = {"technique": technique, "confidence": confidence, **present({"value": component.found_by})}
    identity = {"field": "purl", "confidence": confidence, "methods": [method]}
    occurrences = [{"location": f"/{escape(path)}"} for path in component.locations]
    # one identity, not a list of one, which the schema would have, too: Syft reads no list
    return present({"identity": identity if component.purl else None, "occurrences": occurrences})


def _properties(component: Component, kind: str) -> list[Json]:
    source: Mapping[str, Any] = split_version(component, component.source_version)
    found = [
        *_property("aquasecurity:trivy:PkgID", f"{component.name}@{component.version}"),
        *_property("aquasecurity:trivy:PkgType", kind),
        *_property("aquasecurity:trivy:FilePath", component_path(component)),
        *_property("aquasecurity:trivy:Modularitylabel", component.modularity),
        *_property("rafsight:foundBy", component.found_by),
        *_property("rafsight:evidence", component.evidence.value),
        *_property("rafsight:ownedBy", component.owned_by),
    ]
    if component.source_name:
        found += _property("aquasecurity:trivy:SrcName", component.source_name)
        found += _property("aquasecurity:trivy:SrcVersion", source["Version"])
        found += _property("aquasecurity:trivy:SrcRelease", source["Release"])
        found += _property("aquasecurity:trivy:SrcEpoch", str(source["Epoch"] or ""))
    return found


def _property(name: str, value: str) -> list[Json]:
    return [{"name": name, "value": line_of(value)}] if value else []


def _dependencies(report: ScanReport, listing: Listing, root: str) -> list[Json]:
    """Say who contains whom: the image its languages and its system, the system its packages; every name is listed."""
    system = report.inventory.distribution is not None
    of_system = [whole(ref) for item, ref in listing.references.items() if system and is_of_the_system(item)]
    others = [whole(ref) for item, ref in listing.references.items() if not (system and is_of_the_system(item))]
    entries = [{"ref": root, "dependsOn": [*(["operating-system"] if system else []), *others]}]
    entries += [{"ref": "operating-system", "dependsOn": of_system}] if system else []
    return entries + [{"ref": whole(ref)} for ref in listing.references.values()]
