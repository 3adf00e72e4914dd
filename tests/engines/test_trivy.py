"""Trivy's reports become our own values."""

import json

import pytest
from tests.engines import expected
from tests.engines.fakes import output_of, recorded

from rafsight.analysis.inventory import Distribution, Ecosystem
from rafsight.base.severity import Severity
from rafsight.engines.catalogue import engine_named
from rafsight.engines.engine import MalformedOutput, Output
from rafsight.matching.finding import CvssRating, DataSource, Status

TRIVY = engine_named("trivy")
VERSION = """Version: 0.69.3
Vulnerability DB:
  Version: 2
  UpdatedAt: 2026-11-20 06:10:52.083106286 +0000 UTC
  NextUpdate: 2026-11-21 06:10:52.083105976 +0000 UTC
Java DB:
  Version: 1
  UpdatedAt: 2020-01-01 00:00:00 +0000 UTC
"""


@pytest.fixture(scope="module")
def report():
    return TRIVY.read(output_of("trivy", log="report.stderr.txt"))


def read(*, log="", introduction="", **document):
    content = json.dumps({"SchemaVersion": 2, **document}).encode()
    return TRIVY.read(Output(status=0, report=content, companion=None, log=log, introduction=introduction))


def result(kind="node-pkg", of="lang-pkgs", target="Node.js", packages=(), flaws=(), **more):
    return {
        "Target": target,
        "Class": of,
        "Type": kind,
        "Packages": list(packages),
        "Vulnerabilities": list(flaws),
        **more,
    }


def test_findings(report):
    assert expected.findings_in(report) == expected.FINDINGS
    assert report.unimportant == ()
    assert report.hidden_count == 0


def test_components(report):
    assert expected.packages_in(report, "deb") == expected.DEBS
    assert expected.packages_in(report, "npm") == expected.NODES | {expected.APP}
    assert expected.packages_in(report, "pypi") == expected.WHEELS
    assert len(report.inventory.components) == 11
    one = expected.component(report, "busybox-static")
    assert (one.source_name, one.source_version) == ("busybox", "1:1.35.0-4+deb12u1")
    assert (one.arch, one.found_by) == ("amd64", "dpkg")
    assert one.purl.startswith("pkg:deb/debian/busybox-static@1.35.0-4")
    lodash = expected.component(report, "lodash")
    assert lodash.locations == (b"srv/app/node_modules/lodash/package.json",)
    assert lodash.licenses == ("MIT",)


def test_what_a_finding_says(report):
    one = expected.finding(report, "CVE-2019-10744")
    assert one.advisories == ("GHSA-jf85-cpcp-j695", "CVE-2019-10744")
    assert one.data_source.id == "ghsa"
    assert one.severity_source == "ghsa"
    assert one.primary_url == "https://avd.aquasec.com/nvd/cve-2019-10744"
    assert one.component.name == "lodash"
    assert one.title
    assert {rating.version for rating in one.ratings} == {"3.1"}
    assert dict(one.vendor_severities)["ghsa"] is Severity.CRITICAL


def test_the_distribution_and_no_gaps(report):
    assert report.inventory.distribution == Distribution(id="debian", version="12.15", name="")
    assert report.gaps == ()


def test_only_its_version_says_how_old_its_database_is(report):
    assert report.database.built == ""
    assert read(introduction=VERSION).database.built == "2026-11-20T06:10:52Z"
    assert read(introduction=VERSION.replace("Vulnerability DB", "Other DB")).database.built == ""


def test_a_report_without_a_database_still_has_packages():
    """Secrets and misconfigurations in it are passed over."""
    report = TRIVY.read(output_of("trivy", "no-database-report.json"))
    assert report.findings == ()
    assert expected.packages_in(report, "deb") == expected.DEBS


def test_findings_without_a_list_of_packages():
    document = json.loads(recorded("trivy", "report.json"))
    for one in document["Results"]:
        one.pop("Packages", None)
    report = read(**{name: value for name, value in document.items() if name != "SchemaVersion"})
    assert expected.findings_in(report) == expected.FINDINGS
    assert {(one.name.lower(), one.version) for one in report.inventory.components} == {
        *expected.DEBS,
        *expected.NODES,
        *expected.WHEELS,
    }
    assert expected.component(report, "busybox-static").ecosystem is Ecosystem.DEB


@pytest.mark.parametrize("empty", [None, []])
def test_nothing_found_does_not_look_clean(empty):
    report = read(Results=empty, Metadata=None)
    assert expected.reasons(report) == [("no-packages", "image")]


@pytest.mark.parametrize("system", [None, {"Family": "none", "Name": ""}, {"Family": ""}])
def test_packages_of_no_known_distribution(system):
    packages = [{"Name": "bash", "Version": "5", "Release": "1", "Epoch": 2}]
    report = read(Metadata={"OS": system}, Results=[result("debian", "os-pkgs", packages=packages)])
    assert report.inventory.distribution is None
    assert expected.reasons(report) == [("unknown-distribution", "OS packages")]
    assert expected.component(report, "bash").version == "2:5-1"


def test_a_distribution_that_it_does_not_support():
    log = '2026-11-24T05:47:27Z\tWARN\tUnsupported os\tfamily="openembedded"\n'
    report = read(Metadata={"OS": {"Family": "openembedded", "Name": "3"}}, Results=[], log=log)
    assert ("unknown-distribution", "openembedded 3") in expected.reasons(report)


def test_a_release_that_nobody_supports_any_more():
    packages = [{"Name": "bash", "Version": "5"}]
    report = read(
        Metadata={"OS": {"Family": "debian", "Name": "8.0", "EOSL": True}},
        Results=[result("debian", "os-pkgs", packages=packages)],
    )
    assert expected.reasons(report) == [("no-advisories", "debian 8.0")]


@pytest.mark.parametrize(("family", "identity"), [("redhat", "rhel"), ("alma", "almalinux"), ("wolfi", "wolfi")])
def test_distributions_have_the_names_of_their_release_files(family, identity):
    report = read(Metadata={"OS": {"Family": family, "Name": "9"}})
    assert report.inventory.distribution.id == identity


@pytest.mark.parametrize(
    ("kind", "of", "ecosystem"),
    [
        ("alpine", "os-pkgs", Ecosystem.APK),
        ("redhat", "os-pkgs", Ecosystem.RPM),
        ("ubuntu", "os-pkgs", Ecosystem.DEB),
        ("something", "lang-pkgs", Ecosystem.GENERIC),
    ],
)
def test_packages_without_a_purl(kind, of, ecosystem):
    report = read(Results=[result(kind, of, packages=[{"Name": "x", "Version": "1"}])])
    assert expected.component(report, "x").ecosystem is ecosystem


def test_files_that_hold_packages():
    package = {"Name": "x", "Version": "1", "Identifier": {"PURL": "pkg:golang/x@1"}}
    report = read(Results=[result("gobinary", target="usr/bin/x", packages=[package])])
    one = expected.component(report, "x")
    assert (one.ecosystem, one.locations) == (Ecosystem.GOLANG, (b"usr/bin/x",))


def test_what_rules_of_the_user_took_out_is_counted():
    modified = [{"Type": "vulnerability", "Status": "ignored"}, {"Type": "secret"}, {"Type": "vulnerability"}]
    assert read(Results=[result(ExperimentalModifiedFindings=modified)]).hidden_count == 2


def test_a_finding_in_all_its_parts():
    flaw = {
        "VulnerabilityID": "CVE-2099-0001",
        "VendorIDs": ["DSA-1", "DSA-1"],
        "PkgName": "x",
        "InstalledVersion": "1",
        "FixedVersion": "1.1, 2.0 ,",
        "Status": "will_not_fix",
        "Severity": "high",
        "VendorSeverity": {"nvd": 4, "odd": 9, "less": -1},
        "CVSS": {"nvd": {"V2Vector": "AV:N", "V2Score": 5, "V3Vector": "CVSS:3.0/AV:N", "V3Score": 9.8},
                 "ghsa": {"V40Vector": "CVSS:4.0/AV:N", "V40Score": 7.5}},
        "CweIDs": None,
        "References": None,
        "DataSource": None,
        "New": {"unknown": [1]},
    }  # fmt: skip
    one = expected.finding(read(Results=[result(flaws=[flaw])]), "CVE-2099-0001")
    assert one.advisories == ("DSA-1", "CVE-2099-0001")
    assert one.fixed_versions == ("1.1", "2.0")
    assert one.status is Status.WILL_NOT_FIX
    assert one.severity is Severity.HIGH
    assert one.vendor_severities == (("nvd", Severity.CRITICAL),)
    assert one.ratings == (
        CvssRating(source="ghsa", version="4.0", vector="CVSS:4.0/AV:N", score=7.5),
        CvssRating(source="nvd", version="3.0", vector="CVSS:3.0/AV:N", score=9.8),
        CvssRating(source="nvd", version="2", vector="AV:N", score=5.0),
    )
    assert one.data_source == DataSource(id="", name="", url="")
    assert not one.malware


def test_malware_and_words_that_nobody_knows():
    flaws = [{"VulnerabilityID": "MAL-2099-1", "PkgName": "x", "InstalledVersion": "1", "Severity": "AWFUL"}]
    one = expected.finding(read(Results=[result(flaws=flaws)]), "MAL-2099-1")
    assert one.malware
    assert (one.severity, one.status) == (Severity.UNKNOWN, Status.AFFECTED)


@pytest.mark.parametrize("version", [1, 3])
def test_another_schema_is_refused(version):
    with pytest.raises(MalformedOutput, match=f"its schema version is {version}, not 2"):
        read(SchemaVersion=version)
