import pytest

from rafsight.base.severity import Severity
from rafsight.matching.cvss import CvssScore
from rafsight.matching.severity import Opinion, judge, severity_of_score, severity_of_word

HIGH_V3 = ("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H")
MEDIUM_V3 = ("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L")
CRITICAL_V4 = ("CVSS_V4", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N")


@pytest.mark.parametrize(
    ("version", "score", "severity"),
    [
        ("3.1", 0.0, Severity.UNKNOWN),
        ("3.1", 0.1, Severity.LOW),
        ("3.1", 3.9, Severity.LOW),
        ("3.0", 4.0, Severity.MEDIUM),
        ("4.0", 6.9, Severity.MEDIUM),
        ("4.0", 7.0, Severity.HIGH),
        ("3.1", 8.9, Severity.HIGH),
        ("3.1", 9.0, Severity.CRITICAL),
        ("2", 0.0, Severity.LOW),
        ("2", 3.9, Severity.LOW),
        ("2", 6.9, Severity.MEDIUM),
        ("2", 10.0, Severity.HIGH),
    ],
)
def test_scores_have_a_qualitative_severity(version, score, severity):
    assert severity_of_score(CvssScore(version=version, score=score)) == severity


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("MODERATE", Severity.MEDIUM),
        ("Critical", Severity.CRITICAL),
        ("Important", Severity.HIGH),
        ("negligible", Severity.LOW),
        ("unimportant", Severity.LOW),
        ("medium**", Severity.MEDIUM),
        ("not yet assigned", Severity.UNKNOWN),
        ("untriaged", Severity.UNKNOWN),
        ("end-of-life", Severity.UNKNOWN),
        ("", Severity.UNKNOWN),
    ],
)
def test_words_of_all_databases(word, severity):
    assert severity_of_word(word) == severity


def test_the_preferred_word_wins_over_scores_and_all_are_kept():
    verdict = judge(
        [
            Opinion(source="pypa", vectors=(CRITICAL_V4, HIGH_V3)),
            Opinion(source="ghsa", word="LOW", vectors=(MEDIUM_V3,)),
        ],
        preferred=("ghsa",),
    )
    assert (verdict.severity, verdict.source) == (Severity.LOW, "ghsa")
    assert [(rating.source, rating.version, rating.score) for rating in verdict.ratings] == [
        ("pypa", "4.0", 9.3),
        ("pypa", "3.1", 7.5),
        ("ghsa", "3.1", 5.3),
    ]
    assert verdict.vendor_severities == (("ghsa", Severity.LOW), ("pypa", Severity.CRITICAL))


def test_the_distributions_word_wins_for_its_packages():
    opinions = [Opinion(source="ghsa", word="CRITICAL"), Opinion(source="ubuntu", vectors=(HIGH_V3, ("Ubuntu", "low")))]
    assert judge(opinions, preferred=("ubuntu",)).severity == Severity.LOW


def test_another_word_comes_before_scores():
    verdict = judge(
        [Opinion(source="pypa", vectors=(HIGH_V3,)), Opinion(source="bitnami", word="Critical")], preferred=("ghsa",)
    )
    assert (verdict.severity, verdict.source) == (Severity.CRITICAL, "bitnami")


def test_a_score_counts_where_no_word_is_said_even_from_the_lowest_member():
    verdict = judge(
        [Opinion(source="debian", urgency="not yet assigned"), Opinion(source="debian", vectors=(HIGH_V3,))],
        preferred=("debian",),
    )
    assert (verdict.severity, verdict.source) == (Severity.HIGH, "debian")


def test_errata_say_their_severity_in_the_title():
    opinion = Opinion(source="alma", summary="Important: kernel security update")
    assert judge([opinion], preferred=("alma",)).severity == Severity.HIGH
    assert judge([Opinion(source="pypa", summary="Critical: mistake")], preferred=()).severity == Severity.UNKNOWN


def test_nobody_says_anything():
    verdict = judge(
        [Opinion(source="osv", vectors=(("CVSS_V3", "nonsense"), ("Ubuntu", "untriaged")))], preferred=("ghsa",)
    )
    assert (verdict.severity, verdict.source, verdict.ratings, verdict.vendor_severities) == (
        Severity.UNKNOWN,
        "",
        (),
        (),
    )


def test_a_vector_says_itself_which_version_it_is_of():
    (rating,) = judge([Opinion(source="x", vectors=(("CVSS_V4", HIGH_V3[1]),))], preferred=()).ratings
    assert rating.version == "3.1"
