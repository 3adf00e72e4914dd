"""What came and what went between two reports."""

from dataclasses import replace

from tests.reports import samples

from rafsight.reports.changes import compare_reports

FULL = samples.FULL


def without(report, *indexes):
    return replace(report, findings=tuple(one for index, one in enumerate(report.findings) if index not in indexes))


def test_the_same_report_has_no_changes():
    changes = compare_reports(FULL, FULL)
    assert changes.added == changes.removed == ()


def test_what_came_and_what_went_the_worst_first():
    changes = compare_reports(without(FULL, 0, 1, 2), without(FULL, 3))
    assert changes.added == tuple(
        sorted(FULL.findings[:3], key=lambda one: (not one.known_exploited, -one.severity, one.id, one.component.name))
    )
    assert changes.removed == FULL.findings[3:4]


def test_another_name_of_a_flaw_is_no_change():
    first = replace(FULL.findings[0], known_exploited=False)
    renamed = replace(first, id="GHSA-new", aliases=(first.id,))
    changes = compare_reports(replace(FULL, findings=(first,)), replace(FULL, findings=(renamed,)))
    assert changes.added == changes.removed == ()


def test_the_same_flaw_in_another_version_is_a_change():
    first = FULL.findings[0]
    newer = replace(first, component=replace(first.component, version="999"))
    changes = compare_reports(replace(FULL, findings=(first,)), replace(FULL, findings=(newer,)))
    assert (changes.added, changes.removed) == ((newer,), (first,))


def test_a_flaw_that_is_exploited_now_is_new():
    first = replace(FULL.findings[0], known_exploited=False)
    hot = replace(first, known_exploited=True)
    changes = compare_reports(replace(FULL, findings=(first,)), replace(FULL, findings=(hot,)))
    assert (changes.added, changes.removed) == ((hot,), ())
    back = compare_reports(replace(FULL, findings=(hot,)), replace(FULL, findings=(first,)))
    assert back.added == back.removed == ()
