"""What Harbor asks of a scanner (pluggable scanner API 1.0 to 1.2): a report of vulnerabilities, one around an SBOM.

This module alone decides how a scan is spelled in Harbor's fields. Harbor tells vulnerabilities apart by id, package
and version, so each of these stands here once, wherever in the image it was found; and it has no word for what was not
looked at, so that stands in `vendor_attributes`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from rafsight._version import __version__
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.severity import Severity
from rafsight.matching.finding import CvssRating, Finding
from rafsight.reports.cyclonedx import render_cyclonedx
from rafsight.reports.document import ImageFacts, ScanReport
from rafsight.reports.gaps import describe_gap
from rafsight.reports.selection import is_complete
from rafsight.reports.spdx import render_spdx
from rafsight.reports.terms import Terms
from rafsight.reports.text import cut, line_of, web_address
from rafsight.reports.trivy_packages import spell_vulnerability

Json = dict[str, Any]

SPDX: Final = "application/spdx+json"
CYCLONEDX: Final = "application/vnd.cyclonedx+json"
SBOM_MEDIA_TYPES: Final = (SPDX, CYCLONEDX)
SCANNER: Final = {"name": "rafsight", "vendor": "rafsight", "version": __version__}
"""How the scanner calls itself; Harbor refuses empty values."""

_NEGLIGIBLE: Final = "Negligible"
_SEVERITIES: Final = {
    Severity.UNKNOWN: "Unknown",
    Severity.LOW: "Low",
    Severity.MEDIUM: "Medium",
    Severity.HIGH: "High",
    Severity.CRITICAL: "Critical",
}
_RANKS: Final = ("Unknown", _NEGLIGIBLE, "Low", "Medium", "High", "Critical")
_TEXT: Final = 8192
"""[characters] of one description."""
_SHOWN_GAPS: Final = 50
_SHOWN_LINKS: Final = 50
_JOINER: Final = "|"
"""Harbor keeps links joined by it, so that no link may have it."""


class NoSuchBill(CallerError):
    """An SBOM is wanted in a form that there is not."""

    code = "no-such-sbom-media-type"
    template = "there is no SBOM of the media type '{media_type}'"
    remedy = "Ask for application/spdx+json or application/vnd.cyclonedx+json."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class HarborArtifact:
    """An artifact as Harbor names it."""

    repository: str
    digest: str
    tag: str = ""
    mime_type: str = ""


def render_harbor(report: ScanReport, terms: Terms) -> str:
    """Write a report of vulnerabilities for Harbor, about the image under the name that it was scanned by.

    Args:
        report: as filtered.
        terms: the date.
    """
    return render_vulnerabilities(report, terms, artifact_of(report.image))


def render_vulnerabilities(report: ScanReport, terms: Terms, artifact: HarborArtifact) -> str:
    """Write `application/vnd.security.vulnerability.report; version=1.1`, or its forerunner.

    Args:
        report: as filtered.
        terms: the date.
        artifact: as Harbor named it.
    Cost: linear in the findings.
    """
    unimportant = report.unimportant if report.lists_unimportant else ()
    items = _once(
        [
            *(_item(finding, _SEVERITIES[finding.severity]) for finding in report.findings),
            *(_item(finding, _NEGLIGIBLE) for finding in unimportant),
        ]
    )
    document = _head(report, terms, artifact) | {
        "severity": max((item["severity"] for item in items), key=_RANKS.index, default="Unknown"),
        "vulnerabilities": items,
    }
    return _write(document)


def render_bill(report: ScanReport, terms: Terms, artifact: HarborArtifact, media_type: str) -> str:
    """Write an SBOM for Harbor: `application/vnd.security.sbom.report+json; version=1.0`.

    Args:
        report: as filtered.
        terms: the date.
        artifact: as Harbor named it.
        media_type: of the SBOM within, one of `SBOM_MEDIA_TYPES`.
    Raises: NoSuchBill.
    Cost: linear in the packages.
    """
    if media_type not in SBOM_MEDIA_TYPES:
        raise NoSuchBill(media_type=media_type)
    text = render_spdx(report, terms) if media_type == SPDX else render_cyclonedx(report, terms)
    return _write(_head(report, terms, artifact) | {"media_type": media_type, "sbom": json.loads(text)})


def artifact_of(image: ImageFacts) -> HarborArtifact:
    """Work out from an image's name how Harbor would call it."""
    named, _, _ = image.name.partition("@")
    before, slash, last = named.rpartition("/")
    name, _, tag = last.partition(":")
    path = before + slash + name
    host, slash, rest = path.partition("/")
    is_host = bool(slash) and ("." in host or ":" in host or host == "localhost")
    digest = image.index_digest or image.manifest_digest
    return HarborArtifact(repository=line_of(rest if is_host else path), digest=digest, tag=line_of(tag))


def _head(report: ScanReport, terms: Terms, artifact: HarborArtifact) -> Json:
    names = {
        "repository": artifact.repository,
        "digest": artifact.digest,
        "tag": artifact.tag,
        "mime_type": artifact.mime_type,
    }
    return {
        "generated_at": terms.created,
        "artifact": {key: value for key, value in names.items() if value},
        "scanner": SCANNER,
        "vendor_attributes": _attributes(report),
    }


def _attributes(report: ScanReport) -> Json:
    """Say what Harbor has no field for, above all what was not looked at."""
    image, database = report.image, report.database
    told: Json = {
        "complete": is_complete(report),
        "gaps": [line_of(describe_gap(gap)) for gap in report.gaps[:_SHOWN_GAPS]],
        "gap_count": len(report.gaps),
        "format": image.format,
        "manifest_digest": image.manifest_digest,
        "packages": len(report.inventory.components),
        "unimportant_vulnerabilities": len(report.unimportant),
        "suppressed_findings": len(report.suppressed),
        "hidden_findings": report.hidden_count,
        "bytes_fetched": report.cost.bytes_fetched,
        "image_bytes": image.image_size,
    }
    if database is not None:
        told["database_built"] = database.built
        told["database_digest"] = database.digest
    return told


def _item(finding: Finding, severity: str) -> Json:
    spelled, component = spell_vulnerability(finding), finding.component
    return {
        "id": line_of(finding.id),
        "package": line_of(component.name) or "unknown",
        "version": line_of(component.version),
        "fix_version": line_of(", ".join(finding.fixed_versions)),
        "severity": severity,
        "status": finding.status.value,
        "description": cut(finding.description or finding.title, _TEXT),
        "links": _links((finding.primary_url, *finding.references)),
        "preferred_cvss": _preferred(finding),
        "cwe_ids": [line_of(name) for name in finding.cwe_ids],
        "vendor_attributes": {
            "CVSS": spelled.get("CVSS", {}),
            **{key: value for key, value in spelled.get("Custom", {}).items() if key != "Unimportant"},
        },
    }


def _links(addresses: Iterable[str]) -> list[str]:
    """Keep what a browser may follow, each once."""
    links = [address for address in map(web_address, addresses) if address and _JOINER not in address]
    return list(dict.fromkeys(links))[:_SHOWN_LINKS]


def _preferred(finding: Finding) -> Json:
    """Choose one rating of each version of CVSS: who gave the severity first, then NVD, then as they come."""
    order = (finding.severity_source, "nvd")

    def rank(rating: CvssRating) -> int:
        return order.index(rating.source) if rating.source in order else len(order)

    chosen: Json = {"score_v3": None, "score_v2": None, "vector_v3": "", "vector_v2": ""}
    for rating in sorted(finding.ratings, key=rank, reverse=True):
        version = rating.version[:1]
        if version in ("2", "3"):
            chosen |= {f"score_v{version}": rating.score, f"vector_v{version}": rating.vector}
    return chosen


def _once(items: list[Json]) -> list[Json]:
    """Keep the first item of each id, package and version, with the worst severity of them."""
    kept: dict[tuple[str, str, str], Json] = {}
    for item in items:
        first = kept.setdefault((item["id"], item["package"], item["version"]), item)
        first["severity"] = max(first["severity"], item["severity"], key=_RANKS.index)
    return list(kept.values())


def _write(document: Json) -> str:
    return json.dumps(document, allow_nan=False) + "\n"
