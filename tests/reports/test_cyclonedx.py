import json

import pytest
from tests.reports import samples
from tests.reports.every_report import REPORTS, TERMS, document

from rafsight.analysis.inventory import Ecosystem
from rafsight.reports.bom import split_name
from rafsight.reports.formats import render


@pytest.fixture(scope="module")
def validator():
    validation = pytest.importorskip("cyclonedx.validation.json", reason="needs cyclonedx-python-lib")
    pytest.importorskip("jsonschema", reason="needs cyclonedx-python-lib[json-validation]")
    schema = pytest.importorskip("cyclonedx.schema", reason="needs cyclonedx-python-lib")
    return validation.JsonStrictValidator(schema.SchemaVersion.V1_6)


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_follows_the_official_schema(report, validator):
    error = validator.validate_str(render(report, "cyclonedx", TERMS))
    assert error is None, error


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("report", [samples.FULL, samples.CLEAN, samples.hostile()], ids=["full", "clean", "hostile"])
def test_the_reference_library_reads_it(report):
    model = pytest.importorskip("cyclonedx.model.bom", reason="needs cyclonedx-python-lib")
    bom = model.Bom.from_json(document(report, "cyclonedx"))
    assert bom.validate()
    names = {str(component.purl) for component in bom.components if component.purl}
    assert len(names) == len({component.purl for component in report.inventory.components})
    found = {finding.id for finding in report.findings}
    found |= {one.finding.id for one in report.suppressed if isinstance(one.finding, samples.Finding)}
    assert {flaw.id for flaw in bom.vulnerabilities} == found


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_every_reference_is_there_and_alone(report):
    bom = document(report, "cyclonedx")
    refs = [one["bom-ref"] for one in (bom["metadata"]["component"], *bom["components"])]
    assert len(set(refs)) == len(refs)
    assert [one["ref"] for one in bom["dependencies"]] == refs
    assert {ref for one in bom["dependencies"] for ref in one.get("dependsOn", ())} == set(refs[1:])
    flaws = bom.get("vulnerabilities", [])
    assert len({one["bom-ref"] for one in flaws}) == len(flaws)
    assert {one["ref"] for flaw in flaws for one in flaw["affects"]} <= set(refs)


def by_name(report):
    return {one["name"]: one for one in document(report, "cyclonedx")["components"]}


def values(entry):
    return {one["name"]: one["value"] for one in entry.get("properties", [])}


def test_the_image():
    component = document(samples.FULL, "cyclonedx")["metadata"]["component"]
    assert component["type"] == "container"
    assert component["name"] == "127.0.0.1:5000/planted:v6"
    assert component["bom-ref"] == component["purl"]
    assert component["purl"] == (
        f"pkg:oci/planted@sha256%3A{'a' * 64}?arch=amd64&repository_url=127.0.0.1%3A5000%2Fplanted&tag=v6"
    )


def test_the_image_has_a_canonical_purl():
    from packageurl import PackageURL

    purl = PackageURL.from_string(document(samples.FULL, "cyclonedx")["metadata"]["component"]["purl"])
    assert (purl.type, purl.name, purl.version) == ("oci", "planted", samples.digest("a"))
    assert purl.qualifiers == {"arch": "amd64", "repository_url": "127.0.0.1:5000/planted", "tag": "v6"}


def test_a_package_says_what_other_scanners_match_by():
    component = by_name(samples.FULL)["libssl3"]
    assert component["purl"] == samples.LIBSSL.purl
    assert component["licenses"] == [{"expression": "Apache-2.0"}]
    assert component["supplier"]["name"].startswith("Debian OpenSSL Team")
    told = values(component)
    assert told["aquasecurity:trivy:SrcName"] == "openssl"
    assert told["aquasecurity:trivy:SrcVersion"] == "3.0.14"
    assert told["aquasecurity:trivy:SrcRelease"] == "1~deb12u1"
    assert told["aquasecurity:trivy:PkgType"] == "debian"
    assert component["evidence"]["occurrences"] == [{"location": "/var/lib/dpkg/status"}]
    system = by_name(samples.FULL)["debian"]
    assert (system["type"], system["version"]) == ("operating-system", "12.7")


def test_packages_that_lie_twice_are_told_apart():
    refs = [one["bom-ref"] for one in document(samples.FULL, "cyclonedx")["components"] if one["name"] == "requests"]
    assert len(refs) == 2
    assert all(ref.startswith("pkg:pypi/requests@2.19.1#") for ref in refs)


@pytest.mark.parametrize(
    ("ecosystem", "name", "parts"),
    [
        (Ecosystem.NPM, "@babel/core", ("@babel", "core")),
        (Ecosystem.NPM, "lodash", ("", "lodash")),
        (Ecosystem.NPM, "odd/one", ("", "odd/one")),
        (Ecosystem.MAVEN, "org.slf4j:slf4j-api", ("org.slf4j", "slf4j-api")),
        (Ecosystem.MAVEN, "nobody-knows", ("", "nobody-knows")),
        (Ecosystem.COMPOSER, "symfony/yaml", ("symfony", "yaml")),
        (Ecosystem.GOLANG, "github.com/a/b", ("", "github.com/a/b")),
    ],
)
def test_names_have_groups_where_their_world_has(ecosystem, name, parts):
    assert split_name(samples.replace(samples.LODASH, ecosystem=ecosystem, name=name)) == parts


def test_flaws():
    flaws = document(samples.FULL, "cyclonedx")["vulnerabilities"]
    tls = next(one for one in flaws if one["id"] == "CVE-2024-5535")
    assert {one["ref"] for one in tls["affects"]} == {samples.LIBSSL.purl, samples.OPENSSL.purl}
    assert tls["ratings"][0] == {"severity": "critical", "method": "other", "source": {"name": "debian"}}
    assert [(one["method"], one["score"]) for one in tls["ratings"] if "score" in one] == [
        ("CVSSv31", 9.1),
        ("CVSSv2", 6.4),
    ]
    assert tls["cwes"] == [126]
    assert tls["recommendation"] == ("Update libssl3 to 3.0.15-1~deb12u1.\nUpdate openssl to 3.0.15-1~deb12u1.")
    assert tls["published"] == "2024-06-27T11:15:24Z"
    iconv = next(one for one in flaws if one["id"] == "CVE-2024-2961")
    assert values(iconv)["rafsight:knownExploited"] == "true"
    assert values(iconv)["rafsight:epss"] == "0.94213"


def test_suppressed_flaws_have_an_analysis():
    flaws = [one for one in document(samples.FULL, "cyclonedx")["vulnerabilities"] if "analysis" in one]
    assert [one["id"] for one in flaws] == ["CVE-2010-4756", "CVE-2020-8203"]
    ignored, excused = (one["analysis"] for one in flaws)
    assert ignored == {
        "response": ["will_not_fix"],
        "detail": "ignored, says .trivyignore: nobody hands us patterns",
    }
    assert (excused["state"], excused["justification"]) == ("not_affected", "code_not_reachable")
    assert flaws[1]["affects"][0]["versions"] == [{"version": "4.17.11", "status": "unaffected"}]


def test_gaps_make_it_incomplete():
    whole, part = document(samples.CLEAN, "cyclonedx"), document(samples.FULL, "cyclonedx")
    assert whole["compositions"][0]["aggregate"] == "unknown"
    assert part["compositions"][0]["aggregate"] == "incomplete"
    assert sum(one["name"] == "rafsight:gap" for one in part["metadata"]["properties"]) == 4


def test_without_advisories_there_is_no_list_of_flaws():
    assert "vulnerabilities" not in document(samples.WITHOUT_DATABASE, "cyclonedx")
    assert document(samples.CLEAN, "cyclonedx")["vulnerabilities"] == []


def test_secrets_are_no_materials():
    text = json.dumps(document(samples.FULL, "cyclonedx"))
    assert "aws-access-key-id" not in text
