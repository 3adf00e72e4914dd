from dataclasses import replace

import pytest
from tests.reports import samples

from rafsight.reports.verdict import found_in_words, joined, verdict

SECRETS = replace(samples.CLEAN, scanners=("secret",), database=None)
ALL = replace(samples.CLEAN, scanners=("vuln", "secret", "misconfig"))


@pytest.mark.parametrize(
    ("report", "headline"),
    [
        (samples.FULL, "18 vulnerabilities, 2 secrets and 2 misconfigurations found."),
        (samples.PLANTED, "18 vulnerabilities found."),
        (replace(SECRETS, secrets=(samples.AWS_KEY,)), "1 secret found."),
        (SECRETS, "No secrets found."),
        (ALL, "No vulnerabilities, secrets or misconfigurations found."),
        (
            replace(ALL, gaps=samples.GAPS),
            "No vulnerabilities, secrets or misconfigurations found in what was looked at.",
        ),
        (replace(ALL, hidden_count=2), "No vulnerability, secret or misconfiguration passes the filters."),
        (
            replace(ALL, suppressed=samples.SUPPRESSED),
            "No vulnerabilities, secrets or misconfigurations found but those that are suppressed.",
        ),
        (replace(ALL, database=None), "Vulnerabilities were not looked for: no advisory database was asked."),
        (samples.CLEAN, "No vulnerabilities found."),
    ],
)
def test_headline(report, headline):
    assert verdict(report)[0][0] == headline


MENDED = replace(samples.FULL.findings[0], fixed_versions=("2.0",))
UNMENDED = replace(samples.FULL.findings[0], fixed_versions=())


@pytest.mark.parametrize(
    ("findings", "told"),
    [
        ((), None),
        ((MENDED,), "An update mends the vulnerability."),
        ((MENDED, MENDED), "Updates mend all 2 vulnerabilities."),
        ((MENDED, UNMENDED, UNMENDED), "Updates mend 1 of the 3 vulnerabilities."),
        ((UNMENDED,), "No update mends the vulnerability yet."),
        ((UNMENDED, UNMENDED), "No update mends the vulnerabilities yet."),
    ],
)
def test_what_updates_mend_is_told(findings, told):
    sentences = [text for text, _ in verdict(replace(samples.CLEAN, findings=findings)) if "mend" in text]
    assert sentences == ([] if told is None else [told])


def test_what_was_suppressed_is_told():
    told = [text for text, _ in verdict(samples.FULL)]
    assert (
        "4 more are suppressed by .rafsightignore, .trivyignore and app.openvex.json (3 ignored, 1 not affected)."
        in told
    )
    one = [text for text, _ in verdict(replace(samples.CLEAN, suppressed=samples.SUPPRESSED[:1]))]
    assert "1 more is suppressed by .trivyignore (1 ignored)." in one


def test_lists_in_words():
    assert [joined(words, "and") for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
    assert found_in_words(samples.CLEAN) == ""
