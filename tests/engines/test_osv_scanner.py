"""OSV-Scanner's reports become our own values, and a missing database never looks clean."""

import json

import pytest
from tests.engines import expected
from tests.engines.fakes import output_of, recorded

from rafsight.analysis.inventory import Distribution, Ecosystem
from rafsight.engines.catalogue import engine_named
from rafsight.engines.engine import MalformedOutput
from rafsight.matching.finding import Status

OSV = engine_named("osv-scanner")
LOADED = "Loaded PyPI local db from /osv-db/PyPI/all.zip\nLoaded Debian local db from /osv-db/Debian/all.zip\n"


@pytest.fixture(scope="module")
def report():
    return OSV.read(output_of("osv-scanner", log="report.stderr.txt"))


def read(*entries, log=LOADED, image="", path="/var/lib/x", status=1):
    results = [{"source": {"path": path, "type": "os"}, "packages": list(entries)}]
    document = {"results": results, "image_metadata": {"os": image} if image else None}
    return OSV.read(output_of("osv-scanner", raw=json.dumps(document).encode(), words=log, status=status))


def entry(name="jinja2", ecosystem="PyPI", version="2.10", *records, **more):
    package = {"name": name, "version": version, "ecosystem": ecosystem, **more}
    return {"package": package, "vulnerabilities": list(records)}


def record(name, package="jinja2", ecosystem="PyPI", fixed="2.10.1", **more):
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    affected = {
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return {"schema_version": "1.7.3", "id": name, "modified": "2026-01-02T00:00:00Z", "affected": [affected], **more}


def test_findings(report):
    assert expected.findings_in(report) == expected.FINDINGS


def test_components(report):
    assert expected.packages_in(report, "deb") == expected.DEBS
    assert expected.packages_in(report, "npm") == expected.NODES
    assert expected.packages_in(report, "pypi") == expected.WHEELS
    assert len(report.inventory.components) == 10
    one = expected.component(report, "busybox-static")
    assert (one.source_name, one.locations) == ("busybox", (b"var/lib/dpkg/status",))
    assert expected.component(report, "lodash").source_name == ""


def test_what_a_finding_says(report):
    one = expected.finding(report, "CVE-2019-10744")
    assert one.aliases == one.advisories == ("GHSA-jf85-cpcp-j695",)
    assert one.component.name == "lodash"
    assert one.ratings


def test_the_distribution_and_no_gaps(report):
    assert report.inventory.distribution == Distribution(
        id="debian", version="12", name="Debian GNU/Linux 12 (bookworm)"
    )
    assert report.gaps == report.notes == ()
    assert report.database is not None
    assert report.database.built == ""


def test_no_database_at_all_does_not_look_clean():
    """It ends with 0, and reports nothing: only its log tells."""
    report = OSV.read(output_of("osv-scanner", "missing-database.json", "missing-database.txt", status=0))
    assert report.findings == ()
    assert ("no-advisories", "PyPI") in expected.reasons(report)


def test_no_database_at_all_as_newer_releases_end():
    """Since 2.6 with 127, and the same report."""
    missing = recorded("osv-scanner", "missing-database.txt").decode()
    why = "Error during extraction: (extracting as vulnmatch/osvlocal) unable to fetch OSV database\n"
    report = read(entry(), status=127, log=missing + why)
    assert expected.reasons(report) == [("no-advisories", "PyPI")]


def test_a_database_that_is_not_there_for_all_does_not_look_clean():
    """Of PyPI, too, only what comes before the first package of npm was matched."""
    report = OSV.read(output_of("osv-scanner", "partial-database.json", "partial-database.txt"))
    assert [one.id for one in report.findings] == ["CVE-2018-1000656", "CVE-2019-10906"]
    told = {gap.subject: gap.detail for gap in report.gaps}
    assert told == {
        "PyPI": "osv-scanner stopped before it had matched all packages",
        "npm": "osv-scanner has no database of this ecosystem here",
    }
    assert "--download-offline-databases" in report.notes[0]


def test_matching_that_fails_for_another_reason_does_not_look_clean():
    why = "Error during extraction: (extracting as vulnmatch/osvlocal) context deadline exceeded\n"
    assert expected.reasons(read(entry(), log=LOADED + why)) == [("no-advisories", "PyPI")]


def test_files_that_it_could_not_read():
    report = OSV.read(output_of("osv-scanner", "unread.json", "unread.txt", status=127))
    assert expected.packages_in(report, "deb") == {("zlib1g", "1:1.2.13")}
    assert expected.reasons(report) == [
        ("malformed", "lib/apk/db/installed"),
        ("malformed", "var/lib/rpm/rpmdb.sqlite"),
        ("malformed", "d/foo.egg"),
        ("malformed", "usr/lib/python3/x.dist-info/METADATA"),
    ]
    assert (
        report.gaps[2].detail
        == "osv-scanner (python/wheelegg) could not read it: zip.NewReader: zip: not a valid zip file"
    )


def test_a_long_word_about_a_file_is_cut():
    log = f"{LOADED}Error during extraction: (extracting as os/apk) a\x1b/b: {'x' * 10_000}\n"
    (gap,) = read(entry(), log=log).gaps
    assert gap.subject == "a\\x1b/b"
    assert len(gap.detail) == 300


def test_what_comes_after_a_missing_database_is_not_matched_either():
    """The same log, with the packages that `--all-packages` lists: Debian comes after npm, and has a database."""
    report = OSV.read(output_of("osv-scanner", "report.json", "partial-database.txt"))
    told = {gap.subject: gap.detail for gap in report.gaps}
    assert told == {
        "Debian": "osv-scanner did not come to this ecosystem",
        "PyPI": "osv-scanner stopped before it had matched all packages",
        "npm": "osv-scanner has no database of this ecosystem here",
    }


@pytest.mark.parametrize(
    "log", ["", "something else, in words that nobody knows\n", "not Loaded PyPI local db from x\n"]
)
def test_a_log_that_does_not_say_that_a_database_was_loaded(log):
    assert expected.reasons(read(entry(), log=log)) == [("no-advisories", "PyPI")]


def test_packages_of_no_ecosystem_need_no_database():
    report = read(entry("x", ""), log="")
    assert expected.component(report, "x").ecosystem is Ecosystem.GENERIC
    assert report.gaps == ()


def test_no_packages_do_not_look_clean():
    report = OSV.read(output_of("osv-scanner", raw=b"", status=128))
    assert expected.reasons(report) == [("no-packages", "image")]
    assert expected.reasons(OSV.read(output_of("osv-scanner", raw=b'{"results": null}'))) == [("no-packages", "image")]


@pytest.mark.parametrize("status", [0, 1])
def test_no_report_is_no_report(status):
    with pytest.raises(MalformedOutput):
        OSV.read(output_of("osv-scanner", raw=b"", status=status))


def test_records_that_are_aliases_are_one_finding():
    records = record("GHSA-1", aliases=["CVE-2099-0001"]), record("PYSEC-1", aliases=["CVE-2099-0001"])
    one = expected.finding(read(entry("jinja2", "PyPI", "2.10", *records)), "CVE-2099-0001")
    assert one.advisories == ("GHSA-1", "PYSEC-1")
    assert one.fixed_versions == ("2.10.1",)


def test_a_package_that_is_listed_twice_is_one_with_all_findings():
    twice = entry("jinja2", "PyPI", "2.10", record("GHSA-1")), entry("jinja2", "PyPI", "2.10", record("GHSA-2"))
    report = read(*twice)
    assert len(report.inventory.components) == 1
    assert [one.id for one in report.findings] == ["GHSA-1", "GHSA-2"]


def test_what_the_distribution_calls_unimportant_does_not_count():
    specific = {"ecosystem_specific": {"urgency": "unimportant"}}
    flaw = record("DEBIAN-CVE-2099-0001", "busybox", "Debian:12", fixed="", upstream=["CVE-2099-0001"])
    flaw["affected"][0] |= specific
    report = read(entry("busybox", "Debian:12", "1.35", flaw, os_package_name="busybox-static"))
    assert report.findings == ()
    assert [one.id for one in report.unimportant] == ["CVE-2099-0001"]


def test_a_flaw_without_a_fix():
    report = read(entry("jinja2", "PyPI", "2.10", record("GHSA-1", fixed="")))
    assert report.findings[0].status is Status.AFFECTED


@pytest.mark.parametrize(
    ("ecosystem", "kind", "identity", "version"),
    [
        ("Alpine:v3.20", Ecosystem.APK, "alpine", "3.20"),
        ("Ubuntu:24.04:LTS", Ecosystem.DEB, "ubuntu", "24.04"),
        ("Rocky Linux:9", Ecosystem.RPM, "rocky", "9"),
        ("Red Hat", Ecosystem.RPM, "rhel", ""),
    ],
)
def test_distributions(ecosystem, kind, identity, version):
    report = read(entry("x", ecosystem, "1"), image="Some 1")
    assert expected.component(report, "x").ecosystem is kind
    found = report.inventory.distribution
    assert (found.id, found.version, found.name) == (identity, version, "Some 1")


@pytest.mark.parametrize(
    ("ecosystem", "kind"),
    [("Go", Ecosystem.GOLANG), ("Maven", Ecosystem.MAVEN), ("crates.io", Ecosystem.CARGO), ("CRAN", Ecosystem.CRAN)],
)
def test_languages(ecosystem, kind):
    report = read(entry("x", ecosystem, "1"))
    assert expected.component(report, "x").ecosystem is kind
    assert report.inventory.distribution is None


@pytest.mark.parametrize(
    "vulnerability", [7, [], {"id": "GHSA-1", "affected": 7}, {"id": "x" * 10_000, "modified": "2026-01-02T00:00:00Z"}]
)
def test_records_that_are_none(vulnerability):
    with pytest.raises(MalformedOutput):
        read(entry("jinja2", "PyPI", "2.10", vulnerability))


@pytest.mark.parametrize(
    ("version", "package", "affected"),
    [
        ("not a version", "lodash", "lodash"),
        ("4.17.11", "lodash", "something-else"),
        ("9.0.0", "lodash", "lodash"),
    ],
    ids=["cannot be compared", "another package", "not affected"],
)
def test_what_the_engine_matched_is_found_though_its_record_does_not_say_why(version, package, affected):
    flaw = record("GHSA-1", affected, "npm", fixed="4.17.12")
    report = read(entry(package, "npm", version, flaw), log="Loaded npm local db from x\n")
    one = expected.finding(report, "GHSA-1")
    assert (one.fixed_versions, one.status) == ((), Status.AFFECTED)
    assert report.gaps == ()


def test_the_fix_is_that_of_the_range_that_a_version_lies_in():
    flaw = record("GHSA-1", "lodash", "npm", fixed="3.0.1")
    events = [{"introduced": "4.0.0"}, {"fixed": "4.17.12"}]
    flaw["affected"][0]["ranges"].append({"type": "SEMVER", "events": events})
    report = read(entry("lodash", "npm", "4.17.11", flaw), log="Loaded npm local db from x\n")
    assert report.findings[0].fixed_versions == ("4.17.12",)


def test_a_record_that_names_no_package():
    report = read(entry("jinja2", "PyPI", "2.10", {"id": "GHSA-1", "modified": "2026-01-02T00:00:00Z"}))
    assert [one.id for one in report.findings] == ["GHSA-1"]
