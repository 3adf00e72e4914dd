import json
from dataclasses import replace

import msgspec
import pytest
from tests.reports import samples
from tests.reports.every_report import REPORTS

from rafsight.access.counting import Cost
from rafsight.analysis.inventory import Ecosystem
from rafsight.reports.selection import filter_findings
from rafsight.reports.trivy_json import render_json
from rafsight.reports.trivy_packages import split_version

CREATED = "2026-11-23T22:50:00Z"


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """Fields of Trivy's report, schema version 2, for container images; those with a default may be left out."""


class Source(Strict):
    ID: str
    Name: str
    URL: str


class PackageIdentifier(Strict):
    UID: str
    PURL: str = ""


class Cvss(Strict):
    V2Vector: str = ""
    V3Vector: str = ""
    V40Vector: str = ""
    V2Score: float = 0
    V3Score: float = 0
    V40Score: float = 0


class Vulnerability(Strict):
    VulnerabilityID: str
    PkgID: str
    PkgName: str
    PkgIdentifier: PackageIdentifier
    InstalledVersion: str
    Status: str
    Severity: str
    Fingerprint: str
    VendorIDs: list[str] = []
    PkgPath: str = ""
    FixedVersion: str = ""
    SeveritySource: str = ""
    PrimaryURL: str = ""
    DataSource: Source | None = None
    Custom: dict[str, object] = {}
    Title: str = ""
    Description: str = ""
    CweIDs: list[str] = []
    VendorSeverity: dict[str, int] = {}
    CVSS: dict[str, Cvss] = {}
    References: list[str] = []
    PublishedDate: str = ""
    LastModifiedDate: str = ""


class Package(Strict):
    ID: str
    Name: str
    Identifier: PackageIdentifier
    Version: str
    Release: str = ""
    Epoch: int = 0
    Arch: str = ""
    SrcName: str = ""
    SrcVersion: str = ""
    SrcRelease: str = ""
    SrcEpoch: int = 0
    Licenses: list[str] = []
    Maintainer: str = ""
    Modularitylabel: str = ""
    FilePath: str = ""
    AnalyzedBy: str = ""


class Line(Strict):
    Number: int
    Content: str
    IsCause: bool
    Annotation: str
    Truncated: bool
    Highlighted: str
    FirstCause: bool
    LastCause: bool


class Block(Strict):
    Lines: list[Line]


class Origin(Strict):
    Digest: str = ""
    DiffID: str = ""


class Secret(Strict):
    RuleID: str
    Category: str
    Severity: str
    Title: str
    StartLine: int
    EndLine: int
    Code: Block | None = None
    Match: str = ""
    Layer: Origin | None = None
    Offset: int = 0


class Cause(Strict):
    Provider: str
    Service: str
    StartLine: int = 0
    EndLine: int = 0


class Misconfiguration(Strict):
    Type: str
    ID: str
    Title: str
    Description: str
    Message: str
    Namespace: str
    Resolution: str
    Severity: str
    Status: str
    CauseMetadata: Cause
    AVDID: str = ""
    PrimaryURL: str = ""
    References: list[str] = []


class Summary(Strict):
    Successes: int
    Failures: int


class Modified(Strict):
    Type: str
    Status: str
    Source: str
    Finding: dict[str, object]
    Statement: str = ""


class Result(Strict):
    Target: str
    Class: str
    Type: str = ""
    Packages: list[Package] = []
    Vulnerabilities: list[Vulnerability] = []
    MisconfSummary: Summary | None = None
    Misconfigurations: list[Misconfiguration] = []
    Secrets: list[Secret] = []
    ExperimentalModifiedFindings: list[Modified] = []


class Os(Strict):
    Family: str
    Name: str = ""


class Layer(Strict):
    Size: int
    Digest: str
    DiffID: str = ""
    CreatedBy: str = ""


class ReportMetadata(Strict):
    Size: int = 0
    OS: Os | None = None
    ImageID: str = ""
    DiffIDs: list[str] = []
    RepoTags: list[str] = []
    RepoDigests: list[str] = []
    ImageConfig: dict[str, object] = {}
    Layers: list[Layer] = []


class Report(Strict):
    SchemaVersion: int
    ReportID: str
    CreatedAt: str
    ArtifactID: str
    ArtifactName: str
    ArtifactType: str
    Metadata: ReportMetadata
    Rafsight: dict[str, object]
    Results: list[Result] = []


def render(report, **more):
    return render_json(report, created=CREATED, **more)


def read(report, **more):
    return msgspec.json.decode(render(report, **more), type=Report)


@pytest.mark.parametrize(
    "report",
    REPORTS.values(),
    ids=REPORTS,
)
@pytest.mark.parametrize("list_all", [False, True])
def test_is_what_consumers_of_trivy_read(report, list_all):
    document = read(report, list_all=list_all)
    assert document.SchemaVersion == 2
    assert document.ArtifactType == "container_image"
    assert sum(len(result.Vulnerabilities) for result in document.Results) == len(report.findings)
    found = [len(result.Misconfigurations) for result in document.Results]
    assert sum(found) == len(report.misconfigurations)
    secrets = sum(len(secret.places) for secret in report.secrets)
    assert sum(len(result.Secrets) for result in document.Results) == secrets
    packages = sum(len(result.Packages) for result in document.Results)
    assert packages == (len(report.inventory.components) if list_all else 0)


def test_metadata():
    metadata = read(samples.PLANTED).Metadata
    assert Os(Family="debian", Name="12.7") == metadata.OS
    assert metadata.ImageID == samples.digest("c")
    assert metadata.DiffIDs == [samples.digest("1"), samples.digest("2")]
    assert metadata.RepoTags == ["127.0.0.1:5000/planted:v6"]
    assert metadata.RepoDigests == ["127.0.0.1:5000/planted@" + samples.digest("a")]
    assert metadata.ImageConfig == samples.CONFIG
    assert [layer.Size for layer in metadata.Layers] == [60_000_000, 1_200_000]
    assert metadata.Layers[0].CreatedBy == "ADD rootfs.tar /"


def test_a_finding_in_full():
    found = next(v for v in read(samples.PLANTED).Results[0].Vulnerabilities if v.VulnerabilityID == "CVE-2024-5535")
    assert found.PkgID == "libssl3@3.0.14-1~deb12u1"
    assert samples.LIBSSL.purl == found.PkgIdentifier.PURL
    assert found.PkgPath == ""
    assert found.VendorIDs == ["DEBIAN-CVE-2024-5535", "DSA-5764-1"]
    assert found.FixedVersion == "3.0.15-1~deb12u1"
    assert (found.Status, found.Severity, found.SeveritySource) == ("fixed", "CRITICAL", "debian")
    assert found.VendorSeverity == {"debian": 4, "nvd": 4}
    assert found.CVSS["nvd"].V3Score == 9.1
    assert found.CVSS["nvd"].V2Vector == "AV:N/AC:L/Au:N/C:P/I:N/A:P"
    assert found.DataSource == Source(ID="debian", Name="Debian Security Tracker", URL=samples.DEBIAN.url)
    assert found.CweIDs == ["CWE-126"]
    assert found.PublishedDate == "2024-06-27T11:15:24Z"
    assert found.Custom == {"Aliases": ["DEBIAN-CVE-2024-5535"]}


def test_language_packages_have_a_path_and_marks_are_kept():
    evil = read(samples.PLANTED).Results[2].Vulnerabilities[0]
    assert evil.PkgPath == "srv/app/node_modules/event-stream-helper/package.json"
    assert evil.Custom == {"Malware": True}
    assert evil.Status == "affected"
    assert read(samples.PLANTED).Results[0].Vulnerabilities[0].Custom == {"KnownExploited": True}


def test_empty_fields_are_left_out():
    def check(value, where):
        if isinstance(value, dict):
            for key, member in value.items():
                if where != "Rafsight":
                    assert member not in ("", [], {}, None), f"{where}.{key}"
                check(member, where if where == "Rafsight" else key)
        elif isinstance(value, list):
            for member in value:
                check(member, where)

    check(json.loads(render(samples.PLANTED, list_all=True)), "")


def test_our_own_object():
    own = read(samples.PLANTED).Rafsight
    assert own["Format"] == "RAFS v6"
    assert own["Digests"] == {
        "Manifest": samples.digest("a"),
        "Config": samples.digest("c"),
        "Bootstrap": samples.digest("b"),
    }
    assert own["Coverage"]["Complete"] is False
    assert own["Coverage"]["Gaps"][3] == {
        "Reason": "no-advisories",
        "Subject": "npm",
        "Detail": samples.GAPS[3].detail,
    }
    assert own["Cost"] == {
        "Requests": 14,
        "BytesFetched": 812_345,
        "BytesNeeded": 790_000,
        "ImageBytes": 61_200_000,
        "Ratio": 0.013274,
    }
    assert own["Database"]["Records"] == 52133


def test_without_a_database_the_report_is_incomplete():
    own = read(samples.WITHOUT_DATABASE).Rafsight
    assert own["Database"] is None
    assert own["Coverage"]["Complete"] is False


def test_the_same_report_gives_the_same_bytes():
    later = replace(samples.PLANTED, seconds=99.0, started="2027-01-01T00:00:00Z")
    assert render(samples.PLANTED, list_all=True) == render(later, list_all=True)


def test_ids_tell_findings_apart():
    found = [v for result in read(samples.PLANTED).Results for v in result.Vulnerabilities]
    assert len({v.Fingerprint for v in found}) == len(found)


def test_report_id_depends_on_the_image_and_the_database():
    other_image = replace(samples.PLANTED, image=replace(samples.IMAGE, manifest_digest=samples.digest("9")))
    other_database = replace(samples.PLANTED, database=replace(samples.DATABASE, digest=samples.digest("9")))
    assert len({read(report).ReportID for report in (samples.PLANTED, other_image, other_database)}) == 3


def test_the_artifact_is_the_same_under_another_tag():
    retagged = replace(
        samples.IMAGE, name="127.0.0.1:5000/planted:latest", repo_tags=("127.0.0.1:5000/planted:latest",)
    )
    assert read(replace(samples.PLANTED, image=retagged)).ArtifactID == read(samples.PLANTED).ArtifactID


def test_a_hostile_report_is_ascii_and_whole():
    text = render(samples.hostile(), list_all=True)
    assert text.isascii()
    assert "\x1b" not in text
    assert json.loads(text)["Results"][1]["Vulnerabilities"][0]["InstalledVersion"] == samples.ESCAPES + "9" * 200


def test_lone_surrogates_and_bad_configs_do_not_break_the_document():
    image = replace(samples.IMAGE, config=b'{"a": "\\ud800", "b": 1}', notes=("\udcff",))
    assert json.loads(render(replace(samples.PLANTED, image=image)))["Metadata"]["ImageConfig"]["b"] == 1
    broken = replace(samples.IMAGE, config=b'{"a": NaN}')
    assert "ImageConfig" not in json.loads(render(replace(samples.PLANTED, image=broken)))["Metadata"]


def test_an_image_of_no_size_has_no_ratio():
    report = replace(samples.PLANTED, image=replace(samples.IMAGE, image_size=0), cost=Cost())
    assert read(report).Rafsight["Cost"]["Ratio"] is None


@pytest.mark.parametrize(
    ("ecosystem", "version", "epoch", "upstream", "release"),
    [
        (Ecosystem.DEB, "1:2.39.2-1.1", 1, "2.39.2", "1.1"),
        (Ecosystem.DEB, "12.4+deb12u7", 0, "12.4+deb12u7", ""),
        (Ecosystem.DEB, "1.0-beta-2", 0, "1.0-beta", "2"),
        (Ecosystem.RPM, "2:8.0-3.el9", 2, "8.0", "3.el9"),
        (Ecosystem.DEB, "x:1-2", 0, "x:1", "2"),
        (Ecosystem.DEB, "99999999999999999999:1", 0, "99999999999999999999:1", ""),
        (Ecosystem.APK, "1.2.3-r4", 0, "1.2.3-r4", ""),
        (Ecosystem.NPM, "1.0.0-rc.1", 0, "1.0.0-rc.1", ""),
    ],
)
def test_versions_come_apart_as_trivy_has_them(ecosystem, version, epoch, upstream, release):
    component = replace(samples.OPENSSL, ecosystem=ecosystem)
    assert split_version(component, version) == {"Epoch": epoch, "Version": upstream, "Release": release}


def test_exploited_flaws_that_filters_hide_are_named():
    filtered = filter_findings(samples.PLANTED, severities=frozenset({samples.Severity.LOW}))
    coverage = json.loads(render_json(filtered, created="x"))["Rafsight"]["Coverage"]
    assert coverage["HiddenExploited"] == ["CVE-2024-2961"]
    assert json.loads(render_json(samples.PLANTED, created="x"))["Rafsight"]["Coverage"]["HiddenExploited"] == []


def test_unimportant_flaws_are_listed_on_demand_and_marked():
    flaw = samples.finding(samples.OPENSSL, "CVE-2007-6755", samples.Severity.LOW)
    report = filter_findings(replace(samples.PLANTED, unimportant=(flaw,)), show_unimportant=True)
    results = json.loads(render_json(report, created="x"))["Results"]
    marked = [one for one in results[0]["Vulnerabilities"] if one.get("Custom", {}).get("Unimportant")]
    assert [one["VulnerabilityID"] for one in marked] == ["CVE-2007-6755"]
    assert "CVE-2007-6755" not in render_json(replace(samples.PLANTED, unimportant=(flaw,)), created="x")


def results_of(report):
    return {(result.Class, result.Target): result for result in read(report).Results}


def test_secrets_are_results_of_their_files():
    results = results_of(samples.FULL)
    assert [target for kind, target in results if kind == "secret"] == [
        "/etc/ssl/private/site.key",
        "/srv/app/.env",
        "/srv/app/backup/.env",
        "image-config.json",
    ]
    (secret,) = results["secret", "/srv/app/.env"].Secrets
    assert (secret.RuleID, secret.Severity, secret.StartLine, secret.Offset) == ("aws-access-key-id", "CRITICAL", 3, 41)
    assert [line.IsCause for line in secret.Code.Lines] == [False, True, False]
    (hidden,) = results["secret", "/srv/app/backup/.env"].Secrets
    assert hidden.Layer.Digest == samples.digest("d")
    assert hidden.Code is None
    (config,) = results["secret", "image-config.json"].Secrets
    assert config.Title == "AWS access key in config.Env[2]"


def test_misconfiguration_is_one_result():
    result = results_of(samples.FULL)["config", "127.0.0.1:5000/planted:v6 (dockerfile)"]
    assert (result.Type, result.MisconfSummary) == ("dockerfile", Summary(Successes=35, Failures=2))
    root, setuid = result.Misconfigurations
    assert (root.ID, root.AVDID, root.Status) == ("RS-CFG-001", "AVD-DS-0002", "FAIL")
    assert root.Message == "No user is set, so that it is root. In: config.User (empty)"
    assert setuid.Message.endswith("tool-5 (mode 4755, owner 0:0); and 8 more")


def test_checks_that_all_passed_are_a_result():
    (result,) = [one for one in read(replace(samples.CLEAN, check_count=38)).Results if one.Class == "config"]
    assert result.MisconfSummary == Summary(Successes=38, Failures=0)


def test_what_was_suppressed_is_modified():
    modified = [(one.Class, told) for one in read(samples.FULL).Results for told in one.ExperimentalModifiedFindings]
    assert [(kind, told.Type, told.Status, told.Statement, told.Source) for kind, told in modified] == [
        ("os-pkgs", "vulnerability", "ignored", "nobody hands us patterns", ".trivyignore"),
        ("lang-pkgs", "vulnerability", "not_affected", "vulnerable_code_not_in_execute_path", "app.openvex.json"),
        ("config", "misconfiguration", "ignored", "", ".rafsightignore"),
        ("secret", "secret", "ignored", "", ".trivyignore"),
    ]
    assert modified[0][1].Finding["VulnerabilityID"] == "CVE-2010-4756"
    assert read(samples.FULL).Rafsight["Coverage"]["SuppressedFindings"] == 4


def test_likelihood_is_custom():
    found = [v for v in read(samples.FULL).Results[0].Vulnerabilities if v.VulnerabilityID == "CVE-2024-2961"]
    assert found[0].Custom["EPSS"] == {"Score": 0.94213, "Percentile": 0.99912}
