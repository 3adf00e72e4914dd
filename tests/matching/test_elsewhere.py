import pytest
from tests.matching.support import NOW, component, distribution, make_database, match_in, record, write_records

from rafsight.base.severity import Severity
from rafsight.verbs.advisories import Advisories

CVE = "CVE-2023-4863"
HIGH = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H"}]
BOOKWORM = distribution("debian", "12")


def debian(**more):
    entry = {"ecosystem_specific": {"urgency": more.pop("urgency", "not yet assigned")}}
    return record(f"DEBIAN-{CVE}", "Debian:12", "libwebp", upstream=[CVE], entry=entry, **more)


def finding_of(database):
    (finding,) = match_in(database, component("deb", "libwebp", "1.0"), system=BOOKWORM).findings
    return finding


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (record("GHSA-1", "npm", "electron", aliases=[CVE], database_specific={"severity": "HIGH"}), "ghsa"),
        (record("GHSA-1", "npm", "electron", aliases=[CVE], severity=HIGH), "ghsa"),
        (record("GHSA-1", "npm", "electron", aliases=[CVE], entry={"severity": HIGH}), "ghsa"),
        (record(CVE, "npm", "electron", severity=HIGH), "osv"),
        (
            record(f"UBUNTU-{CVE}", "Ubuntu:22.04", upstream=[CVE], severity=[{"type": "Ubuntu", "score": "high"}]),
            "ubuntu",
        ),
    ],
)
def test_a_record_about_another_package_rates_a_flaw_that_nobody_else_rates(tmp_path, other, expected):
    finding = finding_of(make_database(tmp_path, [debian(), other]))
    assert (finding.severity, finding.severity_source) == (Severity.HIGH, expected)
    assert finding.advisories == (f"DEBIAN-{CVE}",)


def test_the_vendors_own_word_is_never_overridden(tmp_path):
    other = record("GHSA-1", "npm", aliases=[CVE], severity=HIGH, database_specific={"severity": "CRITICAL"})
    finding = finding_of(make_database(tmp_path, [debian(urgency="low"), other]))
    assert (finding.severity, finding.severity_source, finding.ratings) == (Severity.LOW, "debian", ())


@pytest.mark.parametrize(
    "other",
    [
        record("GHSA-1", "npm", aliases=["CVE-2023-4864"], severity=HIGH),
        record("GHSA-1", "npm", related=[CVE], severity=HIGH),
        record("GHSA-1", "npm", upstream=[CVE, "CVE-2023-4864"], severity=HIGH),
        record("USN-1-1", "Ubuntu:22.04", aliases=[CVE], severity=HIGH),
        record("GHSA-1", "npm", aliases=[CVE], severity=HIGH, withdrawn="2024-01-01T00:00:00Z"),
        record("GHSA-1", "npm", aliases=[CVE], database_specific={"severity": "none"}),
    ],
)
def test_what_is_not_about_this_flaw_does_not_rate_it(tmp_path, other):
    finding = finding_of(make_database(tmp_path, [debian(), other]))
    assert (finding.severity, finding.severity_source) == (Severity.UNKNOWN, "")


def test_ratings_outlive_other_imports_and_leave_with_their_record(tmp_path):
    database = make_database(tmp_path, [debian()])
    place = write_records(tmp_path / "more", [record("GHSA-1", "npm", aliases=[CVE], severity=HIGH)])
    Advisories(database, now=NOW).take([place])
    Advisories(database, now=NOW).take([write_records(tmp_path / "third", [record("P-1")])])
    assert finding_of(database).severity == Severity.HIGH
    (place / "0000.json").unlink()
    write_records(place, [record("GHSA-2", "npm")])
    Advisories(database, now=NOW).take([place])
    assert finding_of(database).severity == Severity.UNKNOWN


def test_a_title_comes_from_another_record_of_the_flaw(tmp_path):
    alias = record("GHSA-1", events=[{"introduced": "5.0"}, {"fixed": "6.0"}], summary="Removal of a root certificate")
    own = record("PYSEC-1", details="Certifi is a curated collection. It trusts one too many.", aliases=["GHSA-1"])
    (finding,) = match_in(make_database(tmp_path, [own, alias]), component("pypi", "demo", "1.0")).findings
    assert finding.title == "Removal of a root certificate"
    assert finding.advisories == ("PYSEC-1",)


def test_a_title_of_its_own_comes_first(tmp_path):
    alias = record("GHSA-1", events=[{"introduced": "5.0"}, {"fixed": "6.0"}], summary="Another")
    own = record("PYSEC-1", summary="Own", aliases=["GHSA-1"])
    (finding,) = match_in(make_database(tmp_path, [own, alias]), component("pypi", "demo", "1.0")).findings
    assert finding.title == "Own"
