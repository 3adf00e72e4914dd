"""The report for programs: Trivy's JSON, schema version 2, and one object of our own.

This module alone decides how a scan is spelled in Trivy's fields. Empty fields are left out, as Trivy leaves them out.
What Trivy has no field for stands in `Rafsight`, and for single vulnerabilities in `Custom`. The same report gives the
same bytes: ids are hashes, and the only date is the one handed in. Everything is ASCII, so that no foreign text reaches
a terminal as an escape sequence.
"""

import json
from typing import Any, Final

from rafsight._version import __version__
from rafsight.analysis.inventory import Gap
from rafsight.analysis.misconfig.finding import Misconfiguration
from rafsight.analysis.secrets.finding import Secret
from rafsight.reports.config import parse_config
from rafsight.reports.document import ScanReport
from rafsight.reports.identity import artifact_hash, report_uuid
from rafsight.reports.places import describe_evidence, secret_places
from rafsight.reports.selection import is_complete
from rafsight.reports.targets import Target, family_of, targets_of
from rafsight.reports.trivy_others import misconfiguration_results, modified_vulnerabilities, secret_results
from rafsight.reports.trivy_packages import present, spell_package, spell_vulnerability

SCHEMA_VERSION: Final = 2

Json = dict[str, Any]


def render_json(report: ScanReport, *, created: str, list_all: bool = False) -> str:
    """Write a report as Trivy's JSON.

    Args:
        report: as filtered.
        created: RFC 3339, for `CreatedAt`.
        list_all: name every package, not only those with findings.
    """
    document = present(
        {
            "SchemaVersion": SCHEMA_VERSION,
            "ReportID": report_uuid(report, created, "report"),
            "CreatedAt": created,
            "ArtifactID": "sha256:" + artifact_hash(report.image),
            "ArtifactName": report.image.name,
            "ArtifactType": report.image.kind.value,
            "Metadata": _metadata(report),
            "Results": [
                *(_result(target, list_all=list_all) for target in targets_of(report)),
                *misconfiguration_results(report),
                *secret_results(report),
            ],
            "Rafsight": _rafsight(report),
        }
    )
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _metadata(report: ScanReport) -> Json:
    image, distribution = report.image, report.inventory.distribution
    return present(
        {
            "Size": image.image_size,
            "OS": present({"Family": family_of(distribution), "Name": distribution.version}) if distribution else None,
            "ImageID": image.config_digest,
            "DiffIDs": [layer.diff_id for layer in image.layers if layer.diff_id],
            "RepoTags": list(image.repo_tags),
            "RepoDigests": list(image.repo_digests),
            "ImageConfig": parse_config(image.config),
            "Layers": [
                present(
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
    return present(
        {
            "Target": target.title,
            "Class": target.result_class,
            "Type": target.type,
            "Packages": [spell_package(component) for component in target.components] if list_all else None,
            "Vulnerabilities": [
                *(spell_vulnerability(finding) for finding in target.findings),
                *(spell_vulnerability(finding, unimportant=True) for finding in target.unimportant),
            ],
            "ExperimentalModifiedFindings": modified_vulnerabilities(target.suppressed),
        }
    )


def _rafsight(report: ScanReport) -> Json:
    """Say what Trivy has no words for: what was not looked at, what it cost, and what was verified."""
    image, whole = report.image, report.image.image_size
    return {
        "Version": __version__,
        "Format": image.format,
        "Platform": image.platform,
        "Digests": present(
            {
                "Index": image.index_digest,
                "Manifest": image.manifest_digest,
                "Config": image.config_digest,
                "Bootstrap": image.bootstrap_digest,
            }
        ),
        "Scanners": list(report.scanners),
        "Coverage": {
            "Complete": is_complete(report),
            "Gaps": [_gap(gap) for gap in report.gaps],
            "HiddenFindings": report.hidden_count,
            "HiddenExploited": list(report.hidden_exploited),
            "UnimportantFindings": len(report.unimportant),
            "SuppressedFindings": len(report.suppressed),
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
        **present({"Secrets": [_secret(secret) for secret in report.secrets]}),
        **present({"Misconfigurations": [_check(check) for check in report.misconfigurations]}),
        "Notes": list(image.notes),
    }


def _secret(secret: Secret) -> Json:
    """Say of a secret what Trivy has no field for: that it is the same at all its places, and what to do."""
    return present(
        {
            "RuleID": secret.rule_id,
            "Fingerprint": secret.fingerprint,
            "Confidence": secret.confidence.value,
            "Places": list(secret_places(secret)),
            "Remedy": secret.remedy,
        }
    )


def _check(check: Misconfiguration) -> Json:
    return present(
        {
            "ID": check.id,
            "Aliases": list(check.aliases),
            "Count": check.count,
            "Places": [describe_evidence(evidence) for evidence in check.evidence],
        }
    )


def _gap(gap: Gap) -> Json:
    return present(
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
