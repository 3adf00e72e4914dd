from dataclasses import replace
from datetime import date

import pytest
from tests.reports import samples

from rafsight.analysis.misconfig.catalogue import CATALOGUE
from rafsight.analysis.misconfig.check import phrase
from rafsight.matching.suppression.purls import parse_purl
from rafsight.matching.suppression.rule import ALL_KINDS, Rule, Target
from rafsight.reports.suppress import expired, suppress
from rafsight.reports.verdict import verdict

TODAY = date(2026, 11, 23)
FULL = replace(samples.FULL, suppressed=())
IMAGE = "pkg:oci/planted"
DIGEST = samples.digest("a").replace(":", "%3A")


def rule(name, status="ignored", **more):
    targets = tuple(Target(package=parse_purl(text)) for text in more.pop("purls", ()))
    return Rule(
        names=frozenset({name}),
        kinds=more.pop("kinds", ALL_KINDS),
        status=status,
        statement=more.pop("statement", "because"),
        source=more.pop("source", ".trivyignore"),
        targets=more.pop("targets", targets),
        **more,
    )


def taken(*rules, report=FULL):
    result = suppress(report, rules, TODAY)
    findings = len(report.findings) + len(report.unimportant)
    left = len(result.findings) + len(result.unimportant)
    vulnerabilities = [one for one in result.suppressed if isinstance(one.finding, samples.Finding)]
    assert left + len(vulnerabilities) == findings  # nothing is lost
    return result, [(one.finding.id, one.finding.component.name) for one in vulnerabilities]


def test_no_rule_changes_nothing():
    assert suppress(FULL, (), TODAY) == FULL
    assert suppress(FULL, (rule("cve-1999-1"),), TODAY) == FULL


def test_a_name_takes_all_packages_out():
    result, names = taken(rule("cve-2024-5535"))
    assert names == [("CVE-2024-5535", "libssl3"), ("CVE-2024-5535", "openssl")]
    assert {(one.status, one.statement, one.source) for one in result.suppressed} == {
        ("ignored", "because", ".trivyignore")
    }


def test_other_names_of_the_flaw_do_too():
    assert len(taken(rule("dsa-5764-1"))[1]) == 2
    assert len(taken(rule("debian-cve-2024-5535"))[1]) == 2


def test_a_package_is_meant_by_its_purl():
    assert taken(rule("cve-2024-5535", purls=["pkg:deb/debian/openssl"]))[1] == [("CVE-2024-5535", "openssl")]
    assert taken(rule("cve-2024-5535", purls=["pkg:deb/debian/openssl@1"]))[1] == []


def test_a_path_is_meant_by_a_glob():
    found = rule("cve-2019-10744", paths=("srv/app/node_modules/grunt/**",))
    result, names = taken(found)
    assert names == [("CVE-2019-10744", "lodash")]
    assert b"grunt" in result.suppressed[0].finding.component.locations[0]


def test_all_places_of_a_package_have_to_be_meant():
    twice = replace(samples.LODASH, locations=(b"a/package.json", b"b/package.json"))
    report = replace(FULL, findings=(samples.finding(twice, "CVE-1", samples.Severity.LOW),))
    assert taken(rule("cve-1", paths=("a/*",)), report=report)[1] == []
    assert taken(rule("cve-1", paths=("a/*", "b/*")), report=report)[1] == [("CVE-1", "lodash")]


def test_what_has_expired_counts_no_longer():
    old = rule("cve-2024-5535", expires=TODAY)
    assert taken(old)[1] == []
    assert len(taken(replace(old, expires=date(2026, 11, 24)))[1]) == 2
    assert expired([old, rule("x"), replace(old, source="b")], TODAY) == {".trivyignore": 1, "b": 1}


def test_rules_of_one_kind_leave_others_alone():
    assert taken(rule("cve-2024-5535", kinds=frozenset({"secret"})))[1] == []


def test_unimportant_flaws_are_taken_out_too():
    flaw = samples.finding(samples.OPENSSL, "CVE-2007-6755", samples.Severity.LOW)
    report = replace(FULL, unimportant=(flaw,))
    result, names = taken(rule("cve-2007-6755"), report=report)
    assert (result.unimportant, names) == ((), [("CVE-2007-6755", "openssl")])


def vex(status, said, **more):
    return rule("cve-2024-5535", status, said=said, source="vex.json", purls=["pkg:deb/debian/openssl"], **more)


@pytest.mark.parametrize(
    ("rules", "status"),
    [
        ([vex("not_affected", "2024")], "not_affected"),
        ([vex("fixed", "2024")], "fixed"),
        ([vex("affected", "2024")], None),
        ([vex("under_investigation", "2024")], None),
        ([vex("not_affected", "2024"), vex("affected", "2025")], None),
        ([vex("not_affected", "2025"), vex("affected", "2024")], "not_affected"),
        ([vex("affected", "2024"), vex("fixed", "2024")], "fixed"),
        ([vex("affected", "2025"), rule("cve-2024-5535", purls=["pkg:deb/debian/openssl"])], "ignored"),
    ],
)
def test_the_latest_statement_counts(rules, status):
    result, names = taken(*rules)
    assert [one.status for one in result.suppressed] == ([status] if status else [])
    assert names == ([("CVE-2024-5535", "openssl")] if status else [])


@pytest.mark.parametrize(
    ("image", "means"),
    [
        (IMAGE, True),
        (f"{IMAGE}@{DIGEST}", True),
        (f"{IMAGE}@sha256%3A{'9' * 64}", False),
        ("pkg:oci/other", False),
        ("pkg:docker/planted", False),
        (f"{IMAGE}?repository_url=127.0.0.1:5000", True),
        (f"{IMAGE}?repository_url=127.0.0.1%3A5000%2Fplanted", True),
        (f"{IMAGE}?repository_url=docker.io/library", False),
        (f"{IMAGE}?tag=v6&arch=amd64", True),
        (f"{IMAGE}?tag=v5", False),
        (f"{IMAGE}?arch=arm64", False),
        ("127.0.0.1:5000/planted:v6", True),
        (samples.digest("a"), True),
        ("somebody/else:1", False),
    ],
)
def test_an_image_is_meant_by_its_names(image, means):
    package = parse_purl("pkg:deb/debian/openssl")
    found = rule("cve-2024-5535", "not_affected", targets=(Target(image=image, package=package),))
    assert taken(found)[1] == ([("CVE-2024-5535", "openssl")] if means else [])
    whole = rule("cve-2024-5535", "not_affected", targets=(Target(image=image),))
    assert len(taken(whole)[1]) == (2 if means else 0)


def test_places_of_a_secret_are_taken_out_one_by_one():
    result = suppress(FULL, (rule("aws-access-key-id", paths=("srv/app/backup/*",)),), TODAY)
    assert [place.path for place in result.secrets[0].places] == [b"srv/app/.env", b""]
    (one,) = result.suppressed
    assert [place.path for place in one.finding.places] == [b"srv/app/backup/.env"]
    gone = suppress(FULL, (rule("AWS-access-key-id".casefold()),), TODAY)
    assert gone.secrets == (samples.PRIVATE_KEY,)
    assert len(gone.suppressed[0].finding.places) == 3


def test_places_of_a_check_are_taken_out_one_by_one():
    result = suppress(FULL, (rule("rs-fs-001", paths=("**/tool-[0]", "usr/local/bin/tool-1")),), TODAY)
    assert (result.misconfigurations[1].count, len(result.misconfigurations[1].evidence)) == (13, 5)
    assert result.suppressed[0].finding.count == 1
    alias = suppress(FULL, (rule("avd-ds-0002"),), TODAY)
    assert alias.misconfigurations == (samples.SETUID,)
    assert alias.suppressed[0].finding == samples.ROOT_USER


def test_the_message_counts_the_places_that_stay():
    said = {check.id: check for check in CATALOGUE}["RS-FS-001"].message
    check = replace(samples.SETUID, count=2, evidence=samples.SETUID.evidence[:2], message=phrase(said, 2))
    first = check.evidence[0].path.decode()
    result = suppress(replace(FULL, misconfigurations=(check,)), (rule("rs-fs-001", paths=(first,)),), TODAY)
    messages = [result.misconfigurations[0].message, result.suppressed[0].finding.message]
    assert messages == [phrase(said, 1)] * 2
    own = replace(check, message="2 of ours")
    result = suppress(replace(FULL, misconfigurations=(own,)), (rule("rs-fs-001", paths=(first,)),), TODAY)
    assert result.misconfigurations[0].message == "2 of ours"


def test_a_check_stays_for_places_that_nobody_sees():
    result = suppress(FULL, (rule("rs-fs-001", paths=("usr/local/bin/*",)),), TODAY)
    assert (result.misconfigurations[1].count, result.misconfigurations[1].evidence) == (8, ())
    few = replace(samples.SETUID, count=6)
    gone = suppress(replace(FULL, misconfigurations=(few,)), (rule("rs-fs-001", paths=("usr/local/bin/*",)),), TODAY)
    assert gone.misconfigurations == ()


def test_what_is_exploited_is_told_though_it_is_suppressed():
    result = suppress(FULL, (rule("cve-2024-2961"),), TODAY)
    assert "Known to be exploited, but suppressed: CVE-2024-2961." in [text for text, _ in verdict(result)]
