"""A report against newer advisories: as if the image had been scanned again, without its registry."""

from dataclasses import replace

import pytest
from tests.matching.support import make_database, record
from tests.reports import samples
from tests.views.slim.images import write_image

import rafsight
from rafsight.access.options import Options
from rafsight.analysis.inventory import Gap, GapReason
from rafsight.reports.document import EngineFacts
from rafsight.verbs.scan.rematch import NotMatchable, match_again

PYTHON = b"Metadata-Version: 2.1\nName: %s\nVersion: 1.0\n\n"
SITE = "usr/lib/python3/dist-packages"
FILES = {
    "etc/os-release": b"ID=strange\nVERSION_ID=1\n",
    "var/lib/dpkg/status": b"Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n",
    f"{SITE}/alpha-1.0.dist-info/METADATA": PYTHON % b"alpha",
    f"{SITE}/beta-1.0.dist-info/METADATA": PYTHON % b"beta",
    "etc/passwd": b"root::0:0::/:/bin/sh\n",
}


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    known = record("PYSEC-1", package="alpha")
    old, new = tmp_path_factory.mktemp("old"), tmp_path_factory.mktemp("new")
    return make_database(old, [known]), make_database(new, [record("PYSEC-2", package="beta")])


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    write_image(folder, FILES)
    return f"oci:{folder}"


def scan(image, database, **more):
    return rafsight.scan_reference(image, database=database, options=Options(platform="linux/amd64"), **more)


def timeless(report):
    return replace(report, started="", seconds=0.0, cost=None)


@pytest.mark.parametrize("scanners", [("vuln",), ("vuln", "misconfig", "secret")])
def test_it_is_what_a_new_scan_says(image, databases, scanners):
    old, new = databases
    report = scan(image, old, scanners=scanners)
    assert {gap.reason for gap in report.gaps} >= {GapReason.UNKNOWN_DISTRIBUTION}
    again = match_again(report, database=new)
    expected = scan(image, new, scanners=scanners)
    assert [finding.id for finding in again.findings] == ["PYSEC-2"]
    assert sorted(again.gaps, key=str) == sorted(expected.gaps, key=str)
    assert timeless(replace(again, gaps=())) == timeless(replace(expected, gaps=()))
    assert (again.started, again.seconds, again.cost) == (report.started, report.seconds, report.cost)


def test_the_same_database_says_the_same(image, databases):
    report = scan(image, databases[0])
    assert match_again(report, database=databases[0]) == report
    assert match_again(match_again(report, database=databases[1]), database=databases[0]) == report


def test_a_report_without_advisories_gets_some(image, databases):
    report = scan(image, None)
    assert report.database is None
    again = match_again(report, database=databases[0])
    assert [finding.id for finding in again.findings] == ["PYSEC-1"]
    assert again.database.digest


def test_gaps_that_no_database_has_stay(image, databases):
    gap = Gap(reason=GapReason.UNREADABLE, subject="x", detail="It could not be had.")
    report = replace(scan(image, databases[0]), gaps=(gap,))
    assert gap in match_again(report, database=databases[1]).gaps


def test_what_was_not_matched_here_is_refused(databases):
    engine = EngineFacts(name="trivy", version="1", view="slim archive")
    with pytest.raises(NotMatchable, match="trivy"):
        match_again(replace(samples.FULL, engine=engine), database=databases[0])
    with pytest.raises(NotMatchable, match="not looked for"):
        match_again(replace(samples.FULL, scanners=("secret",)), database=databases[0])


def test_a_scanner_without_a_database_leaves_a_report_as_it_is():
    assert rafsight.Scanner(database=None).match_again(samples.FULL) is samples.FULL
