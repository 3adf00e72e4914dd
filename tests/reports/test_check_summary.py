import pytest
from tests.reports import check_samples as samples

from rafsight.base.errors import ExitStatus
from rafsight.formats.judge import Weight
from rafsight.reports.check_summary import (
    Outcome,
    all_steps,
    by_rule,
    count_places,
    exit_status,
    outcome_of,
    strictly,
)
from rafsight.reports.soundness import Verdict


@pytest.mark.parametrize(
    ("report", "verdict", "status", "strict"),
    [
        (samples.SOUND, Verdict.SOUND, 0, 0),
        (samples.SOUND_WITH_WARNING, Verdict.SOUND, 0, ExitStatus.DAMAGED),
        (samples.UNSOUND, Verdict.UNSOUND, ExitStatus.DAMAGED, ExitStatus.DAMAGED),
        (samples.ONE_ERROR, Verdict.UNSOUND, ExitStatus.DAMAGED, ExitStatus.DAMAGED),
        (samples.UNCHECKED, Verdict.UNKNOWN, ExitStatus.INCOMPLETE, ExitStatus.INCOMPLETE),
        (samples.NOT_KNOWN, Verdict.UNKNOWN, ExitStatus.INCOMPLETE, ExitStatus.DAMAGED),
    ],
)
def test_verdicts_and_their_status(report, verdict, status, strict):
    assert report.verdict is verdict
    assert exit_status(report) == status
    assert exit_status(strictly(report)) == strict


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        (samples.STEPS[0], Outcome.SOUND),
        (samples.STEPS[-1], Outcome.SKIPPED),
        (samples.WARNED, Outcome.ODD),
        (samples.BROKEN, Outcome.BROKEN),
        (samples.UNASKED, Outcome.UNKNOWN),
        (samples.UNKNOWN_KIND, Outcome.UNKNOWN),
    ],
)
def test_a_step_comes_to_the_worst_that_is_true_of_it(step, outcome):
    assert outcome_of(step) is outcome


def test_rules_are_grouped_with_errors_first():
    grouped = by_rule(samples.BROKEN)
    assert [(one.rule.code, one.count, len(one.examples)) for one in grouped] == [
        ("bootstrap-stored-size", 1, 1),
        ("bootstrap-member", 1, 1),
    ]
    (many,) = by_rule(samples.directories(4321))
    assert (many.count, len(many.examples)) == (4321, 100)


def test_places_are_counted_though_they_were_not_kept():
    steps = list(all_steps(samples.UNSOUND.images))
    assert count_places(steps, Weight.BROKEN) == 4321 + 2
    assert count_places(steps, Weight.ODD) == 2
    assert count_places(steps, Weight.UNKNOWN) == 0
