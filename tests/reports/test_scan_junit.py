import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from tests.reports import samples
from tests.reports.every_report import REPORTS, TERMS
from tests.reports.test_check_junit import check_shape

from rafsight.analysis.inventory import LASTING_REASONS, Gap, GapReason
from rafsight.reports.formats import render

COUNTS = {
    "tests": "testcase",
    "failures": "testcase/failure",
    "errors": "testcase/error",
    "skipped": "testcase/skipped",
}


def suites_of(report):
    return list(ET.fromstring(render(report, "junit", TERMS)))


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_shape_and_numbers(report):
    root = ET.fromstring(render(report, "junit", TERMS))
    check_shape(root)
    for name, path in COUNTS.items():
        assert int(root.get(name)) == sum(len(suite.findall(path)) for suite in root)
        for suite in root:
            assert int(suite.get(name)) == len(suite.findall(path))
    findings = len(report.findings) + len(report.secrets) + len(report.misconfigurations)
    assert int(root.get("failures")) == findings
    lasting = sum(gap.reason in LASTING_REASONS for gap in report.gaps)
    assert int(root.get("skipped")) == len(report.suppressed) + lasting
    assert int(root.get("errors")) == len(report.gaps) - lasting


def test_what_every_scan_of_such_an_image_leaves_out_fails_no_pipeline():
    gap = Gap(reason=GapReason.OUT_OF_SIGHT, subject="lower layers", detail="they cannot be seen")
    root = ET.fromstring(render(replace(samples.CLEAN, gaps=(gap,)), "junit", TERMS))
    check_shape(root)
    assert (root.get("errors"), root.get("skipped")) == ("0", "1")
    assert root.find("testsuite/testcase/skipped").get("message") == "they cannot be seen"


def test_a_failure():
    (case,) = [case for case in suites_of(samples.FULL)[0] if case.get("name") == "[CRITICAL] CVE-2024-32002"]
    assert case.get("classname") == "git-1:2.39.2-1.1"
    failure = case.find("failure")
    assert failure.get("message") == "git: Recursive clones RCE"
    assert failure.text.splitlines()[0] == "git 1:2.39.2-1.1: fixed in 1:2.39.5-0+deb12u1"


def test_suites():
    names = [suite.get("name") for suite in suites_of(samples.FULL)]
    assert names == [
        "127.0.0.1:5000/planted:v6 (debian 12.7)",
        "Python",
        "Node.js",
        "Secrets",
        "Misconfiguration",
        "not looked at",
    ]
    checks = suites_of(samples.FULL)[4]
    assert checks.findall("testcase")[-1].get("name") == "35 checks passed"
    assert checks.find("testcase/skipped").get("message") == "ignored, says .rafsightignore"


def test_a_clean_target_passes():
    (case,) = suites_of(samples.CLEAN)[1].findall("testcase")
    assert (case.get("name"), len(case)) == ("4 packages without findings", 0)


def test_nothing_is_in_it_that_xml_does_not_have():
    text = render(samples.hostile_everywhere(), "junit", TERMS)
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", text)
