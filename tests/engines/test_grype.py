"""Grype's reports, and the bill of materials beside them, become our own values."""

import json

import pytest
from tests.engines import expected
from tests.engines.fakes import output_of, recorded

from rafsight.analysis.inventory import Distribution, Ecosystem
from rafsight.base.severity import Severity
from rafsight.engines.catalogue import engine_named
from rafsight.engines.engine import Output
from rafsight.matching.finding import CvssRating, Status

GRYPE = engine_named("grype")
BILL = {"bomFormat": "CycloneDX", "components": None}


@pytest.fixture(scope="module")
def report():
    return GRYPE.read(output_of("grype"))


def read(*, bill=BILL, **document):
    content = json.dumps({"matches": [], "descriptor": {}, **document}).encode()
    return GRYPE.read(Output(status=0, report=content, companion=json.dumps(bill).encode(), log="", introduction=""))


def flaw(name="CVE-2099-0001", **more):
    return {"id": name, "namespace": "nvd:cpe", "severity": "High", **more}


def match(vulnerability, *related, artifact=None):
    return {
        "vulnerability": vulnerability,
        "relatedVulnerabilities": list(related),
        "artifact": artifact or {"id": "1", "name": "x", "version": "1", "type": "npm", "purl": "pkg:npm/x@1"},
    }


def test_findings(report):
    assert expected.findings_in(report) == expected.FINDINGS
    assert report.hidden_count == 0


def test_components_are_those_of_the_bill(report):
    assert expected.packages_in(report, "deb") == expected.DEBS
    assert expected.packages_in(report, "npm") == expected.NODES | {expected.APP}
    assert expected.packages_in(report, "pypi") == expected.WHEELS
    assert expected.packages_in(report, "generic") == {("busybox", "1.35.0")}
    assert len(report.inventory.components) == 12


def test_the_bill_and_the_report_complete_each_other(report):
    one = expected.component(report, "busybox-static")
    assert (one.source_name, one.source_version, one.arch) == ("busybox", "1:1.35.0-4+deb12u1", "amd64")
    assert one.locations == (b"var/lib/dpkg/status",)
    assert one.maintainer.startswith("Debian Install System Team")
    assert one.found_by == "dpkg-db-cataloger"
    unmatched = expected.component(report, "busybox")
    assert unmatched.locations == (b"bin/busybox",)


def test_what_a_finding_says(report):
    one = expected.finding(report, "CVE-2019-10744")
    assert one.aliases == one.advisories == ("GHSA-jf85-cpcp-j695",)
    assert one.known_exploited
    assert one.severity_source == "github"
    assert one.cwe_ids
    assert one.description
    assert [rating.version for rating in one.ratings] == ["3.1"]


def test_the_distribution_the_database_and_no_gaps(report):
    assert report.inventory.distribution == Distribution(id="debian", version="12.15", name="")
    assert (report.database.built, report.database.path) == ("2026-01-02T00:00:00Z", "/grype-db/6/vulnerability.db")
    assert report.gaps == ()


def test_packages_of_a_distribution_that_it_does_not_know_do_not_look_clean():
    """They have no purl then, and the report says nothing of the distribution."""
    properties = [
        {"name": "syft:package:foundBy", "value": "dpkg-db-cataloger"},
        {"name": "syft:package:type", "value": "deb"},
        {"name": "syft:location:0:path", "value": "/var/lib/dpkg/status"},
    ]
    one = {"bom-ref": "f9472ba48f26bd9c", "type": "library", "name": "libsystemd0", "properties": properties}
    report = read(bill=BILL | {"components": [one]}, distro={"name": "", "version": "", "idLike": None})
    assert expected.component(report, "libsystemd0").ecosystem is Ecosystem.DEB
    assert expected.component(report, "libsystemd0").found_by == "dpkg-db-cataloger"
    assert expected.reasons(report) == [("unknown-distribution", "OS packages")]


def test_packages_that_the_bill_lacks_are_taken_from_their_matches():
    report = GRYPE.read(output_of("grype", companion=json.dumps(BILL).encode()))
    assert expected.findings_in(report) == expected.FINDINGS
    assert expected.packages_in(report, "deb") == expected.DEBS
    assert len(report.inventory.components) == 10


@pytest.mark.parametrize("empty", [None, []])
def test_nothing_found_does_not_look_clean(empty):
    assert expected.reasons(read(matches=empty)) == [("no-packages", "image")]


def test_parts_of_a_bill_that_are_no_packages():
    parts = [
        {"type": "file", "name": "/etc/passwd", "properties": [{"name": "a", "value": "b"}]},
        {"type": "operating-system", "name": "debian", "properties": [{"name": "a", "value": "b"}]},
        {"type": "library", "name": "without a word of Syft"},
    ]
    assert read(bill=BILL | {"components": parts}).inventory.components == ()


def test_packages_of_no_known_distribution():
    artifact = {"id": "1", "name": "bash", "version": "5", "type": "deb"}
    report = read(matches=[match(flaw(), artifact=artifact)])
    assert expected.component(report, "bash").ecosystem is Ecosystem.DEB
    assert expected.reasons(report) == [("unknown-distribution", "OS packages")]


def test_what_it_warns_of():
    alerts = [
        {"type": "distro-eol", "message": "debian 8 is over"},
        {"type": "distro-unknown", "message": ""},
        {"type": "other", "message": "no matter"},
    ]
    report = read(alertsByPackage=[{"alerts": alerts}, {"alerts": alerts[:1]}, {"alerts": None}])
    told = [(gap.reason.value, gap.detail) for gap in report.gaps]
    assert told[:2] == [("no-advisories", "debian 8 is over"), ("unknown-distribution", "distro-unknown")]
    assert expected.reasons(report)[2:] == [("no-packages", "image")]


def test_settings_that_hide_files_do_not_look_clean():
    """`.grype.yaml` of the user can do that; the report repeats it."""
    document = json.loads(recorded("grype", "report.json"))
    document["descriptor"]["configuration"]["exclude"] = ["**/dpkg/**", "\x1b[2J"]
    report = GRYPE.read(output_of("grype", raw=json.dumps(document).encode()))
    assert expected.reasons(report) == [("unsupported", "**/dpkg/**"), ("unsupported", "\\x1b[2J")]


def test_what_rules_of_the_user_took_out_is_counted():
    assert read(ignoredMatches=[{"a": 1}, {}]).hidden_count == 2


@pytest.mark.parametrize("order", [1, -1])
def test_records_about_one_flaw_of_one_package_are_one_finding(order):
    """Whatever comes first: what knows a fix is kept, and the worst severity."""
    advisory = flaw("GHSA-1", namespace="github:language:javascript", severity="Low", fix={"versions": ["2"]})
    by_name = flaw("CVE-2099-0001", severity="Critical", knownExploited=[{}])
    matches = [match(advisory, {"id": "CVE-2099-0001"}), match(by_name)][::order]
    one = expected.finding(read(matches=matches), "CVE-2099-0001")
    assert one.fixed_versions == ("2",)
    assert one.severity is Severity.CRITICAL
    assert one.known_exploited
    assert set(one.advisories) == {"GHSA-1", "CVE-2099-0001"}
    assert one.aliases == ("GHSA-1",)


def test_an_advisory_about_several_flaws_keeps_its_name():
    report = read(matches=[match(flaw("GHSA-1"), {"id": "CVE-2099-0001"}, {"id": "CVE-2099-0002"})])
    assert expected.finding(report, "GHSA-1").aliases == ("CVE-2099-0001", "CVE-2099-0002")


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("Negligible", Severity.LOW),
        ("critical", Severity.CRITICAL),
        ("", Severity.UNKNOWN),
        ("Awful", Severity.UNKNOWN),
    ],
)
def test_severities(word, severity):
    assert read(matches=[match(flaw(severity=word))]).findings[0].severity is severity


@pytest.mark.parametrize(
    ("fix", "status"),
    [
        ({"state": "wont-fix"}, Status.WILL_NOT_FIX),
        ({"state": "not-fixed", "versions": None}, Status.AFFECTED),
        ({"state": "unknown", "versions": ["2"]}, Status.FIXED),
        (None, Status.AFFECTED),
    ],
)
def test_statuses(fix, status):
    assert read(matches=[match(flaw(fix=fix))]).findings[0].status is status


def test_ratings():
    cvss = [
        {"version": "2.0", "vector": "AV:N", "metrics": {"baseScore": 5}},
        {"version": "4.0", "vector": "CVSS:4.0", "source": "someone"},
        {"version": "2.0", "vector": "AV:N", "metrics": {"baseScore": 5}},
    ]
    assert read(matches=[match(flaw(cvss=cvss))]).findings[0].ratings == (
        CvssRating(source="nvd", version="2", vector="AV:N", score=5.0),
        CvssRating(source="someone", version="4.0", vector="CVSS:4.0", score=0.0),
    )


def test_malware():
    assert read(matches=[match(flaw("MAL-2099-1"))]).findings[0].malware
