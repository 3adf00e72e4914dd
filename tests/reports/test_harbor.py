import json
from dataclasses import replace

import pytest
from tests.reports import samples
from tests.reports.every_report import REPORTS, TERMS, document

from rafsight.base.severity import Severity
from rafsight.reports.harbor import (
    CYCLONEDX,
    SBOM_MEDIA_TYPES,
    SPDX,
    HarborArtifact,
    NoSuchBill,
    artifact_of,
    render_bill,
    render_vulnerabilities,
)

ARTIFACT = HarborArtifact(
    repository="library/app",
    digest=samples.digest("a"),
    tag="v6",
    mime_type="application/vnd.oci.image.manifest.v1+json",
)
SEVERITIES = {"Unknown", "Negligible", "Low", "Medium", "High", "Critical"}


def items(report):
    return document(report, "harbor")["vulnerabilities"]


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_has_the_types_of_the_specification(report):
    """Field by field what HarborVulnerabilityReport and VulnerabilityItem say (scanner adapter API 1.2)."""
    text = render_vulnerabilities(report, TERMS, ARTIFACT)
    found = json.loads(text)
    assert text.isascii()
    assert found["generated_at"] == TERMS.created
    assert found["artifact"] == {
        "repository": "library/app",
        "digest": ARTIFACT.digest,
        "tag": "v6",
        "mime_type": ARTIFACT.mime_type,
    }
    assert all(found["scanner"][name] for name in ("name", "vendor", "version"))
    assert found["severity"] in SEVERITIES
    for item in found["vulnerabilities"]:
        texts = ("id", "package", "version", "fix_version", "severity", "status", "description")
        assert all(isinstance(item[name], str) for name in texts)
        assert item["id"]
        assert item["package"]
        assert item["severity"] in SEVERITIES
        assert all(link.startswith(("http://", "https://")) and "|" not in link for link in item["links"])
        assert set(item["preferred_cvss"]) == {"score_v3", "score_v2", "vector_v3", "vector_v2"}
        assert all(
            score is None or 0 <= score <= 10 for score in map(item["preferred_cvss"].get, ("score_v3", "score_v2"))
        )
        assert isinstance(item["vendor_attributes"]["CVSS"], dict)


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_names_each_vulnerability_of_a_package_once_and_none_is_lost(report):
    """Harbor's key is id, package and version; the same package in two folders is one there."""
    keys = [(one["id"], one["package"], one["version"]) for one in items(report)]
    assert len(set(keys)) == len(keys)
    assert len(keys) == len({(one.id, one.component.name, one.component.version) for one in report.findings})


def test_the_worst_severity_stands_at_the_head():
    assert document(samples.FULL, "harbor")["severity"] == "Critical"
    assert document(samples.CLEAN, "harbor")["severity"] == "Unknown"
    assert document(samples.CLEAN, "harbor")["vulnerabilities"] == []


def test_a_vulnerability_in_full():
    item = next(one for one in items(samples.PLANTED) if one["id"] == "CVE-2024-5535" and one["package"] == "openssl")
    assert (item["version"], item["fix_version"]) == ("3.0.14-1~deb12u1", "3.0.15-1~deb12u1")
    assert item["severity"] == "Critical"
    assert item["status"] == "fixed"
    assert item["cwe_ids"] == ["CWE-126"]
    assert item["links"][0] == "https://security-tracker.debian.org/tracker/CVE-2024-5535"
    assert item["preferred_cvss"] == {
        "score_v3": 9.1,
        "vector_v3": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:H",
        "score_v2": 6.4,
        "vector_v2": "AV:N/AC:L/Au:N/C:P/I:N/A:P",
    }
    assert item["vendor_attributes"]["CVSS"]["nvd"]["V3Score"] == 9.1


def test_unimportant_ones_are_negligible_where_they_are_listed():
    unimportant = replace(samples.PLANTED.findings[0], id="CVE-1999-0001", severity=Severity.LOW)
    report = replace(samples.CLEAN, unimportant=(unimportant,))
    assert items(report) == []
    found = document(replace(report, lists_unimportant=True), "harbor")
    assert [one["severity"] for one in found["vulnerabilities"]] == ["Negligible"]
    assert found["severity"] == "Negligible"


def test_the_worse_of_two_severities_stays():
    first = samples.PLANTED.findings[0]
    twice = (replace(first, severity=Severity.LOW), replace(first, severity=Severity.HIGH))
    assert [one["severity"] for one in items(replace(samples.PLANTED, findings=twice))] == ["High"]


def test_what_was_not_looked_at_is_said():
    told = document(samples.CLEAN_WITH_GAPS, "harbor")["vendor_attributes"]
    assert told["complete"] is False
    assert told["gap_count"] == len(samples.CLEAN_WITH_GAPS.gaps) == len(told["gaps"])
    assert document(samples.CLEAN, "harbor")["vendor_attributes"]["complete"] is True


@pytest.mark.parametrize("media_type", SBOM_MEDIA_TYPES)
@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_a_bill(report, media_type):
    found = json.loads(render_bill(report, TERMS, ARTIFACT, media_type))
    assert found["media_type"] == media_type
    assert found["artifact"]["digest"] == ARTIFACT.digest
    assert {"generated_at", "scanner", "vendor_attributes"} <= set(found)
    assert found["sbom"] == document(report, "spdx" if media_type == SPDX else "cyclonedx")


def test_another_bill_is_refused():
    with pytest.raises(NoSuchBill, match="text/plain"):
        render_bill(samples.FULL, TERMS, ARTIFACT, "text/plain")
    assert CYCLONEDX in SBOM_MEDIA_TYPES


@pytest.mark.parametrize(
    ("name", "repository", "tag"),
    [
        ("registry.example.com:5000/team/app:v1", "team/app", "v1"),
        ("localhost/app@sha256:aa", "app", ""),
        ("registry.example.com/app:v1@sha256:aa", "app", "v1"),
        ("library/app", "library/app", ""),
        ("oci:folder:v6", "oci", "folder:v6"),
    ],
)
def test_the_artifact_of_a_name(name, repository, tag):
    artifact = artifact_of(replace(samples.FULL.image, name=name))
    assert (artifact.repository, artifact.tag) == (repository, tag)
