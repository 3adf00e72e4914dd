"""SPDX 2.3 in JSON: what is in the image.

This module alone decides how the document is put together. SPDX 2.3 has no vulnerabilities; those are in the other
formats.
"""

import json
import re
from collections.abc import Iterable
from typing import Any, Final

from rafsight._version import __version__
from rafsight.analysis.inventory import Component, Distribution, Ecosystem
from rafsight.base.text import escape
from rafsight.reports.bom import is_of_the_system, list_components
from rafsight.reports.document import ScanReport
from rafsight.reports.gaps import describe_gap
from rafsight.reports.identity import hash_of, report_uuid
from rafsight.reports.image_purl import image_purl
from rafsight.reports.licenses import spdx_expression
from rafsight.reports.targets import family_of
from rafsight.reports.terms import Terms
from rafsight.reports.text import line_of, whole

Json = dict[str, Any]

_DOCUMENT: Final = "SPDXRef-DOCUMENT"
_IMAGE: Final = "SPDXRef-Image"
_SYSTEM: Final = "SPDXRef-OperatingSystem"
_NONE: Final = "NOASSERTION"
_MAINTAINER: Final = re.compile(r"([^<>()]+?)\s*<([^<>()\s]+@[^<>()\s]+)>\Z")
_BRACKETS: Final = re.compile(r"[<>()]")


def render_spdx(report: ScanReport, terms: Terms) -> str:
    """Write a report as an SPDX document.

    Args:
        report: as filtered.
        terms: the date.
    Cost: linear in the components.
    """
    components = {f"SPDXRef-Package-{name}": item for item, name in list_components(report).names.items()}
    distribution = report.inventory.distribution
    tool = f"Tool: rafsight-{__version__}"
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": line_of(report.image.name) or "image",
        "documentNamespace": f"urn:uuid:{report_uuid(report, terms.created, 'spdx')}",
        "creationInfo": {"created": terms.created, "creators": [tool]},
        "packages": [
            _image(report),
            *([_system(distribution)] if distribution else []),
            *(_package(identity, item) for identity, item in components.items()),
        ],
        "relationships": _relationships(components, has_system=distribution is not None),
    }
    if report.gaps:
        document["annotations"] = [
            {
                "annotationDate": terms.created,
                "annotationType": "OTHER",
                "annotator": tool,
                "comment": line_of(describe_gap(gap)),
            }
            for gap in report.gaps
        ]
    if extracted := _extracted(components.values()):
        document["hasExtractedLicensingInfos"] = extracted
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _entry(identity: str, name: str, version: str, purpose: str, *, license_: str = _NONE) -> Json:
    return {
        "SPDXID": identity,
        "name": line_of(name) or "unknown",
        **({"versionInfo": line_of(version)} if version else {}),
        "downloadLocation": _NONE,
        "filesAnalyzed": False,
        "licenseConcluded": _NONE,
        "licenseDeclared": license_,
        "copyrightText": _NONE,
        "primaryPackagePurpose": purpose,
    }


def _image(report: ScanReport) -> Json:
    image = report.image
    digest = image.index_digest or image.manifest_digest
    entry = _entry(_IMAGE, image.name, digest, "CONTAINER")
    algorithm, _, value = digest.partition(":")
    if algorithm in ("sha256", "sha512"):
        entry["checksums"] = [{"algorithm": algorithm.upper(), "checksumValue": value}]
    return entry | _purl(image_purl(image))


def _system(distribution: Distribution) -> Json:
    return _entry(_SYSTEM, family_of(distribution), distribution.version, "OPERATING-SYSTEM")


def _package(identity: str, component: Component) -> Json:
    purpose = "APPLICATION" if component.ecosystem is Ecosystem.GENERIC else "LIBRARY"
    entry = _entry(identity, component.name, component.version, purpose, license_=_license(component.licenses))
    entry |= _purl(component.purl)
    if component.maintainer:
        entry["supplier"] = _supplier(component.maintainer)
    told = []
    if component.source_name:
        told.append(f"built package from: {component.source_name} {component.source_version}".rstrip())
    if component.owned_by:
        told.append(f"owned by: {component.owned_by}")
    if component.locations:
        told.append(f"found in: {', '.join('/' + escape(path) for path in component.locations)}")
    return entry | ({"sourceInfo": line_of("; ".join(told))} if told else {})


def _purl(purl: str) -> Json:
    if not purl:
        return {}
    return {
        "externalRefs": [
            {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": whole(purl)}
        ]
    }


def _supplier(maintainer: str) -> str:
    """Write a maintainer as SPDX has organizations: the address in brackets behind the name."""
    text = line_of(maintainer, 200)
    found = _MAINTAINER.match(text)
    if found:
        return f"Organization: {found[1]} ({found[2]})"
    name = _BRACKETS.sub(" ", text).strip()
    return f"Organization: {name}" if name else _NONE


def _license(names: Iterable[str]) -> str:
    """Join the licences of a package: SPDX's names as they are, others by reference to their words."""
    parts = [_expression(name) for name in dict.fromkeys(filter(None, map(line_of, names)))]
    if len(parts) == 1:
        return parts[0]
    return " AND ".join(f"({part})" if " " in part else part for part in parts) or _NONE


def _expression(name: str) -> str:
    return spdx_expression(name) or f"LicenseRef-{hash_of('license', name)[:16]}"


def _extracted(components: Iterable[Component]) -> list[Json]:
    names = {line_of(name) for component in components for name in component.licenses}
    return [
        {"licenseId": _expression(name), "extractedText": name, "name": name}
        for name in sorted(filter(None, names))
        if not spdx_expression(name)
    ]


def _relationships(components: dict[str, Component], *, has_system: bool) -> list[Json]:
    related = [(_DOCUMENT, "DESCRIBES", _IMAGE)]
    related += [(_IMAGE, "CONTAINS", _SYSTEM)] if has_system else []
    for identity, component in components.items():
        owner = _SYSTEM if has_system and is_of_the_system(component) else _IMAGE
        related.append((owner, "CONTAINS", identity))
    return [
        {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other} for one, kind, other in related
    ]
