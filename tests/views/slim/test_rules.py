"""The table of rules is sound, and each scanner has one line in it."""

import pytest

from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli.export import SCANNERS
from rafsight.views.slim.rules import SLIM_RULES, NoSuchRules, rules_for


def test_the_command_names_the_scanners_of_the_table():
    assert sorted(SCANNERS) == sorted(rules.name for rules in SLIM_RULES)
    assert [rules_for(rules.name) for rules in SLIM_RULES] == list(SLIM_RULES)


def test_others_are_refused():
    with pytest.raises(NoSuchRules) as caught:
        rules_for("snyk")
    assert caught.value.exit_status == ExitStatus.USAGE
    assert "trivy, grype, syft, osv-scanner" in caught.value.advice


def test_all_scanners_together_are_shown_what_any_of_them_looks_at():
    every = rules_for("all")
    for rules in SLIM_RULES:
        assert set(rules.patterns) <= set(every.patterns)
        assert set(rules.programs.names) <= set(every.programs.names)
        assert rules.programs.sections <= every.programs.sections
        assert set(every.except_for) <= set(rules.except_for)
    assert every.follows_links
    assert every.programs.keeps_appended


@pytest.mark.parametrize("rules", SLIM_RULES, ids=lambda rules: rules.name)
def test_patterns_are_paths(rules):
    for pattern in (*rules.patterns, *rules.except_for, *rules.programs.names):
        parts = pattern.split(b"/")
        assert b"" not in parts
        assert parts[-1] != b"**"
        assert all(part == b"**" or b"**" not in part for part in parts)
        assert pattern.count(b"/**/") <= 1
    assert len(set(rules.patterns)) == len(rules.patterns), [p for p in rules.patterns if rules.patterns.count(p) > 1]
    assert b".go.buildinfo" in rules.programs.sections
