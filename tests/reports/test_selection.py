from dataclasses import replace

import pytest
from tests.reports import samples

from rafsight.base.errors import ExitStatus
from rafsight.base.severity import Severity
from rafsight.reports.selection import count_severities, counts_for_exit, filter_findings, is_complete, listed_findings
from rafsight.reports.severities import UnknownSeverity, parse_severities


def test_totals():
    totals = count_severities(samples.PLANTED.findings)
    assert (totals.critical, totals.high, totals.medium, totals.low, totals.unknown) == (6, 5, 3, 2, 2)
    assert totals.total == 18 == sum(totals.of(severity) for severity in Severity)


def test_severity_filter_keeps_order_and_gaps_and_counts_the_rest():
    filtered = filter_findings(samples.PLANTED, severities=frozenset({Severity.HIGH, Severity.LOW}))
    assert {finding.severity for finding in filtered.findings} == {Severity.HIGH, Severity.LOW}
    assert [finding for finding in samples.PLANTED.findings if finding in filtered.findings] == list(filtered.findings)
    assert filtered.hidden_count == 11
    assert filtered.gaps == samples.PLANTED.gaps


def test_unfixed_are_left_out_on_demand():
    filtered = filter_findings(samples.PLANTED, ignore_unfixed=True)
    assert all(finding.fixed_versions for finding in filtered.findings)
    assert filtered.hidden_count == 3


def test_filters_add_up():
    once = filter_findings(samples.PLANTED, severities=frozenset({Severity.LOW, Severity.CRITICAL}))
    twice = filter_findings(once, ignore_unfixed=True)
    assert twice.hidden_count + len(twice.findings) == len(samples.PLANTED.findings)


def test_exploited_flaws_that_are_left_out_are_remembered():
    once = filter_findings(samples.PLANTED, severities=frozenset({Severity.LOW, Severity.MEDIUM}))
    assert once.hidden_exploited == ("CVE-2024-2961",)
    assert filter_findings(once, severities=frozenset()).hidden_exploited == ("CVE-2024-2961",)
    assert filter_findings(samples.PLANTED, ignore_unfixed=True).hidden_exploited == ()


def test_unimportant_flaws_pass_the_filters_too_before_they_are_listed():
    low = samples.finding(samples.OPENSSL, "CVE-2007-6755", Severity.LOW)
    high = samples.finding(samples.OPENSSL, "CVE-2007-6756", Severity.HIGH)
    report = replace(samples.CLEAN, unimportant=(low, high))
    silent = filter_findings(report, severities=frozenset({Severity.HIGH}))
    assert (silent.unimportant, listed_findings(silent), silent.hidden_count) == ((low, high), (), 0)
    shown = filter_findings(report, severities=frozenset({Severity.HIGH}), show_unimportant=True)
    assert (shown.findings, listed_findings(shown), shown.hidden_count) == ((), (high,), 1)


def test_no_filter_changes_nothing():
    assert filter_findings(samples.PLANTED) == samples.PLANTED


def test_complete_means_no_gap_and_a_database():
    assert is_complete(samples.CLEAN)
    assert not is_complete(samples.CLEAN_WITH_GAPS)
    assert not is_complete(samples.WITHOUT_DATABASE)


def test_a_database_is_not_needed_to_look_for_secrets():
    assert is_complete(replace(samples.WITHOUT_DATABASE, scanners=("secret", "misconfig")))


def test_severities_choose_secrets_and_checks_too():
    high = filter_findings(samples.FULL, severities=frozenset({Severity.HIGH}))
    assert high.secrets == (samples.PRIVATE_KEY,)
    assert high.misconfigurations == (samples.ROOT_USER,)
    kept = [finding for finding in samples.FULL.findings if finding.severity is Severity.HIGH]
    assert high.hidden_count == len(samples.FULL.findings) - len(kept) + 2
    fixable = filter_findings(samples.FULL, ignore_unfixed=True)
    assert (fixable.secrets, fixable.misconfigurations) == (samples.FULL.secrets, samples.FULL.misconfigurations)


def test_what_counts_for_the_exit_status():
    headers = samples.finding(samples.OPENSSL, "CVE-2024-1", Severity.LOW, kernel_headers=True)
    assert not counts_for_exit(replace(samples.CLEAN, findings=(headers,)))
    assert not counts_for_exit(replace(samples.CLEAN, suppressed=samples.SUPPRESSED))
    assert counts_for_exit(replace(samples.CLEAN, secrets=(samples.PRIVATE_KEY,)))
    assert counts_for_exit(replace(samples.CLEAN, misconfigurations=(samples.ROOT_USER,)))
    assert counts_for_exit(samples.PLANTED)


def test_severities_are_read_in_any_case():
    assert parse_severities("high, Critical") == {Severity.HIGH, Severity.CRITICAL}


@pytest.mark.parametrize("text", ["", "HIGH,", "SEVERE", "HIGH;LOW", "\x1b[31m"])
def test_other_words_are_refused(text):
    with pytest.raises(UnknownSeverity) as caught:
        parse_severities(text)
    assert caught.value.exit_status == ExitStatus.USAGE
    assert str(caught.value).isprintable()


def test_a_wrong_word_is_said_as_it_was_typed():
    with pytest.raises(UnknownSeverity, match="'banana' is not a severity"):
        parse_severities("high, banana")
