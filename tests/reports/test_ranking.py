from dataclasses import replace

import pytest
from tests.reports import samples

from rafsight.base.severity import Severity
from rafsight.reports.ranking import describe_epss, finding_rank, rank_of
from rafsight.reports.rows import group_findings
from rafsight.reports.targets import targets_of


def test_severity_then_exploited_then_likely():
    ranks = [
        rank_of(Severity.CRITICAL, epss=0.01),
        rank_of(Severity.CRITICAL),
        rank_of(Severity.HIGH, known_exploited=True, epss=0.001),
        rank_of(Severity.HIGH, epss=0.9),
        rank_of(Severity.HIGH, epss=0.2),
        rank_of(Severity.HIGH, epss=0.0),
        rank_of(Severity.UNKNOWN, known_exploited=True),
    ]
    assert ranks == sorted(ranks)


def test_what_can_be_mended_comes_first_among_equals():
    fixed = samples.finding(samples.GIT, "CVE-2", Severity.LOW, ("2",))
    open_ = samples.finding(samples.GIT, "CVE-1", Severity.LOW)
    assert sorted([open_, fixed], key=finding_rank) == [fixed, open_]


def test_no_two_findings_are_equal():
    findings = samples.FULL.findings
    assert len({finding_rank(finding) for finding in findings}) == len(findings)


def test_rows_of_a_package_come_by_risk():
    likely = replace(samples.finding(samples.GIT, "CVE-9", Severity.LOW), epss=0.5)
    exploited = replace(samples.finding(samples.GIT, "CVE-8", Severity.LOW), known_exploited=True)
    plain = samples.finding(samples.GIT, "CVE-1", Severity.LOW)
    report = replace(samples.CLEAN, findings=(plain, likely, exploited))
    (group,) = group_findings(targets_of(report)[0])
    assert [row.id for row in group.rows] == ["CVE-8", "CVE-9", "CVE-1"]


@pytest.mark.parametrize(
    ("epss", "text"), [(None, ""), (0.94213, "94.2 %"), (0.00031, "< 0.1 %"), (0.0, "0.0 %"), (1.0, "100.0 %")]
)
def test_likelihood_in_words(epss, text):
    assert describe_epss(epss) == text
